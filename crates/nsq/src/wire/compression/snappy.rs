//! Snappy's framing format: a stream identifier, then chunks of at most 64 KiB with checksums.
//!
//! Each chunk is a type byte, a little-endian length of three bytes, and for data a masked CRC-32C of
//! what it decompresses to.

use bytes::{Buf, BufMut, BytesMut};

use super::Corrupt;

const IDENTIFIER: &[u8] = b"\xff\x06\x00\x00sNaPpY";
const COMPRESSED: u8 = 0x00;
const PLAIN: u8 = 0x01;
/// Types from here on may be skipped, except for the identifier.
const SKIPPABLE: u8 = 0x80;
const IDENTIFY: u8 = 0xff;

/// Most bytes of a chunk before compression.
const CHUNK_BYTES_MAX: usize = 65_536;
const HEAD_BYTES: usize = 4;
const CHECKSUM_BYTES: usize = 4;

pub struct Encoder {
    begun: bool,
    compressor: snap::raw::Encoder,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { begun: false, compressor: snap::raw::Encoder::new() }
    }
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("begun", &self.begun).finish_non_exhaustive()
    }
}

impl Encoder {
    pub(super) fn encode(&mut self, plain: &[u8], out: &mut BytesMut) {
        if !std::mem::replace(&mut self.begun, true) {
            out.extend_from_slice(IDENTIFIER);
        }
        for piece in plain.chunks(CHUNK_BYTES_MAX) {
            let head = out.len();
            let body = head + HEAD_BYTES + CHECKSUM_BYTES;
            out.resize(body + snap::raw::max_compress_len(piece.len()), 0);
            let packed = self
                .compressor
                .compress(piece, &mut out[body..])
                .expect("there is room for the largest outcome");
            // What saves less than an eighth is not worth the reader's work.
            let (kind, bytes) = if packed >= piece.len() - piece.len() / 8 {
                out[body..body + piece.len()].copy_from_slice(piece);
                (PLAIN, piece.len())
            } else {
                (COMPRESSED, packed)
            };
            out.truncate(body + bytes);
            let length = u32::try_from(CHECKSUM_BYTES + bytes).expect("chunks are small").to_le_bytes();
            out[head] = kind;
            out[head + 1..head + HEAD_BYTES].copy_from_slice(&length[..3]);
            out[head + HEAD_BYTES..body].copy_from_slice(&checksum(piece).to_le_bytes());
        }
    }
}

pub struct Decoder {
    begun: bool,
    /// Bytes of a skipped chunk that have not arrived yet.
    skip: usize,
    decompressor: snap::raw::Decoder,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { begun: false, skip: 0, decompressor: snap::raw::Decoder::new() }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("begun", &self.begun)
            .field("skip", &self.skip)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    pub(super) fn decode(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        enough: usize,
    ) -> Result<(), Corrupt> {
        while plain.len() < enough {
            let skipped = self.skip.min(input.len());
            input.advance(skipped);
            self.skip -= skipped;
            let Some(&[kind, low, middle, high]) = input.first_chunk() else { return Ok(()) };
            let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
            if !self.begun && kind != IDENTIFY {
                return Err(Corrupt("a snappy stream that does not say that it is one"));
            }
            match kind {
                COMPRESSED | PLAIN => {
                    let most = CHECKSUM_BYTES + snap::raw::max_compress_len(CHUNK_BYTES_MAX);
                    if !(CHECKSUM_BYTES..=most).contains(&length) {
                        return Err(Corrupt("a snappy chunk of a size that cannot be"));
                    }
                    let Some(chunk) = input.get(HEAD_BYTES..HEAD_BYTES + length) else { return Ok(()) };
                    self.read_chunk(kind, chunk, plain)?;
                    input.advance(HEAD_BYTES + length);
                }
                IDENTIFY => {
                    let Some(identifier) = input.get(..IDENTIFIER.len()) else { return Ok(()) };
                    if identifier != IDENTIFIER {
                        return Err(Corrupt("a snappy stream of another kind"));
                    }
                    self.begun = true;
                    input.advance(IDENTIFIER.len());
                }
                SKIPPABLE.. => {
                    input.advance(HEAD_BYTES);
                    self.skip = length;
                }
                _ => return Err(Corrupt("a snappy chunk of an unknown kind")),
            }
        }
        Ok(())
    }

    fn read_chunk(&mut self, kind: u8, chunk: &[u8], plain: &mut BytesMut) -> Result<(), Corrupt> {
        let (mut sum, data) = chunk.split_at(CHECKSUM_BYTES);
        let at = plain.len();
        if kind == PLAIN {
            if data.len() > CHUNK_BYTES_MAX {
                return Err(Corrupt("a snappy chunk that is too large"));
            }
            plain.put_slice(data);
        } else {
            let bytes = snap::raw::decompress_len(data).map_err(|_| Corrupt("a broken snappy chunk"))?;
            if bytes > CHUNK_BYTES_MAX {
                return Err(Corrupt("a snappy chunk that becomes too large"));
            }
            plain.resize(at + bytes, 0);
            self.decompressor
                .decompress(data, &mut plain[at..])
                .map_err(|_| Corrupt("a broken snappy chunk"))?;
        }
        if checksum(&plain[at..]) != sum.get_u32_le() {
            return Err(Corrupt("a snappy chunk whose checksum is wrong"));
        }
        Ok(())
    }
}

/// CRC-32C, masked as the format wants it.
fn checksum(plain: &[u8]) -> u32 {
    crc32c::crc32c(plain).rotate_right(15).wrapping_add(0xa282_ead8)
}

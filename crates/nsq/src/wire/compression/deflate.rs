//! Raw deflate, flushed to the byte at the end of every write.

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use super::Corrupt;

/// Room that is made for output at a time.
const ROOM_BYTES: usize = 16 * 1024;

/// How a flush ends: the lengths of an empty stored block.
const FLUSHED: &[u8] = b"\0\0\xff\xff";

#[derive(Debug)]
pub struct Encoder(Compress);

impl Encoder {
    pub(super) fn new(level: u32) -> Self {
        Self(Compress::new(Compression::new(level.clamp(1, 9)), false))
    }

    pub(super) fn encode(&mut self, mut plain: &[u8], out: &mut BytesMut) {
        loop {
            let (before_in, before_out, at) = (self.0.total_in(), self.0.total_out(), out.len());
            out.resize(at + ROOM_BYTES, 0);
            self.0
                .compress(plain, &mut out[at..], FlushCompress::Sync)
                .expect("a compressor that is never finished takes everything");
            let made = self.0.total_out() - before_out;
            plain = &plain[usize::try_from(self.0.total_in() - before_in).expect("no more than there was")..];
            let made = usize::try_from(made).expect("no more than the room");
            out.truncate(at + made);
            // A full buffer may hide more. So may another: the compressor sometimes stops between two
            // blocks, and only the mark of a flush says that it has given everything.
            if plain.is_empty() && made < ROOM_BYTES && out.ends_with(FLUSHED) {
                return;
            }
        }
    }
}

#[derive(Debug)]
pub struct Decoder {
    stream: Decompress,
    /// The last call filled its room, so that there may be output without input.
    full: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { stream: Decompress::new(false), full: false }
    }
}

impl Decoder {
    pub(super) fn decode(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        enough: usize,
    ) -> Result<(), Corrupt> {
        while (self.full || !input.is_empty()) && plain.len() < enough {
            let (before_in, before_out, at) = (self.stream.total_in(), self.stream.total_out(), plain.len());
            plain.resize(at + ROOM_BYTES, 0);
            let status = self.stream.decompress(input, &mut plain[at..], FlushDecompress::Sync);
            let made = usize::try_from(self.stream.total_out() - before_out).expect("no more than the room");
            let taken = usize::try_from(self.stream.total_in() - before_in).expect("no more than there was");
            plain.truncate(at + made);
            input.advance(taken);
            self.full = made == ROOM_BYTES;
            match status {
                Ok(Status::StreamEnd) => return Err(Corrupt("the deflate stream has ended")),
                Ok(Status::Ok | Status::BufError) if made == 0 && taken == 0 => return Ok(()),
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return Err(Corrupt("not a deflate stream")),
            }
        }
        Ok(())
    }
}

//! Compression of a connection, both ways and without a socket: plain bytes in, compressed out, and back.

mod deflate;
mod snappy;

use bytes::BytesMut;

/// Compresses what is sent. Every call ends so that the other side can read all of it.
#[derive(Debug)]
pub enum Encoder {
    /// Snappy's framing format.
    Snappy(Box<snappy::Encoder>),
    /// Raw deflate.
    Deflate(Box<deflate::Encoder>),
}

/// Decompresses what arrives.
#[derive(Debug)]
pub enum Decoder {
    /// Snappy's framing format.
    Snappy(Box<snappy::Decoder>),
    /// Raw deflate.
    Deflate(Box<deflate::Decoder>),
}

/// What arrived is not what was agreed on; the text says why.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("cannot decompress: {0}")]
pub struct Corrupt(&'static str);

/// Snappy for both directions.
pub fn snappy() -> (Encoder, Decoder) {
    (Encoder::Snappy(Box::default()), Decoder::Snappy(Box::default()))
}

/// Deflate for both directions; the level (1 to 9) is that of our side.
pub fn deflate(level: u32) -> (Encoder, Decoder) {
    (Encoder::Deflate(Box::new(deflate::Encoder::new(level))), Decoder::Deflate(Box::default()))
}

impl Encoder {
    /// Appends `plain`, compressed and flushed, to `out`.
    pub fn encode(&mut self, plain: &[u8], out: &mut BytesMut) {
        if plain.is_empty() {
            return;
        }
        match self {
            Self::Snappy(encoder) => encoder.encode(plain, out),
            Self::Deflate(encoder) => encoder.encode(plain, out),
        }
    }
}

impl Decoder {
    /// Takes from `input` and appends to `plain`, until `input` gives no more or `plain` has reached
    /// about `enough` bytes, so that a small input cannot become any amount of memory. Call it again
    /// once `plain` was read, even if nothing more arrived.
    ///
    /// # Errors
    /// [`Corrupt`]; the stream ends with it.
    pub fn decode(
        &mut self,
        input: &mut BytesMut,
        plain: &mut BytesMut,
        enough: usize,
    ) -> Result<(), Corrupt> {
        match self {
            Self::Snappy(decoder) => decoder.decode(input, plain, enough),
            Self::Deflate(decoder) => decoder.decode(input, plain, enough),
        }
    }
}

#[cfg(test)]
#[path = "compression/tests.rs"]
mod tests;

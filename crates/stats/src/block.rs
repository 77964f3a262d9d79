//! Buckets at rest: a sparse run of buckets of one stat, packed, with a format byte and a checksum.

use crate::Bucket;

/// Which codec packs a block; the reader tells by the format byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// Decimal bit-packing: quick, for hour blocks that are rewritten within a day.
    Decimal,
    /// `pco`: small, for day, month and year blocks that stay.
    Pco,
}

/// Why bytes are not a block.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// The checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A format byte of a later version.
    #[error("unknown block format {0}")]
    Format(u8),
    /// It passes its checksum and yet makes no sense.
    #[error("the block is damaged: {0}")]
    Damaged(&'static str),
}

/// Packs buckets, `(slot, bucket)` in rising order of slot.
pub fn encode(_codec: Codec, _buckets: &[(u16, Bucket)]) -> Vec<u8> {
    todo!()
}

/// Unpacks what [`encode`] packed, bit for bit.
pub fn decode(_block: &[u8]) -> Result<Vec<(u16, Bucket)>, BlockError> {
    todo!()
}

//! A checkpoint of one shard: the buckets that changed since the last one, many stats in columns.

use crate::block::BlockError;
use crate::{Bucket, StatId};

/// One partial bucket: what was added to a stat's minute since the last checkpoint.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Partial {
    /// Whose.
    pub stat: StatId,
    /// Minute within the segment's hour: 0 to 59.
    pub minute: u8,
    /// What was added.
    pub bucket: Bucket,
}

/// Packs partials, sorted by stat and minute.
pub fn encode(_partials: &[Partial]) -> Vec<u8> {
    todo!()
}

/// Unpacks what [`encode`] packed.
pub fn decode(_segment: &[u8]) -> Result<Vec<Partial>, BlockError> {
    todo!()
}

//! What the numbers of one interval become.

use crate::Kind;

/// The numbers of one interval, folded. Merging is associative; `last` is that of the later operand.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bucket {
    /// How many numbers; never 0 in a stored bucket.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// The one that arrived last.
    pub last: f64,
}

impl Bucket {
    /// A bucket of one number.
    pub const fn of(number: f64) -> Self {
        Self { count: 1, sum: number, min: number, max: number, last: number }
    }

    /// The figure of this bucket: the sum of a counter, the mean of a value.
    pub fn figure(&self, kind: Kind) -> f64 {
        match kind {
            Kind::Counter => self.sum,
            Kind::Value => self.sum / self.count as f64,
        }
    }
}

//! From finer to coarser: runs of `(slot, bucket)` in rising order of slot, as blocks hold them.
//!
//! A roll-up is always computed whole from the finer rung, never added to, so that repeating one is harmless.

use crate::Bucket;
use crate::bucket::Accumulator;

/// Buckets of one block, rising by slot, each slot at most once.
pub type Run = Vec<(u16, Bucket)>;

/// Folds every `slots` slots into one: 60 makes hours of minutes, 24 days of hours.
///
/// # Panics
/// If `slots` is 0.
pub fn fold(run: &[(u16, Bucket)], slots: u16) -> Run {
    run.chunk_by(|(a, _), (b, _)| a / slots == b / slots)
        .filter_map(|part| Some((part[0].0 / slots, total(part)?)))
        .collect()
}

/// The whole run in one bucket; `None` if it is empty.
pub fn total(run: &[(u16, Bucket)]) -> Option<Bucket> {
    crate::bucket::total(run.iter().map(|(_, bucket)| bucket))
}

/// The union of two runs; where both have a slot, `later` is added to `earlier`.
pub fn merge(earlier: &[(u16, Bucket)], later: &[(u16, Bucket)]) -> Run {
    let mut out = Run::with_capacity(earlier.len().max(later.len()));
    let (mut a, mut b) = (earlier.iter().peekable(), later.iter().peekable());
    while let (Some(left), Some(right)) = (a.peek(), b.peek()) {
        match left.0.cmp(&right.0) {
            std::cmp::Ordering::Less => out.extend(a.next()),
            std::cmp::Ordering::Greater => out.extend(b.next()),
            std::cmp::Ordering::Equal => {
                let mut sum = Accumulator::from(left.1);
                sum.merge(&right.1);
                out.push((left.0, sum.bucket()));
                a.next();
                b.next();
            }
        }
    }
    out.extend(a.chain(b));
    out
}

/// Appends a run whose slot 0 is slot `offset` of `to`: the 24 hours of a day, one after the other.
///
/// # Panics
/// If a slot does not lie behind the last one of `to`, or above 65,535.
pub fn append(to: &mut Run, run: &[(u16, Bucket)], offset: u16) {
    for (slot, bucket) in run {
        let slot = slot.checked_add(offset).expect("a block has at most 65,536 slots");
        assert!(to.last().is_none_or(|(last, _)| *last < slot), "runs are appended in order");
        to.push((slot, *bucket));
    }
}

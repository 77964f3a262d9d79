//! From finer to coarser: runs of `(slot, bucket)` in rising order of slot, as blocks hold them.
//!
//! A roll-up is computed whole from the finer rung while that is kept, and added to ([`merge`]) once it is gone.

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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// Numbers of one day, each at a minute, in order of time.
    fn numbers() -> impl Strategy<Value = Vec<(u16, f64)>> {
        prop::collection::vec((0u16..1_440, -50_000i64..1_000_000), 1..300).prop_map(|mut numbers| {
            numbers.sort_by_key(|(minute, _)| *minute);
            numbers.into_iter().map(|(minute, units)| (minute, units as f64 / 100.0)).collect()
        })
    }

    /// Folds numbers directly into slots of `minutes`.
    fn direct(numbers: &[(u16, f64)], minutes: u16) -> Run {
        let mut slots = BTreeMap::<u16, Accumulator>::new();
        for (minute, number) in numbers {
            let slot = slots.entry(minute / minutes);
            slot.and_modify(|sum| sum.add(*number)).or_insert_with(|| Accumulator::of(*number));
        }
        slots.into_iter().map(|(slot, sum)| (slot, sum.bucket())).collect()
    }

    proptest! {
        #[test]
        fn every_rung_equals_a_direct_fold(numbers in numbers()) {
            let minutes = direct(&numbers, 1);
            let hours = fold(&minutes, 60);
            prop_assert_eq!(&hours, &direct(&numbers, 60));
            prop_assert_eq!(fold(&hours, 24), direct(&numbers, 1_440));
            prop_assert_eq!(total(&hours), total(&minutes));
        }

        #[test]
        fn merging_parts_gives_the_whole(numbers in numbers(), cut: prop::sample::Index) {
            let (earlier, later) = numbers.split_at(cut.index(numbers.len() + 1));
            prop_assert_eq!(merge(&direct(earlier, 1), &direct(later, 1)), direct(&numbers, 1));
        }

        #[test]
        fn hours_one_after_the_other_make_a_day(numbers in numbers()) {
            let mut day = Run::new();
            for hour in 0..24 {
                let of_hour = numbers.iter().filter(|(minute, _)| minute / 60 == hour);
                let of_hour: Vec<_> = of_hour.map(|(minute, number)| (minute % 60, *number)).collect();
                append(&mut day, &direct(&of_hour, 1), hour * 60);
            }
            prop_assert_eq!(day, direct(&numbers, 1));
        }
    }

    #[test]
    fn runs_of_nothing_are_nothing() {
        assert_eq!(fold(&[], 60), []);
        assert_eq!(total(&[]), None);
        assert_eq!(merge(&[], &[(4, Bucket::of(1.0))]), [(4, Bucket::of(1.0))]);
    }

    #[test]
    fn late_numbers_overlap_out_of_order() {
        let kept = [(1, Bucket::of(1.0)), (3, Bucket::of(3.0))];
        let late = [(0, Bucket::of(0.5)), (3, Bucket::of(-4.0)), (9, Bucket::of(9.0))];
        let third = Bucket { count: 2, sum: -1.0, min: -4.0, max: 3.0, last: -4.0 };
        assert_eq!(merge(&kept, &late), [late[0], kept[0], (3, third), late[2]]);
    }
}

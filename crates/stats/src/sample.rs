//! Strategies for the property tests of the codecs: buckets of every sort.

use proptest::prelude::*;

use crate::{Accumulator, Bucket};

/// Buckets of decimal numbers, as stats have them.
pub(crate) fn decimal() -> impl Strategy<Value = Bucket> {
    (prop::collection::vec(-2_000i64..100_000, 1..6), 0i32..4).prop_map(|(units, scale)| {
        let mut numbers = units.iter().map(|unit| *unit as f64 / 10f64.powi(scale));
        let mut sum = Accumulator::of(numbers.next().expect("not empty"));
        numbers.for_each(|number| sum.add(number));
        sum.bucket()
    })
}

/// Any fields at all: whatever bits, in whatever relation.
pub(crate) fn wild() -> impl Strategy<Value = Bucket> {
    let number = || {
        let special =
            [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, f64::MIN, 5e-324, 1e15, 9e15, 0.1];
        prop_oneof![any::<u64>().prop_map(f64::from_bits), prop::sample::select(special.to_vec())]
    };
    (any::<u64>(), number(), number(), number(), number()).prop_map(|(count, sum, min, max, last)| Bucket {
        count,
        sum,
        min,
        max,
        last,
    })
}

/// Now of one sort, now of the other, now mixed.
pub(crate) fn buckets(
    n: impl Into<prop::collection::SizeRange> + Clone,
) -> impl Strategy<Value = Vec<Bucket>> {
    prop_oneof![
        prop::collection::vec(decimal(), n.clone()),
        prop::collection::vec(wild(), n.clone()),
        prop::collection::vec(prop_oneof![decimal(), wild()], n),
    ]
}

/// The bits of a bucket: NaN is not equal to itself, and 0 is equal to −0.
pub(crate) fn bits(bucket: &Bucket) -> [u64; 5] {
    let Bucket { count, sum, min, max, last } = *bucket;
    [count, sum.to_bits(), min.to_bits(), max.to_bits(), last.to_bits()]
}

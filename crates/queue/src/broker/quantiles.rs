//! From publishing to finishing, in quantiles over a sliding window (`--e2e-processing-latency-*`).
//!
//! As in NSQ the window is two halves: one takes samples, the other still holds those of the half
//! before, and what is shown is both together. A half is a histogram whose buckets are powers of two
//! cut into 64 equal parts each: ranks are exact, values within 0.8 %. A power of two costs 512 bytes
//! once something fell into it; latencies of one channel spread over ten or so.

use std::sync::Arc;
use std::time::Duration;

/// A power of two is cut into this many buckets.
const PARTS: usize = 64;
const PART_BITS: u32 = PARTS.trailing_zeros();
/// Rows of buckets: one for what is below [`PARTS`], one for each power of two from there.
const ROWS: usize = 64 - PART_BITS as usize + 1;

/// What was asked for, as it is now.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Percentiles {
    /// Samples in the window.
    pub count: u64,
    /// In the order they were asked for.
    pub percentiles: Vec<Percentile>,
}

/// One of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Percentile {
    /// Between 0 and 1.
    pub quantile: f64,
    /// Nanoseconds; zero without samples.
    pub value: f64,
}

/// A window of samples, and which quantiles of it are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Quantiles {
    wanted: Arc<[f64]>,
    half_ms: u64,
    /// When the first half began.
    since_ms: u64,
    /// The one that takes samples, and the one before it.
    halves: [Histogram; 2],
}

impl Quantiles {
    /// An empty window of this length; `wanted` are between 0 and 1.
    pub(crate) fn new(wanted: Arc<[f64]>, window: Duration, now_ms: u64) -> Self {
        let half_ms = u64::try_from(window.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        Self { wanted, half_ms, since_ms: now_ms, halves: Default::default() }
    }

    /// Takes a sample.
    pub(crate) fn insert(&mut self, now_ms: u64, latency: Duration) {
        self.turn(now_ms);
        self.halves[0].insert(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The quantiles of what is in the window at `now_ms`.
    pub(crate) fn percentiles(&mut self, now_ms: u64) -> Percentiles {
        let wanted = self.wanted.clone();
        Self::percentiles_of(&wanted, [self], now_ms)
    }

    /// The quantiles of several windows together: a topic's are those of all its channels.
    pub(crate) fn percentiles_of<'a>(
        wanted: &[f64],
        of: impl IntoIterator<Item = &'a mut Self>,
        now_ms: u64,
    ) -> Percentiles {
        let mut sum = Histogram::default();
        for one in of {
            one.turn(now_ms);
            one.halves.iter().for_each(|half| sum.add(half));
        }
        let percentile = |quantile: &f64| Percentile { quantile: *quantile, value: sum.quantile(*quantile) };
        Percentiles { count: sum.count, percentiles: wanted.iter().map(percentile).collect() }
    }

    /// Begins another half when the time has come. A clock that goes back changes nothing.
    fn turn(&mut self, now_ms: u64) {
        let passed = now_ms.saturating_sub(self.since_ms) / self.half_ms;
        if passed == 0 {
            return;
        }
        self.halves.swap(0, 1);
        self.halves[0].clear();
        if passed > 1 {
            self.halves[1].clear();
        }
        self.since_ms = self.since_ms.saturating_add(passed.saturating_mul(self.half_ms));
    }
}

/// Counts of samples by value.
#[derive(Clone, Debug)]
struct Histogram {
    rows: [Option<Box<[u64; PARTS]>>; ROWS],
    count: u64,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { rows: [const { None }; ROWS], count: 0, min: u64::MAX, max: 0 }
    }
}

impl Histogram {
    fn insert(&mut self, value: u64) {
        let (row, part) = bucket(value);
        self.rows[row].get_or_insert_with(|| Box::new([0; PARTS]))[part] += 1;
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.rows.iter_mut().zip(&other.rows) {
            let Some(theirs) = theirs else { continue };
            let mine = mine.get_or_insert_with(|| Box::new([0; PARTS]));
            mine.iter_mut().zip(theirs.iter()).for_each(|(mine, theirs)| *mine += theirs);
        }
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    fn clear(&mut self) {
        *self = Self::default();
    }

    /// The least value that this share of the samples does not exceed; zero without samples.
    fn quantile(&self, quantile: f64) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let rank = ((quantile.clamp(0.0, 1.0) * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (row, parts) in self.rows.iter().enumerate() {
            for (part, count) in parts.iter().flat_map(|parts| parts.iter().enumerate()) {
                seen += count;
                if seen >= rank {
                    return middle(row, part).clamp(self.min as f64, self.max as f64);
                }
            }
        }
        self.max as f64
    }
}

/// Where a value is counted.
fn bucket(value: u64) -> (usize, usize) {
    let bits = 64 - value.leading_zeros();
    if bits <= PART_BITS {
        return (0, value as usize);
    }
    let row = bits - PART_BITS;
    (row as usize, (value >> (row - 1)) as usize % PARTS)
}

/// The value that stands for a bucket.
fn middle(row: usize, part: usize) -> f64 {
    if row == 0 {
        return part as f64;
    }
    let width = 2f64.powi(row as i32 - 1);
    // Whole values from the first on: a bucket one wide is its value.
    (PARTS + part) as f64 * width + (width - 1.0) / 2.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WANTED: [f64; 5] = [0.0, 0.5, 0.95, 0.99, 1.0];

    fn window(ms: u64) -> Quantiles {
        Quantiles::new(WANTED.into(), Duration::from_millis(ms), 1_000)
    }

    #[test]
    fn without_samples_all_is_zero() {
        let found = window(1_000).percentiles(1_000);
        assert_eq!(found.count, 0);
        assert_eq!(found.percentiles.len(), 5);
        assert!(found.percentiles.iter().all(|one| one.value == 0.0));
    }

    #[test]
    fn samples_stay_for_at_least_half_the_window_and_at_most_all_of_it() {
        let mut window = window(600_000);
        window.insert(1_000, Duration::from_nanos(7));
        window.insert(300_999, Duration::from_nanos(9));
        assert_eq!(window.percentiles(600_999).count, 2);
        assert_eq!(window.percentiles(601_000).count, 0, "both are of the first half");
        window.insert(601_000, Duration::from_nanos(1));
        window.insert(901_000, Duration::from_nanos(2));
        assert_eq!(window.percentiles(901_000).count, 2);
        assert_eq!(window.percentiles(5_000).count, 2, "a clock that goes back takes nothing away");
        assert_eq!(window.percentiles(1_201_000).count, 1);
        assert_eq!(window.percentiles(9_999_999).count, 0);
    }

    #[test]
    fn a_topic_shows_its_channels_together() {
        let (mut one, mut two) = (window(1_000), window(1_000));
        for ns in 1..=50 {
            one.insert(1_000, Duration::from_nanos(ns));
            two.insert(1_000, Duration::from_nanos(50 + ns));
        }
        let found = Quantiles::percentiles_of(&WANTED, [&mut one, &mut two], 1_000);
        let values: Vec<_> = found.percentiles.iter().map(|one| one.value).collect();
        assert_eq!((found.count, values), (100, vec![1.0, 50.0, 95.0, 99.0, 100.0]));
    }

    #[test]
    fn every_value_is_counted_near_itself() {
        for bits in 0..64 {
            for value in [1u64 << bits, (1 << bits) + (1 << bits) / 3, u64::MAX >> (63 - bits)] {
                let (row, part) = bucket(value);
                let error = (middle(row, part) - value as f64).abs() / value as f64;
                assert!(error <= 0.008, "{value} is counted as {}", middle(row, part));
            }
        }
        assert_eq!(bucket(0), (0, 0));
    }

    proptest! {
        #[test]
        fn quantiles_are_near_those_of_the_sorted_samples(
            samples in proptest::collection::vec((0u32..40, any::<u32>()), 1..400),
            quantile in 0.0f64..1.0,
        ) {
            let mut samples: Vec<u64> = samples.iter().map(|(bits, n)| u64::from(*n) >> (bits % 32)).collect();
            let mut window = Quantiles::new([quantile].into(), Duration::from_secs(10), 0);
            samples.iter().for_each(|ns| window.insert(0, Duration::from_nanos(*ns)));
            samples.sort_unstable();
            let rank = ((quantile * samples.len() as f64).ceil() as usize).max(1);
            let (exact, found) = (samples[rank - 1] as f64, window.percentiles(0).percentiles[0].value);
            prop_assert!((found - exact).abs() <= exact * 0.008, "{found} is not {exact}");
        }
    }
}

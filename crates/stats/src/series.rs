//! The answer to a timeframe: one optional bucket an interval.

use base::Timestamp;

use crate::bucket::{Accumulator, total};
use crate::timeframe::Window;
use crate::{Bucket, Kind};

/// The intervals of one stat over one window.
#[derive(Clone, PartialEq, Debug)]
pub struct Series {
    /// What the figures mean.
    pub kind: Kind,
    /// Which intervals.
    pub window: Window,
    /// One for each interval; `None` where nothing was received.
    pub buckets: Vec<Option<Bucket>>,
    /// Of a counter, when it began, where that is known: from then on an empty interval is one in which nothing was
    /// counted.
    pub since: Option<Timestamp>,
}

impl Series {
    /// A series in which nothing was received.
    pub fn empty(kind: Kind, window: Window) -> Self {
        Self { kind, window, buckets: vec![None; window.count], since: None }
    }

    /// Folds buckets, each with the start of its own interval, in rising order of time. One counts in the
    /// interval of the window that holds its start; what lies outside of the window is left out.
    pub fn fold(kind: Kind, window: Window, buckets: impl IntoIterator<Item = (Timestamp, Bucket)>) -> Self {
        let mut fold = Fold::new(kind, window);
        buckets.into_iter().for_each(|(at, bucket)| fold.add(at, &bucket));
        fold.finish()
    }

    /// The figures for a chart: a gap where nothing was received.
    pub fn figures(&self) -> impl ExactSizeIterator<Item = Option<f64>> + DoubleEndedIterator + Clone {
        self.buckets.iter().map(|bucket| bucket.map(|bucket| bucket.figure(self.kind)))
    }

    /// What a chart draws: the figures, but an empty interval of a counter is 0 from where the counter began (or the
    /// first that holds anything) on, because nothing was counted. A window in which nothing at all was received
    /// stays empty, so that this can be said.
    pub fn drawn(&self) -> Vec<Option<f64>> {
        let mut figures: Vec<Option<f64>> = self.figures().collect();
        let first = figures.iter().position(Option::is_some);
        if let (Kind::Counter, Some(first)) = (self.kind, first) {
            let began = self.since.map_or(first, |since| match self.window.index(since) {
                Some(index) => index.min(first),
                None if since < self.window.start => 0,
                None => first,
            });
            for figure in &mut figures[began..] {
                figure.get_or_insert(0.0);
            }
        }
        figures
    }

    /// The points of an export: start of the interval, figure (0 where nothing was received), and how many
    /// numbers were received.
    pub fn points(&self) -> impl ExactSizeIterator<Item = (Timestamp, f64, u64)> {
        self.window.times().zip(&self.buckets).map(|(time, bucket)| match bucket {
            Some(bucket) => (time, bucket.figure(self.kind), bucket.count),
            None => (time, 0.0, 0),
        })
    }

    /// The whole window in one bucket; `None` if nothing was received.
    pub fn total(&self) -> Option<Bucket> {
        total(self.buckets.iter().flatten())
    }

    /// The figure of the whole window: the total of a counter, the mean of all numbers of a value.
    pub fn figure(&self) -> Option<f64> {
        Some(self.total()?.figure(self.kind))
    }

    /// The figure of the last interval in which something was received.
    pub fn latest(&self) -> Option<f64> {
        self.figures().rev().flatten().next()
    }
}

/// A series being filled.
#[derive(Clone, Debug)]
pub struct Fold {
    kind: Kind,
    window: Window,
    sums: Vec<Option<Accumulator>>,
}

impl Fold {
    /// Nothing yet.
    pub fn new(kind: Kind, window: Window) -> Self {
        Self { kind, window, sums: vec![None; window.count] }
    }

    /// Adds a bucket that starts at `at`; buckets come in rising order of time.
    pub fn add(&mut self, at: Timestamp, bucket: &Bucket) {
        let Some(index) = self.window.index(at) else { return };
        match &mut self.sums[index] {
            Some(sum) => sum.merge(bucket),
            none => *none = Some(Accumulator::from(*bucket)),
        }
    }

    /// The series.
    pub fn finish(self) -> Series {
        let buckets = self.sums.into_iter().map(|sum| sum.map(|sum| sum.bucket())).collect();
        Series { kind: self.kind, window: self.window, buckets, since: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Window = Window { start: Timestamp::from_seconds(600), step_seconds: 180, count: 3 };

    fn series(kind: Kind, numbers: &[(i64, f64)]) -> Series {
        let minutes =
            numbers.iter().map(|(minute, number)| (Timestamp::from_minutes(*minute), Bucket::of(*number)));
        Series::fold(kind, WINDOW, minutes)
    }

    const NUMBERS: [(i64, f64); 6] = [(9, 100.0), (10, 0.1), (11, 0.2), (12, 0.6), (16, 5.0), (19, 100.0)];

    #[test]
    fn buckets_fold_into_their_intervals() {
        let counter = series(Kind::Counter, &NUMBERS);
        assert_eq!(counter.figures().collect::<Vec<_>>(), [Some(0.9), None, Some(5.0)]);
        let seconds = |(time, figure, count): (Timestamp, f64, u64)| (time.seconds(), figure, count);
        let points: Vec<_> = counter.points().map(seconds).collect();
        assert_eq!(points, [(600, 0.9, 3), (780, 0.0, 0), (960, 5.0, 1)]);
        assert_eq!((counter.figure(), counter.latest()), (Some(5.9), Some(5.0)));
        let value = series(Kind::Value, &NUMBERS);
        assert_eq!(value.figures().collect::<Vec<_>>(), [Some(0.3), None, Some(5.0)]);
        assert_eq!(value.figure(), Some(1.475));
        assert_eq!(counter.drawn(), [Some(0.9), Some(0.0), Some(5.0)], "nothing counted is 0");
        assert_eq!(value.drawn(), [Some(0.3), None, Some(5.0)], "nothing measured is a gap");
        assert_eq!(
            series(Kind::Counter, &NUMBERS[4..]).drawn(),
            [None, None, Some(5.0)],
            "not before the first"
        );
    }

    #[test]
    fn a_counter_that_had_begun_counted_nothing_where_nothing_is() {
        let drawn = |kind, numbers: &[(i64, f64)], minute| {
            Series { since: Some(Timestamp::from_minutes(minute)), ..series(kind, numbers) }.drawn()
        };
        let late = &NUMBERS[4..];
        assert_eq!(drawn(Kind::Counter, late, 3), [Some(0.0), Some(0.0), Some(5.0)], "before the window");
        assert_eq!(drawn(Kind::Counter, late, 14), [None, Some(0.0), Some(5.0)], "within it");
        assert_eq!(
            drawn(Kind::Counter, late, 18),
            [None, None, Some(5.0)],
            "at the first number at the latest"
        );
        assert_eq!(drawn(Kind::Value, late, 3), [None, None, Some(5.0)], "nothing measured is a gap");
        assert_eq!(drawn(Kind::Counter, &[], 3), [None, None, None], "nothing at all");
    }

    #[test]
    fn nothing_received_is_no_figure() {
        let empty = Series::empty(Kind::Value, WINDOW);
        assert_eq!(empty, series(Kind::Value, &[]));
        assert_eq!((empty.figure(), empty.latest(), empty.total()), (None, None, None));
    }
}

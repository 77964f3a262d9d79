//! Total, mean, extremes and spread of a series; its histogram.

use crate::bucket::Accumulator;
use crate::number::{EXTENT_MIN, Step};
use crate::{Kind, Series};

/// What a window comes to. Every figure is in the stat's own unit.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Summary {
    /// How many numbers were received.
    pub count: u64,
    /// Their sum.
    pub total: f64,
    /// Mean of the intervals' figures (a counter's empty intervals are 0, a value's are left out).
    pub mean: f64,
    /// Smallest interval figure.
    pub min: f64,
    /// Largest interval figure.
    pub max: f64,
    /// Standard deviation of the intervals' figures (of a sample: divided by one less than their number).
    pub deviation: f64,
    /// Figure of the last interval that holds anything.
    pub latest: f64,
    /// Standard error of the mean: the deviation divided by the square root of the number of figures.
    pub error: f64,
}

impl Summary {
    /// Sums a series up; `None` if nothing was received in its window.
    pub fn of(series: &Series) -> Option<Self> {
        let all = series.total()?;
        let latest = series.latest()?;
        let figures = figures(series);
        let n = figures.len() as f64;
        let (first, rest) = figures.split_first()?;
        let mut sum = Accumulator::of(*first);
        rest.iter().for_each(|figure| sum.add(*figure));
        let sum = sum.bucket();
        let mean = sum.figure(Kind::Value);
        let squares: f64 = figures.iter().map(|figure| (figure - mean).powi(2)).sum();
        let deviation = if figures.len() < 2 { 0.0 } else { (squares / (n - 1.0)).sqrt() };
        let error = deviation / n.sqrt();
        let (count, total, min, max) = (all.count, all.sum, sum.min, sum.max);
        Some(Self { count, total, mean, min, max, deviation, latest, error })
    }
}

/// The figures that a summary and a histogram are made of: a counter's empty intervals are 0, a value's are
/// left out.
pub fn figures(series: &Series) -> Vec<f64> {
    match series.kind {
        Kind::Counter => series.figures().map(|figure| figure.unwrap_or(0.0)).collect(),
        Kind::Value => series.figures().flatten().collect(),
    }
}

/// One bar of a histogram.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub struct Bar {
    /// The smallest figure it counts.
    pub from: f64,
    /// It counts figures below this; the last bar also those that equal it.
    pub to: f64,
    /// How many.
    pub count: u64,
}

/// The most bars of a [`histogram`].
pub const BARS_MAX: usize = 200;

/// Figures counted in bars of equal width whose edges are round numbers; about `bars` of them (at most one
/// more), all of the extent, empty ones included. Figures that are not finite are left out.
pub fn histogram(figures: &[f64], bars: usize) -> Vec<Bar> {
    let finite = figures.iter().copied().filter(|figure| figure.is_finite());
    let (min, max) = finite.clone().fold((f64::MAX, f64::MIN), |(min, max), f| (min.min(f), max.max(f)));
    let extent = max - min;
    if min > max || !extent.is_finite() {
        return Vec::new();
    }
    let bars = bars.clamp(1, BARS_MAX);
    let least = (min.abs().max(max.abs()) * 1e-12).max(EXTENT_MIN);
    let step = Step::over(if extent > least { extent / bars as f64 } else { (min.abs() * 0.01).max(1.0) });
    let first = (min / step.times(1)).floor() as i64;
    let mut out: Vec<Bar> = Vec::new();
    while out.last().is_none_or(|bar| bar.to < max) {
        let edge = first + out.len() as i64;
        out.push(Bar { from: step.times(edge), to: step.times(edge + 1), count: 0 });
        if out.len() > BARS_MAX + 1 {
            break;
        }
    }
    let last = out.len() - 1;
    for figure in finite {
        let bar = out.partition_point(|bar| bar.to <= figure).min(last);
        out[bar].count += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::{Bucket, Window};

    fn series(kind: Kind, figures: &[Option<f64>]) -> Series {
        let window = Window { start: Timestamp::from_seconds(0), step_seconds: 60, count: figures.len() };
        Series {
            kind,
            window,
            buckets: figures.iter().map(|figure| figure.map(Bucket::of)).collect(),
            since: None,
        }
    }

    #[test]
    fn a_counter_has_zeros_where_nothing_came() {
        let figures = [Some(2.0), None, Some(4.0), Some(6.0)];
        let counter = Summary::of(&series(Kind::Counter, &figures)).expect("received");
        assert_eq!((counter.count, counter.total, counter.mean), (3, 12.0, 3.0));
        assert_eq!((counter.min, counter.max, counter.latest), (0.0, 6.0, 6.0));
        assert!((counter.deviation - (20.0f64 / 3.0).sqrt()).abs() < 1e-12);
        assert!((counter.error - counter.deviation / 2.0).abs() < 1e-12);
        let value = Summary::of(&series(Kind::Value, &figures)).expect("received");
        assert_eq!((value.mean, value.min, value.deviation), (4.0, 2.0, 2.0));
    }

    #[test]
    fn one_figure_has_no_deviation_and_none_no_summary() {
        let one = Summary::of(&series(Kind::Value, &[None, Some(0.1), None])).expect("received");
        assert_eq!((one.mean, one.deviation, one.error, one.latest), (0.1, 0.0, 0.0, 0.1));
        assert_eq!(Summary::of(&series(Kind::Counter, &[None, None])), None);
        assert_eq!(Summary::of(&series(Kind::Counter, &[])), None);
    }

    #[test]
    fn bars_have_round_edges() {
        let bars = histogram(&[0.5, 1.0, 3.9, 4.0, 9.7, f64::NAN], 5);
        let expect = [(0.0, 2.0, 2), (2.0, 4.0, 1), (4.0, 6.0, 1), (6.0, 8.0, 0), (8.0, 10.0, 1)];
        assert_eq!(bars, expect.map(|(from, to, count)| Bar { from, to, count }));
        let tenths = histogram(&[0.12, 0.31, 0.3], 4);
        assert_eq!(tenths.iter().map(|bar| bar.from).collect::<Vec<_>>(), [0.1, 0.15, 0.2, 0.25, 0.3]);
        assert_eq!(histogram(&[7.0; 3], 10), [Bar { from: 7.0, to: 8.0, count: 3 }]);
        assert_eq!(histogram(&[], 10), []);
    }

    proptest! {
        #[test]
        fn every_figure_is_in_its_bar(
            figures in prop::collection::vec(prop_oneof![-1e6f64..1e6, -1e-3f64..1e-3, Just(0.0), prop::num::f64::NORMAL], 1..60),
            bars in 1usize..40,
        ) {
            let out = histogram(&figures, bars);
            let extent = figures.iter().copied().fold(f64::MIN, f64::max) - figures.iter().copied().fold(f64::MAX, f64::min);
            if extent.is_finite() {
                prop_assert_eq!(out.iter().map(|bar| bar.count).sum::<u64>(), figures.len() as u64);
                prop_assert!(out.len() <= bars + 2, "{} bars of {}", out.len(), bars);
            } else {
                prop_assert!(out.is_empty());
            }
        }
    }
}

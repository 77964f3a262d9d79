//! Total, mean, extremes and spread of a series; its histogram.

use crate::bucket::Accumulator;
use crate::number::Step;
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

/// StatHat's factor for an interval that holds the mean with 95 % confidence.
const FACTOR_95: f64 = 1.95;
/// The same for 99 %.
const FACTOR_99: f64 = 2.575;

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

    /// The interval around the mean that holds the true one with 95 % confidence.
    pub fn interval_95(&self) -> (f64, f64) {
        self.interval(FACTOR_95)
    }

    /// The same with 99 %.
    pub fn interval_99(&self) -> (f64, f64) {
        self.interval(FACTOR_99)
    }

    fn interval(&self, factor: f64) -> (f64, f64) {
        (self.mean - factor * self.error, self.mean + factor * self.error)
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
    let least = (min.abs().max(max.abs()) * 1e-12).max(f64::MIN_POSITIVE);
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

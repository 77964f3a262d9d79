//! Total, mean, extremes and spread of a series; its histogram.

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
    /// Standard deviation of the intervals' figures.
    pub deviation: f64,
    /// Figure of the last interval that holds anything.
    pub latest: f64,
}

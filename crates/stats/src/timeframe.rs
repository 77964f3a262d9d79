//! StatHat's timeframes: `1w3h` is one week at three hours.

use base::Timestamp;

/// A unit of a timeframe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unit {
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
    /// `w`
    Week,
    /// `M`: 30 days.
    Month,
    /// `y`: 365 days.
    Year,
}

/// A number of units, such as `3h`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    /// How many; at least 1.
    pub n: u32,
    /// Of what.
    pub unit: Unit,
}

/// How far back, in which steps: `1w3h`; with a third part, compared with how long before: `1d15m1w`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timeframe {
    /// The whole window.
    pub span: Span,
    /// One interval; divides the window into at most [`Timeframe::STEPS_MAX`].
    pub step: Span,
    /// Offset of the period to compare with.
    pub compare: Option<Span>,
}

/// The window a timeframe means at a moment: `count` intervals of `step_seconds` from `start`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Start of the first interval, a whole minute (see [`Timeframe::window`]).
    pub start: Timestamp,
    /// Length of an interval, in seconds; a multiple of 60.
    pub step_seconds: i64,
    /// Number of intervals.
    pub count: usize,
}

/// Why a text is not a timeframe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeframeError {
    /// Not the grammar.
    #[error("`{0}` is not a timeframe: write a duration and an interval, such as 1w3h (units m h d w M y)")]
    Grammar(String),
    /// Interval longer than the window.
    #[error("the interval of `{0}` is longer than its duration")]
    StepTooLong(String),
    /// Too many intervals.
    #[error("`{0}` has {1} intervals, the limit is {max}", max = Timeframe::STEPS_MAX)]
    TooMany(String, u64),
}

impl Timeframe {
    /// The most intervals one answer holds.
    pub const STEPS_MAX: u64 = 11_000;
}

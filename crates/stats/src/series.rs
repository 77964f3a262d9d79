//! The answer to a timeframe: one optional bucket an interval.

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
}

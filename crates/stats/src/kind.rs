//! What the numbers of a stat mean.

/// Fixed by a stat's first point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers add up: an interval's figure is their sum.
    Counter,
    /// Numbers are readings: an interval's figure is their mean.
    Value,
}

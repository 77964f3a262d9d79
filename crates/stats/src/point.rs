//! A number on its way through the log.

use base::Timestamp;

use crate::{AccountId, Kind};

/// One number for one stat.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point<'a> {
    /// Whose.
    pub account: AccountId,
    /// The stat's name, already checked (see [`crate::StatName`]).
    pub name: &'a str,
    /// What the sender takes the stat for.
    pub kind: Kind,
    /// The number: finite.
    pub number: f64,
    /// When it counts.
    pub time: Timestamp,
}

/// Why a record's payload is not a batch of points.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PointError {
    /// The format byte is one this build does not know.
    #[error("unknown point format {0}")]
    Format(u8),
    /// It ends in the middle, or a field is out of its range.
    #[error("the point at byte {0} is damaged")]
    Damaged(usize),
}

/// Appends one point to a payload. The first byte of an empty payload becomes the format byte.
pub fn encode(_point: &Point<'_>, _to: &mut Vec<u8>) {
    todo!()
}

/// Walks the points of a payload; stops after the first error.
pub fn decode(_payload: &[u8]) -> Points<'_> {
    todo!()
}

/// See [`decode`].
#[derive(Debug)]
pub struct Points<'a> {
    _rest: &'a [u8],
}

impl<'a> Iterator for Points<'a> {
    type Item = Result<Point<'a>, PointError>;
    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

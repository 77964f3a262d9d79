//! The domain, pure: what a stat is, how numbers fold into buckets, how buckets are packed, and what
//! a timeframe asks for. No I/O, no clock, no async.
//!
//! Read in this order: [`name`] and [`kind`] (what a stat is), [`point`] (a number on its way
//! through the log), [`bucket`] (what numbers become), [`resolution`] and [`block`] (buckets at
//! rest), [`segment`] (a checkpoint), [`timeframe`] (`1w3h`), [`series`] (the answer to a timeframe),
//! [`summary`], [`number`] (figures for people and for JSON).
//!
//! **Invariant**: everything here is a function of its arguments.

pub mod block;
pub mod bucket;
pub mod ids;
pub mod kind;
pub mod name;
pub mod number;
pub mod point;

pub mod resolution;
pub mod rollup;
pub mod segment;
pub mod series;
pub mod summary;
pub mod timeframe;

mod column;
mod fields;
#[cfg(test)]
mod sample;
mod varint;

pub use bucket::{Accumulator, Bucket};
pub use ids::{AccountId, ShardId, StatId};
pub use kind::Kind;
pub use name::{NameError, StatName};
pub use point::Point;
pub use resolution::{Resolution, Shelf};
pub use series::Series;
pub use summary::Summary;
pub use timeframe::{Timeframe, Window};

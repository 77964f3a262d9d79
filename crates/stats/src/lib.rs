//! The domain, pure: what a stat is, how numbers fold into buckets, how buckets are packed, and what
//! a timeframe asks for. No I/O, no clock, no async.
//!
//! Read in this order: [`name`] and [`kind`] (what a stat is), [`point`] (a number on its way
//! through the log), [`bucket`] (what numbers become), [`resolution`], [`rollup`] and [`block`] (buckets
//! at rest), [`segment`] (a checkpoint), [`timeframe`] (`1w3h`), [`series`] (the answer to a timeframe),
//! [`summary`], [`number`] (figures for people and for JSON). How blocks are packed is in `fields` and
//! `column`, and with figures in `docs/internals/blocks.md`.
//!
//! ```
//! use base::Timestamp;
//! use eyrie_stats::{Bucket, Kind, Series, Timeframe, timeframe::Kept};
//!
//! let now = Timestamp::from_seconds(1_795_213_427);
//! let window = Timeframe::parse("1h15m")?.window(now, None, Kept::EVERYTHING);
//! let minutes = [(now, Bucket::of(0.1)), (now, Bucket::of(0.2))];
//! let series = Series::fold(Kind::Counter, window, minutes);
//! assert_eq!(series.figures().collect::<Vec<_>>(), [None, None, None, Some(0.3)]);
//! # Ok::<(), eyrie_stats::timeframe::TimeframeError>(())
//! ```
//!
//! **Invariants**: everything here is a function of its arguments; what is decoded may be any bytes and
//! never panics; formats at rest have golden tests and only ever get successors.

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

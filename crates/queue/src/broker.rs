//! NSQ's engine over the queue. So far its building blocks: [`varint`] (small numbers in few bytes),
//! [`ranges`] (what a channel is done with), [`wheel`] (when something is due),
//! [`quantiles`] (how long messages take), [`dedup`] (publishes that were seen).

#![allow(dead_code, reason = "the engine that uses the building blocks lands beside them")]

mod varint;

mod ranges;
mod wheel;

mod dedup;
mod quantiles;

pub use quantiles::{Percentile, Percentiles};

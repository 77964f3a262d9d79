//! One segment log per node, shared by everything that must survive.
//!
//! **Invariant**: a record whose [`Append`] resolved at a level is never lost by what that level
//! promises against; this crate does not know what a payload means.

mod error;
mod log;

pub use error::Error;
pub use log::{Append, Config, Durability, Log, Lsn, NewRecord, Reader, Record, Recovery, Status, StreamId};

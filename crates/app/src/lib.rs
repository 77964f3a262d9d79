//! The use cases: interactors (one file a noun) that edges, the command line and tests call, and
//! the application servers behind them that do the heavy work.
//!
//! Read in this order: [`App`] (everything wired), [`intake`] (numbers come in), `recorder`, `head`,
//! `closing` (numbers become blocks), [`catalog`] (which stats exist), [`charts`] (blocks become series),
//! [`stats`], [`accounts`] (what people do).
//!
//! **Invariants**: no HTTP and no SQL here; every point that the log acknowledged is folded once.

pub mod accounts;
pub mod app;
pub mod backup;
mod calendar;
pub mod catalog;
pub mod charts;
mod closing;
pub mod error;
mod head;
pub mod intake;
mod ladder;
mod ledger;
pub mod listing;
mod meters;
pub mod own;
mod recorder;
mod retention;
mod shard;
mod writer;

#[cfg(test)]
mod tests;

pub use app::{App, Config};
pub use error::Error;

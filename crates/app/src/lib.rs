//! The use cases: interactors (one file a noun) that edges, the command line and tests call, and
//! the application servers behind them that do the heavy work.
//!
//! Read in this order: [`App`] (everything wired), [`intake`] (numbers come in), `recorder`, `head`, `writer`,
//! `closing`, `retention` (numbers become blocks), [`catalog`] (which stats exist), [`charts`] and [`listing`] (blocks
//! become series), [`accounts`] (what people do), [`own`] (Eyrie counts itself). The page about the
//! recorder is `docs/internals/recorder.md`.
//!
//! **Invariants**: no HTTP and no SQL here; every number that the log acknowledged is in exactly one place: the
//! log behind its shard's position, a segment, or a block.

pub mod accounts;
pub mod app;
mod calendar;
pub mod catalog;
pub mod charts;
mod closing;
pub mod error;
mod fit;
mod head;
pub mod intake;
mod ladder;
mod ledger;
pub mod listing;
mod meters;
pub mod natural;
pub mod own;
mod patience;
mod recorder;
mod retention;
mod shard;
mod state;
mod trust;
mod writer;

#[cfg(test)]
mod tests;

pub use app::{App, Config};
pub use error::Error;

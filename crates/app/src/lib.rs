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
pub mod catalog;
pub mod charts;
pub mod error;
pub mod intake;
pub mod listing;

pub use app::{App, Config};
pub use error::Error;

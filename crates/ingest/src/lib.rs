//! StatHat's wire contract, to the byte, and the server that every listener of Eyrie runs on.
//!
//! ```text
//!  socket ── server::Connection ── hyper ──┬─ /ez /c /v ── Ingest::take ── Sink (app::Intake)
//!                                          └─ the rest ─── a tower Service (the web's router)
//! ```
//! Read in this order: [`endpoint`] (which paths are ours), [`limits`] (every limit by its name),
//! `params`, `json`, `multipart`, `number`, `body` (what clients send), `post` (what it means),
//! [`answer`] (what is said), `script` (StatHat's library for browsers), [`Ingest`] (the whole way of one request), [`sink`] (where points go),
//! [`server`] (listeners, connections, drain). For users: `docs/guide/ingest.md`.
//!
//! **Invariants**
//! - Points are handed to the sink by [`Ingest::take`], a plain function called as soon as the body
//!   is complete: a client that hangs up has been counted.
//! - A status other than 200 and 204, in the body or for real, means that nothing was taken, save for
//!   503 after the hand-over, where nothing was *acknowledged*.
//! - What a client sends never fails a parser: it is read as far as it can be, or refused in words.
//! - This crate knows no durability: it answers when the sink has settled.

pub mod answer;
mod body;
pub mod endpoint;
mod ingest;
mod json;
pub mod limits;
mod metrics;
mod multipart;
mod number;
mod params;
mod post;
mod script;
pub mod server;
pub mod sink;

pub use endpoint::Endpoint;
pub use ingest::{Ingest, Verdict};
pub use limits::{Config, Limits};
pub use server::{Running, Server};
pub use sink::Sink;

//! HTTP as NSQ's daemons speak it: the server that serves any axum router, the answers NSQ gives,
//! and the one client everything here asks with.
//!
//! ```text
//! Listener::bind ── serve(listener, routes(router), stop, limits) ── hyper ── handlers
//!                                                                     │
//!                                   answer::{json, text, empty} or Err(Failure)
//! ```
//! Read [`listener`] (TCP, unix socket, TLS), [`server`] (connections, drain), [`mod@routes`] (404, 405
//! and OPTIONS as NSQ answers them), [`answer`], [`query`] and [`body`] (what a handler reads),
//! [`client`] (asking others).
//!
//! **Invariant**: every error answer is `{"message":"CODE"}`; a code is a word that clients compare.

pub mod answer;
pub mod body;
pub mod client;
pub mod listener;
mod patience;
pub mod query;
pub mod routes;
pub mod server;

pub use answer::Failure;
pub use client::Client;
pub use listener::Listener;
pub use query::Query;
pub use routes::{logged, routes};
pub use server::{Limits, Peer, serve};

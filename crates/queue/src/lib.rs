//! Topics over the log. This is the in-process door: publish a batch, read a batch, commit a
//! position; no cost per message.
//!
//! **Invariant**: a position is a position of the log, so it never goes backwards and is never reused.

mod queue;

pub use log::{Durability, Lsn as Position};
pub use queue::{Batch, Error, Message, NewMessage, Publish, Queue, Subscription, Topic};

//! Many nsqds and nsqlookupds as one: who is there, which topics, how deep, who consumes; and what is
//! done to all of them at once.
//!
//! ```text
//! Addresses ─► Cluster ─┬─ read   topics, channels, producers, stats     GET, all at once
//!                       └─ act    create, delete, pause, empty, tombstone POST, one after another
//! ```
//! Read in this order: [`fetch`] (one request, the only door to the network), [`problem`], [`stats`] (what an nsqd
//! tells and how rows add up), [`producer`] (what an nsqlookupd tells), [`read`] and [`act`].
//!
//! **Invariants**: nothing is kept between two calls; one that does not answer is a problem beside what
//! the others said ([`Seen`]), and only when nobody answers is it an [`Error`]. Ours and the real 1.x
//! daemons are read alike: what an answer lacks is zero.

pub mod act;
pub mod fetch;
pub mod problem;
pub mod producer;
pub mod read;
pub mod stats;

use std::sync::Arc;

use base::Clock;

pub use act::{Action, Target};
pub use fetch::Fetch;
pub use problem::{Cause, Problem, lines};
pub use producer::Producer;
pub use stats::{ChannelStats, ClientStats, Latency, TopicStats};

/// Where the daemons answer HTTP, as `host:port`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// nsqlookupds. If there is one, nsqds are found through them only.
    pub lookupds: Vec<String>,
    /// nsqds, asked directly where no nsqlookupd is named.
    pub nsqds: Vec<String>,
}

/// The daemons at some addresses. Cheap to clone.
#[derive(Clone)]
pub struct Cluster {
    fetch: Arc<dyn Fetch>,
    clock: Clock,
    addresses: Arc<Addresses>,
}

/// What those answered who answered, and what is wrong with the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen<T> {
    /// The answers together.
    pub value: T,
    /// One for each request that failed.
    pub problems: Vec<Problem>,
}

/// Nobody answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to query any {daemon}: {}", lines(problems))]
pub struct Error {
    /// `nsqd` or `nsqlookupd`.
    pub daemon: &'static str,
    /// One for each that was asked; empty: nobody was there to ask.
    pub problems: Vec<Problem>,
}

/// What most readings answer.
pub type Result<T> = std::result::Result<Seen<T>, Error>;

/// Whether topics and channels may be called so.
pub fn is_name(name: &str) -> bool {
    queue::check_name(name).is_ok()
}

impl Cluster {
    /// The daemons at `addresses`, asked through `fetch`.
    pub fn new(fetch: Arc<dyn Fetch>, clock: Clock, addresses: Addresses) -> Self {
        Self { fetch, clock, addresses: Arc::new(addresses) }
    }

    /// The same way of asking, other daemons.
    pub fn at(&self, addresses: Addresses) -> Self {
        Self { addresses: Arc::new(addresses), ..self.clone() }
    }

    /// Whom it asks.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The clock that tells how long clients are connected.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }
}

impl<T> Seen<T> {
    /// Something else of the same answers.
    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Seen<U> {
        Seen { value: f(self.value), problems: self.problems }
    }

    /// The value, its problems gathered into `problems`.
    pub fn note(self, problems: &mut Vec<Problem>) -> T {
        problems.extend(self.problems);
        self.value
    }
}

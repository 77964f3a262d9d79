//! What may come in, how much of it and how long it may take: every limit by its name.

use std::time::Duration;

use base::size::Bytes;
use serde::{Deserialize, Serialize};

/// How the ingest paths answer, and their limits.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Answer `204 No Content` to a post that was taken (StatHat after May 2017) unless it asks for
    /// a body with `vb=1`. Default false: `200` and 25 bytes of JSON, which every client accepts.
    pub quiet: bool,
    /// Answer misuse with a real 4xx instead of `200` and `{"status":500,...}`. Default false.
    pub strict_status: bool,
    /// The limits.
    pub limits: Limits,
}

/// Every limit of the listeners and of the ingest paths.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Largest body, sent and decompressed: 1 MiB, beyond it 413.
    pub body: Bytes,
    /// Memory for bodies that are being received, all connections together: 256 MiB, beyond it 503.
    pub bodies: Bytes,
    /// Most items of a bulk: 1,000.
    pub items: usize,
    /// Most points one request may stand for once multi-posts are expanded: 5,000.
    pub points: usize,
    /// Largest request head: 16 KiB, beyond it 431.
    pub header: Bytes,
    /// How long a request head may take to arrive: 10 s, then 408.
    #[serde(with = "base::size::duration")]
    pub header_time: Duration,
    /// How long the body of a request may take to arrive, on any path: 30 s, then 408 and nothing taken.
    #[serde(with = "base::size::duration")]
    pub body_time: Duration,
    /// How long the log may take to make a request durable: 30 s, then 503.
    #[serde(with = "base::size::duration")]
    pub settle_time: Duration,
    /// How long a peer may refuse to read what we answered: 30 s, then the connection is closed.
    #[serde(with = "base::size::duration")]
    pub write_time: Duration,
    /// How long a connection may stay silent between requests: 75 s.
    #[serde(with = "base::size::duration")]
    pub idle_time: Duration,
    /// Most connections, all listeners together: 10,000, beyond it 503 and close.
    pub connections: usize,
    /// Most ingest requests being worked on at once: 8,192, beyond it 503.
    pub requests: usize,
    /// How long running requests may go on after the stop: 10 s.
    #[serde(with = "base::size::duration")]
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: Bytes::mib(1),
            bodies: Bytes::mib(256),
            items: 1_000,
            points: 5_000,
            header: Bytes::kib(16),
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            settle_time: Duration::from_secs(30),
            write_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            connections: 10_000,
            requests: 8_192,
            drain_time: Duration::from_secs(10),
        }
    }
}

impl Limits {
    /// The largest body as a length in memory.
    pub(crate) fn body_len(&self) -> usize {
        usize::try_from(self.body.0).unwrap_or(usize::MAX)
    }
}

//! An nsqd as it presents itself.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};

use base::Timestamp;
use serde::{Deserialize, Serialize};

/// What an nsqd says of itself in `IDENTIFY`. Ports are as wide as JSON's numbers: nothing here connects to
/// them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "they are NSQ's own words")]
pub struct Presented {
    /// Where it connects from; what it says itself is not believed.
    #[serde(skip_deserializing)]
    pub remote_address: String,
    pub hostname: String,
    pub broadcast_address: String,
    pub tcp_port: i64,
    pub http_port: i64,
    pub version: String,
    pub topology_zone: String,
    pub topology_region: String,
}

/// A connected nsqd.
#[derive(Debug)]
pub struct Peer {
    /// Number of its connection; unique as long as lookupd runs.
    pub id: u64,
    /// What it says of itself.
    pub presented: Presented,
    /// When it was last heard of, ms.
    heard: AtomicI64,
}

impl Peer {
    /// The nsqd that connects from `address`; `None` if what it says leaves out who and where it is.
    pub fn new(id: u64, address: SocketAddr, mut presented: Presented, now: Timestamp) -> Option<Self> {
        let lacks = presented.broadcast_address.is_empty()
            || presented.tcp_port == 0
            || presented.http_port == 0
            || presented.version.is_empty();
        presented.remote_address = address.to_string();
        (!lacks).then(|| Self { id, presented, heard: AtomicI64::new(now.millis()) })
    }

    /// It was heard of.
    pub fn hear(&self, now: Timestamp) {
        self.heard.store(now.millis(), Ordering::Relaxed);
    }

    /// When it was last heard of.
    pub fn heard(&self) -> Timestamp {
        Timestamp::from_millis(self.heard.load(Ordering::Relaxed))
    }

    /// The name by which one of its topics is tombstoned: `<broadcast address>:<HTTP port>`.
    pub fn node(&self) -> String {
        format!("{}:{}", self.presented.broadcast_address, self.presented.http_port)
    }
}

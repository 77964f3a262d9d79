//! nsqd and its nsqlookupds: every topic and channel is registered with each of them, and a new topic
//! takes over the channels that the others know.
//!
//! Read `peer` (one connection), then [`Lookup`].

mod peer;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use parking_lot::Mutex;
use queue::broker::Broker;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::http::Client;
use peer::Peer;

/// Most bytes of an answer of nsqlookupd that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How this node introduces itself.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the words of the wire")]
pub struct Introduction {
    pub version: String,
    pub tcp_port: u16,
    pub http_port: u16,
    pub hostname: String,
    pub broadcast_address: String,
    pub topology_zone: String,
    pub topology_region: String,
}

/// How connections to nsqlookupds behave.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// Connecting, and each command with its answer: 5 s.
    pub patience: Duration,
    /// Between pings: 15 s.
    pub ping: Duration,
    /// Before the first attempt after a failure: 250 ms; each further one waits twice as long.
    pub backoff_min: Duration,
    /// Longest wait before an attempt: 15 s, as often as the real nsqd tries.
    pub backoff_max: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            ping: Duration::from_secs(15),
            backoff_min: Duration::from_millis(250),
            backoff_max: Duration::from_secs(15),
        }
    }
}

/// The nsqlookupds of this node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lookup {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    introduction: Introduction,
    times: Times,
    broker: Broker,
    client: Client,
    addresses: watch::Sender<Vec<String>>,
    /// `<addr>:<port>` for HTTP of those that are connected, with the address they are known by.
    reached: Mutex<BTreeSet<(String, String)>>,
}

/// The answer of `/channels?topic=`.
#[derive(Deserialize)]
struct Channels {
    channels: Vec<String>,
}

impl Lookup {
    /// Knows `addresses`; nothing happens before [`Lookup::run`].
    pub fn new(
        introduction: Introduction,
        addresses: Vec<String>,
        broker: Broker,
        client: Client,
        times: Times,
    ) -> Self {
        let (addresses, _) = watch::channel(addresses);
        let reached = Mutex::new(BTreeSet::new());
        Self { shared: Arc::new(Shared { introduction, times, broker, client, addresses, reached }) }
    }

    /// Changes which nsqlookupds there are; connections of those that stay are kept.
    pub fn set_addresses(&self, addresses: Vec<String>) {
        self.shared.addresses.send_replace(addresses);
    }

    /// How many of them are connected.
    pub fn connected(&self) -> usize {
        self.shared.reached.lock().len()
    }

    /// Keeps a connection to each until the stop.
    pub async fn run(self, stop: Stop) {
        let peers = TaskGroup::new();
        let mut running: Vec<(String, CancellationToken)> = Vec::new();
        let mut wanted = self.shared.addresses.subscribe();
        loop {
            let addresses = wanted.borrow_and_update().clone();
            running.retain(|(address, end)| {
                let stays = addresses.contains(address);
                if !stays {
                    tracing::info!("LOOKUP: removing peer {address}");
                    end.cancel();
                }
                stays
            });
            for address in addresses {
                if running.iter().any(|(known, _)| *known == address) {
                    continue;
                }
                tracing::info!("LOOKUP({address}): adding peer");
                let end = CancellationToken::new();
                running.push((address.clone(), end.clone()));
                let peer = Peer { address, shared: Arc::clone(&self.shared) };
                let stop = peers.stop_signal();
                peers.spawn("lookup peer", async move {
                    tokio::select! {
                        () = peer.run() => {}
                        () = end.cancelled() => {}
                        () = stop.requested() => {}
                    }
                    peer.forget();
                });
            }
            tokio::select! {
                changed = wanted.changed() => if changed.is_err() { break },
                () = stop.requested() => break,
            }
        }
        peers.drain(self.shared.times.patience).await;
        tracing::info!("LOOKUP: closing");
    }

    /// The channels that the nsqlookupds know of `topic`, save the ephemeral ones. Those that do not
    /// answer are passed over.
    pub async fn channels(&self, topic: &str) -> BTreeSet<String> {
        let reached: Vec<_> = self.shared.reached.lock().iter().map(|(_, http)| http.clone()).collect();
        let name = percent_encoding::utf8_percent_encode(topic, percent_encoding::NON_ALPHANUMERIC);
        let mut asked = tokio::task::JoinSet::new();
        for http in reached {
            let (client, url) = (self.shared.client.clone(), format!("http://{http}/channels?topic={name}"));
            asked.spawn(async move { (client.get_json::<Channels>(&url).await, url) });
        }
        let mut channels = BTreeSet::new();
        while let Some(answered) = asked.join_next().await {
            match answered {
                Ok((Ok(answer), _)) => channels.extend(answer.channels),
                Ok((Err(error), url)) => tracing::warn!("failed to query nsqlookupd {url} - {error}"),
                Err(error) => tracing::error!("a query of nsqlookupd panicked - {error}"),
            }
        }
        channels.retain(|channel| !channel.ends_with("#ephemeral"));
        channels
    }
}

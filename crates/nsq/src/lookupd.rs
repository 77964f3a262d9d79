//! `nsqlookupd`: knows which nsqd has which topic, and tells consumers and nsqadmin.
//!
//! ```text
//! nsqd ── TCP: IDENTIFY, REGISTER, UNREGISTER, PING ──▶ tcp ──▶ registry ◀── api ◀── HTTP: /lookup, /nodes, ...
//! ```
//! Read in this order: [`peer`] (who an nsqd says it is), [`registry`] (what is known), `protocol` (the
//! commands), `tcp`, `api` (HTTP), `waiting` (lookups that wait).
//!
//! Everything is in memory, as in NSQ: registrations stay when an nsqd goes, the nsqd itself does not, and
//! whoever comes back registers again. Beyond NSQ: `/lookup` can wait for a change, and `/metrics`.

pub mod options;
pub mod peer;
pub mod registry;

mod api;
mod metrics;
mod protocol;
mod tcp;
mod waiting;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use base::{Clock, Timestamp};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub use options::Options;
pub(crate) use protocol::TOO_MANY;

use crate::http::{Limits, Listener, listener, serve};
use crate::{host, version};
use metrics::Figures;
use registry::{Ages, Registry};
use tcp::Silence;
use waiting::Waiting;

/// How long connections get to end after the stop.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A lookupd whose addresses are bound and that serves nobody yet.
pub struct Lookupd {
    shared: Arc<Shared>,
    tcp: TcpListener,
    http: Listener,
}

/// What connections and requests share.
struct Shared {
    options: Options,
    clock: Clock,
    registry: Mutex<Registry>,
    /// Those who wait for a change of a topic.
    waiting: Waiting,
    /// The places for them.
    waits: Semaphore,
    /// How long nsqds may be silent.
    silence: Silence,
    /// Number of the next connection.
    next_peer: AtomicU64,
    figures: Figures,
    tcp_port: u16,
    http_port: u16,
    host: String,
}

impl Lookupd {
    /// Binds both addresses.
    ///
    /// # Errors
    /// The system's, with the address in the text.
    pub async fn bind(options: Options, clock: Clock) -> io::Result<Self> {
        let tcp = listener::bind_tcp(&options.tcp_address).await.map_err(|error| {
            io::Error::new(error.kind(), format!("listen ({}) failed - {error}", options.tcp_address))
        })?;
        let http = Listener::bind(&options.http_address).await?;
        let shared = Shared {
            tcp_port: tcp.local_addr()?.port(),
            http_port: http.port().unwrap_or_default(),
            registry: Mutex::new(Registry::new(clock.now())),
            waiting: Waiting::default(),
            waits: Semaphore::new(api::WAITS_MAX),
            silence: Silence::default(),
            next_peer: AtomicU64::new(0),
            figures: Figures::new(),
            host: host::name(),
            options,
            clock,
        };
        Ok(Self { shared: Arc::new(shared), tcp, http })
    }

    /// Where nsqds connect.
    ///
    /// # Errors
    /// The system's.
    pub fn tcp_address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Where HTTP is answered.
    pub fn http_address(&self) -> String {
        self.http.address()
    }

    /// Serves until `stop`, then lets what is open end.
    pub async fn run(self, stop: Stop) {
        tracing::info!("{}", version::banner("nsqlookupd"));
        tracing::info!(
            "TCP: listening on {}",
            self.tcp.local_addr().map_or_else(|e| e.to_string(), |a| a.to_string())
        );
        tracing::info!("HTTP: listening on {}", self.http.address());
        let connections = TaskGroup::new();
        let http = serve(self.http, api::router(&self.shared, stop.clone()), stop.clone(), Limits::default());
        let tcp = tcp::accept(self.tcp, &self.shared, &connections, stop);
        tokio::join!(http, tcp);
        if !connections.drain(DRAIN_TIME).await {
            tracing::warn!("TCP: connections did not end in time");
        }
    }
}

impl Shared {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn ages(&self) -> Ages {
        Ages {
            now: self.now(),
            inactive_after: self.options.inactive_producer_timeout,
            tombstone_lifetime: self.options.tombstone_lifetime,
        }
    }

    /// Changes the registry and tells those who wait for what changed.
    fn change<T>(&self, change: impl FnOnce(&mut Registry) -> T) -> T {
        let mut registry = self.registry.lock();
        let result = change(&mut registry);
        let touched = registry.take_touched();
        drop(registry);
        self.waiting.tell(&touched);
        result
    }
}

#[cfg(test)]
mod tests;

//! `nsqd`: takes messages, keeps them in the queue, and hands them out.
//!
//! ```text
//!  TCP clients ── connections ──┐                 ┌── statsd
//!  HTTP, HTTPS ── api ──────────┼─▶ Nsqd ─▶ broker ├── stats, metrics
//!  signals ────── run ──────────┘                 └── lookup ─▶ nsqlookupds
//! ```
//! Read [`options`] (what it can be told), [`Nsqd`] (what all parts share), [`api`]
//! (HTTP), [`mod@run`] (start and stop), [`stats`] and [`statsd`], [`lookup`], [`clients`].

pub mod api;
pub mod auth;
pub mod client;
pub mod clients;
mod connection;
mod folder;
pub mod identify;
pub mod lookup;
mod making;
mod metrics;
pub mod options;
pub mod run;
pub mod stats;
pub mod statsd;
pub mod tcp;
pub mod tls;
pub mod topology;

#[cfg(test)]
#[path = "../tests/certificates/blind.rs"]
mod blind;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use base::{Clock, ErrorKind, Timestamp};
use queue::broker::{Broker, Topic};
use rustls::ServerConfig;

pub use folder::{Folder, InUse};
pub use options::Options;
pub use run::{Error, RECORD_OVERHEAD, Running, run};

use crate::logging::{Level, Verbosity};
use crate::version::VERSION;
use auth::Authority;
use clients::Clients;
use lookup::Lookup;
use making::Making;
use stats::{Filter, Memory, Report, Stats};

/// What every part of a running nsqd shares.
#[derive(Debug)]
pub struct Nsqd {
    /// Topics, channels and messages.
    pub broker: Broker,
    /// Open connections.
    pub clients: Clients,
    /// The nsqlookupds.
    pub lookup: Lookup,
    /// Where the time comes from.
    pub clock: Clock,
    /// Where it listens.
    pub ports: Ports,
    /// For TCP and HTTPS; none without a certificate.
    pub tls: Option<Arc<ServerConfig>>,
    /// Who says what clients may do; none: everybody may do everything.
    pub authority: Option<Authority>,
    options: ArcSwap<Options>,
    verbosity: Verbosity,
    making: Making,
    started: (Timestamp, Instant),
    /// Publish commands that were refused for want of room.
    refused: AtomicU64,
}

/// What an [`Nsqd`] is put together from.
#[derive(Debug)]
#[expect(missing_docs, reason = "as the fields of `Nsqd`")]
pub struct Parts {
    pub options: Options,
    pub ports: Ports,
    pub broker: Broker,
    pub lookup: Lookup,
    pub tls: Option<Arc<ServerConfig>>,
    pub authority: Option<Authority>,
    pub verbosity: Verbosity,
    pub clock: Clock,
}

/// Real ports; 0 where it does not listen or listens on a unix socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are what they are called")]
pub struct Ports {
    pub tcp: u16,
    pub http: u16,
    pub https: u16,
}

impl Nsqd {
    /// Puts the parts together.
    pub fn new(parts: Parts) -> Self {
        let Parts { options, ports, broker, lookup, tls, authority, verbosity, clock } = parts;
        Self {
            broker,
            clients: Clients::default(),
            lookup,
            started: (clock.now(), Instant::now()),
            clock,
            ports,
            tls,
            authority,
            options: ArcSwap::from_pointee(options),
            verbosity,
            making: Making::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// The options as they are now; only those that [`Nsqd::set_lookupd_addresses`] and
    /// [`Nsqd::set_log_level`] set ever change.
    pub fn options(&self) -> Arc<Options> {
        self.options.load_full()
    }

    /// Registers with these nsqlookupds from now on, and with no others.
    pub fn set_lookupd_addresses(&self, addresses: Vec<String>) {
        self.lookup.set_addresses(addresses.clone());
        self.change(|options| options.lookupd_tcp_addresses.clone_from(&addresses));
    }

    /// Logs what is at least so bad from now on.
    pub fn set_log_level(&self, level: Level) {
        self.verbosity.set(level);
        self.change(|options| options.log_level = level);
    }

    fn change(&self, change: impl Fn(&mut Options)) {
        self.options.rcu(|options| {
            let mut changed = Options::clone(options);
            change(&mut changed);
            changed
        });
    }

    /// Finds or makes a topic. A new one has the channels that the nsqlookupds know before anybody can
    /// publish to it, so that consumers elsewhere miss nothing.
    ///
    /// # Errors
    /// The broker's. An nsqlookupd that does not answer is none.
    pub async fn topic(&self, name: &str) -> Result<Arc<Topic>, queue::Error> {
        if let Some(topic) = self.find_topic(name) {
            return Ok(topic);
        }
        let _alone = self.making.begin(name).await;
        if let Some(topic) = self.broker.find_topic(name) {
            return Ok(topic);
        }
        queue::check_name(name)?;
        let channels = self.lookup.channels(name).await;
        let topic = self.broker.topic(name).await?;
        for channel in channels {
            if let Err(error) = topic.channel(&channel).await {
                tracing::error!("TOPIC({name}): cannot make the channel {channel} - {error}");
            }
        }
        Ok(topic)
    }

    /// The topic of this name, once it is complete.
    pub fn find_topic(&self, name: &str) -> Option<Arc<Topic>> {
        if self.making.is_making(name) {
            return None;
        }
        self.broker.find_topic(name)
    }

    /// What there is and how it is.
    pub fn stats(&self, filter: &Filter<'_>) -> Stats {
        stats::collect(&self.broker, &self.clients, filter)
    }

    /// The whole answer of `/stats`.
    pub fn report(&self, filter: &Filter<'_>, memory: bool) -> Report {
        let Stats { topics, producers } = self.stats(filter);
        Report {
            version: VERSION,
            health: self.health(),
            start_time: self.start_time().seconds(),
            topics,
            memory: memory.then(Memory::now),
            producers,
        }
    }

    /// `OK`, or `NOK - ` and why nothing can be written.
    pub fn health(&self) -> String {
        self.broker.health().map_or_else(|why| format!("NOK - {why}"), |()| "OK".to_owned())
    }

    /// Counts a publish command that was not done, if that was for want of room.
    pub(crate) fn count_refusal(&self, error: &queue::Error) {
        if error.kind() == ErrorKind::Busy {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many publish commands were refused for want of room: of the disk, of a topic, or for a topic.
    pub fn refused_publishes(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// When it started.
    pub fn start_time(&self) -> Timestamp {
        self.started.0
    }

    /// How long it has run.
    pub fn uptime(&self) -> Duration {
        self.started.1.elapsed()
    }

    /// The HTTP port that others are told.
    pub fn broadcast_http_port(&self) -> u16 {
        self.ports.broadcast(&self.options()).1
    }
}

impl Ports {
    /// The TCP and HTTP ports that others are told.
    pub(crate) fn broadcast(&self, options: &Options) -> (u16, u16) {
        let told = |wanted: u16, real: u16| if wanted == 0 { real } else { wanted };
        (told(options.broadcast_tcp_port, self.tcp), told(options.broadcast_http_port, self.http))
    }
}

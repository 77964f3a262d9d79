//! The configuration: what every part is told, where each value came from, and what is wrong with it.
//!
//! Two stages. [`layers`] gathers raw values (flags over environment over file over defaults) and refuses
//! names that do not exist; [`setting`] is the one table that gives each of them its meaning; what comes
//! out is a checked [`Config`] made of the parts' own typed ones.

mod command;
mod layers;
mod nsq;
mod raw;
mod setting;
mod source;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(crate) use command::{check, show};
pub(crate) use layers::{Loaded, Overrides, load};
pub(crate) use nsq::Nsq;
pub(crate) use source::Problem;

/// What `eyrie serve` runs on. The data folder is not in it: it is named on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// `[server]`
    pub(crate) server: Server,
    /// `[ingest]`, and the limits of `[server]`.
    pub(crate) ingest: ingest::Config,
    /// `[log]`; its folder is filled in from the data folder.
    pub(crate) log: log::Config,
    /// `[stats]`, and the durability of `[ingest]`.
    pub(crate) app: app::Config,
    /// `[store]`
    pub(crate) store: store::SqliteOptions,
    /// `[web]`
    pub(crate) web: web::Config,
    /// `[account] owner`
    pub(crate) owner: String,
    /// `[nsq]`
    pub(crate) nsq: Nsq,
}

/// `[server]`
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Where to listen; port 0 lets the system choose.
    pub(crate) listen: Vec<SocketAddr>,
    /// How long a drain may take before the process ends anyway.
    pub(crate) drain_patience: Duration,
    /// Whether `/metrics` answers.
    pub(crate) metrics: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server {
                listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
                drain_patience: Duration::from_secs(30),
                metrics: true,
            },
            ingest: ingest::Config::default(),
            log: log::Config::new(""),
            app: app::Config {
                shards: 16,
                durability: queue::Durability::Disk,
                checkpoint_interval: Duration::from_secs(5),
                grace: Duration::from_secs(120),
                keep_minutes: days(32),
                keep_hours: days(5 * 365 + 2),
                keep_trash: Duration::from_secs(48 * 3600),
                stats_per_account_max: 1_000_000,
                ..app::Config::default()
            },
            store: store::SqliteOptions::default(),
            web: web::Config::default(),
            owner: "owner@localhost".to_owned(),
            nsq: Nsq::default(),
        }
    }
}

/// The shortest and the longest that a peer may be waited for.
const WAIT_MIN: Duration = Duration::from_millis(10);
const WAIT_MAX: Duration = days(1);

/// How long anything may be kept: a hundred years, which every sum of times can hold.
const KEPT_MAX: Duration = days(36_500);

/// More connections or live pages than one machine ever has.
const CONNECTIONS_MAX: usize = 1_000_000;

const fn days(n: u64) -> Duration {
    Duration::from_secs(n * 86_400)
}

impl Config {
    /// What does not hold between or within values that are each well written: `(setting, what to do)`.
    fn contradictions(&self) -> Vec<(&'static str, String)> {
        let mut found = Vec::new();
        let mut require = |holds: bool, name: &'static str, advice: &str| {
            if !holds {
                found.push((name, advice.to_owned()));
            }
        };
        require(!self.server.listen.is_empty(), "server.listen", "give at least one address");
        let limits = &self.ingest.limits;
        for (time, name) in [
            (limits.header_time, "server.header_time"),
            (limits.body_time, "server.body_time"),
            (limits.write_time, "server.write_time"),
            (limits.idle_time, "server.idle_time"),
        ] {
            require((WAIT_MIN..=WAIT_MAX).contains(&time), name, "make it 10ms to 1d");
        }
        require(limits.drain_time <= WAIT_MAX, "server.drain_time", "make it at most 1d");
        require(
            self.server.drain_patience > limits.drain_time && self.server.drain_patience <= WAIT_MAX,
            "server.drain_patience",
            "make it longer than server.drain_time, and at most 1d",
        );
        require(
            (1..=CONNECTIONS_MAX).contains(&limits.connections),
            "server.connections",
            "make it 1 to 1000000",
        );
        require((1 << 10..=1 << 20).contains(&limits.header.0), "server.header", "make it 1 KiB to 1 MiB");
        require(
            (1 << 16..=1 << 30).contains(&self.log.segment_bytes)
                && self.log.segment_bytes.is_multiple_of(4096),
            "log.segment",
            "make it a multiple of 4 KiB from 64 KiB to 1 GiB",
        );
        require(
            self.log.quota_bytes >= 2 * self.log.segment_bytes,
            "log.quota",
            "make it at least two segments: see log.segment",
        );
        require(
            self.log.record_bytes_max >= 1 << 10,
            "log.record_max",
            "make it at least 1 KiB: a point with a long name must fit",
        );
        require(
            (self.log.record_bytes_max..=16 << 30).contains(&self.log.pending_bytes_max),
            "log.pending_max",
            "make it log.record_max to 16 GiB",
        );
        require(self.app.shards >= 1, "stats.shards", "make it 1 to 255");
        require(
            (Duration::from_millis(50)..=days(1)).contains(&self.app.checkpoint_interval),
            "stats.checkpoint",
            "make it 50ms to 1d",
        );
        require(self.app.grace <= days(1), "stats.grace", "make it at most 1d");
        require(self.app.keep_minutes >= days(2), "stats.keep_minutes", "make it at least 2d");
        require(
            (self.app.keep_minutes..=KEPT_MAX).contains(&self.app.keep_hours),
            "stats.keep_hours",
            "make it at least stats.keep_minutes, and at most 36500d",
        );
        require(self.app.keep_trash <= KEPT_MAX, "stats.keep_trash", "make it at most 36500d");
        require(self.store.size_max >= 1 << 20, "store.size_max", "make it at least 1 MiB");
        for (streams, name) in
            [(self.web.live_streams_max, "web.live_streams"), (self.web.live_guests_max, "web.live_guests")]
        {
            require(streams <= CONNECTIONS_MAX, name, "make it at most 1000000");
        }
        let url = self.web.public_url.as_deref().unwrap_or("http://localhost");
        let host = url.strip_prefix("http://").or(url.strip_prefix("https://")).unwrap_or_default();
        require(
            !host.is_empty() && url.parse::<http::Uri>().is_ok(),
            "web.public_url",
            "make it begin with http:// or https://, such as https://stats.example.com",
        );
        require(
            app::accounts::is_email(&self.owner),
            "account.owner",
            "write an email address, such as owner@localhost",
        );
        for (holds, name, advice) in self.nsq.requirements() {
            require(holds, name, advice);
        }
        require(
            self.nsq.tcp.is_none() || self.log.record_bytes_max > ::nsq::nsqd::RECORD_OVERHEAD,
            "log.record_max",
            "make it at least 8 KiB: a message of NSQ must fit",
        );
        found
    }
}

/// Everything that is wrong with a configuration, one line each.
#[derive(Debug)]
pub(crate) struct Problems(Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0.as_slice() else { return Ok(()) };
        write!(f, "{first}")?;
        rest.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

impl std::error::Error for Problems {}

//! The configuration: what every part is told, where each value came from, and what is wrong with it.
//!
//! Two stages. [`layers`] gathers raw values (flags over environment over file over defaults) and refuses
//! names that do not exist; [`setting`] is the one table that gives each of them its meaning; what comes
//! out is a checked [`Config`] made of the parts' own typed ones.

mod command;
mod layers;
mod raw;
mod setting;
mod source;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub(crate) use command::{check, show};
pub(crate) use layers::{Loaded, Overrides, load};
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
}

/// `[server]`
#[derive(Clone, Debug)]
pub(crate) struct Server {
    /// Where to listen; port 0 lets the system choose.
    pub(crate) listen: Vec<SocketAddr>,
    /// How long a drain may take before the process ends anyway.
    pub(crate) drain_patience: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            server: Server {
                listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))],
                drain_patience: Duration::from_secs(30),
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
                ..app::Config::default()
            },
            store: store::SqliteOptions::default(),
            web: web::Config::default(),
            owner: "owner@localhost".to_owned(),
        }
    }
}

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
            self.log.pending_bytes_max >= self.log.record_bytes_max,
            "log.pending_max",
            "make it at least log.record_max",
        );
        require(self.app.shards >= 1, "stats.shards", "make it 1 to 255");
        require(
            self.app.checkpoint_interval >= Duration::from_millis(50),
            "stats.checkpoint",
            "make it at least 50ms",
        );
        require(self.app.keep_minutes >= days(2), "stats.keep_minutes", "make it at least 2d");
        require(
            self.app.keep_hours >= self.app.keep_minutes,
            "stats.keep_hours",
            "make it at least stats.keep_minutes",
        );
        require(self.owner.contains('@'), "account.owner", "write an email address, such as owner@localhost");
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

//! Everything wired (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::metrics::Metrics;
use base::tasks::TaskGroup;

use crate::Error;
use crate::accounts::Accounts;
use crate::catalog::Catalog;
use crate::charts::Charts;
use crate::intake::Intake;
use crate::listing::Listing;

/// Limits and intervals; the binary fills it from the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of shards of a new data folder; default 16. An existing folder keeps its own.
    pub shards: u8,
    /// How sure a point is before it is answered; default disk.
    pub durability: queue::Durability,
    /// How often the head is written down; default 5 s.
    pub checkpoint_interval: Duration,
    /// How long after its end an hour stays open; default 2 min.
    pub grace: Duration,
    /// How long minutes are kept; default 32 d.
    pub keep_minutes: Duration,
    /// How long hours are kept; default 5 y.
    pub keep_hours: Duration,
    /// How long a deleted stat can be taken back; default 48 h.
    pub keep_trash: Duration,
}

/// One process's application: cheap to clone.
#[derive(Clone)]
pub struct App {
    pub accounts: Accounts,
    pub catalog: Catalog,
    pub charts: Charts,
    pub intake: Intake,
    pub listing: Listing,
    pub clock: Clock,
}

impl App {
    /// Loads accounts and catalog, restores the head from the last checkpoint, starts recorder,
    /// closing, retention and Eyrie's own stats as tasks of `tasks`.
    pub async fn start(
        config: Config,
        clock: Clock,
        store: Arc<dyn store::Store>,
        queue: queue::Queue,
        metrics: &Metrics,
        tasks: &TaskGroup,
    ) -> Result<Self, Error> {
        todo!()
    }

    /// Ready to serve, or why not (poisoned log, recorder stopped, far behind).
    pub fn readiness(&self) -> Result<(), String> {
        todo!()
    }

    /// Resolves once everything acknowledged before the call is in the head (tests, shutdown).
    pub async fn settled(&self) {
        todo!()
    }

    /// Writes a last checkpoint: call after the listeners are closed.
    pub async fn finish(&self) -> Result<(), Error> {
        todo!()
    }
}

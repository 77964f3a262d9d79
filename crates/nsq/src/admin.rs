//! nsqadmin without its pages: its API, who may change what, and whom it tells.
//!
//! ```text
//! request ─► api ─┬─ cluster (what is there)                       GET
//!                 ├─ access ─► deeds ─► cluster (change) ─► notices POST, DELETE
//!                 ├─ settings (/config)        └─ graphite (/api/graphite, /render)
//! pages (crate web) ─► the same Admin ─► rates (what moved in the last minutes)
//! Prometheus ─► metrics (/metrics)
//! ```
//! Read in this order: [`Admin`], [`api`] (every path), [`deeds`] and [`notices`], [`access`],
//! [`settings`], [`graphite`], [`rates`], [`options`].
//!
//! **Invariants**: what the original answers is answered to the byte; nothing is changed for a user
//! who may not, whichever door was used; nobody's slow endpoint holds up an answer.

pub mod access;
pub mod api;
pub mod deeds;
pub mod graphite;
mod metrics;
pub mod notices;
pub mod options;
pub mod rates;
mod run;
pub mod settings;

use std::sync::Arc;

use base::Clock;
use base::tasks::TaskGroup;
use parking_lot::RwLock;

use crate::cluster::{Addresses, Cluster};
use crate::http::Client;
use crate::http::client;
use crate::logging::{Level, Verbosity};

pub use deeds::Caller;
use metrics::{Counted, Figures};
pub use notices::Notice;
pub use options::Options;
pub use rates::Rates;
pub use run::run;

/// nsqadmin. Cheap to clone; every clone is the same one.
#[derive(Clone)]
pub struct Admin {
    shared: Arc<Shared>,
}

struct Shared {
    options: RwLock<Arc<Options>>,
    client: Client,
    clock: Clock,
    cluster: Cluster,
    notices: notices::Sender,
    figures: Figures,
    rates: Rates,
    verbosity: Verbosity,
}

impl Admin {
    /// Starts what runs beside requests: telling of actions, measuring rates.
    ///
    /// # Errors
    /// The certificates that the options name cannot be used.
    pub fn start(
        options: Options,
        verbosity: Verbosity,
        clock: Clock,
        tasks: &TaskGroup,
    ) -> Result<Self, client::Error> {
        let client = Client::new(asking(&options))?;
        let figures = Figures::new();
        let counted = Counted::new(client.clone(), figures.clone());
        let cluster = Cluster::new(counted, clock.clone(), Addresses::default());
        let notices = notices::start(client.clone(), figures.clone(), tasks);
        let options = RwLock::new(Arc::new(options));
        let shared =
            Shared { options, client, clock, cluster, notices, figures, rates: Rates::default(), verbosity };
        let admin = Self { shared: Arc::new(shared) };
        rates::start(&admin, tasks);
        Ok(admin)
    }

    /// The options as they are now: `/config` may change them.
    pub fn options(&self) -> Arc<Options> {
        Arc::clone(&self.shared.options.read())
    }

    /// The daemons that the options name now.
    pub fn cluster(&self) -> Cluster {
        let options = self.options();
        self.shared.cluster.at(Addresses {
            lookupds: options.lookupd_http_addresses.clone(),
            nsqds: options.nsqd_http_addresses.clone(),
        })
    }

    /// What moved in the last minutes.
    pub fn rates(&self) -> &Rates {
        &self.shared.rates
    }

    /// What time it is.
    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    /// In front of every path: empty, or `/nsq` without a slash at its end.
    pub fn base_path(&self) -> String {
        let options = self.options();
        let trimmed = options.base_path.trim_matches('/');
        if trimmed.is_empty() { String::new() } else { format!("/{trimmed}") }
    }

    fn say(&self, level: Level) {
        self.shared.verbosity.set(level);
        self.change(|options| options.log_level = level);
    }

    fn change(&self, change: impl FnOnce(&mut Options)) {
        let mut options = self.shared.options.write();
        let mut changed = (**options).clone();
        change(&mut changed);
        *options = Arc::new(changed);
    }
}

/// How the options want others to be asked.
fn asking(options: &Options) -> client::Options {
    let file = |path: &String| (!path.is_empty()).then(|| path.into());
    client::Options {
        connect_timeout: options.http_client_connect_timeout,
        request_timeout: options.http_client_request_timeout,
        user_agent: format!("nsqadmin/{}", crate::version::VERSION),
        tls: client::Tls {
            root_ca_file: file(&options.http_client_tls_root_ca_file),
            cert: file(&options.http_client_tls_cert),
            key: file(&options.http_client_tls_key),
            insecure_skip_verify: options.http_client_tls_insecure_skip_verify,
        },
        ..client::Options::default()
    }
}

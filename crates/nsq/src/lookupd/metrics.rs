//! What lookupd counts, as Prometheus scrapes it.

use std::sync::atomic::AtomicI64;

use base::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

use super::registry::Registry;

type ByCommand = Family<[(&'static str, &'static str); 1], Counter>;

/// All figures; those of the registry are read when somebody scrapes.
pub(super) struct Figures {
    metrics: Metrics,
    topics: Gauge,
    channels: Gauge,
    nodes: Gauge,
    connections: Gauge<i64, AtomicI64>,
    commands: ByCommand,
    lookups: Counter,
    waits: Gauge,
}

impl Figures {
    pub(super) fn new() -> Self {
        let metrics = Metrics::new();
        let gauge = |name: &str, help: &str| metrics.register(name, help, Gauge::default());
        Self {
            topics: gauge("nsqlookupd_topics", "Topics known"),
            channels: gauge("nsqlookupd_channels", "Channels known"),
            nodes: gauge("nsqlookupd_nodes", "nsqds that presented themselves and are connected"),
            connections: gauge("nsqlookupd_connections", "Open TCP connections"),
            commands: metrics.register("nsqlookupd_commands", "Commands of nsqds", ByCommand::default()),
            lookups: metrics.register("nsqlookupd_lookups", "Answers of /lookup", Counter::default()),
            waits: gauge("nsqlookupd_waits", "Requests of /lookup that wait for a change"),
            metrics,
        }
    }

    pub(super) fn connected(&self) {
        self.connections.inc();
    }

    pub(super) fn disconnected(&self) {
        self.connections.dec();
    }

    pub(super) fn command(&self, name: &'static str) {
        self.commands.get_or_create(&[("command", name)]).inc();
    }

    pub(super) fn lookup(&self) {
        self.lookups.inc();
    }

    /// Counts one who waits, until the guard is dropped.
    pub(super) fn wait(&self) -> impl Drop + use<> {
        struct Waiting(Gauge);
        impl Drop for Waiting {
            fn drop(&mut self) {
                self.0.dec();
            }
        }
        self.waits.inc();
        Waiting(self.waits.clone())
    }

    pub(super) fn render(&self, registry: &Registry) -> String {
        let (topics, channels, nodes) = registry.sizes();
        for (gauge, value) in [(&self.topics, topics), (&self.channels, channels), (&self.nodes, nodes)] {
            gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
        }
        self.metrics.render()
    }
}

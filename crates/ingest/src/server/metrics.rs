//! What the listeners count about themselves.

use base::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

/// Of all listeners together.
#[derive(Debug)]
pub(super) struct ServerMetrics {
    pub(super) connections: Gauge,
    pub(super) accepted: Counter,
    pub(super) refused: Counter,
    pub(super) timeouts: Counter,
}

impl ServerMetrics {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        Self {
            connections: metrics.register("http_connections", "Open connections", Gauge::default()),
            accepted: counter("http_accepted", "Connections accepted"),
            refused: counter("http_refused", "Connections turned away with 503 at the limit"),
            timeouts: counter("http_timeouts", "Connections closed because their peer was too slow"),
        }
    }
}

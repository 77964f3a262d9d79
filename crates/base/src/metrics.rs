//! Our own numbers, in the form Prometheus scrapes.

use std::sync::Arc;

use parking_lot::Mutex;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

/// Where every room registers its metrics under its own name. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Mutex<Registry>>);

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Registry::with_prefix("eyrie"))))
    }
}

impl Metrics {
    /// An empty registry; every name gets the prefix `eyrie_`.
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers `metric` as `eyrie_<name>` and hands it back, so that a field can be made in one line.
    pub fn register<M: Metric + Clone>(&self, name: &str, help: &str, metric: M) -> M {
        self.0.lock().register(name, help, metric.clone());
        metric
    }

    /// Registers a histogram of seconds: 100 µs to 52 s in doubling steps.
    pub fn seconds(&self, name: &str, help: &str) -> Histogram {
        self.register(name, help, Histogram::new(exponential_buckets(0.0001, 2.0, 20)))
    }

    /// The whole registry in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut out = String::new();
        encode(&mut out, &self.0.lock()).expect("writing to a string does not fail");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::metrics::counter::Counter;

    #[test]
    fn what_is_registered_is_rendered() {
        let metrics = Metrics::new();
        let points = metrics.register("points", "Points taken", Counter::<u64>::default());
        points.inc_by(3);
        let text = metrics.render();
        assert!(text.contains("eyrie_points_total 3"), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}

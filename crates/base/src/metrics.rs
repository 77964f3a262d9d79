//! Our own numbers, in the form Prometheus scrapes.

use std::collections::HashSet;
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

/// What Prometheus asks for since 2.5.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The older format, which every tool reads: for whoever does not ask.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A page of OpenMetrics as who asks with this `Accept` gets it: its content type and its text.
pub fn scraped(accept: Option<&str>, openmetrics: String) -> (&'static str, String) {
    if accept.is_some_and(|kinds| kinds.contains("application/openmetrics-text")) {
        (OPENMETRICS, openmetrics)
    } else {
        (PLAIN, plain(&openmetrics))
    }
}

/// OpenMetrics to the older text format: there the name of a counter ends in `_total` in its description
/// too, and units and the end are not marked.
fn plain(openmetrics: &str) -> String {
    let counters: HashSet<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut out = String::with_capacity(openmetrics.len());
    for line in openmetrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let described = ["# HELP ", "# TYPE "].into_iter().find_map(|start| {
            let (name, rest) = line.strip_prefix(start)?.split_once(' ')?;
            counters.contains(name).then(|| format!("{start}{name}_total {rest}"))
        });
        out.push_str(described.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
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

    #[test]
    fn the_plain_format_names_counters_as_prometheus_does() {
        let openmetrics = "\
# HELP eyrie_points Points taken.
# TYPE eyrie_points counter
eyrie_points_total 3
# HELP eyrie_wait_seconds Waiting.
# TYPE eyrie_wait_seconds histogram
# UNIT eyrie_wait_seconds seconds
eyrie_wait_seconds_count 1
# EOF
";
        let expected = "\
# HELP eyrie_points_total Points taken.
# TYPE eyrie_points_total counter
eyrie_points_total 3
# HELP eyrie_wait_seconds Waiting.
# TYPE eyrie_wait_seconds histogram
eyrie_wait_seconds_count 1
";
        assert_eq!(plain(openmetrics), expected);
    }

    #[test]
    fn who_asks_for_openmetrics_gets_it() {
        let prometheus =
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;q=0.5,*/*;q=0.1";
        assert_eq!(scraped(Some(prometheus), "# EOF\n".to_owned()), (OPENMETRICS, "# EOF\n".to_owned()));
        for accept in [None, Some("*/*")] {
            assert_eq!(scraped(accept, "# EOF\n".to_owned()), (PLAIN, String::new()));
        }
    }
}

//! What machines ask: `/healthz` (the process lives), `/readyz` (it can take numbers), `/metrics`.

use std::collections::HashSet;

use app::App;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use base::metrics::Metrics;

use crate::gauges::LogGauges;

/// What Prometheus asks for since 2.5.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The older format, which every tool reads: for whoever does not ask.
const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/healthz` and `/readyz`.
pub(crate) fn health(app: App) -> Router {
    let ready = move || {
        let answer = match app.readiness() {
            Ok(()) => (StatusCode::OK, "ready\n".to_owned()),
            Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
        };
        async move { answer }
    };
    Router::new().route("/healthz", get(async || "alive\n")).route("/readyz", get(ready))
}

/// `/metrics`.
pub(crate) fn metrics(metrics: Metrics, gauges: LogGauges) -> Router {
    let render = move |headers: HeaderMap| {
        gauges.refresh();
        let text = metrics.render();
        let answer = if wants_openmetrics(&headers) {
            ([(header::CONTENT_TYPE, OPENMETRICS)], text)
        } else {
            ([(header::CONTENT_TYPE, PLAIN)], plain(&text))
        };
        async move { answer.into_response() }
    };
    Router::new().route("/metrics", get(render))
}

fn wants_openmetrics(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|kinds| kinds.contains("application/openmetrics-text"))
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
        let mut headers = HeaderMap::new();
        assert!(!wants_openmetrics(&headers));
        let prometheus =
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;q=0.5,*/*;q=0.1";
        headers.insert(header::ACCEPT, prometheus.parse().expect("a header"));
        assert!(wants_openmetrics(&headers));
    }
}

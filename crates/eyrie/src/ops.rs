//! What machines ask: `/healthz` (the process lives), `/readyz` (it can take numbers), `/metrics`.

use app::App;
use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use base::metrics::{Metrics, scraped};

use crate::gauges::LogGauges;

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
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let (kind, page) = scraped(accept, metrics.render());
        let answer = ([(header::CONTENT_TYPE, kind)], page);
        async move { answer.into_response() }
    };
    Router::new().route("/metrics", get(render))
}

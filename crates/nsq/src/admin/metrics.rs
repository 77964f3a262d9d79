//! What nsqadmin counts, as Prometheus scrapes it: whom it asked, what was done, who was told. What the
//! cluster holds is told by each nsqd itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Instant;

use axum::extract::State;
use axum::response::Response;
use base::metrics::Metrics;
use bytes::Bytes;
use http::{HeaderMap, Method};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::Admin;
use crate::cluster::fetch::{Fetch, Fetched};
use crate::http::Client;
use crate::http::answer;
use crate::nsqd::stats::Memory;

type By = Family<[(&'static str, &'static str); 1], Counter>;
type ByAction = Family<[(&'static str, String); 1], Counter>;

/// All figures. Cheap to clone; every clone is the same.
#[derive(Clone)]
pub(super) struct Figures {
    metrics: Metrics,
    started: Instant,
    uptime: Gauge<f64, AtomicU64>,
    memory: Gauge<i64, AtomicI64>,
    watched: Gauge,
    asked: By,
    answered_in: Histogram,
    actions: ByAction,
    notices: By,
}

impl Figures {
    pub(super) fn new() -> Self {
        let metrics = Metrics::new();
        Self {
            started: Instant::now(),
            uptime: metrics.register("nsqadmin_uptime_seconds", "How long it has run", Gauge::default()),
            memory: metrics.register("nsqadmin_memory_bytes", "Resident memory of its own", Gauge::default()),
            watched: metrics.register(
                "nsqadmin_watched",
                "Whether rates are measured because somebody looks or looked minutes ago",
                Gauge::default(),
            ),
            asked: metrics.register(
                "nsqadmin_asked",
                "Requests to nsqds and nsqlookupds, by what came of them",
                By::default(),
            ),
            answered_in: metrics.seconds("nsqadmin_answer_seconds", "How long nsqds and nsqlookupds took"),
            actions: metrics.register("nsqadmin_actions", "What people changed", ByAction::default()),
            notices: metrics.register(
                "nsqadmin_notices",
                "Notifications of actions, by what came of them",
                By::default(),
            ),
            metrics,
        }
    }

    /// Somebody did something, `pause_topic` for instance.
    pub(super) fn acted(&self, action: &str) {
        self.actions.get_or_create(&[("action", action.to_owned())]).inc();
    }

    /// A notification was `sent`, has `failed` or was `dropped`.
    pub(super) fn told(&self, outcome: &'static str) {
        self.notices.get_or_create(&[("outcome", outcome)]).inc();
    }

    fn render(&self, is_watched: bool) -> String {
        self.uptime.set(self.started.elapsed().as_secs_f64());
        self.memory.set(i64::try_from(Memory::now().heap_in_use_bytes).unwrap_or(i64::MAX));
        self.watched.set(is_watched.into());
        self.metrics.render()
    }
}

/// A client whose questions are counted.
pub(super) struct Counted {
    client: Client,
    figures: Figures,
}

impl Counted {
    pub(super) fn new(client: Client, figures: Figures) -> Arc<Self> {
        Arc::new(Self { client, figures })
    }
}

impl Fetch for Counted {
    fn fetch(&self, method: Method, url: String, body: Option<Bytes>) -> Fetched {
        let (figures, started) = (self.figures.clone(), Instant::now());
        let fetched = self.client.fetch(method, url, body);
        Box::pin(async move {
            let answer = fetched.await;
            figures.answered_in.observe(started.elapsed().as_secs_f64());
            let outcome = if answer.is_ok() { "answered" } else { "failed" };
            figures.asked.get_or_create(&[("outcome", outcome)]).inc();
            answer
        })
    }
}

/// `GET /metrics`.
pub(super) async fn metrics(State(admin): State<Admin>, asked: HeaderMap) -> Response {
    let is_watched = admin.rates().is_looked_at(admin.clock().now().millis());
    answer::figures(&asked, admin.shared.figures.render(is_watched))
}

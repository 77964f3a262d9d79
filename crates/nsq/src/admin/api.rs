//! nsqadmin's JSON API.

mod changes;
mod readings;

use axum::Router;
use axum::routing::{delete, get, post};
use http::StatusCode;
use serde::Serialize;

use super::{Admin, graphite, metrics, settings};
use crate::cluster::{Error, Problem, Seen, lines};
use crate::http::{Failure, answer};

/// The largest body of a request, in bytes.
const BODY_BYTES_MAX: usize = 1 << 20;

/// Every path that is not a page, without the base path and without a fallback.
pub fn router(admin: Admin) -> Router {
    let render = admin.options().proxy_graphite;
    let mut router = Router::new()
        .route("/ping", get(async || answer::plain_text(StatusCode::OK, "OK")))
        .route("/metrics", get(metrics::metrics))
        .route("/api/topics", get(readings::topics).post(changes::create))
        .route(
            "/api/topics/{topic}",
            get(readings::topic).post(changes::act_on_topic).delete(changes::delete_topic),
        )
        .route(
            "/api/topics/{topic}/{channel}",
            get(readings::channel).post(changes::act_on_channel).delete(changes::delete_channel),
        )
        .route("/api/nodes", get(readings::nodes))
        .route("/api/nodes/{node}", get(readings::node).merge(delete(changes::tombstone)))
        .route("/api/counter", get(readings::counter))
        .route("/api/graphite", get(graphite::rate))
        .route("/config/{option}", get(settings::config).put(settings::config));
    if render {
        router = router.route("/render", get(graphite::render).merge(post(graphite::render)));
    }
    router.with_state(admin)
}

/// The answer to whatever has nothing to tell but what went wrong.
#[derive(Serialize)]
struct Message {
    message: String,
}

/// What did not answer, in one line; empty: all did.
fn warning(problems: &[String]) -> String {
    if problems.is_empty() { String::new() } else { format!("WARNING: {}", problems.join("; ")) }
}

/// A change's answer. What was only partly done is a success with a warning.
fn told(done: Result<Seen<()>, Error>) -> Result<axum::response::Response, Failure> {
    let done = done.map_err(upstream)?;
    log(&done.problems);
    // The problems of one action are one text, as in the original.
    let joined = (!done.problems.is_empty()).then(|| lines(&done.problems));
    let joined: Vec<String> = joined.into_iter().collect();
    Ok(answer::json(&Message { message: warning(&joined) }))
}

/// Nobody answered: `502 UPSTREAM_ERROR`.
fn upstream(error: Error) -> Failure {
    tracing::error!("{error}");
    Failure::new(StatusCode::BAD_GATEWAY, format!("UPSTREAM_ERROR: {error}"))
}

fn log(problems: &[Problem]) {
    for problem in problems {
        tracing::warn!("{problem}");
    }
}

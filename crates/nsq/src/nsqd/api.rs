//! nsqd's HTTP API: NSQ's to the byte, and what Eyrie adds.
//!
//! | NSQ's | |
//! |---|---|
//! | `/ping /info /stats` | how it is |
//! | `/pub /mpub` | [`publish`] |
//! | `/topic/* /channel/*` | [`topics`], [`channels`] |
//! | `/config/*` | [`config`] |
//! | `/debug/*` | `debug` |
//!
//! | Eyrie's | |
//! |---|---|
//! | `GET, PUT /topic/policy?topic=` | a topic's rules, as JSON |
//! | `GET /channel/peek?topic=&channel=&max=` | messages, without taking them |
//! | `POST /channel/seek?topic=&channel=` and `to=start`, `to=end`, `time=` or `id=` | [`seek`] |
//! | `GET /metrics` | for Prometheus |
//! | `/pub?id=&key=&ttl=`, `/mpub?defer=&id=&key=&ttl=` | what TCP's publish commands can say |

pub mod channels;
pub mod config;
mod debug;
mod permit;
pub mod publish;
pub mod seek;
pub mod topics;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::Response;
use axum::routing::{get, post, put};
use base::ErrorKind;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use super::Nsqd;
use super::stats::{Filter, Text};
use crate::http::answer::{self, json, plain_text, raw_json};
use crate::http::{Failure, Limits, Query, logged, routes};
use crate::version::VERSION;

/// What a handler answers.
pub(super) type Answer = Result<Response, Failure>;
/// What a handler is given.
pub(super) type Shared = State<Arc<Nsqd>>;

/// Everything over HTTP.
pub fn router(nsqd: &Arc<Nsqd>) -> Router {
    let quiet = Router::new()
        .route("/pub", post(publish::one))
        .route("/mpub", post(publish::many))
        .route("/metrics", get(metrics));
    let logged = logged(
        Router::new()
            .route("/ping", get(ping))
            .route("/info", get(info))
            .route("/stats", get(stats))
            .route("/topic/create", post(topics::create))
            .route("/topic/delete", post(topics::delete))
            .route("/topic/empty", post(topics::empty))
            .route("/topic/pause", post(topics::pause))
            .route("/topic/unpause", post(topics::unpause))
            .route("/topic/policy", get(topics::policy).put(topics::set_policy))
            .route("/channel/create", post(channels::create))
            .route("/channel/delete", post(channels::delete))
            .route("/channel/empty", post(channels::empty))
            .route("/channel/pause", post(channels::pause))
            .route("/channel/unpause", post(channels::unpause))
            .route("/channel/peek", get(channels::peek))
            .route("/channel/seek", post(seek::seek))
            .route("/config/{opt}", get(config::get).put(config::put))
            .route("/debug/pprof/", get(debug::index))
            .route("/debug/pprof/cmdline", get(debug::command_line))
            .route("/debug/setblockrate", put(debug::set_block_rate))
            .route("/debug/freememory", post(debug::free_memory))
            .with_state(Arc::clone(nsqd)),
    );
    let all = quiet.with_state(Arc::clone(nsqd)).merge(logged);
    let all = match permit::Door::of(nsqd) {
        Some(door) => all.layer(middleware::from_fn_with_state(door, permit::check)),
        None => all,
    };
    routes(all)
}

/// What plain HTTP answers where TLS is required, whatever is asked.
pub fn tls_required(https_port: u16) -> Router {
    Router::new().fallback(move || async move {
        let body = format!(r#"{{"message": "TLS_REQUIRED", "https_port": {https_port}}}"#);
        let mut response = raw_json(body);
        *response.status_mut() = StatusCode::FORBIDDEN;
        response
    })
}

/// Limits of its listeners.
pub fn limits(nsqd: &Nsqd) -> Limits {
    Limits { body_bytes: nsqd.options().max_body_size, ..Limits::default() }
}

async fn ping(State(nsqd): Shared) -> Response {
    let health = nsqd.health();
    let status = if health == "OK" { StatusCode::OK } else { StatusCode::INTERNAL_SERVER_ERROR };
    plain_text(status, health)
}

#[derive(Serialize)]
struct Info<'a> {
    version: &'static str,
    broadcast_address: &'a str,
    hostname: &'a str,
    http_port: i32,
    tcp_port: i32,
    start_time: i64,
    max_heartbeat_interval: u128,
    max_output_buffer_size: usize,
    max_output_buffer_timeout: u128,
    max_deflate_level: u32,
    topology_zone: &'a str,
    topology_region: &'a str,
}

async fn info(State(nsqd): Shared) -> Response {
    let options = nsqd.options();
    json(&Info {
        version: VERSION,
        broadcast_address: &options.broadcast_address,
        hostname: &crate::host::name(),
        http_port: port(nsqd.ports.http, &options.http_address),
        tcp_port: port(nsqd.ports.tcp, &options.tcp_address),
        start_time: nsqd.start_time().seconds(),
        max_heartbeat_interval: options.max_heartbeat_interval.as_nanos(),
        max_output_buffer_size: options.max_output_buffer_size,
        max_output_buffer_timeout: options.max_output_buffer_timeout.as_nanos(),
        max_deflate_level: options.max_deflate_level,
        topology_zone: &options.topology_zone,
        topology_region: &options.topology_region,
    })
}

/// A port as `/info` tells it: -1 of a unix socket.
fn port(port: u16, address: &str) -> i32 {
    if port == 0 && !address.is_empty() { -1 } else { port.into() }
}

async fn stats(State(nsqd): Shared, query: Query) -> Response {
    let given = |name| query.get(name).filter(|value| !value.is_empty());
    let wanted = |name| !matches!(query.get(name), Some("false" | "0"));
    let filter =
        Filter { topic: given("topic"), channel: given("channel"), clients: wanted("include_clients") };
    let report = nsqd.report(&filter, wanted("include_mem"));
    if query.get("format") == Some("json") {
        return json(&report);
    }
    let now = jiff::Timestamp::from_millisecond(nsqd.clock.now().millis()).unwrap_or_default();
    answer::text(Text { report: &report, now, uptime: nsqd.uptime() }.to_string())
}

async fn metrics(State(nsqd): Shared, asked: HeaderMap) -> Response {
    answer::figures(&asked, super::metrics::render(&nsqd))
}

/// What an error of the queue is over HTTP.
fn failure(error: &queue::Error) -> Failure {
    match error {
        queue::Error::TopicNotFound(_) => Failure::not_found("TOPIC_NOT_FOUND"),
        queue::Error::ChannelNotFound(_) => Failure::not_found("CHANNEL_NOT_FOUND"),
        queue::Error::Name(_) | queue::Error::Reserved(_) => Failure::bad_request("INVALID_TOPIC"),
        queue::Error::Exiting => Failure::unavailable("EXITING"),
        other => match other.kind() {
            ErrorKind::Invalid | ErrorKind::Conflict => Failure::bad_request("INVALID_REQUEST"),
            ErrorKind::NotFound => Failure::not_found("NOT_FOUND"),
            ErrorKind::Denied => Failure::new(StatusCode::FORBIDDEN, "FORBIDDEN"),
            ErrorKind::Busy => Failure::unavailable("BUSY"),
            ErrorKind::Unavailable => Failure::unavailable("UNAVAILABLE"),
            ErrorKind::Internal => Failure::internal(),
        },
    }
}

/// As [`failure`], said in the log as well, save where the requester is told all there is to say.
fn failed(what: &str, error: &queue::Error) -> Failure {
    match error.kind() {
        ErrorKind::Busy | ErrorKind::Invalid => tracing::debug!("failed to {what} - {error}"),
        _ => tracing::error!("failed to {what} - {error}"),
    }
    failure(error)
}

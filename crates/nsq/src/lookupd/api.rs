//! lookupd's HTTP API: NSQ's to the byte, and two things more.
//!
//! `GET /lookup?topic=T&wait=30s&since=REVISION` answers when the topic is no longer as it was at REVISION,
//! at the latest after `wait` (a Go duration, at most [`WAIT_MAX`]). Every answer to a request with `wait` has
//! the header `X-Eyrie-Revision`, a 404 too: it is the next `since`. Without `since` it answers at once.
//! What only time changes (an nsqd that falls silent, a tombstone that ends) wakes nobody. Who would have to
//! wait and finds no place is answered at once and without the header, as by NSQ's: that client polls.
//!
//! `GET /metrics` is Prometheus'.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base::Timestamp;
use base::tasks::Stop;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

use super::Shared;
use super::peer::{Peer, Presented};
use super::registry::{Full, Row};
use crate::flags::duration;
use crate::http::answer::{empty, figures, json, plain_text};
use crate::http::{Failure, Query, logged, routes};
use crate::version::VERSION;

/// Longest that `/lookup` waits for a change.
pub(super) const WAIT_MAX: Duration = Duration::from_secs(60);

/// Most lookups that wait at once. Half of the connections a listener takes, so that others are always served.
pub(super) const WAITS_MAX: usize = 2_048;

/// The header of the word that goes into the next `since`.
const REVISION: HeaderName = HeaderName::from_static("x-eyrie-revision");

/// What Go shows for a moment that never was.
const NEVER_NS: i64 = -6_795_364_578_871_345_152;

#[derive(Clone)]
struct Api {
    shared: Arc<Shared>,
    stop: Stop,
}

type Answer = Result<Response, Failure>;

pub(super) fn router(shared: &Arc<Shared>, stop: Stop) -> Router {
    let api = Api { shared: Arc::clone(shared), stop };
    let quiet =
        Router::new().route("/lookup", get(lookup)).route("/metrics", get(metrics)).with_state(api.clone());
    let logged = logged(
        Router::new()
            .route("/ping", get(|| async { plain_text(StatusCode::OK, "OK") }))
            .route("/info", get(info))
            .route("/debug", get(debug))
            .route("/topics", get(topics))
            .route("/channels", get(channels))
            .route("/nodes", get(nodes))
            .route("/topic/create", post(create_topic))
            .route("/topic/delete", post(delete_topic))
            .route("/topic/tombstone", post(tombstone))
            .route("/channel/create", post(create_channel))
            .route("/channel/delete", post(delete_channel))
            .with_state(api),
    );
    routes(quiet.merge(logged))
}

#[derive(Serialize)]
struct Info {
    version: &'static str,
}

async fn info() -> Response {
    json(&Info { version: VERSION })
}

#[derive(Serialize)]
struct Topics<'a> {
    topics: Vec<&'a str>,
}

async fn topics(State(api): State<Api>) -> Response {
    let topics = api.shared.registry.lock().topics();
    json(&Topics { topics: texts(&topics) })
}

#[derive(Serialize)]
struct Channels<'a> {
    channels: Vec<&'a str>,
}

async fn channels(State(api): State<Api>, query: Query) -> Answer {
    let topic = query.need("topic")?;
    let channels = api.shared.registry.lock().channels(topic);
    Ok(json(&Channels { channels: texts(&channels) }))
}

fn texts(names: &[Arc<str>]) -> Vec<&str> {
    names.iter().map(|name| &**name).collect()
}

#[derive(Serialize)]
struct Lookup<'a> {
    channels: Vec<&'a str>,
    producers: Vec<&'a Presented>,
}

async fn lookup(State(api): State<Api>, query: Query) -> Answer {
    let topic = query.need("topic")?;
    let wait = match query.get("wait") {
        None => None,
        Some(text) => Some(duration::parse(text).map_err(|_| Failure::bad_request("INVALID_WAIT"))?),
    };
    let mut tells = wait.is_some();
    if let (Some(wait), Some(since)) = (wait, query.get("since"))
        // What cannot be a name never changes.
        && queue::check_name(topic).is_ok()
    {
        tells = api.changed(topic, since, wait.min(WAIT_MAX)).await;
    }
    api.shared.figures.lookup();
    let ages = api.shared.ages();
    let (channels, producers, revision) = {
        let registry = api.shared.registry.lock();
        (registry.channels(topic), registry.producers(topic, ages), registry.revision(topic))
    };
    let mut response = match &producers {
        Some(peers) => {
            let producers = peers.iter().map(|peer| &peer.presented).collect();
            json(&Lookup { channels: texts(&channels), producers })
        }
        None => Failure::not_found("TOPIC_NOT_FOUND").into_response(),
    };
    if tells {
        let revision = HeaderValue::from_str(&revision).expect("hex digits and a dash");
        response.headers_mut().insert(REVISION, revision);
    }
    Ok(response)
}

impl Api {
    /// Waits until the topic has another revision than `since`, at most `wait`, and not beyond the stop.
    /// False if there was no place to wait at.
    async fn changed(&self, topic: &str, since: &str, wait: Duration) -> bool {
        if self.shared.registry.lock().revision(topic) != since {
            return true;
        }
        let Ok(_place) = self.shared.waits.try_acquire() else { return false };
        let _counted = self.shared.figures.wait();
        let mut place = self.shared.waiting.join(topic);
        let other = async {
            // It looks again after every change since it joined.
            while self.shared.registry.lock().revision(topic) == since {
                place.changed().await;
            }
        };
        tokio::select! {
            () = other => {}
            () = tokio::time::sleep(wait) => {}
            () = self.stop.requested() => {}
        }
        true
    }
}

#[derive(Serialize)]
struct NodeRow<'a> {
    #[serde(flatten)]
    presented: &'a Presented,
    tombstones: Vec<bool>,
    topics: Vec<&'a str>,
}

#[derive(Serialize)]
struct Nodes<'a> {
    producers: Vec<NodeRow<'a>>,
}

async fn nodes(State(api): State<Api>) -> Response {
    let ages = api.shared.ages();
    let nodes = api.shared.registry.lock().nodes(ages);
    let rows = nodes.iter().map(|node| NodeRow {
        presented: &node.peer.presented,
        tombstones: node.topics.iter().map(|(_, hidden)| *hidden).collect(),
        topics: node.topics.iter().map(|(topic, _)| &**topic).collect(),
    });
    json(&Nodes { producers: rows.collect() })
}

async fn create_topic(State(api): State<Api>, query: Query) -> Answer {
    let topic = valid(query.need("topic")?, "INVALID_ARG_TOPIC")?;
    tracing::info!("DB: adding topic({topic})");
    api.shared.change(|registry| registry.create_topic(topic)).map_err(full)?;
    Ok(empty())
}

async fn delete_topic(State(api): State<Api>, query: Query) -> Answer {
    let topic = query.need("topic")?;
    tracing::info!("DB: removing topic({topic})");
    api.shared.change(|registry| registry.delete_topic(topic));
    Ok(empty())
}

async fn tombstone(State(api): State<Api>, query: Query) -> Answer {
    let (topic, node) = (query.need("topic")?, query.need("node")?);
    tracing::info!("DB: setting tombstone for producer@{node} of topic({topic})");
    let now = api.shared.now();
    api.shared.change(|registry| registry.tombstone(topic, node, now));
    Ok(empty())
}

async fn create_channel(State(api): State<Api>, query: Query) -> Answer {
    let (topic, channel) = names(&query)?;
    tracing::info!("DB: adding channel({channel}) in topic({topic})");
    api.shared.change(|registry| registry.create_channel(topic, channel)).map_err(full)?;
    Ok(empty())
}

async fn delete_channel(State(api): State<Api>, query: Query) -> Answer {
    let (topic, channel) = names(&query)?;
    if !api.shared.change(|registry| registry.delete_channel(topic, channel)) {
        return Err(Failure::not_found("CHANNEL_NOT_FOUND"));
    }
    tracing::info!("DB: removing channel({channel}) from topic({topic})");
    Ok(empty())
}

/// A topic and a channel, refused in NSQ's order.
fn names(query: &Query) -> Result<(&str, &str), Failure> {
    let topic = valid(query.need("topic")?, "INVALID_ARG_TOPIC")?;
    let channel = valid(query.need("channel")?, "INVALID_ARG_CHANNEL")?;
    Ok((topic, channel))
}

fn valid<'a>(name: &'a str, code: &str) -> Result<&'a str, Failure> {
    queue::check_name(name).map_err(|_| Failure::bad_request(code))?;
    Ok(name)
}

fn full(_: Full) -> Failure {
    Failure::unavailable("TOO_MANY_NAMES")
}

/// A row of `/debug`, its fields in the order of NSQ's answer.
#[derive(Serialize)]
struct DebugRow<'a> {
    broadcast_address: &'a str,
    hostname: &'a str,
    http_port: i64,
    id: &'a str,
    last_update: i64,
    tcp_port: i64,
    tombstoned: bool,
    tombstoned_at: i64,
    topology_region: &'a str,
    topology_zone: &'a str,
    version: &'a str,
}

impl<'a> DebugRow<'a> {
    fn of(peer: &'a Peer, tombstoned: Option<Timestamp>) -> Self {
        let nanos = |at: Timestamp| at.millis().saturating_mul(1_000_000);
        let said = &peer.presented;
        Self {
            broadcast_address: &said.broadcast_address,
            hostname: &said.hostname,
            http_port: said.http_port,
            id: &said.remote_address,
            last_update: nanos(peer.heard()),
            tcp_port: said.tcp_port,
            tombstoned: tombstoned.is_some(),
            tombstoned_at: tombstoned.map_or(NEVER_NS, nanos),
            topology_region: &said.topology_region,
            topology_zone: &said.topology_zone,
            version: &said.version,
        }
    }
}

async fn debug(State(api): State<Api>) -> Response {
    let rows: Vec<Row> = api.shared.registry.lock().rows();
    let mut shown: BTreeMap<&str, Vec<DebugRow<'_>>> = BTreeMap::new();
    for row in &rows {
        shown.entry(&row.registration).or_default().push(DebugRow::of(&row.peer, row.tombstoned));
    }
    json(&shown)
}

async fn metrics(State(api): State<Api>, asked: HeaderMap) -> Response {
    let text = api.shared.figures.render(&api.shared.registry.lock());
    figures(&asked, text)
}

//! `/channel/*`.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use queue::broker::{Channel, PEEK_MAX, Peeked, Place, Topic};
use queue::check_name;
use serde::Serialize;

use super::{Answer, Shared, failed, failure, topics};
use crate::http::answer::{empty as done, json};
use crate::http::{Failure, Query};
use crate::nsqd::Nsqd;

/// How many messages are shown where nobody says.
const PEEK_DEFAULT: usize = 10;
/// Most bytes of bodies that one answer shows.
const PEEK_BYTES_MAX: usize = 4 << 20;

/// The topic and the channel that a request names, both valid.
fn names(query: &Query) -> Result<(&str, &str), Failure> {
    let topic = query.need("topic")?;
    check_name(topic).map_err(|_| Failure::bad_request("INVALID_ARG_TOPIC"))?;
    let channel = query.need("channel")?;
    check_name(channel).map_err(|_| Failure::bad_request("INVALID_ARG_CHANNEL"))?;
    Ok((topic, channel))
}

/// The topic, which must be there, and the name of the channel.
fn within<'q>(nsqd: &Nsqd, query: &'q Query) -> Result<(Arc<Topic>, &'q str), Failure> {
    let (topic, channel) = names(query)?;
    Ok((topics::find(nsqd, topic)?, channel))
}

pub(super) fn find(nsqd: &Nsqd, query: &Query) -> Result<Arc<Channel>, Failure> {
    let (topic, channel) = within(nsqd, query)?;
    topic.find_channel(channel).ok_or_else(|| Failure::not_found("CHANNEL_NOT_FOUND"))
}

pub(super) async fn create(State(nsqd): Shared, query: Query) -> Answer {
    let (topic, channel) = within(&nsqd, &query)?;
    topic.channel(channel).await.map_err(|error| failed("create a channel", &error))?;
    Ok(done())
}

pub(super) async fn delete(State(nsqd): Shared, query: Query) -> Answer {
    let (topic, channel) = within(&nsqd, &query)?;
    topic.delete_channel(channel).await.map_err(|error| failure(&error))?;
    Ok(done())
}

pub(super) async fn empty(State(nsqd): Shared, query: Query) -> Answer {
    find(&nsqd, &query)?.empty().await.map_err(|error| failed("empty a channel", &error))?;
    Ok(done())
}

pub(super) async fn pause(State(nsqd): Shared, query: Query) -> Answer {
    set_paused(&nsqd, &query, true).await
}

pub(super) async fn unpause(State(nsqd): Shared, query: Query) -> Answer {
    set_paused(&nsqd, &query, false).await
}

async fn set_paused(nsqd: &Nsqd, query: &Query, paused: bool) -> Answer {
    find(nsqd, query)?.set_paused(paused).await.map_err(|error| failed("pause a channel", &error))?;
    Ok(done())
}

/// A message as `/channel/peek` shows it.
#[derive(Serialize)]
struct Shown<'a> {
    id: String,
    /// `ready`, `in_flight` or `deferred`.
    state: &'static str,
    /// When the consumer's time is over or the message's comes, milliseconds since the epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    timestamp: i64,
    attempts: u16,
    /// As text, or where it is none, as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
}

impl<'a> Shown<'a> {
    fn of(message: &'a Peeked) -> Self {
        let (state, until) = match message.place {
            Place::Ready => ("ready", None),
            Place::InFlight(until) => ("in_flight", Some(until.millis())),
            Place::Deferred(until) => ("deferred", Some(until.millis())),
        };
        let text = std::str::from_utf8(&message.body).ok();
        Self {
            id: message.id.to_string(),
            state,
            until,
            timestamp: message.timestamp_ns,
            attempts: message.attempts,
            body: text.map(Cow::Borrowed),
            body_base64: text.is_none().then(|| STANDARD.encode(&message.body)),
        }
    }
}

#[derive(Serialize)]
struct Peek<'a> {
    messages: Vec<Shown<'a>>,
}

/// Shows `max` messages (10 unless told, at most 1,000) until their bodies fill 4 MiB; takes none.
pub(super) async fn peek(State(nsqd): Shared, query: Query) -> Answer {
    let channel = find(&nsqd, &query)?;
    let max = match query.get("max") {
        None => PEEK_DEFAULT,
        Some(text) => text
            .parse()
            .ok()
            .filter(|max| (1..=PEEK_MAX).contains(max))
            .ok_or_else(|| Failure::bad_request("INVALID_MAX"))?,
    };
    let mut messages = channel.peek(max).await.map_err(|error| failed("peek", &error))?;
    let mut bytes = 0;
    messages.retain(|message| {
        bytes += message.body.len();
        bytes <= PEEK_BYTES_MAX
    });
    Ok(json(&Peek { messages: messages.iter().map(Shown::of).collect() }))
}

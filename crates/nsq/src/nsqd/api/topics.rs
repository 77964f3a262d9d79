//! `/topic/*`.

use std::fmt::Display;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use queue::broker::{Policy, Topic};
use queue::check_name;

use super::{Answer, Shared, failed, failure};
use crate::http::answer::{empty as done, json};
use crate::http::{Failure, Query, body};
use crate::nsqd::Nsqd;

/// Largest policy that is read.
const POLICY_BYTES_MAX: usize = 16 << 10;

/// The topic that a request names, valid.
pub(super) fn name(query: &Query) -> Result<&str, Failure> {
    let name = query.need("topic")?;
    check_name(name).map_err(|_| Failure::bad_request("INVALID_TOPIC"))?;
    Ok(name)
}

/// The topic of this name.
pub(super) fn find(nsqd: &Nsqd, name: &str) -> Result<Arc<Topic>, Failure> {
    nsqd.find_topic(name).ok_or_else(|| Failure::not_found("TOPIC_NOT_FOUND"))
}

pub(super) async fn create(State(nsqd): Shared, query: Query) -> Answer {
    nsqd.topic(name(&query)?).await.map_err(|error| failed("create a topic", &error))?;
    Ok(done())
}

pub(super) async fn delete(State(nsqd): Shared, query: Query) -> Answer {
    nsqd.broker.delete_topic(query.need("topic")?).await.map_err(|error| failure(&error))?;
    Ok(done())
}

pub(super) async fn empty(State(nsqd): Shared, query: Query) -> Answer {
    let topic = find(&nsqd, name(&query)?)?;
    topic.empty().await.map_err(|error| failed("empty a topic", &error))?;
    Ok(done())
}

pub(super) async fn pause(State(nsqd): Shared, query: Query) -> Answer {
    set_paused(&nsqd, &query, true).await
}

pub(super) async fn unpause(State(nsqd): Shared, query: Query) -> Answer {
    set_paused(&nsqd, &query, false).await
}

async fn set_paused(nsqd: &Nsqd, query: &Query, paused: bool) -> Answer {
    let topic = find(nsqd, query.need("topic")?)?;
    topic.set_paused(paused).await.map_err(|error| failed("pause a topic", &error))?;
    Ok(done())
}

pub(super) async fn policy(State(nsqd): Shared, query: Query) -> Answer {
    Ok(json(&find(&nsqd, name(&query)?)?.policy()))
}

/// Replaces the whole policy; what the body does not say becomes the default. Answers with what holds. As a
/// message does, a policy makes its topic: rules are there before the first message. One that cannot hold
/// makes none.
pub(super) async fn set_policy(
    State(nsqd): Shared,
    query: Query,
    request: Request,
) -> Result<Response, Failure> {
    let name = name(&query)?;
    let body =
        body::read(request, POLICY_BYTES_MAX).await.map_err(|unread| unread.failure("BODY_TOO_BIG"))?;
    let invalid = |error: &dyn Display| Failure::bad_request(format!("INVALID_POLICY: {error}"));
    // An object only: a list would be taken for the values in their order.
    let policy: Policy = serde_json::from_slice::<serde_json::Map<_, _>>(&body)
        .and_then(|object| serde_json::from_value(object.into()))
        .map_err(|error| invalid(&error))?;
    policy.check().map_err(|error| invalid(&error))?;
    let topic = nsqd.topic(name).await.map_err(|error| failed("create a topic", &error))?;
    topic.set_policy(policy).await.map_err(|error| failed("set a policy", &error))?;
    Ok(json(&topic.policy()))
}

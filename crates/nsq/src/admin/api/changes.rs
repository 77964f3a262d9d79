//! The POSTs and DELETEs. Everyone of them asks first whether the caller may.

use axum::extract::{Path, Request, State};
use axum::response::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Admin, BODY_BYTES_MAX, told};
use crate::admin::{Caller, access};
use crate::cluster::{Action, Target, is_name};
use crate::http::{Failure, Peer, body};

type Answer = Result<Response, Failure>;

/// Who sends it, if that one may change something.
fn caller(admin: &Admin, request: &Request) -> Result<Caller, Failure> {
    access::need_admin(&admin.options(), request.headers())?;
    let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
    // The router sees what is behind the base path.
    let target = admin.base_path() + target;
    Ok(Caller::of(request.headers(), &target, request.extensions().get::<Peer>()))
}

async fn json<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    let body = body::read(request, BODY_BYTES_MAX).await.map_err(|unread| unread.failure("INVALID_BODY"))?;
    // What follows the first value is not looked at.
    let mut values = serde_json::Deserializer::from_slice(&body).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => Ok(value),
        Some(Err(_)) => Err(Failure::bad_request("INVALID_BODY")),
        None => Err(Failure::bad_request("EOF")),
    }
}

#[derive(Deserialize)]
struct Create {
    topic: Option<String>,
    channel: Option<String>,
}

/// `POST /api/topics {topic, channel}`
pub(super) async fn create(State(admin): State<Admin>, request: Request) -> Answer {
    let caller = caller(&admin, &request)?;
    let body: Create = json(request).await?;
    let topic = valid_topic(body.topic.unwrap_or_default())?;
    let channel = body.channel.filter(|channel| !channel.is_empty());
    if channel.as_ref().is_some_and(|channel| !is_name(channel)) {
        return Err(Failure::bad_request("INVALID_CHANNEL"));
    }
    told(admin.create(&caller, Target { topic: &topic, channel: channel.as_deref() }).await)
}

fn valid_topic(topic: String) -> Result<String, Failure> {
    if is_name(&topic) { Ok(topic) } else { Err(Failure::bad_request("INVALID_TOPIC")) }
}

#[derive(Deserialize)]
struct Act {
    action: Option<String>,
}

async fn act(admin: &Admin, request: Request, target: Target<'_>) -> Answer {
    let caller = caller(admin, &request)?;
    let body: Act = json(request).await?;
    let action = Action::parse(&body.action.unwrap_or_default())
        .ok_or_else(|| Failure::bad_request("INVALID_ACTION"))?;
    told(admin.act(&caller, action, target).await)
}

/// `POST /api/topics/{topic} {action}`
pub(super) async fn act_on_topic(
    State(admin): State<Admin>,
    Path(topic): Path<String>,
    request: Request,
) -> Answer {
    act(&admin, request, Target { topic: &topic, channel: None }).await
}

/// `POST /api/topics/{topic}/{channel} {action}`
pub(super) async fn act_on_channel(
    State(admin): State<Admin>,
    Path((topic, channel)): Path<(String, String)>,
    request: Request,
) -> Answer {
    act(&admin, request, Target { topic: &topic, channel: Some(&channel) }).await
}

/// `DELETE /api/topics/{topic}`
pub(super) async fn delete_topic(
    State(admin): State<Admin>,
    Path(topic): Path<String>,
    request: Request,
) -> Answer {
    let caller = caller(&admin, &request)?;
    told(admin.act(&caller, Action::Delete, Target { topic: &topic, channel: None }).await)
}

/// `DELETE /api/topics/{topic}/{channel}`
pub(super) async fn delete_channel(
    State(admin): State<Admin>,
    Path((topic, channel)): Path<(String, String)>,
    request: Request,
) -> Answer {
    let caller = caller(&admin, &request)?;
    told(admin.act(&caller, Action::Delete, Target { topic: &topic, channel: Some(&channel) }).await)
}

#[derive(Deserialize)]
struct Tombstone {
    topic: Option<String>,
}

/// `DELETE /api/nodes/{node} {topic}`
pub(super) async fn tombstone(
    State(admin): State<Admin>,
    Path(node): Path<String>,
    request: Request,
) -> Answer {
    let caller = caller(&admin, &request)?;
    let body: Tombstone = json(request).await?;
    let topic = valid_topic(body.topic.unwrap_or_default())?;
    told(admin.tombstone(&caller, &topic, &node).await)
}

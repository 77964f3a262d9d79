//! `/channel/seek`: from where a channel reads on.

use axum::extract::State;
use base::Timestamp;
use queue::broker::{MessageId, SeekTo};

use super::{Answer, Shared, channels, failed};
use crate::http::answer::empty as done;
use crate::http::{Failure, Query};

/// Exactly one of `to=start`, `to=end`, `time=` (milliseconds since the epoch), `id=` (of a message).
fn wanted(query: &Query) -> Option<SeekTo> {
    match (query.get("to"), query.get("time"), query.get("id")) {
        (Some("start"), None, None) => Some(SeekTo::Start),
        (Some("end"), None, None) => Some(SeekTo::End),
        (None, Some(ms), None) => Some(SeekTo::Time(Timestamp::from_millis(ms.parse().ok()?))),
        (None, None, Some(id)) => MessageId::parse(id.as_bytes()).map(SeekTo::Id),
        _ => None,
    }
}

pub(super) async fn seek(State(nsqd): Shared, query: Query) -> Answer {
    let channel = channels::find(&nsqd, &query)?;
    let to = wanted(&query).ok_or_else(|| Failure::bad_request("INVALID_SEEK"))?;
    match channel.seek(to).await {
        Ok(()) => Ok(done()),
        Err(error @ queue::Error::Invalid(_)) => Err(Failure::bad_request(format!("INVALID_SEEK: {error}"))),
        Err(error) => Err(failed("seek", &error)),
    }
}

//! `/pub` and `/mpub`.

use std::time::Duration;

use axum::extract::{Request, State};
use bytes::Bytes;
use queue::broker::{NewMessage, Topic};

use super::{Answer, Shared, failed, failure, topics};
use crate::http::answer::text;
use crate::http::body::{self, Unread};
use crate::http::{Failure, Query};
use crate::nsqd::{Nsqd, Options};
use crate::wire::extra::WORD_BYTES_MAX;
use crate::wire::{self, Batch};

/// Largest body whose messages are parts of it.
const SHARED_BYTES_MAX: usize = 64 << 10;

/// What a publisher says of all messages of a request.
struct Sayings {
    delay: Duration,
    id: Option<Box<str>>,
    key: Option<Box<str>>,
    ttl: Option<Duration>,
}

impl Sayings {
    fn of(query: &Query, options: &Options) -> Result<Self, Failure> {
        let delay = match query.get("defer") {
            None => Duration::ZERO,
            Some(given) => milliseconds(given)
                .filter(|delay| *delay <= options.defer_max())
                .ok_or_else(|| Failure::bad_request("INVALID_DEFER"))?,
        };
        let ttl = match query.get("ttl") {
            None => None,
            Some(given) => Some(
                milliseconds(given)
                    .filter(|ttl| !ttl.is_zero())
                    .ok_or_else(|| Failure::bad_request("INVALID_TTL"))?,
            ),
        };
        Ok(Self { delay, id: word(query, "id")?, key: word(query, "key")?, ttl })
    }

    /// A message; of several each has an id of its own, the number behind a dot.
    fn message(&self, body: Bytes, number: Option<usize>) -> NewMessage {
        let id = match number {
            Some(number) => self.id.as_ref().map(|id| format!("{id}.{number}").into()),
            None => self.id.clone(),
        };
        NewMessage {
            body,
            delay: self.delay,
            id,
            key: self.key.clone(),
            ttl: self.ttl,
            ..NewMessage::default()
        }
    }
}

fn milliseconds(text: &str) -> Option<Duration> {
    text.parse::<i64>().ok().and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis)
}

fn word(query: &Query, name: &str) -> Result<Option<Box<str>>, Failure> {
    match query.get(name) {
        None => Ok(None),
        // Two words that are no text could be taken for one.
        Some(text) if (1..=WORD_BYTES_MAX).contains(&text.len()) && !text.contains('\u{FFFD}') => {
            Ok(Some(text.into()))
        }
        Some(_) => Err(Failure::bad_request(format!("INVALID_{}", name.to_ascii_uppercase()))),
    }
}

async fn publish(nsqd: &Nsqd, topic: &Topic, messages: &[NewMessage]) -> Answer {
    let taken = topic.publish(messages).map_err(|error| {
        nsqd.count_refusal(&error);
        match error {
            queue::Error::BeyondTopic { .. } if messages.len() > 1 => Failure::too_large("BODY_TOO_BIG"),
            queue::Error::BeyondTopic { .. } => Failure::too_large("MSG_TOO_BIG"),
            error => failed("publish", &error),
        }
    })?;
    taken.await.map_err(|error| failed("publish", &error))?;
    Ok(text("OK"))
}

/// `POST /pub?topic=[&defer=MS]`: the body is the message.
pub(super) async fn one(State(nsqd): Shared, request: Request) -> Answer {
    let options = nsqd.options();
    let (parts, body) = request.into_parts();
    let body = body::read_body(&parts, body, options.max_msg_size)
        .await
        .map_err(|unread| unread.failure("MSG_TOO_BIG"))?;
    if body.is_empty() {
        return Err(Failure::bad_request("MSG_EMPTY"));
    }
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    // As in nsqd, a request whose topic is fine makes it, whatever else is wrong.
    let topic = nsqd.topic(topics::name(&query)?).await.map_err(|error| failure(&error))?;
    let sayings = Sayings::of(&query, &options)?;
    publish(&nsqd, &topic, &[sayings.message(body, None)]).await
}

/// `POST /mpub?topic=[&binary=true]`: a message a line, empty lines left out; or what `MPUB` carries.
pub(super) async fn many(State(nsqd): Shared, request: Request) -> Answer {
    let options = nsqd.options();
    let (parts, mut body) = request.into_parts();
    let too_large = |unread: Unread| unread.failure("BODY_TOO_BIG");
    body::check_length(&parts, &mut body, options.max_body_size).await.map_err(too_large)?;
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    // As in nsqd, a request whose topic is fine makes it, whatever else is wrong.
    let topic = nsqd.topic(topics::name(&query)?).await.map_err(|error| failure(&error))?;
    let binary = match query.get("binary") {
        None | Some("false" | "0") => false,
        Some("true" | "1") => true,
        Some(other) => {
            tracing::warn!("deprecated value '{other}' used for /mpub binary param");
            true
        }
    };
    let body = body::read_body(&parts, body, options.max_body_size).await.map_err(too_large)?;
    let bodies = if binary { packed(body, &options)? } else { lines(&body, options.max_msg_size)? };
    let sayings = Sayings::of(&query, &options)?;
    if bodies.is_empty() {
        return Ok(text("OK"));
    }
    let numbered = |(number, body)| sayings.message(body, Some(number));
    let messages: Vec<_> = bodies.into_iter().enumerate().map(numbered).collect();
    publish(&nsqd, &topic, &messages).await
}

/// A message out of a body: a part of it where the body is small, else a copy, because one message that
/// stays long would hold the whole body.
fn part(body: &Bytes, message: &[u8]) -> Bytes {
    if body.len() <= SHARED_BYTES_MAX { body.slice_ref(message) } else { Bytes::copy_from_slice(message) }
}

/// The lines of a body.
fn lines(body: &Bytes, bytes_max: usize) -> Result<Vec<Bytes>, Failure> {
    let mut lines = Vec::new();
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', body).chain([body.len()]) {
        let line = &body[start..end];
        start = end + 1;
        if line.len() > bytes_max {
            return Err(Failure::too_large("MSG_TOO_BIG"));
        }
        if !line.is_empty() {
            lines.push(part(body, line));
        }
    }
    Ok(lines)
}

/// The messages of a binary body.
fn packed(body: Bytes, options: &Options) -> Result<Vec<Bytes>, Failure> {
    let limits = wire::Limits {
        message_bytes_max: options.max_msg_size,
        body_bytes_max: options.max_body_size,
        ..wire::Limits::default()
    };
    let batch = Batch::parse(body.clone(), &limits)
        .map_err(|refusal| Failure::too_large(refusal.code.trim_start_matches("E_")))?;
    Ok(batch.iter().map(|message| part(&body, message)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_and_empty_ones_are_none() {
        let check = |body: &'static str, expected: Result<&[&str], &str>| {
            let found = lines(&Bytes::from_static(body.as_bytes()), 5);
            let expected = expected
                .map(|lines| lines.iter().map(|line| Bytes::copy_from_slice(line.as_bytes())).collect());
            assert_eq!(found.map_err(|failure| failure.code), expected.map_err(str::to_owned), "{body:?}");
        };
        check("", Ok(&[]));
        check("\n\n", Ok(&[]));
        check("a\nb", Ok(&["a", "b"]));
        check("a\r\n\nb\n", Ok(&["a\r", "b"]));
        check("12345\n", Ok(&["12345"]));
        check("1\n123456", Err("MSG_TOO_BIG"));
    }

    #[test]
    fn milliseconds_are_read_as_go_reads_them() {
        for (text, expected) in [("0", Some(0)), ("+5", Some(5)), ("3600000", Some(3_600_000)), ("-1", None)]
        {
            assert_eq!(milliseconds(text), expected.map(Duration::from_millis), "{text}");
        }
        for text in ["", "x", "1.5", "1e3", "++1", "+-1", "9223372036854775808"] {
            assert_eq!(milliseconds(text), None, "{text}");
        }
    }
}

//! What is answered, to the byte.

use std::borrow::Cow;
use std::fmt::Write as _;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER,
};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// The answer to an ingest request.
pub type Answer = Response<Full<Bytes>>;

/// StatHat's answer to a post that was taken: 25 bytes.
pub const OK: &str = r#"{"status":200,"msg":"ok"}"#;

const METHODS: &str = "GET, HEAD, POST, PUT, OPTIONS";

/// When to try again after an overload, in seconds.
pub(crate) const RETRY_SECONDS: u32 = 1;

/// Why something was not taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// The status where statuses are real.
    pub(crate) status: StatusCode,
    /// In words, for the sender.
    pub(crate) message: Cow<'static, str>,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self { status, message: message.into() }
    }

    /// The request makes no sense.
    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }
}

/// What became of one item of a bulk. Taken with words: not all of its stats.
pub(crate) type ItemFate = Result<Option<String>, Refusal>;

fn json(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

fn status_and_message(status: u16, message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 32);
    push_pair(&mut out, status, message);
    out.push('}');
    out
}

/// `{"status":N,"msg":"..."` without the closing brace.
fn push_pair(out: &mut String, status: u16, message: &str) {
    let message = serde_json::to_string(message).expect("a text is always JSON");
    write!(out, r#"{{"status":{status},"msg":{message}"#).expect("writing to a string does not fail");
}

/// All was taken. `verbose` false: without a body.
pub(crate) fn taken(verbose: bool) -> Answer {
    if verbose {
        return json(StatusCode::OK, Bytes::from_static(OK.as_bytes()));
    }
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// Something, but not all, was taken: not an error, so that nobody sends it again.
pub(crate) fn partly(message: &str) -> Answer {
    json(StatusCode::OK, status_and_message(200, message))
}

/// Nothing was taken because of the sender: 200 with 500 in it as StatHat did, or the real status.
pub(crate) fn misuse(refusal: &Refusal, strict: bool) -> Answer {
    let (real, told) = statuses(refusal, strict);
    json(real, status_and_message(told, &refusal.message))
}

fn statuses(refusal: &Refusal, strict: bool) -> (StatusCode, u16) {
    if strict { (refusal.status, refusal.status.as_u16()) } else { (StatusCode::OK, 500) }
}

/// The answer to a bulk, with a status for each item. The status above them is only then not 200
/// when nothing at all was taken: whoever sends again on an error never counts twice.
pub(crate) fn bulk(fates: &[ItemFate], strict: bool) -> Answer {
    let good = fates.iter().filter(|fate| fate.is_ok()).count();
    let first_refusal = fates.iter().find_map(|fate| fate.as_ref().err());
    let mut out = String::with_capacity(64 + fates.len() * 27);
    let mut real = StatusCode::OK;
    match first_refusal {
        None => push_pair(&mut out, 200, "ok"),
        Some(refusal) if good == 0 => {
            let told;
            (real, told) = statuses(refusal, strict);
            push_pair(&mut out, told, &refusal.message);
        }
        Some(refusal) => {
            let message =
                format!("{good} of {} items were taken, the first other: {}", fates.len(), refusal.message);
            push_pair(&mut out, 200, &message);
        }
    }
    out.push_str(r#","multiple":["#);
    for (at, fate) in fates.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        match fate {
            Ok(None) => out.push_str(OK),
            Ok(Some(message)) => {
                push_pair(&mut out, 200, message);
                out.push('}');
            }
            Err(refusal) => {
                push_pair(&mut out, statuses(refusal, strict).1, &refusal.message);
                out.push('}');
            }
        }
    }
    out.push_str("]}");
    json(real, out)
}

/// A real error status whatever the mode: limits, timeouts, methods.
pub(crate) fn failure(status: StatusCode, message: &str) -> Answer {
    let mut answer = json(status, status_and_message(status.as_u16(), message));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static(METHODS));
    }
    answer
}

/// As [`failure`] where bytes of the request are still to come: the connection ends with it.
pub(crate) fn failure_and_close(status: StatusCode, message: &str) -> Answer {
    let mut answer = failure(status, message);
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Overload: 503, and when to try again.
pub(crate) fn overload(message: &str, retry_after_seconds: u32) -> Answer {
    let mut answer = failure(StatusCode::SERVICE_UNAVAILABLE, message);
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(retry_after_seconds));
    answer
}

/// A browser asks whether it may post from another origin: it may.
pub(crate) fn preflight(wanted_headers: Option<&HeaderValue>) -> Answer {
    let mut answer = taken(false);
    let headers = answer.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    headers.insert(
        ACCESS_CONTROL_ALLOW_HEADERS,
        wanted_headers.cloned().unwrap_or(HeaderValue::from_static("*")),
    );
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    headers.insert(ALLOW, HeaderValue::from_static(METHODS));
    answer
}

/// Lets a script of another origin read the answer.
pub(crate) fn open_to_browsers(answer: &mut Answer) {
    answer.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

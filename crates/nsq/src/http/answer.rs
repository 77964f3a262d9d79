//! The answers of NSQ's HTTP APIs.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use hyper::ext::ReasonPhrase;
use serde::Serialize;

/// The header that says which form of answer this is.
pub const NSQ_CONTENT_TYPE: HeaderName = HeaderName::from_static("x-nsq-content-type");
/// The one form there is.
pub const NSQ_CONTENT_TYPE_VALUE: HeaderValue = HeaderValue::from_static("nsq; version=1.0");
/// Content type of JSON answers.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
/// Content type of text answers.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// What Go calls 413, by its older name.
const TOO_LARGE: &[u8] = b"Request Entity Too Large";

/// A refusal: a status and the word for it, sent as `{"message":"CODE"}`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} {code}", status.as_u16())]
pub struct Failure {
    /// The HTTP status.
    pub status: StatusCode,
    /// The word, `TOPIC_NOT_FOUND` for instance.
    pub code: String,
}

impl Failure {
    /// With any status.
    pub fn new(status: StatusCode, code: impl Into<String>) -> Self {
        Self { status, code: code.into() }
    }

    /// 400: the request is wrong in itself.
    pub fn bad_request(code: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code)
    }

    /// 404: what it names is not there.
    pub fn not_found(code: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code)
    }

    /// 413: it is larger than allowed.
    pub fn too_large(code: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code)
    }

    /// 503: not now.
    pub fn unavailable(code: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code)
    }

    /// 500 `INTERNAL_ERROR`: our fault; the reason is for the log.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR")
    }
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = json_with(self.status, &Message { message: &self.code });
        if self.status == StatusCode::PAYLOAD_TOO_LARGE {
            response.extensions_mut().insert(ReasonPhrase::from_static(TOO_LARGE));
        }
        response
    }
}

/// 200 with `value` as JSON.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    json_with(StatusCode::OK, value)
}

/// `value` as JSON with a status of its own.
pub fn json_with<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => versioned(status, JSON, bytes),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Failure::internal().into_response()
        }
    }
}

/// 200 with JSON that was written by somebody else.
pub fn raw_json(bytes: impl Into<Body>) -> Response {
    versioned(StatusCode::OK, JSON, bytes)
}

/// 200 with a text: `OK` of `/pub`.
pub fn text(text: impl Into<Body>) -> Response {
    versioned(StatusCode::OK, TEXT, text)
}

/// A text without NSQ's header: `/ping`.
pub fn plain_text(status: StatusCode, text: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], text.into()).into_response()
}

/// 200 with a page of OpenMetrics, in the format that the request wants.
pub fn figures(asked: &HeaderMap, openmetrics: String) -> Response {
    let accept = asked.get(ACCEPT).and_then(|value| value.to_str().ok());
    let (kind, page) = base::metrics::scraped(accept, openmetrics);
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], page).into_response()
}

/// 200 with nothing: what creating, pausing and deleting answer.
pub fn empty() -> Response {
    (StatusCode::OK, [(NSQ_CONTENT_TYPE, NSQ_CONTENT_TYPE_VALUE)], Body::empty()).into_response()
}

fn versioned(status: StatusCode, kind: HeaderValue, body: impl Into<Body>) -> Response {
    (status, [(CONTENT_TYPE, kind), (NSQ_CONTENT_TYPE, NSQ_CONTENT_TYPE_VALUE)], body.into()).into_response()
}

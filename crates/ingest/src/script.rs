//! `/javascripts/api.js`: StatHat's library for browsers. Pages that loaded it from StatHat go on counting
//! when only the host in their `<script src>` changes.

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;

use crate::answer::{self, Answer};

/// Where pages load it from.
const PATH: &str = "/javascripts/api.js";
const SOURCE: &str = include_str!("script/api.js");
/// A day; for a week more, browsers use what they have while they ask again.
const CACHE: &str = "public, max-age=86400, stale-while-revalidate=604800";
/// Pages that isolate themselves load only what allows it.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Whether `path` is the library's.
pub(crate) fn is_at(path: &str) -> bool {
    path == PATH
}

/// The library, open to every origin.
pub(crate) fn answer(method: &Method) -> Answer {
    if !matches!(method, &Method::GET | &Method::HEAD) {
        let mut answer = answer::failure(StatusCode::METHOD_NOT_ALLOWED, "send a GET");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    let mut answer = Response::new(Full::from(SOURCE));
    for (name, value) in [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (CACHE_CONTROL, CACHE),
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (RESOURCE_POLICY, "cross-origin"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        answer.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    answer
}

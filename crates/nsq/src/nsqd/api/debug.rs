//! `/debug/*`: as much of Go's pprof as there is a counterpart of.

use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;

use crate::http::Failure;
use crate::http::answer::plain_text;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

const INDEX: &str = "<!doctype html>\n<html>\n<head><title>/debug/pprof/</title></head>\n<body>\n\
    <h1>/debug/pprof/</h1>\n<p>This nsqd is not a Go program and has no profiles of Go's runtime.</p>\n\
    <ul>\n<li><a href=\"cmdline\">cmdline</a>: the command line of this process</li>\n\
    <li><a href=\"/metrics\">/metrics</a>: its figures, for Prometheus</li>\n\
    <li><a href=\"/stats\">/stats</a>: topics, channels, clients, memory</li>\n</ul>\n</body>\n</html>\n";

pub(super) async fn index() -> Response {
    let mut response = plain_text(StatusCode::OK, INDEX);
    response.headers_mut().insert(CONTENT_TYPE, HTML);
    response
}

/// The words of the command line, a zero byte between them.
pub(super) async fn command_line() -> Response {
    let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    plain_text(StatusCode::OK, words.join("\0"))
}

/// There is no block profile to set a rate of; a number is taken and changes nothing.
pub(super) async fn set_block_rate(request: axum::extract::Request) -> Response {
    let raw = request.uri().query().unwrap_or_default();
    let rate = raw.split('&').find_map(|piece| piece.strip_prefix("rate=")).unwrap_or_default();
    let rate = percent_decode_str(rate).decode_utf8_lossy();
    match rate.parse::<i64>() {
        Ok(_) => plain_text(StatusCode::OK, ""),
        Err(_) => plain_text(
            StatusCode::BAD_REQUEST,
            format!("invalid block rate : strconv.Atoi: parsing {rate:?}: invalid syntax"),
        ),
    }
}

/// Always fails, as in the real nsqd: there is no garbage collector to run.
pub(super) async fn free_memory() -> Failure {
    Failure::internal()
}

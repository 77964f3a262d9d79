//! Pages of other sites may read exports (badges, dashboards): whoever has the address has the token.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

/// How long a browser may remember the answer to a preflight, in seconds.
const PREFLIGHT_SECONDS: HeaderValue = HeaderValue::from_static("86400");

/// Answers preflights, and opens reads (and nothing else) to every origin.
pub async fn open_reads(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let anyone = (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if method == Method::OPTIONS {
        let headers = [
            anyone,
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD")),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("authorization, content-type")),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_SECONDS),
        ];
        return (StatusCode::NO_CONTENT, headers).into_response();
    }
    let mut answer = next.run(request).await;
    if method == Method::GET || method == Method::HEAD {
        answer.headers_mut().insert(anyone.0, anyone.1);
    }
    answer
}

//! What NSQ answers where no handler does.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode, Uri};
use tower::Layer as _;

use super::answer::Failure;
use super::server::Peer;

/// Gives `router` NSQ's answers: `404 NOT_FOUND`, `405 METHOD_NOT_ALLOWED` with `Allow: GET, OPTIONS`,
/// and OPTIONS itself. To be called last, with every route in place.
pub fn routes(router: Router) -> Router {
    let router =
        router.fallback(|| async { Failure::not_found("NOT_FOUND") }).method_not_allowed_fallback(|| async {
            Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED")
        });
    // A router adds `Allow` outside of its own layers, so the layer that mends it goes around the router.
    Router::new().fallback_service(middleware::from_fn(options).layer(router))
}

/// Logs each request of `router` when it is answered: `200 GET /topics (127.0.0.1:1234) 92.1µs`.
/// To be called on the quiet paths only, before [`routes`].
pub fn logged(router: Router) -> Router {
    router.route_layer(middleware::from_fn(log))
}

async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let peer = request.extensions().get::<Peer>().and_then(|peer| peer.address);
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let response = next.run(request).await;
    tracing::info!("{}", line(response.status(), &method, &uri, peer, started));
    response
}

fn line(
    status: StatusCode,
    method: &Method,
    uri: &Uri,
    peer: Option<SocketAddr>,
    started: Instant,
) -> String {
    let peer = peer.map_or_else(|| "@".to_owned(), |address| address.to_string());
    format!("{} {method} {uri} ({peer}) {:?}", status.as_u16(), started.elapsed())
}

/// Puts the methods of a 405 into NSQ's form and order, and turns the 405 of an OPTIONS into its answer.
async fn options(request: Request, next: Next) -> Response {
    let asks = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    if let Some(allow) = response.headers().get(ALLOW).and_then(allowed) {
        response.headers_mut().insert(ALLOW, allow.clone());
        if asks {
            return (StatusCode::OK, [(ALLOW, allow)], Body::empty()).into_response();
        }
    }
    response
}

/// `GET,HEAD` of axum as `GET, OPTIONS`.
fn allowed(found: &HeaderValue) -> Option<HeaderValue> {
    let mut methods: Vec<_> =
        found.to_str().ok()?.split(',').map(str::trim).filter(|method| !method.is_empty()).collect();
    methods.retain(|method| *method != "HEAD");
    methods.push("OPTIONS");
    methods.sort_unstable();
    methods.dedup();
    HeaderValue::from_str(&methods.join(", ")).ok()
}

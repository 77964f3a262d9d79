//! What NSQ answers where no handler does: 404, 405, OPTIONS, and where a path that is only misspelt goes.

use std::net::SocketAddr;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Method, StatusCode, Uri};
use tower::{Layer as _, ServiceExt as _};

use super::answer::Failure;
use super::server::Peer;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// Gives `router` NSQ's answers: `404 NOT_FOUND`, `405 METHOD_NOT_ALLOWED` with `Allow: GET, OPTIONS`,
/// and OPTIONS itself. To be called last, with every route in place.
pub fn routes(router: Router) -> Router {
    let router = router.fallback(not_found).method_not_allowed_fallback(|| async {
        Failure::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED")
    });
    let known = router.clone();
    let router = router.fallback(move |method: Method, uri: Uri| elsewhere(known.clone(), method, uri));
    // A router adds `Allow` outside of its own layers, so the layer that mends it goes around the router.
    Router::new().fallback_service(middleware::from_fn(options).layer(router))
}

async fn not_found() -> Failure {
    Failure::not_found("NOT_FOUND")
}

/// Where a path is one of `known` but for a slash at its end, doubled slashes or dots, the requester is sent
/// there, as by NSQ's router; whoever puts `http://host:4151/` before `/pub` counts on it. Capitals stay:
/// they may be a topic's, and there may be another topic without them.
async fn elsewhere(known: Router, method: Method, uri: Uri) -> Response {
    let mut tried = vec![uri.path().to_owned()];
    for path in respelt(uri.path()) {
        if !tried.contains(&path) && takes(&known, &method, &path).await {
            return redirect(&method, &path, uri.query());
        }
        tried.push(path);
    }
    not_found().await.into_response()
}

/// Other spellings of a path, the likeliest first.
fn respelt(path: &str) -> [String; 3] {
    let other_end = |path: &str| match path.strip_suffix('/') {
        Some(without) => without.to_owned(),
        None => format!("{path}/"),
    };
    let mut kept = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(kept.pop()),
            part => kept.push(part),
        }
    }
    let end = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    let clean = format!("/{}{end}", kept.join("/"));
    [other_end(path), clean.clone(), other_end(&clean)]
}

/// Whether there is a handler for it: who asks for the methods of a path sets nothing off.
async fn takes(known: &Router, method: &Method, path: &str) -> bool {
    let Ok(asked) = Request::builder().method(Method::OPTIONS).uri(path).body(Body::empty()) else {
        return false;
    };
    let Ok(answer) = known.clone().oneshot(asked).await;
    answer.status() == StatusCode::METHOD_NOT_ALLOWED
        && answer
            .headers()
            .get(ALLOW)
            .and_then(|allow| allow.to_str().ok())
            .is_some_and(|allow| allow.split(',').any(|allowed| allowed.trim() == method.as_str()))
}

fn redirect(method: &Method, path: &str, query: Option<&str>) -> Response {
    let to = query.map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    let Ok(location) = HeaderValue::from_str(&to) else { return Failure::internal().into_response() };
    if method != Method::GET {
        return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, location)], Body::empty()).into_response();
    }
    let escaped = to.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let escaped = escaped.replace('"', "&#34;").replace('\'', "&#39;");
    let page = format!("<a href=\"{escaped}\">Moved Permanently</a>.\n\n");
    (StatusCode::MOVED_PERMANENTLY, [(CONTENT_TYPE, HTML), (LOCATION, location)], page).into_response()
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

//! nsqadmin's pages: what moves through NSQ's topics and channels, who consumes it, on which nodes; and
//! the buttons that pause, empty, delete and make.
//!
//! ```text
//! request ─► visit (who, may they change something) ─► streams | topic | channel | nodes | counter | lookup
//!                                                          └─► nsq::cluster, nsq::admin::rates ─► template
//! form ────► deeds ─► nsq::admin ─► 303 back, or a page of what was only partly done
//! ```
//! Read in this order: [`router()`], [`mod@visit`], [`figures`] (rows as pages show them), [`streams`],
//! [`topic`], [`channel`], [`nodes`], [`counter`], [`lookup`], [`missing`], [`deeds`], [`filters`].
//!
//! Open pages stay fresh by asking for themselves again and taking over what differs (`ui/src/nsqadmin`):
//! what is shown is always what the server says, with or without scripts.
//!
//! **Invariants**: those of the other pages. One that does not answer is named on every page that lacks
//! its numbers. What cannot be undone is asked about first.

mod channel;
mod counter;
mod deeds;
mod figures;
mod filters;
mod lookup;
mod missing;
mod nodes;
mod streams;
mod topic;
mod visit;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use http::{Method, StatusCode, header};
use nsq::admin::{Admin, api};
use nsq::http::{Failure, routes};
use tower_http::compression::CompressionLayer;

use crate::{Config, assets, security, templates};
use visit::{Site, Sorry};

/// The largest form, in bytes: 16 KiB.
const FORM_BYTES_MAX: usize = 16 * 1_024;

/// Everything nsqadmin serves: pages, their assets, the API, under the options' base path.
pub fn router(admin: Admin) -> Router {
    let config = Config::default();
    let mut env = templates::environment(&config);
    filters::add_to(&mut env);
    let base = admin.base_path();
    let site = Site { admin: admin.clone(), templates: Arc::new(env), config: Arc::new(config) };
    let pages = Router::new()
        .route("/", get(streams::streams))
        .route("/topics", get(streams::streams).post(deeds::create))
        .route("/topics/{topic}", get(topic::topic).post(deeds::topic))
        .route("/topics/{topic}/{channel}", get(channel::channel).post(deeds::channel))
        .route("/nodes", get(nodes::nodes))
        .route("/nodes/{node}", get(nodes::node).post(deeds::tombstone))
        .route("/counter", get(counter::counter))
        .route("/lookup", get(lookup::lookup))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(site.clone());
    let all = pages.merge(api::router(admin)).merge(
        Router::new()
            .route("/assets/{name}", get(assets::serve))
            .route("/favicon.ico", get(assets::favicon))
            .route("/static/{name}", get(old_asset))
            .route("/fonts/{name}", get(old_asset)),
    );
    let all = if base.is_empty() { all } else { Router::new().nest(&base, all) };
    routes(all)
        .layer(from_fn(astray))
        .layer(from_fn_with_state(site.clone(), visit::friendly))
        .layer(from_fn_with_state(site, own_forms_only))
        .layer(from_fn(security::headers))
        .layer(CompressionLayer::new())
}

/// The original's scripts and fonts, which these pages do not have.
async fn old_asset() -> Failure {
    Failure::not_found("NOT_FOUND")
}

/// Where nothing is, a slash too many is forgiven and a browser gets a page; everybody else gets NSQ's answer.
async fn astray(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let accepts = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let browses = accepts.is_some_and(|accepts| accepts.contains("text/html"));
    let response = next.run(request).await;
    if response.status() != StatusCode::NOT_FOUND || Sorry::is_in(&response) || path.contains("/api/") {
        return response;
    }
    match path.strip_suffix('/') {
        Some(shorter) if reads && !shorter.is_empty() && !shorter.starts_with("//") => {
            Redirect::permanent(shorter).into_response()
        }
        _ if browses => Sorry::not_found("There is no such page here.").into_response(),
        _ => response,
    }
}

/// Refuses what a page of another site sends, to pages and API alike: whoever is logged in at the proxy in
/// front would lend it their name. Clients that are no browsers say nothing of sites and are let through.
async fn own_forms_only(State(site): State<Site>, request: Request, next: Next) -> Response {
    if security::is_safe(request.method()) || security::is_ours(&site.config, request.headers()) {
        return next.run(request).await;
    }
    Failure::new(StatusCode::FORBIDDEN, "FORBIDDEN").into_response()
}

//! Every path of the pages.

use std::sync::Arc;

use app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};

use crate::ask::Web;
use crate::failure::Failure;
use crate::pages::{account, aliases, list, shared, signin, stat, trash};
use crate::{Config, assets, export, image, live, presenter, security, templates};

/// The largest form, in bytes: 16 KiB. One more is answered 413.
pub const FORM_BYTES_MAX: usize = 16 * 1_024;

/// The pages, their assets, images and exports as one router. It has a fallback (a friendly 404): merge routers
/// without one into it.
pub fn router(app: App, config: Config) -> Router {
    let outside = export::router(app.clone()).merge(image::router(app.clone()));
    let web = Web {
        app,
        templates: Arc::new(templates::environment(&config)),
        streams: Arc::new(Semaphore::new(config.live_streams_max)),
        guest_streams: Arc::new(Semaphore::new(config.live_guests_max)),
        config: Arc::new(config),
    };
    let compressed = CompressionLayer::new()
        .compress_when(DefaultPredicate::new().and(NotForContentType::const_new("text/event-stream")));
    pages()
        .fallback(async || Failure::NotFound("page"))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(from_fn_with_state(web.clone(), security::same_origin))
        .layer(from_fn_with_state(web.clone(), presenter::friendly))
        .layer(compressed)
        .merge(
            Router::new()
                .route("/assets/{name}", get(assets::serve))
                .route("/favicon.ico", get(assets::favicon)),
        )
        .layer(from_fn(security::headers))
        .with_state(web)
        .merge(outside)
}

fn pages() -> Router<Web> {
    Router::new()
        .route("/", get(list::home))
        .route("/stats", get(list::list))
        .route("/stats.json", get(list::list))
        .route("/stats/names.json", get(list::names))
        .route("/stats/trash", get(trash::trash))
        .route("/stats/trash.json", get(trash::trash))
        .route("/stats/{id}", get(stat::stat))
        .route("/stats/{id}/delete", post(trash::delete))
        .route("/stats/{id}/restore", post(trash::restore))
        .route("/stats/{id}/purge", post(trash::purge))
        .route("/stats/{id}/public", post(trash::share))
        .route("/s/{id}", get(shared::shared))
        .route("/eyrie", get(list::eyrie))
        .route("/eyrie.json", get(list::eyrie))
        .route("/live", get(live::live))
        .route("/settings", get(account::settings))
        .route("/settings.json", get(account::settings))
        .route("/settings/ez", post(account::set_ez).get(account::to_settings))
        .route("/settings/token", post(account::renew_token).get(account::to_settings))
        .route("/settings/password", post(account::set_password).get(account::to_settings))
        .route("/signin", get(signin::page).post(signin::by_password))
        .route("/signin/{secret}", get(signin::link).post(signin::by_link))
        .route("/signout", post(signin::sign_out))
        .route("/v/stats", get(aliases::stats))
        .route("/v/stats/trash", get(aliases::trash))
        .route("/v/stats/{id}", get(aliases::stat))
        .route("/v/stats/{id}/tf/{t}", get(aliases::timeframe))
        .route("/access", get(aliases::access))
}

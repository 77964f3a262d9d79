//! `/c.svg` and `/c.png`: a chart with just an `<img>` tag, of stats that their owner has made public.
//!
//! `?s=PUBLIC_ID&t=1w3h&w=560&h=240&theme=auto|light|dark&title=TEXT&compare=0`; `tf=week_compare` and the
//! other timeframes of StatHat's embeds are understood too. What users are told is `docs/guide/export.md`.
//!
//! Read in this order: [`router()`], [`request`] (what is asked for), [`studio`] (PNGs: few at once, kept for
//! a minute).
//!
//! **Invariants**: no cookie is read; only public stats, and those in the trash no longer; an answer is as
//! good as its interval, so caches may keep it that long, at most a minute.

use app::App;
use app::catalog::StatInfo;
use axum::Router;
use axum::extract::{Query, State};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base::ErrorKind;
use http::{HeaderValue, header};

pub mod request;
pub mod studio;

use crate::chart::{self, Theme};
use crate::export::ask::Params;
use crate::export::cors;
use crate::failure;
use request::Picture;
use studio::Studio;

/// How long caches may keep a picture, at most, in seconds.
pub const MAX_AGE_SECONDS: i64 = 60;

/// What the handlers need. Cheap to clone.
#[derive(Clone)]
struct Gallery {
    app: App,
    studio: Studio,
}

/// Both paths. It has no fallback: merge it into a router that has one.
pub fn router(app: App) -> Router {
    let fonts = ["inter-400.ttf", "inter-600.ttf"].into_iter().filter_map(crate::assets::bytes);
    let painter = chart::png::Painter::new(&fonts.collect::<Vec<_>>());
    let gallery = Gallery { app, studio: Studio::new(painter) };
    Router::new()
        .route("/c.svg", get(svg))
        .route("/c.png", get(png))
        .route_layer(from_fn(cors::open_reads))
        .with_state(gallery)
}

/// Why there is no picture; told in a short text, because an `<img>` shows none anyway.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// The request makes no sense; the text says what to write instead.
    #[error("{0}")]
    Invalid(String),
    /// Unknown, in the trash, or not public: all the same to a stranger.
    #[error("no public stat of that id")]
    NotFound,
    /// Too many PNGs are being painted.
    #[error("too many pictures at once, try again in {} s", studio::RETRY_AFTER_SECONDS)]
    Busy,
    /// The picture could not be painted; the log says why.
    #[error("the picture could not be painted")]
    Painting,
    /// From a use case.
    #[error(transparent)]
    App(#[from] app::Error),
}

impl NoPicture {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NotFound => ErrorKind::NotFound,
            Self::Busy => ErrorKind::Busy,
            Self::Painting => ErrorKind::Internal,
            Self::App(error) => error.kind(),
        }
    }
}

impl IntoResponse for NoPicture {
    fn into_response(self) -> Response {
        let kind = self.kind();
        let text = match (kind, &self) {
            (ErrorKind::Internal, Self::App(error)) => {
                tracing::error!(%error, "a picture failed");
                Self::Painting.to_string()
            }
            _ => self.to_string(),
        };
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        let mut answer = (failure::status(kind), headers, format!("{text}\n")).into_response();
        if matches!(kind, ErrorKind::Busy | ErrorKind::Unavailable) {
            let seconds = HeaderValue::from(studio::RETRY_AFTER_SECONDS);
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        answer
    }
}

async fn svg(State(gallery): State<Gallery>, Query(params): Query<Params>) -> Result<Response, NoPicture> {
    let picture = Picture::read(&params)?;
    let stat = gallery.public(&picture)?;
    let drawing = chart::svg(&gallery.spec(&stat, &picture, picture.theme).await?);
    Ok(present("image/svg+xml", &picture, drawing))
}

async fn png(State(gallery): State<Gallery>, Query(params): Query<Params>) -> Result<Response, NoPicture> {
    let picture = Picture::read(&params)?;
    let stat = gallery.public(&picture)?;
    let theme = if picture.theme == Theme::Dark { Theme::Dark } else { Theme::Light };
    let key = studio::Key { stat: stat.id, window: gallery.window(&picture).start, picture: picture.clone() };
    if let Some(image) = gallery.studio.kept(&key) {
        return Ok(present("image/png", &picture, image));
    }
    let drawing = chart::svg(&gallery.spec(&stat, &picture, theme).await?);
    Ok(present("image/png", &picture, gallery.studio.paint(key, drawing).await?))
}

/// The picture and how long it may be kept.
fn present(kind: &'static str, picture: &Picture, body: impl IntoResponse) -> Response {
    let seconds = picture.timeframe.step.seconds().clamp(1, MAX_AGE_SECONDS);
    let age = format!("public, max-age={seconds}");
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::try_from(age).expect("digits are a header"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Opened by itself an SVG is a page: it gets no scripts and loads nothing.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    answer
}

impl Gallery {
    fn public(&self, picture: &Picture) -> Result<StatInfo, NoPicture> {
        let stat = self.app.catalog.by_public_id(&picture.stat);
        stat.filter(|stat| stat.public && stat.deleted_at.is_none()).ok_or(NoPicture::NotFound)
    }

    fn window(&self, picture: &Picture) -> stats::timeframe::Window {
        self.app.charts.window(picture.timeframe, None)
    }

    /// The chart of a stat, with the period before.
    async fn spec(&self, stat: &StatInfo, picture: &Picture, theme: Theme) -> Result<chart::Spec, NoPicture> {
        let window = self.window(picture);
        let series = self.app.charts.series(stat.id, window).await?;
        let mut spec = picture.spec(stat, &series, theme);
        if picture.compares {
            let before = window.earlier(picture.timeframe.compare_seconds());
            spec.previous = chart::figures(&self.app.charts.series(stat.id, before).await?);
        }
        Ok(spec)
    }
}

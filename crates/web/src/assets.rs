//! The files that `build.rs` made of `ui/`: hashed names, compiled in, cached for ever.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// One file of the built interface.
struct Asset {
    /// What templates call it: `main.js`.
    logical: &'static str,
    /// What browsers call it: `main-3GZC6T2A.js`.
    name: &'static str,
    bytes: &'static [u8],
    /// The same, packed; present where that is smaller.
    brotli: Option<&'static [u8]>,
}

static ASSETS: &[Asset] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// A year: the name changes when the content does.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// For a name that stays when the content changes.
const A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// The path of an asset by the name that templates use; `None` where it was not built.
pub fn path(logical: &str) -> Option<String> {
    ASSETS.iter().find(|asset| asset.logical == logical).map(|asset| format!("/assets/{}", asset.name))
}

/// The content of an asset by the name that templates use; `None` where it was not built.
pub fn bytes(logical: &str) -> Option<&'static [u8]> {
    ASSETS.iter().find(|asset| asset.logical == logical).map(|asset| asset.bytes)
}

/// `GET /assets/{name}`
pub async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.name == name) {
        Some(asset) => answer(asset, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// `GET /favicon.ico`, for whoever asks without reading the page.
pub async fn favicon(headers: HeaderMap) -> Response {
    match ASSETS.iter().find(|asset| asset.logical == "mark.svg") {
        Some(asset) => ([(header::CACHE_CONTROL, A_DAY)], answer(asset, &headers)).into_response(),
        None => StatusCode::NO_CONTENT.into_response(),
    }
}

fn answer(asset: &Asset, headers: &HeaderMap) -> Response {
    let kind = HeaderValue::from_static(content_type(asset.name));
    let vary = HeaderValue::from_static("accept-encoding");
    let common = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, IMMUTABLE), (header::VARY, vary)];
    match asset.brotli.filter(|_| takes_brotli(headers)) {
        Some(packed) => (common, [(header::CONTENT_ENCODING, "br")], packed).into_response(),
        None => (common, asset.bytes).into_response(),
    }
}

fn takes_brotli(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    accepted.split(',').any(|part| part.split(';').next().unwrap_or("").trim() == "br")
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(all(test, feature = "ui"))]
mod tests {
    use super::*;

    #[test]
    fn everything_a_page_names_was_built() {
        for name in [
            "main.js",
            "main.css",
            "mark.svg",
            "inter-latin-wght-normal.woff2",
            "inter-400.ttf",
            "inter-600.ttf",
        ] {
            assert!(path(name).is_some(), "{name}");
        }
    }

    #[test]
    fn the_first_page_fits_in_80_kb() {
        let size = |asset: &Asset| asset.brotli.unwrap_or(asset.bytes).len();
        let first = ["main.js", "main.css", "mark.svg", "inter-latin-wght-normal.woff2"];
        let total: usize = ASSETS.iter().filter(|a| first.contains(&a.logical)).map(size).sum();
        assert!(total < 72_000, "{total} bytes before the page itself");
    }
}

//! Headers on every page, and the refusal of forms that other sites send.

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::failure::Failure;
use crate::session;

/// Everything from this server, no inline script or style, in nobody's frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
);

/// Adds the headers that keep a page to itself. What a handler has set stays.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let defaults = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    for (name, value) in defaults {
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}

/// Refuses a form that a page of another site sent. The session cookie is `SameSite=Lax`, so such a
/// form would come without it anyway; this is the second lock.
pub async fn same_origin(request: Request, next: Next) -> Response {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if safe || is_ours(request.headers()) { next.run(request).await } else { Failure::Forged.into_response() }
}

/// Browsers say where a form comes from, in `Sec-Fetch-Site` or `Origin`. A client that says
/// nothing is no browser; it may go on if it has no cookie to lend.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text("x-forwarded-host").or(text("host"));
            let sender = origin.parse::<Uri>().ok();
            host.is_some() && sender.as_ref().and_then(Uri::authority).map(|a| a.as_str()) == host
        }
        (None, None) => session::secret(headers).is_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &'static str)], ours: bool) {
        let map = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        assert_eq!(is_ours(&map), ours, "{headers:?}");
    }

    #[test]
    fn forms_of_other_sites_are_refused() {
        check(&[("sec-fetch-site", "same-origin")], true);
        check(&[("sec-fetch-site", "cross-site")], false);
        check(&[("sec-fetch-site", "same-site")], false);
        check(&[("host", "stats.example.com"), ("origin", "https://stats.example.com")], true);
        check(&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")], true);
        check(&[("host", "stats.example.com"), ("origin", "https://evil.example")], false);
        check(&[("host", "stats.example.com"), ("origin", "null")], false);
        check(&[("cookie", "eyrie_session=abc")], false);
        check(&[], true);
    }
}

//! Headers on every page, and the refusal of forms that other sites send.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use crate::ask::Web;
use crate::failure::Failure;
use crate::{Config, session};

const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

/// Everything from this server, no inline script or style, in nobody's frame.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
);

/// Adds the headers that keep a page to itself. What a handler has set stays.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let defaults = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
    ];
    for (name, value) in defaults {
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}

/// Exports are what their type says, whatever they look like.
pub async fn as_declared(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    answer.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    answer
}

/// Refuses a form that a page of another site sent. The session cookie is `SameSite=Lax`, so such a
/// form would come without it anyway; this is the second lock.
pub async fn same_origin(State(web): State<Web>, request: Request, next: Next) -> Response {
    if is_safe(request.method()) || is_ours(&web.config, request.headers()) {
        next.run(request).await
    } else {
        Failure::Forged.into_response()
    }
}

/// Whether a request changes nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether `address` (a referrer, an origin) is of this server: of the host that was asked, or of its
/// configured address.
pub fn is_here(config: &Config, headers: &HeaderMap, address: &Uri) -> bool {
    let asked = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let configured = config.public_url.as_ref().and_then(|url| url.parse::<Uri>().ok());
    let here = [asked, configured.as_ref().and_then(Uri::authority).map(|authority| authority.as_str())];
    address.authority().is_some_and(|of| here.contains(&Some(of.as_str())))
}

/// Browsers say where a form comes from, in `Sec-Fetch-Site` or `Origin`. A client that says
/// nothing is no browser; it may go on if it has no cookie to lend.
pub fn is_ours(config: &Config, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (text("sec-fetch-site"), text("origin")) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => origin.parse::<Uri>().is_ok_and(|origin| is_here(config, headers, &origin)),
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
        let config = Config { public_url: Some("https://eyrie.example".to_owned()), ..Config::default() };
        assert_eq!(is_ours(&config, &map), ours, "{headers:?}");
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
        check(&[("host", "10.0.0.1"), ("origin", "https://eyrie.example")], true);
        check(
            &[("host", "10.0.0.1"), ("origin", "https://a.example"), ("x-forwarded-host", "a.example")],
            false,
        );
        check(&[("cookie", "eyrie_session=abc")], false);
        check(&[], true);
    }
}

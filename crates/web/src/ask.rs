//! A request as handlers see it: who asks, for what form of answer, and under which address.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use app::App;
use app::accounts::AccountInfo;
use axum::extract::{FromRequestParts, Path};
use base::Peer;
use http::request::Parts;
use http::{HeaderMap, Uri, header};
use minijinja::Environment;
use tokio::sync::Semaphore;

use crate::Config;
use crate::failure::Failure;
use crate::{security, session};

/// What every handler shares.
#[derive(Clone)]
pub struct Web {
    /// The use cases.
    pub app: App,
    /// The binary's decisions.
    pub config: Arc<Config>,
    /// The templates.
    pub templates: Arc<Environment<'static>>,
    /// One permit for each live stream of those who are signed in.
    pub streams: Arc<Semaphore>,
    /// One permit for each live stream of strangers.
    pub guest_streams: Arc<Semaphore>,
}

/// In which form the answer is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// A page.
    Html,
    /// The page's view model.
    Json,
}

impl Format {
    /// By the end of the path (`.json`), else by `Accept`.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
        let json = accept.contains("application/json") && !accept.contains("text/html");
        if uri.path().ends_with(".json") || json { Self::Json } else { Self::Html }
    }
}

/// One request.
pub struct Ask {
    /// What every handler shares.
    pub web: Web,
    /// Who is signed in.
    pub me: Option<AccountInfo>,
    /// In which form the answer is wanted.
    pub format: Format,
    /// Where the visitor reaches this server: scheme and host, no slash at the end.
    pub address: String,
    /// Path and query.
    pub target: String,
    /// Where to go on after signing in: the target, or the page on which a form stood.
    pub back: String,
    /// From where they ask; behind a proxy, the proxy's address.
    pub from: IpAddr,
    /// The session's secret, if the browser sent one.
    pub session: Option<String>,
}

impl Ask {
    /// The use cases.
    pub fn app(&self) -> &App {
        &self.web.app
    }

    /// Who is signed in, or the way to the sign-in page.
    pub fn me(&self) -> Result<&AccountInfo, Failure> {
        self.me.as_ref().ok_or_else(|| Failure::SignedOut { next: self.back.clone() })
    }

    /// Whether the visitor came by https.
    pub fn secure(&self) -> bool {
        self.address.starts_with("https://")
    }
}

impl FromRequestParts<Web> for Ask {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let session = session::secret(&parts.headers);
        let me = match &session {
            Some(secret) => web.app.accounts.by_session(secret).await?,
            None => None,
        };
        Ok(Self {
            web: web.clone(),
            me,
            format: Format::of(&parts.uri, &parts.headers),
            address: address(&web.config, &parts.headers),
            target: target(&parts.uri),
            back: back(&web.config, parts),
            from: from(parts),
            session,
        })
    }
}

/// Who comes by no socket counts as one address.
fn from(parts: &Parts) -> IpAddr {
    parts.extensions.get::<Peer>().map_or(Ipv6Addr::UNSPECIFIED.into(), |peer| peer.0.ip())
}

fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or("/", |target| target.as_str()).to_owned()
}

/// A form cannot be sent again after signing in, but the page on which it stood can be shown.
fn back(config: &Config, parts: &Parts) -> String {
    if security::is_safe(&parts.method) {
        return target(&parts.uri);
    }
    let referer = parts.headers.get(header::REFERER).and_then(|value| value.to_str().ok());
    let referer = referer.and_then(|referer| referer.parse::<Uri>().ok());
    let here = referer.filter(|referer| security::is_here(config, &parts.headers, referer));
    here.map_or_else(|| "/stats".to_owned(), |referer| target(&referer))
}

/// Scheme and host under which the visitor reaches this server.
pub fn address(config: &Config, headers: &HeaderMap) -> String {
    if let Some(url) = &config.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let plain = |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b));
    let scheme = if text("x-forwarded-proto") == Some("https") { "https" } else { "http" };
    let host = text("host").filter(plain).unwrap_or("localhost");
    format!("{scheme}://{host}")
}

/// The `{id}` of a path, with or without `.json` at its end.
pub struct PublicId(pub String);

impl FromRequestParts<Web> for PublicId {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, web).await;
        let Path(id) = path.map_err(|_| Failure::NotFound("stat"))?;
        Ok(Self(id.strip_suffix(".json").unwrap_or(&id).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(lines: &[(&'static str, &'static str)]) -> HeaderMap {
        lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn the_address_is_the_visitors_own() {
        let config = Config::default();
        let check = |lines: &[_], expected: &str| assert_eq!(address(&config, &headers(lines)), expected);
        check(&[("host", "127.0.0.1:8080")], "http://127.0.0.1:8080");
        check(&[("host", "s.example.com"), ("x-forwarded-proto", "https")], "https://s.example.com");
        check(&[("host", "my_nas:8080"), ("x-forwarded-host", "evil.example")], "http://my_nas:8080");
        check(&[("host", "<script>")], "http://localhost");
        check(&[], "http://localhost");
        let fixed = Config { public_url: Some("https://stats.example.com/".to_owned()), ..Config::default() };
        assert_eq!(address(&fixed, &headers(&[("host", "10.0.0.1")])), "https://stats.example.com");
    }

    #[test]
    fn json_is_asked_for_by_path_or_header() {
        let check = |uri: &'static str, lines: &[_], expected: Format| {
            assert_eq!(Format::of(&Uri::from_static(uri), &headers(lines)), expected, "{uri} {lines:?}");
        };
        check("/stats", &[], Format::Html);
        check("/stats.json?q=a", &[], Format::Json);
        check("/stats", &[("accept", "application/json")], Format::Json);
        check("/stats", &[("accept", "text/html,application/json;q=0.9")], Format::Html);
    }
}

//! The one HTTP client: nsqd asking lookupds and the auth server, nsqadmin and the tools asking all.

mod tls;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::DeserializeOwned;

pub use tls::Tls;

/// What asks for the answers of NSQ 1.0.
const ACCEPT_V1: HeaderValue = HeaderValue::from_static("application/vnd.nsq; version=1.0");
/// Most idle connections that are kept to one host.
const IDLE_CONNECTIONS_MAX: usize = 4;
/// How long an idle connection is kept: less than any NSQ server keeps it.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Most bytes of a refusal that are shown.
const SHOWN_BYTES_MAX: usize = 512;

/// How to ask.
#[derive(Clone, Debug)]
pub struct Options {
    /// How long connecting may take: 2 s.
    pub connect_timeout: Duration,
    /// How long a whole request may take: 5 s.
    pub request_timeout: Duration,
    /// Largest answer: 64 MiB (the stats of a large nsqd).
    pub body_bytes_max: usize,
    /// What `User-Agent` says; empty for none.
    pub user_agent: String,
    /// Certificates, for https.
    pub tls: Tls,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(5),
            body_bytes_max: 64 << 20,
            user_agent: String::new(),
            tls: Tls::default(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// That is not the address of anything.
    #[error("{0:?} is not a URL of http or https")]
    Url(String),
    /// Nobody there, or the connection broke.
    #[error("cannot ask {url}: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// Why, the causes joined by colons.
        reason: String,
    },
    /// No whole answer in time.
    #[error("{url} did not answer within {after:?}")]
    Late {
        /// What was asked.
        url: String,
        /// The limit.
        after: Duration,
    },
    /// More than we read.
    #[error("{url} answered with more than {max} bytes")]
    TooLarge {
        /// What was asked.
        url: String,
        /// The limit.
        max: usize,
    },
    /// Another status than 200; in the words NSQ's own client uses.
    #[error("got response {status} {body:?}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The first half kilobyte of the answer.
        body: String,
    },
    /// 200, and not the JSON that was expected.
    #[error("cannot read the answer of {url}: {reason}")]
    Json {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates of the options cannot be used.
    #[error("{0}")]
    Tls(String),
}

impl Error {
    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// Asks over kept connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    options: Options,
}

/// What an nsqd that wants TLS answers on its plain port.
#[derive(Deserialize)]
struct TlsRequired {
    https_port: u16,
}

impl Client {
    /// Reads the certificates of the options, if there are any: blocking, small files.
    ///
    /// # Errors
    /// [`Error::Tls`]: a file cannot be read or is no certificate.
    pub fn new(options: Options) -> Result<Self, Error> {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.connect_timeout));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(options.tls.config()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let pool = Pool::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE_TIME)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .build(connector);
        Ok(Self { pool, options })
    }

    /// Sends any request and returns whatever is answered.
    ///
    /// # Errors
    /// No answer, a late one, or one that is too large.
    pub async fn send(&self, mut request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let url = request.uri().to_string();
        if request.uri().host().is_none() {
            return Err(Error::Url(url));
        }
        if !self.options.user_agent.is_empty() && !request.headers().contains_key(USER_AGENT) {
            let agent =
                HeaderValue::from_str(&self.options.user_agent).map_err(|_| Error::Url(url.clone()))?;
            request.headers_mut().insert(USER_AGENT, agent);
        }
        let exchange = async {
            let response = self
                .pool
                .request(request.map(Full::new))
                .await
                .map_err(|error| Error::Unreachable { url: url.clone(), reason: reason(&error) })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, self.options.body_bytes_max).collect().await.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    Error::TooLarge { url: url.clone(), max: self.options.body_bytes_max }
                } else {
                    Error::Unreachable { url: url.clone(), reason: causes(error.as_ref()) }
                }
            })?;
            Ok(Response::from_parts(parts, body.to_bytes()))
        };
        tokio::time::timeout(self.options.request_timeout, exchange)
            .await
            .unwrap_or_else(|_| Err(Error::Late { url: url.clone(), after: self.options.request_timeout }))
    }

    /// Asks with a method and a body, with these headers besides.
    ///
    /// # Errors
    /// As [`Client::send`], or the URL is none.
    pub async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(HeaderName, HeaderValue)],
        body: Bytes,
    ) -> Result<Response<Bytes>, Error> {
        self.send(build(method, parse(url)?, headers, body)).await
    }

    /// The body of the answer to a GET, which has to be 200. An nsqd that wants TLS is asked again on the
    /// https port that it names.
    ///
    /// # Errors
    /// As [`Client::send`]; [`Error::Refused`] for every other status.
    pub async fn get(&self, url: &str) -> Result<Bytes, Error> {
        self.v1(Method::GET, url, Bytes::new(), None).await
    }

    /// As [`Client::get`], read as JSON.
    ///
    /// # Errors
    /// The same, or [`Error::Json`].
    pub async fn get_json<T: DeserializeOwned>(&self, url: &str) -> Result<T, Error> {
        let body = self.get(url).await?;
        serde_json::from_slice(&body)
            .map_err(|error| Error::Json { url: url.to_owned(), reason: error.to_string() })
    }

    /// The body of the answer to a POST, which has to be 200; as [`Client::get`] otherwise.
    ///
    /// # Errors
    /// The same.
    pub async fn post(&self, url: &str, content_type: Option<&str>, body: Bytes) -> Result<Bytes, Error> {
        self.v1(Method::POST, url, body, content_type).await
    }

    async fn v1(
        &self,
        method: Method,
        url: &str,
        body: Bytes,
        content_type: Option<&str>,
    ) -> Result<Bytes, Error> {
        let mut headers = vec![(ACCEPT, ACCEPT_V1)];
        if let Some(kind) = content_type.and_then(|kind| HeaderValue::from_str(kind).ok()) {
            headers.push((CONTENT_TYPE, kind));
        }
        let uri = parse(url)?;
        let mut response = self.send(build(method.clone(), uri.clone(), &headers, body.clone())).await?;
        if response.status() == StatusCode::FORBIDDEN
            && uri.scheme() == Some(&Scheme::HTTP)
            && let Ok(wanted) = serde_json::from_slice::<TlsRequired>(response.body())
            && let Some(secure) = over_tls(&uri, wanted.https_port)
        {
            response = self.send(build(method, secure, &headers, body)).await?;
        }
        let (parts, body) = response.into_parts();
        if parts.status == StatusCode::OK {
            return Ok(body);
        }
        let shown = &body[..body.len().min(SHOWN_BYTES_MAX)];
        Err(Error::Refused { status: parts.status, body: String::from_utf8_lossy(shown).into_owned() })
    }
}

/// `uri` on another port, with TLS.
fn over_tls(uri: &Uri, port: u16) -> Option<Uri> {
    let mut parts = uri.clone().into_parts();
    parts.scheme = Some(Scheme::HTTPS);
    parts.authority = Some(Authority::try_from(format!("{}:{port}", uri.host()?)).ok()?);
    Uri::from_parts(parts).ok()
}

fn parse(url: &str) -> Result<Uri, Error> {
    let uri: Uri = url.parse().map_err(|_| Error::Url(url.to_owned()))?;
    let known = uri.scheme().is_some_and(|scheme| [Scheme::HTTP, Scheme::HTTPS].contains(scheme));
    if known { Ok(uri) } else { Err(Error::Url(url.to_owned())) }
}

fn build(method: Method, uri: Uri, headers: &[(HeaderName, HeaderValue)], body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    if let Some((user, _)) = uri.authority().and_then(|all| all.as_str().rsplit_once('@'))
        && !headers.iter().any(|(name, _)| name == AUTHORIZATION)
        && let Some(value) = basic(user)
    {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request.headers_mut().extend(headers.iter().cloned());
    request
}

/// What `Authorization` says for the `user:password` of a URL; `user` alone has an empty password.
pub(crate) fn basic(user: &str) -> Option<HeaderValue> {
    let (name, password) = user.split_once(':').unwrap_or((user, ""));
    let mut pair: Vec<u8> = percent_decode_str(name).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(password));
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Why an exchange failed, in words; what answers without speaking HTTP is most often the other port.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = causes(error);
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse) {
            text.push_str("; it does not answer in HTTP: is that the TCP port? The HTTP port is needed here");
        }
        cause = error.source();
    }
    text
}

/// An error and what caused it, joined by colons.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

//! One address and how a message is handed to it. A redirection is not followed: it is a failure.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use super::Options;
use crate::http::{Client, client};
use crate::version::VERSION;

/// What stays as it is within a query, as Go's `url.QueryEscape` has it; a space becomes `+`.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

pub(super) struct Target {
    address: String,
    posts: bool,
    headers: Vec<(HeaderName, HeaderValue)>,
    client: Client,
}

impl Target {
    /// Every address of the options.
    pub(super) fn all(options: &Options) -> Result<Vec<Self>, String> {
        let asking = client::Options {
            connect_timeout: options.http_client_connect_timeout,
            request_timeout: options.http_client_request_timeout,
            user_agent: format!("nsq_to_http v{VERSION}"),
            ..client::Options::default()
        };
        let client = Client::new(asking).map_err(|error| error.to_string())?;
        let posts = !options.posts.is_empty();
        let mut headers = Vec::new();
        if posts {
            let kind = HeaderValue::from_str(&options.content_type);
            headers.push((CONTENT_TYPE, kind.map_err(|error| format!("--content-type: {error}"))?));
        }
        for header in &options.headers {
            headers.push(parsed(header).ok_or("--header value format should be 'key=value'")?);
        }
        let addresses = if posts { &options.posts } else { &options.gets };
        let target = |address: &String| Self {
            address: address.clone(),
            posts,
            headers: headers.clone(),
            client: client.clone(),
        };
        Ok(addresses.iter().map(target).collect())
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Hands a message over.
    pub(super) async fn hand(&self, body: &Bytes) -> Result<(), String> {
        let outcome = if self.posts {
            self.client.request(Method::POST, &self.address, &self.headers, body.clone()).await
        } else {
            let escaped = percent_encode(body, KEPT).to_string().replace(' ', "+");
            let url = self.address.replacen("%s", &escaped, 1);
            self.client.request(Method::GET, &url, &self.headers, Bytes::new()).await
        };
        let status = outcome.map_err(|error| error.to_string())?.status();
        let well = if self.posts { status.is_success() } else { status == StatusCode::OK };
        if well { Ok(()) } else { Err(format!("got status code {}", status.as_u16())) }
    }
}

/// `name: value`.
fn parsed(header: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = header.split_once(':')?;
    let value = value.trim();
    let name = name.trim().parse().ok()?;
    if value.is_empty() { None } else { Some((name, HeaderValue::from_str(value).ok()?)) }
}

//! Asking the auth server about HTTP requests (`--http-auth`): the secret is what a request bears.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use parking_lot::Mutex;

use crate::http::{Failure, Peer, Query};
use crate::nsqd::Nsqd;
use crate::nsqd::auth::{self, Grants};
use crate::nsqd::tls::common_name;

/// Most answers of the auth server that are remembered.
const KNOWN_MAX: usize = 1_024;
/// Longest secret.
const SECRET_BYTES_MAX: usize = 8 << 10;

/// What NSQ does not have over HTTP: where clients must prove who they are over TCP, it is not to be had
/// by whoever just asks over HTTP.
const OURS: &[&str] = &["/channel/peek", "/channel/seek", "/topic/policy"];

/// Who stands at the door. Cheap to clone.
#[derive(Clone)]
pub(super) enum Door {
    /// HTTP is open as in NSQ, except for [`OURS`].
    Ajar,
    /// The auth server is asked.
    Guarded(Guard),
}

#[derive(Clone)]
pub(super) struct Guard {
    nsqd: Arc<Nsqd>,
    known: Arc<Mutex<HashMap<Caller, Grants>>>,
}

/// Whom the auth server is asked about.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Caller {
    remote_ip: String,
    tls: bool,
    common_name: String,
    secret: Vec<u8>,
}

impl Door {
    /// None where nobody has to prove anything, over TCP neither.
    pub(super) fn of(nsqd: &Arc<Nsqd>) -> Option<Self> {
        nsqd.authority.as_ref()?;
        let guard = || Guard { nsqd: Arc::clone(nsqd), known: Arc::default() };
        Some(if nsqd.options().http_auth { Self::Guarded(guard()) } else { Self::Ajar })
    }
}

impl Guard {
    async fn grants(&self, caller: Caller) -> Result<Grants, Failure> {
        if let Some(grants) = self.known.lock().get(&caller)
            && !grants.is_expired(Instant::now())
        {
            return Ok(grants.clone());
        }
        let authority = self.nsqd.authority.as_ref().ok_or_else(Failure::internal)?;
        let query = auth::Query {
            remote_ip: &caller.remote_ip,
            tls: caller.tls,
            common_name: &caller.common_name,
            secret: &caller.secret,
        };
        let grants = authority.ask(query).await.map_err(|error| {
            tracing::error!("HTTP: auth failed - {error}");
            Failure::unavailable("AUTH_FAILED")
        })?;
        let mut known = self.known.lock();
        if known.len() >= KNOWN_MAX {
            let now = Instant::now();
            known.retain(|_, grants| !grants.is_expired(now));
            if known.len() >= KNOWN_MAX {
                known.clear();
            }
        }
        known.insert(caller, grants.clone());
        Ok(grants)
    }
}

/// Lets a request pass, or answers 401 (no secret), 403 (it does not suffice) or 503 (nobody can tell).
pub(super) async fn check(State(door): State<Door>, request: Request, next: Next) -> Response {
    let guard = match door {
        Door::Ajar if OURS.contains(&request.uri().path()) => {
            return Failure::new(StatusCode::FORBIDDEN, "HTTP_AUTH_REQUIRED").into_response();
        }
        Door::Ajar => return next.run(request).await,
        Door::Guarded(_) if request.uri().path() == "/ping" => return next.run(request).await,
        Door::Guarded(guard) => guard,
    };
    let Some(secret) = secret(request.headers()) else {
        let challenge = [(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))];
        return (challenge, Failure::new(StatusCode::UNAUTHORIZED, "AUTH_REQUIRED")).into_response();
    };
    let peer = request.extensions().get::<Peer>().cloned().unwrap_or_default();
    let caller = Caller {
        remote_ip: peer.address.map_or_else(String::new, |address: SocketAddr| address.ip().to_string()),
        tls: peer.tls,
        common_name: peer.certificate.map(|der| common_name(&der)).unwrap_or_default(),
        secret,
    };
    match guard.grants(caller).await {
        Err(failure) => failure.into_response(),
        Ok(grants) if suffice(&grants, request.uri()) => next.run(request).await,
        Ok(_) => Failure::new(StatusCode::FORBIDDEN, "UNAUTHORIZED").into_response(),
    }
}

/// What follows `Bearer`, or the password that follows `Basic`.
fn secret(headers: &HeaderMap) -> Option<Vec<u8>> {
    let (scheme, credentials) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if credentials.is_empty() || credentials.len() > SECRET_BYTES_MAX {
        return None;
    }
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.as_bytes().to_vec());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = STANDARD.decode(credentials).ok()?;
    let colon = memchr::memchr(b':', &pair)?;
    Some(pair[colon + 1..].to_vec())
}

/// Whoever changes or reads a topic must be one who may publish to it, whoever does so with a channel one
/// who may subscribe to it; the rest is for everybody who may do anything.
fn suffice(grants: &Grants, uri: &http::Uri) -> bool {
    let query = Query::parse(uri.query().unwrap_or_default()).unwrap_or_default();
    let (topic, channel) = (query.get("topic").unwrap_or_default(), query.get("channel").unwrap_or_default());
    match uri.path() {
        "/pub" | "/mpub" => grants.may_publish(topic),
        path if path.starts_with("/topic/") => grants.may_publish(topic),
        path if path.starts_with("/channel/") => grants.may_subscribe(topic, channel),
        _ => grants.count() > 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_borne_or_typed() {
        let check = |value: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().expect("a header"));
            assert_eq!(secret(&headers), expected.map(|text| text.as_bytes().to_vec()), "{value}");
        };
        check("Bearer abc", Some("abc"));
        check("bearer  abc ", Some("abc"));
        check("Basic dTpwOnc=", Some("p:w"));
        check("Basic dQ==", None);
        check("Basic !", None);
        check("Digest abc", None);
        check("Bearer", None);
        check("Bearer ", None);
        assert_eq!(secret(&HeaderMap::new()), None);
    }

    #[test]
    fn paths_need_what_they_touch() {
        let answer = br#"{"ttl":60,"authorizations":[{"topic":"^t$","channels":["^c$",""],"permissions":["publish","subscribe"]}]}"#;
        let grants = Grants::read(answer, Instant::now()).expect("an answer");
        let none = Grants::read(br#"{"ttl":60}"#, Instant::now()).expect("an answer");
        let check = |path: &str, expected: bool| {
            assert_eq!(suffice(&grants, &path.parse().expect("a path")), expected, "{path}");
            assert!(!suffice(&none, &path.parse().expect("a path")), "{path}");
        };
        check("/pub?topic=t", true);
        check("/pub?topic=u", false);
        check("/pub", false);
        check("/topic/delete?topic=u", false);
        check("/channel/empty?topic=t&channel=c", true);
        check("/channel/empty?topic=u&channel=c", false);
        check("/stats", true);
    }
}

//! Asking the auth server about HTTP requests (`--http-auth`): the secret is what a request bears.

mod known;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use parking_lot::Mutex;

use self::known::{Caller, Known, Said};
use crate::http::{Failure, Peer, Query};
use crate::nsqd::Nsqd;
use crate::nsqd::auth::{self, Denied, Grants};
use crate::nsqd::tls::common_name;

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
    known: Arc<Mutex<Known>>,
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
        let refused = || Failure::new(StatusCode::FORBIDDEN, "UNAUTHORIZED");
        if let Some(said) = self.known.lock().get(&caller, Instant::now()) {
            return match said {
                Said::Granted(grants) => Ok(grants),
                Said::Refused => Err(refused()),
            };
        }
        let authority = self.nsqd.authority.as_ref().ok_or_else(Failure::internal)?;
        let query = auth::Query {
            remote_ip: &caller.remote_ip,
            tls: caller.tls,
            common_name: &caller.common_name,
            secret: &caller.secret,
        };
        match authority.ask(query).await {
            Ok(grants) => {
                self.known.lock().keep(caller, Said::Granted(grants.clone()), Instant::now());
                Ok(grants)
            }
            Err(Denied::Refused(reasons)) => {
                tracing::info!("HTTP: {} is not let in - {reasons}", caller.remote_ip);
                self.known.lock().keep(caller, Said::Refused, Instant::now());
                Err(refused())
            }
            Err(Denied::NoAnswer(reasons)) => {
                tracing::error!("HTTP: auth failed - {reasons}");
                Err(Failure::unavailable("AUTH_FAILED"))
            }
        }
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
        Ok(grants) if Need::of(request.method(), request.uri()).is_met(&grants) => next.run(request).await,
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
    let password = &pair[colon + 1..];
    (!password.is_empty()).then(|| password.to_vec())
}

/// What a request needs its bearer to be granted.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Need {
    /// Anything at all: figures, which hold no message.
    Something,
    /// To publish to a topic.
    Publish(String),
    /// To subscribe to a channel: who may take its messages may also throw them away.
    Subscribe(String, String),
    /// To publish to a topic and to subscribe to all its channels, since it concerns all of them.
    Rule(String),
    /// To do everything with every topic, since it concerns the node.
    Administer,
}

impl Need {
    /// A path that is not known here is for administrators, whether there is one or not.
    fn of(method: &Method, uri: &Uri) -> Self {
        let query = Query::parse(uri.query().unwrap_or_default()).unwrap_or_default();
        let said = |name| query.get(name).unwrap_or_default().to_owned();
        match uri.path() {
            "/info" | "/stats" | "/metrics" => Self::Something,
            "/pub" | "/mpub" | "/topic/create" => Self::Publish(said("topic")),
            "/topic/policy" if method == Method::GET => Self::Publish(said("topic")),
            path if path.starts_with("/topic/") => Self::Rule(said("topic")),
            path if path.starts_with("/channel/") => Self::Subscribe(said("topic"), said("channel")),
            _ => Self::Administer,
        }
    }

    fn is_met(&self, grants: &Grants) -> bool {
        match self {
            Self::Something => grants.count() > 0,
            Self::Publish(topic) => grants.may_publish(topic),
            Self::Subscribe(topic, channel) => grants.may_subscribe(topic, channel),
            Self::Rule(topic) => grants.may_rule(topic),
            Self::Administer => grants.may_administer(),
        }
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
        check("Basic dTo=", None);
        check("Basic !", None);
        check("Digest abc", None);
        check("Bearer", None);
        check("Bearer ", None);
        assert_eq!(secret(&HeaderMap::new()), None);
    }

    #[test]
    fn paths_need_what_they_touch() {
        let check = |method: Method, path: &str, expected: Need| {
            assert_eq!(Need::of(&method, &path.parse().expect("a path")), expected, "{path}");
        };
        let publish = |topic: &str| Need::Publish(topic.to_owned());
        check(Method::POST, "/pub?topic=t", publish("t"));
        check(Method::POST, "/mpub?binary=1&topic=t", publish("t"));
        check(Method::POST, "/pub", publish(""));
        check(Method::POST, "/topic/create?topic=t", publish("t"));
        check(Method::GET, "/topic/policy?topic=t", publish("t"));
        check(Method::PUT, "/topic/policy?topic=t", Need::Rule("t".to_owned()));
        for what in ["delete", "empty", "pause", "unpause"] {
            check(Method::POST, &format!("/topic/{what}?topic=t"), Need::Rule("t".to_owned()));
        }
        for what in ["create", "delete", "empty", "pause", "unpause", "peek", "seek"] {
            let path = format!("/channel/{what}?topic=t&channel=c");
            check(Method::POST, &path, Need::Subscribe("t".to_owned(), "c".to_owned()));
        }
        for path in ["/info", "/stats?topic=t", "/metrics"] {
            check(Method::GET, path, Need::Something);
        }
        for path in ["/config/log_level", "/debug/pprof/cmdline", "/debug/setblockrate", "/nothing", "/"] {
            check(Method::PUT, path, Need::Administer);
        }
    }
}

//! HTTP behind an auth server.

use axum::Router;
use axum::extract::RawQuery;
use axum::response::IntoResponse as _;
use axum::routing::get;
use base::tasks::TaskGroup;
use eyrie_nsq::http::{Failure, Limits, Listener, Query, answer, serve};

use super::house::House;

/// What the holder of a secret may do: topic, channels, permissions. `outlaw` and `villain` are refused with a status.
const RULES: [(&str, &str, &[&str], &[&str]); 5] = [
    ("s", "^t$", &["^$", "^c$"], &["publish", "subscribe"]),
    ("channel", "^t$", &["^c$"], &["subscribe"]),
    ("publisher", "^t$", &["^$"], &["publish"]),
    ("ruler", "^t$", &[".*"], &["publish", "subscribe"]),
    ("admin", ".*", &[".*"], &["publish", "subscribe"]),
];

/// Knows the secrets of [`RULES`] and nobody else.
pub(crate) async fn authority(tasks: &TaskGroup) -> String {
    let listener = Listener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.address();
    let router = Router::new().route(
        "/auth",
        get(async |RawQuery(raw): RawQuery| {
            let query = Query::parse(&raw.unwrap_or_default()).expect("a query");
            let secret = query.get("secret").filter(|_| query.get("remote_ip") == Some("127.0.0.1"));
            if matches!(secret, Some("outlaw" | "villain")) {
                return Failure::new(http::StatusCode::UNAUTHORIZED, "NO").into_response();
            }
            let mut rules = Vec::new();
            for (_, topic, channels, permissions) in RULES.iter().filter(|rule| secret == Some(rule.0)) {
                let rule =
                    serde_json::json!({"topic": topic, "channels": channels, "permissions": permissions});
                rules.push(rule);
            }
            answer::json(&serde_json::json!({"ttl": 60, "identity": "i", "authorizations": rules}))
        }),
    );
    let stop = tasks.stop_signal();
    tasks.spawn("authority", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    address
}

#[tokio::test]
async fn http_asks_the_auth_server_where_that_is_wanted() {
    let tasks = TaskGroup::new();
    let address = authority(&tasks).await;
    let house = House::with(|options| {
        options.auth_http_addresses = vec![address.clone()];
        options.http_auth = true;
    })
    .await;
    let ask = async |headers: &str, method: &str, path: &str, body: &str| {
        let answer = house.ask_with(method, path, headers, body.as_bytes()).await;
        (answer.status, answer.body)
    };
    let refused = |status: u16, code: &str| (status, format!(r#"{{"message":"{code}"}}"#));
    assert_eq!(ask("", "GET", "/ping", "").await.0, 200);
    assert_eq!(ask("", "POST", "/pub?topic=t", "x").await, refused(401, "AUTH_REQUIRED"));
    assert_eq!(ask("", "GET", "/stats", "").await, refused(401, "AUTH_REQUIRED"));
    let (good, bad) = ("Authorization: Bearer s\r\n", "Authorization: Bearer wrong\r\n");
    assert_eq!(ask(bad, "GET", "/stats", "").await, refused(403, "UNAUTHORIZED"));
    let outlaw = "Authorization: Bearer outlaw\r\n";
    assert_eq!(ask(outlaw, "GET", "/stats", "").await, refused(403, "UNAUTHORIZED"));
    assert_eq!(ask(good, "GET", "/stats", "").await.0, 200);
    assert_eq!(ask(good, "POST", "/pub?topic=t", "x").await.0, 200);
    assert_eq!(ask(good, "POST", "/pub?topic=u", "x").await, refused(403, "UNAUTHORIZED"));
    assert_eq!(ask(good, "POST", "/channel/create?topic=t&channel=c", "").await.0, 200);
    assert_eq!(ask(good, "POST", "/channel/create?topic=t&channel=d", "").await.0, 403);
    // What was said is remembered, no as well as yes; who is not yet known cannot be let in without the authority.
    let asked = std::time::Instant::now();
    assert_eq!(
        ask("Authorization: Bearer villain\r\n", "GET", "/stats", "").await,
        refused(403, "UNAUTHORIZED")
    );
    tasks.drain(std::time::Duration::from_secs(5)).await;
    let again = ask("Authorization: Bearer villain\r\n", "GET", "/stats", "").await;
    assert!(again == refused(403, "UNAUTHORIZED") || asked.elapsed().as_secs() >= 2, "{again:?}");
    assert_eq!(ask("Authorization: Basic dTpz\r\n", "GET", "/stats", "").await.0, 200);
    let stranger = "Authorization: Bearer stranger\r\n";
    assert_eq!(ask(stranger, "GET", "/stats", "").await, refused(503, "AUTH_FAILED"));

    // Off by default, with an authority or without.
    let house = House::with(|options| options.auth_http_addresses = vec![address]).await;
    assert_eq!(house.get("/stats").await.status, 200);
    // But bodies are not given over HTTP to those who would not get them over TCP.
    for (method, path) in [
        ("GET", "/channel/peek?topic=t&channel=c"),
        ("POST", "/channel/seek?topic=t&channel=c&to=start"),
        ("GET", "/topic/policy?topic=t"),
    ] {
        let answer = house.ask_with(method, path, "", b"").await;
        assert_eq!((answer.status, &*answer.body), (403, r#"{"message":"HTTP_AUTH_REQUIRED"}"#), "{path}");
    }
}

#[tokio::test]
async fn every_route_needs_the_right_it_touches() {
    let tasks = TaskGroup::new();
    let address = authority(&tasks).await;
    let house = House::with(|options| {
        options.auth_http_addresses = vec![address];
        options.http_auth = true;
    })
    .await;
    let all = ["channel", "publisher", "ruler", "admin"];
    // Deleting comes last, so that what is named is there until then.
    for (method, path, may) in [
        ("GET", "/ping", &all[..]),
        ("GET", "/info", &all),
        ("GET", "/stats?format=json", &all),
        ("GET", "/metrics", &all),
        ("POST", "/topic/create?topic=t", &["publisher", "ruler", "admin"]),
        ("POST", "/pub?topic=t", &["publisher", "ruler", "admin"]),
        ("POST", "/mpub?topic=t", &["publisher", "ruler", "admin"]),
        ("GET", "/topic/policy?topic=t", &["publisher", "ruler", "admin"]),
        ("PUT", "/topic/policy?topic=t", &["ruler", "admin"]),
        ("POST", "/topic/pause?topic=t", &["ruler", "admin"]),
        ("POST", "/topic/unpause?topic=t", &["ruler", "admin"]),
        ("POST", "/topic/empty?topic=t", &["ruler", "admin"]),
        ("POST", "/topic/create?topic=u", &["admin"]),
        ("POST", "/pub?topic=u", &["admin"]),
        ("POST", "/channel/create?topic=t&channel=c", &["channel", "ruler", "admin"]),
        ("GET", "/channel/peek?topic=t&channel=c", &["channel", "ruler", "admin"]),
        ("POST", "/channel/seek?topic=t&channel=c&to=end", &["channel", "ruler", "admin"]),
        ("POST", "/channel/pause?topic=t&channel=c", &["channel", "ruler", "admin"]),
        ("POST", "/channel/unpause?topic=t&channel=c", &["channel", "ruler", "admin"]),
        ("POST", "/channel/empty?topic=t&channel=c", &["channel", "ruler", "admin"]),
        ("POST", "/channel/create?topic=t&channel=d", &["ruler", "admin"]),
        ("POST", "/channel/delete?topic=t&channel=d", &["ruler", "admin"]),
        ("POST", "/channel/create?topic=u&channel=c", &["admin"]),
        ("POST", "/channel/delete?topic=t&channel=c", &["channel", "ruler", "admin"]),
        ("GET", "/config/log_level", &["admin"]),
        ("PUT", "/config/log_level", &["admin"]),
        ("PUT", "/config/nsqlookupd_tcp_addresses", &["admin"]),
        ("GET", "/debug/pprof/", &["admin"]),
        ("GET", "/debug/pprof/cmdline", &["admin"]),
        ("PUT", "/debug/setblockrate?rate=1", &["admin"]),
        ("POST", "/debug/freememory", &["admin"]),
        ("POST", "/topic/delete?topic=t", &["ruler", "admin"]),
        ("POST", "/topic/delete?topic=u", &["admin"]),
    ] {
        for who in all {
            let header = format!("Authorization: Bearer {who}\r\n");
            let status = house.ask_with(method, path, &header, b"{}").await.status;
            assert_eq!(status != 403, may.contains(&who), "{who}: {method} {path}: {status}");
            assert_ne!(status, 401, "{who}: {method} {path}");
        }
    }
}

//! Clients that must say who they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use base::tasks::TaskGroup;
use eyrie_nsq::http::{Limits, Listener, serve};
use eyrie_nsq::nsqd::Options;

use super::house::House;

const GAUGE: &str = r#"{"ttl":1,"identity":"gauge","identity_url":"http://x","authorizations":[
    {"topic":"^a$","channels":[".*"],"permissions":["publish","subscribe"]},
    {"topic":"^b$","channels":["^c$"],"permissions":["subscribe"]}]}"#;
const NOBODY: &str = r#"{"ttl":60,"identity":"nobody","authorizations":[]}"#;

/// A house whose authority knows `gauge` and `nobody`, and a count of how often it was asked.
async fn house(tasks: &TaskGroup) -> (House, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let router = Router::new().fallback(move |request: Request| {
        counted.fetch_add(1, Ordering::Relaxed);
        let query = request.uri().query().unwrap_or_default().to_owned();
        async move {
            match query {
                _ if query.contains("secret=gauge") => Ok(GAUGE),
                _ if query.contains("secret=nobody") => Ok(NOBODY),
                _ => Err(http::StatusCode::FORBIDDEN),
            }
        }
    });
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let options = Options { auth_http_addresses: vec![listener.address()], ..Options::default() };
    let stop = tasks.stop_signal();
    tasks.spawn("authority", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    (House::with(options).await, asked)
}

#[tokio::test]
async fn only_what_is_granted_is_done() {
    let tasks = TaskGroup::new();
    let (house, _) = house(&tasks).await;
    for (command, text) in [
        ("PUB a\n\0\0\0\x01x", "E_AUTH_FIRST AUTH required before PUB"),
        ("SUB a c\n", "E_AUTH_FIRST AUTH required before SUB"),
        ("AUTH\n\0\0\0\x05thief", "E_AUTH_FAILED AUTH failed"),
        ("AUTH\n\0\0\0\x06nobody", "E_UNAUTHORIZED AUTH no authorizations found"),
    ] {
        let mut client = house.client().await;
        client.send(command).await;
        client.refused(text).await;
    }
    for (command, text) in [
        ("PUB b\n\0\0\0\x01x", "E_UNAUTHORIZED AUTH failed for PUB on \"b\" \"\""),
        ("DPUB b 1\n\0\0\0\x01x", "E_UNAUTHORIZED AUTH failed for DPUB on \"b\" \"\""),
        ("MPUB b\n\0\0\0\x09\0\0\0\x01\0\0\0\x01x", "E_UNAUTHORIZED AUTH failed for MPUB on \"b\" \"\""),
        ("SUB b d\n", "E_UNAUTHORIZED AUTH failed for SUB on \"b\" \"d\""),
        ("AUTH\n\0\0\0\x05gauge", "E_INVALID AUTH already set"),
    ] {
        let mut client = house.client().await;
        let answer = client.identify(r#"{"feature_negotiation":true}"#).await;
        assert!(answer.contains(r#""auth_required":true"#));
        client.send("AUTH\n\0\0\0\x05gauge").await;
        client.expect(r#"{"identity":"gauge","identity_url":"http://x","permission_count":2}"#).await;
        client.send(command).await;
        client.refused(text).await;
    }
    let mut client = house.client().await;
    client.send("AUTH\n\0\0\0\x05gauge").await;
    client.hear().await;
    client.publish("a", b"x").await;
    client.send("SUB b c\n").await;
    client.expect("OK").await;
    let shown = house.stats("b").topics.unwrap()[0].channels[0].clients.clone().unwrap().remove(0);
    assert!(shown.authed && shown.auth_identity == "gauge" && shown.auth_identity_url == "http://x");
    house.close().await;
}

#[tokio::test]
async fn grants_are_asked_for_again_when_their_time_is_over() {
    let tasks = TaskGroup::new();
    let (house, asked) = house(&tasks).await;
    let mut client = house.client().await;
    client.send("AUTH\n\0\0\0\x05gauge").await;
    client.hear().await;
    let start = std::time::Instant::now();
    while asked.load(Ordering::Relaxed) < 3 {
        client.publish("a", b"x").await;
        assert!(start.elapsed() < super::house::PATIENCE);
    }
    assert!(start.elapsed() >= std::time::Duration::from_millis(1_900), "a TTL of one second each");
    house.close().await;
}

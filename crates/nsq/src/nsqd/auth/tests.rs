use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use base::tasks::TaskGroup;
use http::StatusCode;

use super::*;
use crate::http::{Client, Limits, Listener, client, serve};

const ANSWER: &str = r#"{"ttl":60,"identity":"gauge","authorizations":[{"topic":".*","channels":[".*"],"permissions":["publish"]}]}"#;

/// A server that notes what it is asked and always answers the same.
async fn authority(tasks: &TaskGroup, answer: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let router = Router::new().fallback(move |request: Request| {
        let noted = Arc::clone(&noted);
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 16).await.unwrap();
            let body = String::from_utf8_lossy(&body).into_owned();
            noted.lock().unwrap().push(format!("{} {} {body}", parts.method, parts.uri));
            answer
        }
    });
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.address();
    let stop = tasks.stop_signal();
    tasks.spawn("authority", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    (address, asked)
}

fn asking(addresses: Vec<String>, post: bool) -> Authority {
    Authority { addresses, post, client: Client::new(client::Options::default()).unwrap() }
}

const QUERY: Query<'_> =
    Query { remote_ip: "10.0.0.1", tls: true, common_name: "gauge 7", secret: b"s&=\xff" };

#[tokio::test]
async fn asks_as_nsqd_does() {
    let tasks = TaskGroup::new();
    let (address, asked) = authority(&tasks, ANSWER).await;
    let form = "common_name=gauge+7&remote_ip=10.0.0.1&secret=s%26%3D%FF&tls=true";
    let grants = asking(vec![address.clone()], false).ask(QUERY).await.unwrap();
    assert_eq!((grants.identity.as_str(), grants.may_publish("t")), ("gauge", true));
    asking(vec![format!("http://{address}/who")], true).ask(QUERY).await.unwrap();
    assert_eq!(*asked.lock().unwrap(), [format!("GET /auth?{form} "), format!("POST /who {form}")]);
}

/// The user and password of a URL go to the authority and into no reason.
#[tokio::test]
async fn an_authority_may_want_a_password() {
    let tasks = TaskGroup::new();
    let router = Router::new().fallback(async |request: Request| {
        let said = request.headers().get(http::header::AUTHORIZATION).cloned();
        let known = said.is_some_and(|said| said == "Basic dXNlcjpwQHc=");
        if known { (StatusCode::OK, ANSWER) } else { (StatusCode::INTERNAL_SERVER_ERROR, "who?") }
    });
    let listener = Listener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.address();
    let stop = tasks.stop_signal();
    tasks.spawn("authority", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    for post in [false, true] {
        asking(vec![format!("http://user:p%40w@{host}/auth")], post).ask(QUERY).await.unwrap();
        asking(vec![format!("user:p%40w@{host}")], post).ask(QUERY).await.unwrap();
        for (address, shown) in [
            (format!("http://user:other@{host}/auth"), format!("http://...@{host}/auth")),
            ("http://user:other@a b/".to_owned(), "http://...@a b/".to_owned()),
        ] {
            let denied = asking(vec![address], post).ask(QUERY).await.unwrap_err().to_string();
            assert!(denied.contains(&format!("failed to query {shown} - ")), "{denied}");
            assert!(!denied.contains("other"), "{denied}");
        }
    }
}

#[tokio::test]
async fn asks_the_next_one_and_says_why_none_answered() {
    let tasks = TaskGroup::new();
    let (good, _) = authority(&tasks, ANSWER).await;
    let (bad, _) = authority(&tasks, r#"{"ttl":0}"#).await;
    for _ in 0..8 {
        asking(vec![bad.clone(), good.clone()], false).ask(QUERY).await.unwrap();
    }
    let denied = asking(vec![bad.clone(), bad.clone()], false).ask(QUERY).await.unwrap_err();
    let one = format!("failed to query {bad} - invalid TTL 0 (must be >0)");
    assert_eq!(denied, Denied::NoAnswer(format!("{one}; {one}")));
    assert!(asking(Vec::new(), false).ask(QUERY).await.is_err());
}

#[tokio::test]
async fn no_secret_stands_in_a_reason() {
    let gone = Listener::bind("127.0.0.1:0").await.unwrap().address();
    let denied = asking(vec![gone], false).ask(QUERY).await.unwrap_err();
    assert!(matches!(&denied, Denied::NoAnswer(reason) if !reason.contains("s%26")), "{denied}");
}

#[tokio::test]
async fn a_status_that_says_no_is_a_refusal_and_a_broken_server_is_none() {
    let tasks = TaskGroup::new();
    let gone = Listener::bind("127.0.0.1:0").await.unwrap().address();
    let check = async |status: u16, refused: bool| {
        let router = Router::new().fallback(move || async move { StatusCode::from_u16(status).unwrap() });
        let listener = Listener::bind("127.0.0.1:0").await.unwrap();
        let (address, stop) = (listener.address(), tasks.stop_signal());
        tasks.spawn("authority", async move {
            serve(listener, router, stop, Limits::default()).await;
        });
        for addresses in [vec![address.clone()], vec![gone.clone(), address.clone()]] {
            let denied = asking(addresses, false).ask(QUERY).await.unwrap_err();
            assert_eq!(matches!(denied, Denied::Refused(_)), refused, "{status}: {denied}");
        }
    };
    for status in [400, 401, 403, 404] {
        check(status, true).await;
    }
    for status in [408, 429, 500, 503] {
        check(status, false).await;
    }
}

//! The stream that open pages listen to.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use eyrie_web::Config;
use http::header;
use stats::Kind;
use tokio_stream::StreamExt as _;
use tower::ServiceExt as _;

use crate::house::House;

/// The next event of a kind; streams look once a second.
async fn next(stream: &mut BodyDataStream, kind: &str) -> String {
    let begin = format!("event: {kind}\ndata: ");
    loop {
        let chunk = tokio::time::timeout(Duration::from_secs(20), stream.next()).await;
        let chunk = chunk.expect("an event in time").expect("the stream goes on").expect("a chunk");
        let text = String::from_utf8(chunk.to_vec()).expect("text");
        if let Some(data) = text.strip_prefix(&begin) {
            return data.trim_end().to_owned();
        }
    }
}

async fn open(house: &House, path: &str) -> BodyDataStream {
    let request = House::request(path).header(header::COOKIE, house.cookie()).body(Body::empty());
    let answer =
        house.router.clone().oneshot(request.expect("a request")).await.expect("routers do not fail");
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    assert!(!answer.headers().contains_key("content-encoding"), "a packed stream would wait");
    answer.into_body().into_data_stream()
}

#[tokio::test]
async fn a_page_hears_of_new_numbers_and_only_of_what_changed() {
    let house = House::new().await;
    let id = house.send("hello", Kind::Counter, &[(90, 1.0)]).await;
    let mut stream = open(&house, &format!("/live?stats={id}&t=1h1m")).await;
    let all: serde_json::Value = serde_json::from_str(&next(&mut stream, "stat").await).expect("JSON");
    assert_eq!((all["from"].as_u64(), all["values"].as_array().map(Vec::len)), (Some(0), Some(60)));
    assert_eq!(all["figure"]["value"], 1.0);
    house.send("hello", Kind::Counter, &[(5, 4.0)]).await;
    let tail: serde_json::Value = serde_json::from_str(&next(&mut stream, "stat").await).expect("JSON");
    assert_eq!(tail["figure"]["value"], 5.0);
    assert!(tail["from"].as_u64() > Some(50), "{tail}");
    assert!(tail.get("previous").is_none(), "{tail}");
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn a_quiet_page_hears_beats_that_browsers_do_not_drop() {
    let house = House::new().await;
    let id = house.send("hello", Kind::Counter, &[(90, 1.0)]).await;
    let mut stream = open(&house, &format!("/live?stats={id}&t=1h1m")).await;
    next(&mut stream, "stat").await;
    assert_ne!(next(&mut stream, "beat").await, "", "an event without data is never dispatched");
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn an_empty_page_hears_of_its_first_stat() {
    let house = House::new().await;
    let mut stream = open(&house, "/live").await;
    let id = house.send("hello", Kind::Counter, &[(1, 1.0)]).await;
    assert_eq!(next(&mut stream, "first").await, format!("/stats/{id}?t=1h1m"));
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn an_open_list_hears_that_it_is_not_as_it_was() {
    let house = House::new().await;
    let a = house.send("a", Kind::Counter, &[(90, 1.0)]).await;
    let seen = house.get("/stats.json").await.json()["seen"].as_u64().expect("a revision");
    let mut stream = open(&house, &format!("/live?stats={a}&t=1d1h&list=stats&seen={seen}")).await;
    next(&mut stream, "stat").await;
    let b = house.send("b", Kind::Counter, &[(80, 1.0)]).await;
    let made: u64 = next(&mut stream, "list").await.parse().expect("a revision");
    house.post(&format!("/stats/{b}/delete"), "").await;
    let deleted: u64 = next(&mut stream, "list").await.parse().expect("a revision");
    house.send("b", Kind::Counter, &[(0, 1.0)]).await;
    let revived: u64 = next(&mut stream, "list").await.parse().expect("a revision");
    assert!(seen < made && made < deleted && deleted < revived, "{seen} {made} {deleted} {revived}");
    // What came between a page and its stream is told at once; a list without lines waits for its first.
    let mut late = open(&house, &format!("/live?list=stats&seen={seen}&stats=")).await;
    assert_eq!(next(&mut late, "list").await, revived.to_string());
    let page = house.get("/stats").await;
    assert!(
        page.text().contains(&format!("list=stats&amp;seen={revived}&amp;stats={a},{b}")),
        "{}",
        page.text()
    );

    assert_eq!(house.get_head("/live?list=eyrie&seen=1").await, 200, "the owner's");
    assert_eq!(house.get_signed_out("/live?list=stats&seen=1").await.status, 303);
    let other = house.app.accounts.create("other@example.com", None).await.expect("made");
    let session = house.app.accounts.sign_in_by_link(&other.signin_secret).await.expect("signed in");
    let request =
        House::request("/live?list=eyrie&seen=1").header(header::COOKIE, format!("eyrie_session={session}"));
    let refused = house.ask(request.body(Body::empty()).expect("a request")).await;
    assert_eq!(refused.status, 404, "nobody else's");
    drop((stream, late));
    house.end().await;
}

#[tokio::test]
async fn streams_have_a_limit_with_a_name() {
    let house = House::with(Config { live_streams_max: 1, templates: None, ..Config::default() }).await;
    let stream = open(&house, "/live").await;
    let full = house.get("/live").await;
    assert_eq!((full.status.as_u16(), full.header("retry-after")), (503, "10"));
    assert!(full.text().contains("live_streams_max"), "{}", full.text());
    drop(stream);
    let again = || async { (house.get_head("/live").await == 200).then_some(()) };
    base::testkit::eventually(Duration::from_secs(10), "a closed stream makes room", again).await;
    house.end().await;
}

#[tokio::test]
async fn what_is_taken_back_is_heard_of_no_more() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for name in ["shown", "deleted"] {
        ids.push(house.send(name, Kind::Counter, &[(90, 1.0)]).await);
        house.post(&format!("/stats/{}/public", ids[ids.len() - 1]), "public=on").await;
    }
    let both = format!("/live?stats={}&t=1h1m", ids.join(","));
    let request = House::request(&both).body(Body::empty()).expect("a request");
    let answer = house.router.clone().oneshot(request).await.expect("routers do not fail");
    let mut stream = answer.into_body().into_data_stream();
    next(&mut stream, "stat").await;
    house.post(&format!("/stats/{}/delete", ids[1]), "").await;
    house.post(&format!("/stats/{}/public", ids[0]), "public=").await;
    let end = tokio::time::timeout(Duration::from_secs(20), async { while stream.next().await.is_some() {} });
    end.await.expect("a stream of which nothing may be seen ends");
    for path in [&both, &format!("/live?stats={}", ids[0]), &format!("/live?stats={}", ids[1])] {
        assert_ne!(house.get_signed_out(path).await.status, 200, "{path}");
    }
    house.end().await;
}

#[tokio::test]
async fn signing_out_ends_what_was_open() {
    let house = House::new().await;
    let id = house.send("hello", Kind::Counter, &[(90, 1.0)]).await;
    let mut stream = open(&house, &format!("/live?stats={id}&t=1h1m")).await;
    next(&mut stream, "stat").await;
    house.post("/signout", "").await;
    let end = tokio::time::timeout(Duration::from_secs(40), async { while stream.next().await.is_some() {} });
    end.await.expect("the stream ends");
    house.end().await;
}

#[tokio::test]
async fn one_stream_has_so_many_figures_and_strangers_have_so_many_streams() {
    let config = Config { live_guests_max: 1, templates: None, ..Config::default() };
    let house = House::with(config).await;
    let mut ids = Vec::new();
    for name in ["a", "b"] {
        ids.push(house.send(name, Kind::Counter, &[(90, 1.0)]).await);
    }
    let (a, b) = (&ids[0], &ids[1]);
    let much = house.get(&format!("/live?stats={a},{b}&t=10080m1m")).await;
    assert_eq!(much.status, 400);
    assert!(much.text().contains("20160 figures") && much.text().contains("20000"), "{}", much.text());
    let twice = format!("/live?stats={a},{a}&t=10080m1m");
    assert_eq!(house.get_head(&twice).await, 200, "the same stat counts once");
    house.post(&format!("/stats/{a}/public"), "public=on").await;
    let path = format!("/live?stats={a}");
    let request = || House::request(&path).body(Body::empty()).expect("a request");
    let stranger = house.router.clone().oneshot(request()).await.expect("routers do not fail");
    assert_eq!(stranger.status(), 200);
    let full = house.get_signed_out(&path).await;
    assert_eq!(full.status, 503);
    assert!(full.text().contains("live_guests_max"), "{}", full.text());
    assert_eq!(house.get_head(&path).await, 200, "who is signed in has room");
    drop(stranger);
    house.end().await;
}

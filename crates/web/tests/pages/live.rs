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
    let id = house.send(house.me.id, "hello", Kind::Counter, &[(90, 1.0)]).await;
    let mut stream = open(&house, &format!("/live?stats={id}&t=1h1m")).await;
    let all: serde_json::Value = serde_json::from_str(&next(&mut stream, "stat").await).expect("JSON");
    assert_eq!((all["from"].as_u64(), all["values"].as_array().map(Vec::len)), (Some(0), Some(60)));
    assert_eq!(all["figure"]["value"], 1.0);
    house.send(house.me.id, "hello", Kind::Counter, &[(5, 4.0)]).await;
    let tail: serde_json::Value = serde_json::from_str(&next(&mut stream, "stat").await).expect("JSON");
    assert_eq!(tail["figure"]["value"], 5.0);
    assert!(tail["from"].as_u64() > Some(50), "{tail}");
    assert!(tail.get("previous").is_none(), "{tail}");
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn an_empty_page_hears_of_its_first_stat() {
    let house = House::new().await;
    let mut stream = open(&house, "/live").await;
    let id = house.send(house.me.id, "hello", Kind::Counter, &[(1, 1.0)]).await;
    assert_eq!(next(&mut stream, "first").await, format!("/stats/{id}?t=1h1m"));
    drop(stream);
    house.end().await;
}

#[tokio::test]
async fn streams_have_a_limit_with_a_name() {
    let house = House::with(Config { live_streams_max: 1, templates: None, ..Config::default() }).await;
    let stream = open(&house, "/live").await;
    let full = house.get("/live").await;
    assert_eq!((full.status.as_u16(), full.header("retry-after")), (503, "10"));
    assert!(full.text.contains("live_streams_max"), "{}", full.text);
    drop(stream);
    let again = || async { (house.get_head("/live").await == 200).then_some(()) };
    base::testkit::eventually(Duration::from_secs(10), "a closed stream makes room", again).await;
    house.end().await;
}

//! What operators ask for beyond NSQ, over HTTP and over restarts.

use base::testkit::eventually;

use super::house::{House, SOON};

async fn depth(house: &House, topic: &str) -> Option<u64> {
    let stats = house.stats(&format!("topic={topic}")).await;
    stats["topics"][0]["channels"][0]["depth"].as_u64()
}

async fn rule(house: &House, topic: &str, policy: &str) {
    house.does(&format!("/topic/create?topic={topic}"), "").await;
    house.does(&format!("/channel/create?topic={topic}&channel=c"), "").await;
    let answer = house.ask("PUT", &format!("/topic/policy?topic={topic}"), policy.as_bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn a_folder_of_a_real_nsqd_is_taken_over_at_the_start() {
    let house = House::open().await;
    let house = {
        let list = r#"{"topics":[{"name":"old","paused":false,"channels":[{"name":"c","paused":true}]}],"version":"1.3.0"}"#;
        std::fs::write(house.dir.path().join("nsqd.dat"), list).expect("written");
        let mut frame = (26_i32 + 5).to_be_bytes().to_vec();
        frame.extend_from_slice(&1_600_000_000_000_000_000_i64.to_be_bytes());
        frame.extend_from_slice(b"\0\x020123456789abcdefhello");
        std::fs::write(house.dir.path().join("old:c.diskqueue.000000.dat"), frame).expect("written");
        house.again().await
    };
    for _ in 0..2 {
        let answer = house.get("/channel/peek?topic=old&channel=c").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let stats = house.stats("topic=old").await;
        let channel = &stats["topics"][0]["channels"][0];
        assert_eq!((channel["depth"].as_u64(), channel["paused"].as_bool()), (Some(1), Some(true)));
    }
    assert!(house.dir.path().join("nsqd.dat.imported").exists());
    let house = house.again().await;
    assert_eq!(depth(&house, "old").await, Some(1), "once");
}

#[tokio::test]
async fn a_channel_is_sent_back_and_ahead() {
    let house = House::open().await;
    rule(&house, "t", r#"{"retain":"10m"}"#).await;
    house.does("/mpub?topic=t", "one\ntwo\nthree").await;
    let peeked = house.get("/channel/peek?topic=t&channel=c").await;
    let peeked: serde_json::Value = serde_json::from_str(&peeked.body).expect("JSON");
    let id = peeked["messages"][1]["id"].as_str().expect("an id").to_owned();
    for (to, expected) in
        [("to=end", 0), ("to=start", 3), (format!("id={id}").as_str(), 2), ("time=0", 3), ("to=end", 0)]
    {
        house.does(&format!("/channel/seek?topic=t&channel=c&{to}"), "").await;
        assert_eq!(depth(&house, "t").await, Some(expected), "{to}");
    }
    for bad in ["", "to=middle", "time=soon", "id=7", "to=start&time=0", "id=0000000000000000"] {
        let answer = house.post(&format!("/channel/seek?topic=t&channel=c&{bad}"), "").await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.body.starts_with(r#"{"message":"INVALID_SEEK"#), "{bad}: {answer:?}");
    }
    assert_eq!(house.post("/channel/seek?topic=t&channel=x&to=end", "").await.status, 404);
    house.does("/channel/seek?topic=t&channel=c&to=start", "").await;
    let house = house.again().await;
    assert_eq!(depth(&house, "t").await, Some(3));
}

#[tokio::test]
async fn a_repeated_publish_has_no_effect_and_a_full_topic_says_so() {
    let house = House::open().await;
    rule(&house, "once", r#"{"dedup_window":"1h"}"#).await;
    rule(&house, "full", r#"{"max_bytes":8}"#).await;
    for _ in 0..2 {
        house.does("/pub?topic=once&id=order-7", "body").await;
    }
    house.does("/pub?topic=full", "12345678").await;
    let answer = house.post("/pub?topic=full", "9").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, r#"{"message":"BUSY"}"#));
    let house = house.again().await;
    house.does("/pub?topic=once&id=order-7", "body").await;
    assert_eq!(depth(&house, "once").await, Some(1));
    assert_eq!(house.post("/pub?topic=full", "9").await.status, 503);
}

#[tokio::test]
async fn what_is_too_old_goes() {
    let house = House::open().await;
    rule(&house, "t", r#"{"ttl":"10ms"}"#).await;
    house.does("/mpub?topic=t", "one\ntwo").await;
    let gone = async || (depth(&house, "t").await == Some(0)).then_some(());
    eventually(SOON, "old messages are dropped", gone).await;
}

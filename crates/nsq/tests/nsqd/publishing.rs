//! Bodies of every size and shape, and what publishers can say besides.

use base::testkit::eventually;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::house::{House, SOON};

async fn messages(house: &House, topic: &str) -> u64 {
    let stats = house.stats(&format!("topic={topic}")).await;
    stats["topics"][0]["message_count"].as_u64().unwrap_or(0)
}

#[tokio::test]
async fn the_largest_message_is_taken_and_a_larger_one_is_not() {
    let house = House::open().await;
    house.does("/pub?topic=t", vec![b'x'; 1 << 20]).await;
    for bytes in [(1 << 20) + 1, 10 << 20] {
        let answer = house.post("/pub?topic=t", vec![b'x'; bytes]).await;
        assert_eq!((answer.status, answer.body.as_str()), (413, r#"{"message":"MSG_TOO_BIG"}"#));
    }
    let mut lines = vec![b'x'; 5 << 20];
    (99..lines.len()).step_by(100).for_each(|at| lines[at] = b'\n');
    house.does("/mpub?topic=t", &lines).await;
    lines.push(b'x');
    for body in [lines, vec![b'x'; 10 << 20]] {
        let answer = house.post("/mpub?topic=t", body).await;
        assert_eq!((answer.status, answer.body.as_str()), (413, r#"{"message":"BODY_TOO_BIG"}"#));
    }
    assert_eq!(messages(&house, "t").await, 1 + ((5 << 20) as u64).div_ceil(100));
}

#[tokio::test]
async fn half_a_body_is_no_message() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    for path in ["/pub?topic=t", "/mpub?topic=t", "/mpub?topic=t&binary=true"] {
        let mut stream = TcpStream::connect(house.http()).await.expect("connected");
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        stream.write_all(b"half\nof").await.expect("sent");
        stream.shutdown().await.expect("no more follows");
        let mut back = String::new();
        let _ = stream.read_to_string(&mut back).await;
        assert!(!back.contains(" 200 "), "{back}");
        let mut chunked = TcpStream::connect(house.http()).await.expect("connected");
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
        chunked.write_all(head.as_bytes()).await.expect("sent");
        drop(chunked);
    }
    assert_eq!(messages(&house, "t").await, 0);
    house.does("/pub?topic=t", "whole").await;
    assert_eq!(messages(&house, "t").await, 1);
}

#[tokio::test]
async fn many_are_taken_in_the_order_they_stand() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    house.does("/mpub?topic=t", "one\n\ntwo\r\n").await;
    house.does("/mpub?topic=t&binary=true", b"\0\0\0\x02\0\0\0\x05three\0\0\0\x02\xff\x00").await;
    let answer = house.get("/channel/peek?topic=t&channel=c&max=9").await;
    let peeked: serde_json::Value = serde_json::from_str(&answer.body).expect("JSON");
    let shown: Vec<_> = peeked["messages"].as_array().expect("messages").iter().collect();
    let bodies: Vec<_> = shown.iter().map(|message| message["body"].as_str()).collect();
    assert_eq!(bodies, [Some("one"), Some("two\r"), Some("three"), None]);
    assert_eq!(shown[3]["body_base64"], "/wA=");
    assert!(shown.iter().all(|message| message["state"] == "ready" && message["attempts"] == 0));
    assert!(shown[0]["id"].as_str().expect("an id").len() == 16);
    for max in ["0", "1001", "x", "-1"] {
        let answer = house.get(&format!("/channel/peek?topic=t&channel=c&max={max}")).await;
        assert_eq!((answer.status, answer.body.as_str()), (400, r#"{"message":"INVALID_MAX"}"#));
    }
}

#[tokio::test]
async fn deferred_ones_wait_for_their_time() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    house.does("/pub?topic=t&defer=300", "later").await;
    house.does("/mpub?topic=t&defer=3600000", "much\nlater").await;
    let counts = async || {
        let channel = house.stats("").await["topics"][0]["channels"][0].clone();
        (channel["depth"].as_u64(), channel["deferred_count"].as_u64())
    };
    assert_eq!(counts().await, (Some(0), Some(3)));
    let arrived = async || (counts().await == (Some(1), Some(2))).then_some(());
    eventually(SOON, "the first one's time comes", arrived).await;
}

#[tokio::test]
async fn an_id_is_published_once_where_the_topic_says_so() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    let policy = house.ask("PUT", "/topic/policy?topic=t", br#"{"durability":"disk"}"#).await;
    assert_eq!(policy.status, 200, "{policy:?}");
    let policy = house.get("/topic/policy?topic=t").await;
    assert!(policy.body.contains(r#""durability":"disk""#), "{policy:?}");
    for wrong in ["{", "[]", r#"{"nonsense":1}"#, r#"{"durability":"perhaps"}"#] {
        let answer = house.ask("PUT", "/topic/policy?topic=t", wrong.as_bytes()).await;
        assert!(answer.status == 400 && answer.body.contains("INVALID_POLICY"), "{answer:?}");
    }
    assert_eq!(house.get("/topic/policy?topic=nope").await.status, 404);
    for wrong in ["{", r#"{"ttl":1.5}"#, r#"{"dead_letter_after":9}"#] {
        let answer = house.ask("PUT", "/topic/policy?topic=new", wrong.as_bytes()).await;
        assert!(answer.status == 400 && answer.body.contains("INVALID_POLICY"), "{answer:?}");
    }
    assert_eq!(house.get("/topic/policy?topic=new").await.status, 404, "a wrong policy makes no topic");
    let first = house.ask("PUT", "/topic/policy?topic=new", br#"{"max_bytes":"1 MiB"}"#).await;
    assert_eq!(first.status, 200, "the rules come before the first message: {first:?}");
    assert!(first.body.contains(r#""max_bytes":1048576"#), "{first:?}");
    for (path, code) in [("/pub?topic=new", "MSG_TOO_BIG"), ("/mpub?topic=new", "BODY_TOO_BIG")] {
        let tiny = br#"{"max_bytes":5,"overflow":"drop_oldest"}"#;
        assert_eq!(house.ask("PUT", "/topic/policy?topic=new", tiny).await.status, 200);
        let never = house.post(path, "123\n567").await;
        assert_eq!((never.status, never.body), (413, format!(r#"{{"message":"{code}"}}"#)), "{path}");
    }
    house.does("/topic/delete?topic=new", "").await;
    for (path, code) in [
        ("/pub?topic=t&id=", "INVALID_ID"),
        ("/pub?topic=t&ttl=0", "INVALID_TTL"),
        ("/pub?topic=t&ttl=x", "INVALID_TTL"),
    ] {
        let answer = house.post(path, "x").await;
        assert_eq!((answer.status, answer.body), (400, format!(r#"{{"message":"{code}"}}"#)), "{path}");
    }
    let long = "k".repeat(129);
    assert_eq!(house.post(&format!("/pub?topic=t&key={long}"), "x").await.status, 400);
    let rules = br#"{"dedup_window":"1m","max_bytes":10}"#;
    assert_eq!(house.ask("PUT", "/topic/policy?topic=t", rules).await.status, 200);
    for _ in 0..2 {
        house.does("/pub?topic=t&id=a&key=k&ttl=60000", "x").await;
        house.does("/mpub?topic=t&id=b&key=k", "x\ny").await;
    }
    let channel = house.stats("").await["topics"][0]["channels"][0].clone();
    assert_eq!(channel["depth"], 3, "what is repeated is taken once: {channel}");
    let full = house.post("/pub?topic=t", "too much").await;
    assert_eq!((full.status, full.body.as_str()), (503, r#"{"message":"BUSY"}"#));
    house.running.close().await.expect("closed");
}

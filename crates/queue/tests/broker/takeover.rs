//! An nsqd's folder becomes topics and channels.
use std::path::Path;

use eyrie_queue::Error;
use eyrie_queue::broker::{Overflow, Policy};
use eyrie_queue::import::{Begun, Import};
use log::files::{Crash, Faulty};

use crate::house::*;

fn frame(id: u8, attempts: u8, body: &str) -> Vec<u8> {
    let mut out = (26 + body.len() as i32).to_be_bytes().to_vec();
    out.extend_from_slice(&(1_600_000_000_000_000_000 + i64::from(id)).to_be_bytes());
    out.extend_from_slice(&[0, attempts]);
    out.extend_from_slice(format!("{id:016x}").as_bytes());
    out.extend_from_slice(body.as_bytes());
    out
}

const LIST: &str = r#"{"topics":[
    {"channels":[{"name":"a","paused":false},{"name":"b","paused":true}],"name":"t","paused":false},
    {"channels":[{"name":"c","paused":false}],"name":"held","paused":true},
    {"channels":[],"name":"bare","paused":false}
],"version":"1.3.0"}"#;

fn fill(dir: &Path) {
    let write = |name: &str, frames: &[Vec<u8>]| std::fs::write(dir.join(name), frames.concat()).unwrap();
    std::fs::write(dir.join("nsqd.dat"), LIST).unwrap();
    write("t:a.diskqueue.000000.dat", &[frame(1, 0, "only a"), frame(2, 2, "both")]);
    write("t:b.diskqueue.000000.dat", &[frame(2, 1, "both"), frame(3, 0, "only b")]);
    write("t.diskqueue.000000.dat", &[frame(4, 0, "all")]);
    write("held.diskqueue.000000.dat", &[frame(5, 0, "held back")]);
    write("held:c.diskqueue.000000.dat", &[frame(6, 0, "already in c")]);
    write("bare.diskqueue.000000.dat", &[frame(7, 0, "nobody yet"), vec![0; 7]]);
}

async fn check(house: &House) {
    let topic = house.broker.find_topic("t").unwrap();
    assert!(!topic.is_paused());
    let (a, b) = (topic.find_channel("a").unwrap(), topic.find_channel("b").unwrap());
    assert_eq!((a.stats().depth, b.stats().depth, a.is_paused(), b.is_paused()), (3, 3, false, true));
    b.set_paused(false).await.unwrap();
    for (channel, expected) in
        [(a, [("only a", 1), ("both", 3), ("all", 1)]), (b, [("both", 2), ("only b", 1), ("all", 1)])]
    {
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        for (text, attempts) in expected {
            let delivery = next(&mut consumer).await;
            assert_eq!(
                (body(&delivery), delivery.attempts),
                (text.to_owned(), attempts),
                "{}",
                channel.name()
            );
            assert!((1_600_000_000_000_000_001..=1_600_000_000_000_000_007).contains(&delivery.timestamp_ns));
            consumer.finish(delivery.id).unwrap();
        }
        nothing(&mut consumer).await;
    }
    let held = house.broker.find_topic("held").unwrap();
    assert!(held.is_paused());
    let mut consumer = held.find_channel("c").unwrap().subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    assert_eq!(drain(&mut consumer, 1).await, ["already in c"]);
    nothing(&mut consumer).await;
    held.set_paused(false).await.unwrap();
    assert_eq!(drain(&mut consumer, 1).await, ["held back"]);
    let bare = house.broker.find_topic("bare").unwrap();
    assert_eq!(bare.stats().depth, 1);
    let mut consumer = bare.channel("first").await.unwrap().subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    assert_eq!(drain(&mut consumer, 1).await, ["nobody yet"]);
}

#[tokio::test]
async fn a_folder_is_taken_over_once_and_for_all() {
    for killed in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path());
        let disk = Faulty::new();
        let mut house = open(&disk);
        assert_eq!(house.broker.import(&dir.path().join("nothing")).await.unwrap(), None);
        let imported = house.broker.import(dir.path()).await.unwrap().unwrap();
        assert_eq!((imported.topics, imported.channels, imported.messages), (3, 3, 7));
        assert_eq!(imported.complaints.len(), 1, "{:?}", imported.complaints);
        assert!(imported.complaints[0].contains("bare.diskqueue.000000.dat: bytes 40 to 47"), "{imported:?}");
        if killed {
            // What the device had when it was done.
            house = open(&disk.crash(Crash::LoseAll));
        }
        assert_eq!(house.broker.import(dir.path()).await.unwrap(), None);
        check(&house).await;
    }
}

#[tokio::test]
async fn a_takeover_asks_no_topic_for_room() {
    for overflow in [Overflow::Reject, Overflow::DropOldest] {
        // Fewer bytes than one message has, and fewer than all have.
        for max in [2, 9] {
            let dir = tempfile::tempdir().unwrap();
            fill(dir.path());
            let house = open(&Faulty::new());
            let topic = house.broker.topic("t").await.unwrap();
            let policy = Policy { max_bytes: Some(max), overflow, ..Policy::default() };
            topic.set_policy(policy).await.unwrap();
            let imported = house.broker.import(dir.path()).await.unwrap().unwrap();
            assert_eq!((imported.topics, imported.messages), (3, 7), "{overflow:?}, {max}");
            check(&house).await;
            let refused = topic.publish(&[text("too long for it")]).unwrap_err();
            assert!(matches!(refused, Error::BeyondTopic { .. }), "others are asked: {refused}");
        }
    }
}

#[tokio::test]
async fn a_takeover_that_died_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let disk = Faulty::new();
    let house = open(&disk);
    publish(&house.broker.topic("mine").await.unwrap(), ["stays"]).await;
    let import = Import::open(dir.path()).unwrap().unwrap();
    let made = |name: &str| Begun { name: name.to_owned(), before: None };
    import.begin(&["t", "bare"].map(made)).unwrap();
    drop(import);
    let half = house.broker.topic("t").await.unwrap();
    half.channel("a").await.unwrap();
    publish(&half, ["only a", "both"]).await;
    let house = open(&disk.crash(Crash::KeepAll));
    let imported = house.broker.import(dir.path()).await.unwrap().unwrap();
    assert_eq!((imported.topics, imported.messages), (3, 7));
    check(&house).await;
    assert_eq!(house.broker.find_topic("mine").unwrap().stats().depth, 1);
}

#[tokio::test]
async fn a_takeover_that_died_takes_nothing_from_topics_that_were_there_before_and_doubles_nothing() {
    for (snapshot, paused) in [(false, false), (true, false), (true, true)] {
        let dir = tempfile::tempdir().unwrap();
        fill(dir.path());
        let many: Vec<_> =
            (10..=255).map(|id| frame(id, 0, &format!("{id} {}", "x".repeat(9_000)))).collect();
        std::fs::write(dir.path().join("t:a.diskqueue.000001.dat"), many.concat()).unwrap();
        std::fs::write(dir.path().join("t:a.diskqueue.meta.dat"), "0\n0,0\n1,0\n").unwrap();
        let disk = Faulty::new();
        let longer = log::Config { segment_bytes: 2 << 20, ..log_config() };
        disk.space_left(Some(3 << 20));
        let house = open_with(&disk, longer.clone(), config());
        let topic = house.broker.topic("t").await.unwrap();
        topic.channel("a").await.unwrap();
        topic.channel("other").await.unwrap();
        topic.set_paused(paused).await.unwrap();
        publish(&topic, ["mine", "and mine"]).await;
        // It dies because the disk is full: much is published by then.
        let error = house.broker.import(dir.path()).await.unwrap_err();
        assert_eq!(error.kind(), base::ErrorKind::Busy, "{error}");
        assert!(topic.stats().message_count > 100, "{:?}", topic.stats());
        if snapshot {
            house.broker.snapshot().await.unwrap();
        }
        let disk = disk.crash(Crash::KeepAll);
        disk.space_left(None);
        let house = open_with(&disk, longer, config());
        house.broker.import(dir.path()).await.unwrap().unwrap();
        let topic = house.broker.find_topic("t").unwrap();
        assert_eq!(topic.is_paused(), paused, "snapshot: {snapshot}");
        topic.set_paused(false).await.unwrap();
        let numbers: Vec<_> = (10..=255).map(|id| id.to_string()).collect();
        let many: Vec<_> = numbers.iter().map(String::as_str).collect();
        let only = [vec!["mine", "and", "only", "both"], many, vec!["all"]].concat();
        // What a paused topic holds is for channels that are made meanwhile as well.
        let held = if paused { vec!["mine", "and"] } else { Vec::new() };
        let second = [held, vec!["both", "only", "all"]].concat();
        for (channel, expected) in [("a", only), ("b", second), ("other", vec!["mine", "and", "all"])] {
            let channel = topic.find_channel(channel).unwrap();
            channel.set_paused(false).await.unwrap();
            let mut consumer = channel.subscribe(subscriber()).unwrap();
            consumer.set_ready(9);
            let bodies = drain(&mut consumer, expected.len()).await;
            let words: Vec<_> = bodies.iter().filter_map(|body| body.split(' ').next()).collect();
            assert_eq!(words, expected, "{}, snapshot: {snapshot}, paused: {paused}", channel.name());
            nothing(&mut consumer).await;
        }
    }
}

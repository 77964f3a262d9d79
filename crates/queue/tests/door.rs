//! The in-process door as the recorder and the ingest use it.
#![allow(clippy::unwrap_used)]

use base::{Clock, ErrorKind};
use eyrie_queue::{NewMessage, Queue, Topic};
use log::files::{Faulty, Files};
use log::{Config, Durability, Log, Lsn};
use std::path::Path;
use std::sync::Arc;

fn open(disk: &Faulty) -> Queue {
    let config = Config { segment_bytes: 4_096, ..Config::new("/data/log") };
    let (log, recovery) = Log::open_on(Arc::new(disk.clone()), config, Clock::system()).unwrap();
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    Queue::open(log, Path::new("/data")).unwrap()
}

async fn publish(queue: &Queue, topic: &Topic, text: &str) -> Lsn {
    let message = NewMessage { topic, payload: text.to_owned().into() };
    queue.publish(&[message], Durability::Disk).unwrap().await.unwrap()
}

#[tokio::test]
async fn topics_are_read_merged_and_go_on_after_a_restart() {
    let disk = Faulty::new();
    let queue = open(&disk);
    let [a, b, c] = ["a", "b", "c"].map(|name| queue.topic(name).unwrap());
    for n in 0..30 {
        publish(&queue, [&a, &b, &c][n % 3], &n.to_string()).await;
    }
    let topics = [c.clone(), a.clone()];
    let mut reader = queue.subscribe("test", &topics, Lsn(0));
    let mut seen = Vec::new();
    while seen.len() < 10 {
        let batch = reader.next_batch(4).await.unwrap();
        seen.extend(batch.messages.iter().map(|m| (m.topic, String::from_utf8(m.payload.to_vec()).unwrap())));
        assert_eq!(batch.next, reader.position());
    }
    let position = reader.position();
    reader.release(position).unwrap();
    queue.log().close().unwrap();

    let queue = open(&disk.crash(log::files::Crash::LoseAll));
    assert_eq!(queue.topic("c").unwrap(), c);
    let mut reader = queue.subscribe("test", &topics, position);
    while seen.len() < 20 {
        let batch = reader.next_batch(1 << 20).await.unwrap();
        seen.extend(batch.messages.iter().map(|m| (m.topic, String::from_utf8(m.payload.to_vec()).unwrap())));
    }
    let expected = (0..30).filter(|n| n % 3 != 1).map(|n| (usize::from(n % 3 == 0), n.to_string()));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    assert!(reader.try_next_batch(1).unwrap().messages.is_empty());
}

#[tokio::test]
async fn what_every_subscriber_has_released_is_freed() {
    let disk = Faulty::new();
    let queue = open(&disk);
    let topic = queue.topic("t").unwrap();
    let mut slow = queue.subscribe("slow", std::slice::from_ref(&topic), Lsn(0));
    let mut fast = queue.subscribe("fast", std::slice::from_ref(&topic), Lsn(0));
    let mut last = Lsn(0);
    for _ in 0..100 {
        last = publish(&queue, &topic, &"x".repeat(200)).await;
    }
    fast.release(last).unwrap();
    let segments = queue.log().status().segments;
    assert!(segments > 4, "{segments}");
    slow.release(last).unwrap();
    let freed = || async { (queue.log().status().segments < 3).then_some(()) };
    base::testkit::eventually(std::time::Duration::from_secs(5), "segments are freed", freed).await;
}

#[tokio::test]
async fn an_unreadable_list_of_topics_is_not_guessed() {
    let disk = Faulty::new();
    open(&disk).topic("t").unwrap();
    let path = Path::new("/data/topics.json");
    for text in ["", "{", r#"{"version":9,"topics":{}}"#, r#"{"version":1,"topics":{},"more":1}"#] {
        assert!(disk.damage(path, |bytes| *bytes = text.into()));
        let (log, _) =
            Log::open_on(Arc::new(disk.clone()), Config::new("/data/log"), Clock::system()).unwrap();
        let error = Queue::open(log, Path::new("/data")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }
    disk.remove(path).unwrap();
}

#[tokio::test]
async fn names_and_limits() {
    let disk = Faulty::new();
    let queue = open(&disk);
    assert_eq!(queue.topic("no spaces").unwrap_err().kind(), ErrorKind::Invalid);
    let topic = queue.topic("t#ephemeral").unwrap();
    assert_eq!((topic.name(), queue.topics().len()), ("t#ephemeral", 1));
    let message = || NewMessage { topic: &topic, payload: vec![0; 5_000].into() };
    let refused = queue.publish(&[message()], Durability::Os).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    disk.fail_syncs(true);
    assert_eq!(queue.topic("new").unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(queue.topics().len(), 1);
    disk.fail_syncs(false);
}

#[tokio::test]
async fn topics_made_together_are_the_same_later_and_all_or_none() {
    let disk = Faulty::new();
    let names = ["a", "b", "c"];
    let (made, one) = {
        let queue = open(&disk);
        let one = queue.topic("b").expect("made");
        (queue.topics_named(&names).expect("made"), one)
    };
    assert_eq!(made.iter().map(Topic::name).collect::<Vec<_>>(), names);
    assert_eq!(made[1], one);
    let queue = open(&disk);
    assert_eq!(queue.topics_named(&names).expect("there"), made);
    assert!(queue.topics_named(&["d", ""]).is_err(), "a topic has a name");
    assert_eq!(queue.topics().len(), names.len(), "neither was made");
}

//! The snapshot and the log fit together: it is never ahead, and one that is missing or older is refused.
use std::path::Path;
use std::time::Duration;

use eyrie_queue::broker::{Config, NewMessage, Policy, Topic};
use eyrie_queue::{Error, Queue};
use log::files::{Crash, Faulty, Files};
use log::{Durability, Lsn, StreamId};

use crate::house::*;

const SNAPSHOT: &str = "/data/channels.snapshot";
const CURSORS: &str = "/data/log/cursors";

fn with_id(id: u64) -> NewMessage {
    NewMessage { id: Some(id.to_string().into()), ..text(id) }
}

async fn rule(topic: &Topic, durability: Durability) {
    let policy = Policy {
        durability: Some(durability),
        dedup_window: Some(Duration::from_secs(600)),
        dead_letter_after: Some(1),
        ..Policy::default()
    };
    topic.set_policy(policy).await.unwrap();
}

/// The last message of a channel, sent back once.
async fn fail_one(topic: &std::sync::Arc<Topic>) {
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    let id = next(&mut consumer).await.id;
    consumer.requeue(id, Duration::ZERO).unwrap();
    let moved = async || (channel.stats().depth == 0).then_some(());
    base::testkit::eventually(SOON, "the letter is moved", moved).await;
}

#[tokio::test]
async fn a_publish_that_was_lost_with_the_power_may_be_repeated() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    rule(&topic, Durability::Os).await;
    topic.publish(&[with_id(7)]).unwrap().await.unwrap();
    house.broker.snapshot().await.unwrap();
    let house = open(&disk.crash(Crash::LoseAll));
    let topic = house.broker.find_topic("t").unwrap();
    topic.publish(&[with_id(7)]).unwrap().await.unwrap();
    let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
    consumer.set_ready(2);
    assert_eq!(drain(&mut consumer, 1).await, ["7"]);
    nothing(&mut consumer).await;
}

#[tokio::test]
async fn a_publish_that_a_full_disk_gave_up_during_a_snapshot_may_be_repeated_after_a_kill() {
    let disk = Faulty::new();
    let house = open(&disk);
    let (sure, topic) = (house.broker.topic("sure").await.unwrap(), house.broker.topic("t").await.unwrap());
    rule(&sure, Durability::Disk).await;
    rule(&topic, Durability::Os).await;
    house.log.sync(house.log.end()).await.unwrap();
    // While the device is busy more is taken in than there is room for.
    let slow = disk.hold_syncs();
    let waits = sure.publish(&[text("x")]).unwrap();
    let written = async || (house.log.status().written == house.log.end()).then_some(());
    base::testkit::eventually(SOON, "it waits for the device", written).await;
    let long = "x".repeat(1_000);
    let many: Vec<_> = (0..40).map(|_| text(&long)).collect();
    let others = [sure.publish(&many).unwrap(), sure.publish(&many).unwrap()];
    let lost = topic.publish(&[with_id(7)]).unwrap();
    disk.space_left(Some(0));
    let syncs = disk.syncs();
    let snapshot = tokio::spawn({
        let broker = house.broker.clone();
        async move { broker.snapshot().await }
    });
    // Where it writes first and looks at the log later, it writes now.
    let _ = tokio::time::timeout(Duration::from_millis(200), async {
        while disk.syncs() == syncs {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(slow);
    snapshot.await.unwrap().unwrap();
    let disk = disk.crash(Crash::KeepAll);
    waits.await.unwrap();
    assert!(lost.await.is_err());
    drop(others);
    let house = open(&disk);
    let topic = house.broker.find_topic("t").unwrap();
    topic.publish(&[with_id(7)]).unwrap().await.unwrap();
    let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
    consumer.set_ready(2);
    assert_eq!(drain(&mut consumer, 1).await, ["7"], "what was refused may be published again");
}

#[tokio::test]
async fn a_dead_letter_is_not_lost_with_the_power_though_a_snapshot_says_it_was_moved() {
    for level in [Durability::Os, Durability::Disk] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        rule(&topic, level).await;
        publish(&topic, ["x"]).await;
        fail_one(&topic).await;
        house.broker.snapshot().await.unwrap();
        let house = open(&disk.crash(Crash::LoseAll));
        let dead = house.broker.find_topic("t.c.dead").unwrap();
        let mut undertaker = dead.channel("u").await.unwrap().subscribe(subscriber()).unwrap();
        undertaker.set_ready(1);
        assert_eq!(drain(&mut undertaker, 1).await, ["x"], "{level:?}");
    }
}

#[tokio::test]
async fn a_dead_letter_is_as_sure_as_the_message_was() {
    for (node, level) in [(Durability::Os, Durability::Disk), (Durability::Memory, Durability::Disk)] {
        let disk = Faulty::new();
        let house = open_with(&disk, log_config(), Config { durability: node, ..config() });
        let topic = house.broker.topic("t").await.unwrap();
        rule(&topic, level).await;
        publish(&topic, ["x"]).await;
        let before = house.log.end();
        fail_one(&topic).await;
        assert!(house.log.status().durable > before, "{node:?}: {:?}", house.log.status());
    }
}

/// A folder whose topic `t` holds a message, after its log was freed of what a snapshot said.
async fn freed() -> Faulty {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let filler = house.broker.topic("filler").await.unwrap();
    let channel = filler.channel("c").await.unwrap();
    let long = "x".repeat(1_000);
    for _ in 0..5 {
        publish(&filler, vec![&long; 50]).await;
    }
    channel.empty().await.unwrap();
    publish(&topic, ["precious"]).await;
    house.broker.snapshot().await.unwrap();
    let freed = async || (house.log.status().first > Lsn(64 << 10)).then_some(());
    base::testkit::eventually(SOON, "the log is freed", freed).await;
    house.broker.close().await.unwrap();
    house.log.close().unwrap();
    disk.crash(Crash::KeepAll)
}

/// A start is refused, says so, and frees nothing.
fn refused(disk: &Faulty, what: &str) {
    for _ in 0..2 {
        let error = try_open(disk, log_config(), config()).err().expect("it is refused");
        let text = error.to_string();
        assert!(matches!(error, Error::Snapshot(_)) && text.contains(what), "{text}");
        assert!(text.contains("backup"), "{text}");
    }
    let (log, _) =
        log::Log::open_on(std::sync::Arc::new(disk.clone()), log_config(), base::Clock::system()).unwrap();
    let queue = Queue::open(log.clone(), Path::new("/data")).unwrap();
    let stream = queue.topic("t").unwrap().stream();
    assert_eq!(log.reader(&[stream], Lsn(0)).try_next_batch(1 << 20).unwrap().len(), 1);
    assert!(log.released("nsq", &[stream]) < log.end());
}

#[tokio::test]
async fn a_snapshot_that_is_missing_is_not_taken_for_topics_that_were_deleted() {
    let disk = freed().await;
    disk.remove(Path::new(SNAPSHOT)).unwrap();
    refused(&disk, "missing");
    // As in a backup, which has no cursors.
    let _ = disk.remove(Path::new(CURSORS));
    refused(&disk, "missing");
}

#[tokio::test]
async fn a_snapshot_that_is_older_than_what_was_freed_is_refused() {
    let first = Faulty::new();
    let house = open(&first);
    house.broker.topic("other").await.unwrap();
    house.broker.snapshot().await.unwrap();
    let mut old = Vec::new();
    assert!(first.damage(Path::new(SNAPSHOT), |bytes| old = bytes.clone()));
    let disk = freed().await;
    assert!(disk.damage(Path::new(SNAPSHOT), |bytes| *bytes = old));
    refused(&disk, "too old");
    let _ = disk.remove(Path::new(CURSORS));
    refused(&disk, "too old");
}

#[tokio::test]
async fn a_kill_before_the_first_snapshot_is_no_missing_one() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    publish(&topic, ["x"]).await;
    let gone = house.broker.topic("gone").await.unwrap();
    publish(&gone, ["y"]).await;
    house.broker.delete_topic("gone").await.unwrap();
    let house = open(&disk.crash(Crash::KeepAll));
    assert_eq!((house.recovered.topics, house.recovered.messages), (1, 1));
}

#[tokio::test]
async fn a_snapshot_goes_on_counting_where_a_full_disk_gave_records_up() {
    let disk = Faulty::new();
    let house = open(&disk);
    let (sure, topic) = (house.broker.topic("sure").await.unwrap(), house.broker.topic("t").await.unwrap());
    rule(&sure, Durability::Disk).await;
    publish(&topic, ["x"]).await;
    let slow = disk.hold_syncs();
    let waits = sure.publish(&[text("x")]).unwrap();
    let written = async || (house.log.status().written == house.log.end()).then_some(());
    base::testkit::eventually(SOON, "it waits for the device", written).await;
    let long = "x".repeat(1_000);
    let many: Vec<_> = (0..40).map(|_| text(&long)).collect();
    let others = [topic.publish(&many).unwrap(), topic.publish(&many).unwrap()];
    disk.space_left(Some(0));
    let before = house.log.end();
    let broker = house.broker.clone();
    let snapshot = tokio::spawn(async move { broker.snapshot().await });
    tokio::task::yield_now().await;
    drop(slow);
    snapshot.await.unwrap().unwrap();
    waits.await.unwrap();
    drop(others);
    assert!(house.log.end() < before, "some were given up");
    house.broker.close().await.unwrap();
    house.log.close().unwrap();
    assert_eq!(open(&disk.crash(Crash::KeepAll)).recovered.topics, 2);
}

#[tokio::test]
async fn a_stream_is_not_the_brokers_because_it_was_empty_once() {
    let disk = Faulty::new();
    let alone = |disk: &Faulty| {
        let files = std::sync::Arc::new(disk.clone());
        let (log, _) = log::Log::open_on(files, log_config(), base::Clock::system()).unwrap();
        let queue = Queue::open(log.clone(), Path::new("/data")).unwrap();
        (log, queue)
    };
    let (log, queue) = alone(&disk);
    let strange = queue.topic("strange").unwrap();
    log.close().unwrap();
    let house = open(&disk);
    assert_eq!(house.log.released("nsq", &[strange.stream()]), Lsn(0));
    house.log.close().unwrap();
    let (log, queue) = alone(&disk);
    let message = eyrie_queue::NewMessage { topic: &strange, payload: "kept".into() };
    queue.publish(&[message], Durability::Disk).unwrap().await.unwrap();
    // What an earlier version did.
    log.release_streams("nsq", &[strange.stream()], Lsn(8)).unwrap();
    log.close().unwrap();
    let house = open(&disk);
    assert!(house.log.released("nsq", &[StreamId(strange.stream().0)]) <= Lsn(8));
}

#[tokio::test]
async fn segments_that_are_gone_are_told_of_at_the_start() {
    for (gone, expected) in [(None, 0), (Some(0), 1), (Some(usize::MAX), 1)] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        topic.channel("c").await.unwrap();
        let done = house.broker.topic("done").await.unwrap();
        let mut consumer = done.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
        consumer.set_ready(2);
        let long = "x".repeat(1_000);
        for _ in 0..200 {
            publish(&topic, [&long]).await;
        }
        publish(&done, ["finished"]).await;
        drain(&mut consumer, 1).await;
        house.broker.snapshot().await.unwrap();
        house.log.close().unwrap();
        let disk = disk.crash(Crash::KeepAll);
        let segments = disk.list(Path::new("/data/log")).unwrap();
        let mut segments: Vec<_> =
            segments.iter().map(|(name, _)| name).filter(|name| name.ends_with(".seg")).collect();
        segments.sort();
        if let Some(at) = gone {
            disk.remove(&Path::new("/data/log").join(segments[at.min(segments.len() - 1)])).unwrap();
        }
        assert_eq!(open(&disk).recovered.incomplete, expected, "{gone:?} of {}", segments.len());
    }
}

#[tokio::test]
async fn a_topic_that_was_quiet_while_the_log_was_freed_has_lost_nothing() {
    let disk = Faulty::new();
    let house = open(&disk);
    let (quiet, busy) =
        (house.broker.topic("quiet").await.unwrap(), house.broker.topic("busy").await.unwrap());
    let (kept, channel) = (quiet.channel("c").await.unwrap(), busy.channel("c").await.unwrap());
    publish(&quiet, ["finished"]).await;
    let mut consumers = [&kept, &channel].map(|of| of.subscribe(subscriber()).unwrap());
    consumers.iter_mut().for_each(|consumer| consumer.set_ready(100));
    drain(&mut consumers[0], 1).await;
    let long = "x".repeat(1_000);
    for _ in 0..200 {
        publish(&busy, [&long]).await;
    }
    drain(&mut consumers[1], 200).await;
    house.broker.snapshot().await.unwrap();
    let freed = || async { (house.log.status().whole_from > Lsn(0)).then_some(()) };
    base::testkit::eventually(SOON, "the log is freed", freed).await;
    let disk = disk.crash(Crash::KeepAll);
    let house = open(&disk);
    publish(&house.broker.topic("quiet").await.unwrap(), ["waits"]).await;
    house.broker.snapshot().await.unwrap();
    let house = open(&disk.crash(Crash::KeepAll));
    assert_eq!((house.recovered.incomplete, house.recovered.messages), (0, 1));
}

//! Full disks and failing ones.
use std::path::Path;
use std::time::{Duration, Instant};

use base::ErrorKind;
use eyrie_queue::broker::{Policy, Subscriber};
use log::Lsn;
use log::files::{Crash, Faulty, Files};

use crate::house::*;

#[tokio::test]
async fn a_full_disk_refuses_publishers_and_serves_consumers() {
    let disk = Faulty::new();
    let log_config = log::Config { quota_bytes: 512 << 10, ..log_config() };
    let house = open_with(&disk, log_config, config());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let long = "x".repeat(1_000);
    let taken_in = fill(&topic, &long).await;
    assert!(house.broker.health().is_err());
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(50);
    // One more may have been delivered than its publisher was told of.
    let bodies = drain(&mut consumer, taken_in).await;
    assert!(bodies.iter().all(|body| *body == long));
    // What was finished makes room, by a snapshot that needs none in the log.
    let goes_on = || async {
        let published = topic.publish(&[text("after")]).ok()?;
        published.await.ok()
    };
    base::testkit::eventually(SOON, "publishing goes on", goes_on).await;
    while drain(&mut consumer, 1).await[0] != "after" {}
}

#[tokio::test]
async fn what_is_deleted_on_a_full_disk_makes_room_and_stays_deleted() {
    let disk = Faulty::new();
    let small = log::Config { quota_bytes: 512 << 10, ..log_config() };
    let house = open_with(&disk, small.clone(), config());
    let topic = house.broker.topic("t").await.unwrap();
    topic.channel("c").await.unwrap();
    let long = "x".repeat(1_000);
    fill(&topic, &long).await;
    house.broker.delete_topic("t").await.unwrap();
    let house = open_with(&disk.crash(Crash::KeepAll), small, config());
    assert!(house.broker.find_topic("t").is_none());
    let made = || async { house.broker.topic("u").await.ok() };
    let topic = base::testkit::eventually(SOON, "there is room", made).await;
    publish(&topic, ["fits"]).await;
}

#[tokio::test]
async fn what_a_deleted_topic_had_is_freed_though_a_kill_came_before_the_log_was_told() {
    let disk = Faulty::new();
    let house = open(&disk);
    // Somebody else keeps everything until the kill.
    house.log.release("other", Lsn(1)).unwrap();
    let topic = house.broker.topic("t").await.unwrap();
    topic.channel("c").await.unwrap();
    let long = "x".repeat(1_000);
    for _ in 0..20 {
        publish(&topic, vec![&long; 50]).await;
    }
    house.broker.delete_topic("t").await.unwrap();
    house.log.sync(house.log.end()).await.unwrap();
    assert!(house.log.status().segments > 12);
    let disk = disk.crash(Crash::KeepAll);
    // As if the log had not come to save what it was told. It may not have.
    let _ = disk.remove(Path::new("/data/log/cursors"));
    let house = open(&disk);
    assert!(house.broker.find_topic("t").is_none());
    let freed = || async { (house.log.status().segments < 6).then_some(()) };
    base::testkit::eventually(SOON, "its segments are freed", freed).await;
}

#[tokio::test]
async fn a_failing_disk_is_told_of_and_stops_publishing_only() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    publish(&topic, 0..5).await;
    disk.fail_writes(true);
    let outcome = match topic.publish(&[text(5)]) {
        Ok(published) => published.await,
        Err(error) => Err(error),
    };
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(house.broker.health().unwrap_err().contains("writing"), "{:?}", house.broker.health());
    let short = Subscriber { msg_timeout: Duration::from_millis(50), ..subscriber() };
    let mut consumer = channel.subscribe(short).unwrap();
    consumer.set_ready(2);
    // The sixth may be delivered or not: its publisher was told of an error.
    assert_eq!(drain(&mut consumer, 5).await[..5], ["0", "1", "2", "3", "4"]);
}

#[tokio::test]
async fn a_large_backlog_is_served_in_order() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let count = 200_000;
    for start in (0..count).step_by(1_000) {
        publish(&topic, start..start + 1_000).await;
    }
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(100);
    assert_eq!(channel.stats().backend_depth, count - 300);
    let bodies = drain(&mut consumer, count as usize).await;
    assert!(bodies.iter().zip(0..count).all(|(body, number)| *body == number.to_string()));
    assert_eq!(channel.stats().depth, 0);
}

#[tokio::test]
async fn publishers_in_memory_are_slowed_and_not_refused_by_a_slow_disk() {
    let disk = Faulty::new();
    let config = eyrie_queue::broker::Config { durability: log::Durability::Memory, ..config() };
    let house = open_with(&disk, log::Config { pending_bytes_max: 64 << 10, ..log_config() }, config);
    let topic = house.broker.topic("t").await.unwrap();
    topic.channel("c").await.unwrap();
    let long = "x".repeat(1_000);
    for _ in 0..1_000 {
        publish(&topic, std::iter::repeat_n(&long, 10)).await;
    }
}

#[tokio::test]
async fn a_topic_without_channels_that_filled_the_disk_is_drained_by_its_first() {
    let disk = Faulty::new();
    let small = log::Config { quota_bytes: 512 << 10, ..log_config() };
    let house = open_with(&disk, small.clone(), config());
    let topic = house.broker.topic("t").await.unwrap();
    // The last room as well.
    let taken_in = fill(&topic, &"x".repeat(1_000)).await + fill(&topic, "x").await;
    let channel = topic.channel("c").await.unwrap();
    let killed = open_with(&disk.crash(Crash::KeepAll), small, config());
    let known = killed.broker.find_topic("t").unwrap().find_channel("c").expect("known after a kill");
    assert!(known.stats().depth >= taken_in as u64, "{} of {taken_in}", known.stats().depth);
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(50);
    drain(&mut consumer, taken_in).await;
    let goes_on = || async { topic.publish(&[text("after")]).ok()?.await.ok() };
    base::testkit::eventually(SOON, "publishing goes on", goes_on).await;
    while drain(&mut consumer, 1).await[0] != "after" {}
}

#[tokio::test]
async fn a_first_channel_that_could_not_be_written_down_takes_nothing_from_its_topic() {
    let disk = Faulty::new();
    let house = open_with(&disk, log::Config { quota_bytes: 512 << 10, ..log_config() }, config());
    let topic = house.broker.topic("t").await.unwrap();
    let room = house.broker.topic("room").await.unwrap();
    publish(&topic, ["kept"]).await;
    fill(&room, &"x".repeat(1_000)).await;
    fill(&room, "x").await;
    // Neither into the log nor into a snapshot.
    disk.fail_writes(true);
    let error = topic.channel("c").await.unwrap_err();
    assert!(matches!(error, eyrie_queue::Error::Snapshot(_)), "{error}");
    assert!(topic.find_channel("c").is_none());
    assert_eq!(topic.stats().depth, 1, "the topic keeps its message for its first channel");
    disk.fail_writes(false);
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    assert_eq!(drain(&mut consumer, 1).await, ["kept"]);
}

#[tokio::test]
async fn what_a_full_disk_gave_up_of_the_journal_is_told_again() {
    let disk = Faulty::new();
    let house = open(&disk);
    // Somebody else keeps the whole journal, so that it can be asked alone.
    house.log.release("other", Lsn(1)).unwrap();
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let (sure, room) = (house.broker.topic("sure").await.unwrap(), house.broker.topic("room").await.unwrap());
    let durable = Policy { durability: Some(log::Durability::Disk), ..Policy::default() };
    sure.set_policy(durable).await.unwrap();
    publish(&topic, 0..10).await;
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    let held = hold(&mut consumer, 10).await;
    told(&house).await;
    // While the device is busy more is taken in than there is room for, and what became of the messages
    // is told behind that.
    disk.space_left(Some(0));
    let slow = disk.hold_syncs();
    let waits = sure.publish(&[text("x")]).unwrap();
    let written = || async { (house.log.status().written == house.log.end()).then_some(()) };
    base::testkit::eventually(SOON, "it waits for the device", written).await;
    let long = "x".repeat(1_000);
    let many: Vec<_> = (0..40).map(|_| text(&long)).collect();
    let fits = room.publish(&many).unwrap();
    let lost = room.publish(&many).unwrap();
    let before = house.log.end();
    held.iter().for_each(|delivery| consumer.finish(delivery.id).unwrap());
    let is_told = || async { (house.log.end() > before).then_some(()) };
    base::testkit::eventually(SOON, "the journal is told", is_told).await;
    drop(slow);
    waits.await.unwrap();
    fits.await.unwrap();
    assert_eq!(lost.await.unwrap_err().kind(), ErrorKind::Busy);
    assert!(house.log.status().given_up > 40, "{:?}", house.log.status());
    disk.space_left(None);
    // By the journal itself, though a snapshot helped meanwhile.
    let is_known = || async {
        let found = disk.crash(Crash::KeepAll);
        for path in ["/data/channels.snapshot", "/data/log/cursors"] {
            let _ = found.remove(Path::new(path));
        }
        let channel = open(&found).broker.find_topic("t")?.find_channel("c")?;
        (channel.stats().depth == 0).then_some(())
    };
    base::testkit::eventually(SOON, "a restart knows what was finished", is_known).await;
}

#[tokio::test]
async fn publishing_goes_on_soon_after_a_small_full_disk_was_drained() {
    let disk = Faulty::new();
    // Far less than two usual segments.
    disk.space_left(Some(1 << 20));
    let house = open_with(&disk, log::Config { segment_bytes: 1 << 20, ..log_config() }, config());
    let topic = house.broker.topic("t").await.unwrap();
    let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
    let long = "x".repeat(1_000);
    for round in 0..3 {
        consumer.set_ready(0);
        let taken_in = fill(&topic, &long).await;
        assert!(taken_in > 300, "round {round}: most of the disk is used: {taken_in}");
        consumer.set_ready(50);
        drain(&mut consumer, taken_in).await;
        let drained = Instant::now();
        // One that would not fit into the rest of a segment.
        let after = format!("after {}", "x".repeat(20_000));
        let goes_on = || async { topic.publish(&[text(&after)]).ok()?.await.ok() };
        base::testkit::eventually(SOON, "publishing goes on", goes_on).await;
        assert!(drained.elapsed() < Duration::from_secs(5), "round {round}: {:?}", drained.elapsed());
        while drain(&mut consumer, 1).await[0] != after {}
        // The others would be freed once they are missed.
        house.broker.snapshot().await.unwrap();
        let freed = || async {
            let status = house.log.status();
            (status.segments <= 2 && status.full.is_none()).then_some(())
        };
        base::testkit::eventually(SOON, "the rest is freed as well", freed).await;
    }
}

#[tokio::test]
async fn a_panic_while_the_backlog_is_read_ends_no_channel() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    // Published before there is a channel: it is read.
    publish(&topic, ["kept"]).await;
    let channel = topic.channel("c").await.unwrap();
    disk.panic_in_reads(true);
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    nothing(&mut consumer).await;
    disk.panic_in_reads(false);
    assert_eq!(drain(&mut consumer, 1).await, ["kept"]);
}

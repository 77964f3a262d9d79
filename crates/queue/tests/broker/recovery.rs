//! What is still there after a restart, a kill and a loss of power.
use std::collections::BTreeMap;
use std::time::Duration;

use eyrie_queue::Error;
use eyrie_queue::broker::{Broker, Config, NewMessage, Place, Policy, Subscriber, Topic};
use log::Durability;
use log::files::{Crash, Faulty};

use crate::house::*;

#[tokio::test]
async fn topics_and_channels_outlive_a_kill_with_all_they_are() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    publish(&topic, 0..3).await;
    let channel = topic.channel("c").await.unwrap();
    channel.set_paused(true).await.unwrap();
    topic.channel("gone").await.unwrap();
    topic.channel("c#ephemeral").await.unwrap();
    topic.delete_channel("gone").await.unwrap();
    topic.set_policy(Policy { durability: Some(Durability::Disk), ..Policy::default() }).await.unwrap();
    house.broker.topic("dropped").await.unwrap();
    house.broker.delete_topic("dropped").await.unwrap();
    topic.set_paused(true).await.unwrap();
    publish(&topic, 3..5).await;
    let house = open(&disk.crash(Crash::KeepAll));
    assert_eq!((house.recovered.topics, house.recovered.channels, house.recovered.messages), (1, 1, 5));
    let topic = house.broker.find_topic("t").unwrap();
    let channel = topic.find_channel("c").unwrap();
    assert!(topic.is_paused() && channel.is_paused());
    assert_eq!(topic.policy().durability, Some(Durability::Disk));
    assert_eq!((topic.stats().depth, channel.stats().depth, topic.stats().message_count), (2, 3, 5));
    topic.set_paused(false).await.unwrap();
    channel.set_paused(false).await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    publish(&topic, [5]).await;
    assert_eq!(drain(&mut consumer, 6).await, ["0", "1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn what_a_channel_was_given_is_counted_over_a_kill() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        publish(&topic, 0..5).await;
        let channel = topic.channel("c").await.unwrap();
        topic.set_paused(true).await.unwrap();
        publish(&topic, 5..8).await;
        topic.channel("later").await.unwrap();
        if snapshot {
            house.broker.snapshot().await.unwrap();
        }
        topic.set_paused(false).await.unwrap();
        publish(&topic, [8]).await;
        let count = |topic: &Topic| {
            ["c", "later"].map(|name| topic.find_channel(name).unwrap().stats().message_count)
        };
        assert_eq!((count(&topic), channel.stats().depth), ([9, 4], 9));
        let house = open(&disk.crash(Crash::KeepAll));
        let topic = house.broker.find_topic("t").unwrap();
        assert_eq!((count(&topic), topic.stats().message_count), ([9, 4], 9));
    }
}

#[tokio::test]
async fn finished_messages_do_not_come_again_and_others_keep_id_and_attempts() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(6);
        publish(&topic, 0..10).await;
        let mut out = Vec::new();
        consumer.take(6, &mut out).await.unwrap();
        for at in [0, 1, 3] {
            consumer.finish(out[at].id).unwrap();
        }
        for _ in 0..3 {
            // Goes to the back; comes again once the others were taken.
            consumer.requeue(out[2].id, Duration::ZERO).unwrap();
            let mut more = Vec::new();
            while !more.iter().any(|it: &eyrie_queue::broker::Delivery| it.id == out[2].id) {
                consumer.set_ready(20);
                consumer.take(20, &mut more).await.unwrap();
            }
        }
        if snapshot {
            house.broker.snapshot().await.unwrap();
        }
        told(&house).await;
        let house = open(&disk.crash(Crash::KeepAll));
        let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
        assert_eq!(channel.stats().depth, 7);
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(20);
        let mut again = BTreeMap::new();
        while again.len() < 7 {
            let delivery = next(&mut consumer).await;
            again.insert(body(&delivery), (delivery.attempts, delivery.id));
        }
        assert_eq!(again["2"], (5, out[2].id), "four times before, snapshot: {snapshot}");
        assert_eq!(again["4"], (2, out[4].id));
        nothing(&mut consumer).await;
    }
}

#[tokio::test]
async fn delays_outlive_a_kill() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(10);
        let hour = Duration::from_secs(3_600);
        let soon = Duration::from_millis(700);
        let started = std::time::Instant::now();
        let messages = [
            NewMessage { delay: hour, ..text("published late") },
            NewMessage { delay: soon, ..text("published soon") },
            text("requeued late"),
            text("requeued soon"),
            text("ready"),
        ];
        topic.publish(&messages).unwrap().await.unwrap();
        for delay in [hour, soon, Duration::ZERO] {
            let delivery = next(&mut consumer).await;
            consumer.requeue(delivery.id, delay).unwrap();
        }
        if snapshot {
            house.broker.snapshot().await.unwrap();
        }
        told(&house).await;
        let house = open(&disk.crash(Crash::KeepAll));
        let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
        let stats = channel.stats();
        assert_eq!((stats.depth, stats.deferred_count), (1, 4), "snapshot: {snapshot}");
        let shown = channel.peek(10).await.unwrap();
        let late = shown.iter().filter(|it| matches!(it.place, Place::Deferred(_))).count();
        assert_eq!((shown.len(), late), (5, 4), "{shown:?}");
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(10);
        let ready = next(&mut consumer).await;
        assert_eq!((body(&ready), ready.attempts), ("ready".to_owned(), 2));
        let mut soon_ones = BTreeMap::new();
        for _ in 0..2 {
            let delivery = next(&mut consumer).await;
            soon_ones.insert(body(&delivery), delivery.attempts);
        }
        // Times are kept in whole milliseconds.
        let least = soon - Duration::from_millis(1);
        assert!(started.elapsed() >= least, "{:?}", started.elapsed());
        assert_eq!(
            soon_ones,
            BTreeMap::from([("published soon".to_owned(), 1), ("requeued soon".to_owned(), 2)])
        );
        nothing(&mut consumer).await;
        assert_eq!(channel.stats().deferred_count, 2);
    }
}

#[tokio::test]
async fn emptying_and_deleting_are_not_undone() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    publish(&topic, 0..50).await;
    channel.empty().await.unwrap();
    publish(&topic, [50]).await;
    house.broker.topic("u").await.unwrap();
    let other = house.broker.topic("u").await.unwrap();
    publish(&other, 0..9).await;
    house.broker.delete_topic("u").await.unwrap();
    let other = house.broker.topic("u").await.unwrap();
    publish(&other, ["of the second life"]).await;
    let house = open(&disk.crash(Crash::KeepAll));
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    assert_eq!(channel.stats().depth, 1);
    let other = house.broker.find_topic("u").unwrap();
    assert_eq!(other.stats().depth, 1);
    let channel = other.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    assert_eq!(drain(&mut consumer, 1).await, ["of the second life"]);
}

#[tokio::test]
async fn a_clean_restart_reads_nothing_and_a_large_backlog_is_there() {
    let disk = Faulty::new();
    let house = open_with(&disk, log::Config { quota_bytes: 1 << 30, ..log_config() }, config());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let count = 50_000;
    for start in (0..count).step_by(1_000) {
        publish(&topic, start..start + 1_000).await;
    }
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(100);
    let first = drain(&mut consumer, 10_000).await.len() as u64;
    drop(consumer);
    house.broker.close().await.unwrap();
    house.log.close().unwrap();
    assert!(house.tasks.drain(SOON).await);

    let house = open(&disk.crash(Crash::LoseAll));
    assert_eq!((house.recovered.records, house.recovered.messages), (0, count - first));
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    let stats = channel.stats();
    assert_eq!(
        (stats.depth, stats.backend_depth, stats.message_count),
        (count - first, count - first - 300, count)
    );
    let shown = channel.peek(20).await.unwrap();
    let bodies: Vec<_> = shown.iter().map(|it| String::from_utf8(it.body.to_vec()).unwrap()).collect();
    assert_eq!(bodies, (first..first + 20).map(|n| n.to_string()).collect::<Vec<_>>());
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(100);
    let rest = drain(&mut consumer, (count - first) as usize).await;
    assert_eq!(rest, (first..count).map(|n| n.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_all_channels_are_done_with_leaves_the_disk() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let [a, b] = [topic.channel("a").await.unwrap(), topic.channel("b").await.unwrap()];
    let mut consumers = [a.subscribe(subscriber()).unwrap(), b.subscribe(subscriber()).unwrap()];
    for consumer in &consumers {
        consumer.set_ready(100);
    }
    let long = "x".repeat(1_000);
    for _ in 0..20 {
        publish(&topic, std::iter::repeat_n(&long, 50)).await;
    }
    drain(&mut consumers[0], 1_000).await;
    house.broker.snapshot().await.unwrap();
    let segments = house.log.status().segments;
    assert!(segments > 10, "the other channel needs them: {segments}");
    drain(&mut consumers[1], 1_000).await;
    house.broker.snapshot().await.unwrap();
    let freed = || async { (house.log.status().segments <= 2).then_some(()) };
    base::testkit::eventually(SOON, "segments are freed", freed).await;
}

#[tokio::test]
async fn what_a_broker_has_left_is_known_without_one() {
    let left = |disk: &Faulty| {
        let disk = std::sync::Arc::new(disk.crash(Crash::KeepAll));
        let (log, _) = log::Log::open_on(disk, log_config(), base::Clock::system()).unwrap();
        let queue = eyrie_queue::Queue::open(log, std::path::Path::new("/data")).unwrap();
        queue.topic("points.0").unwrap();
        Broker::left_behind(&queue, std::path::Path::new("/data"), &["points.".to_owned()]).unwrap()
    };
    assert!(left(&Faulty::new()).is_empty());
    let disk = Faulty::new();
    let house = open(&disk);
    for name in ["gone", "kept", "kept too"] {
        publish(&house.broker.topic(&name.replace(' ', "-")).await.unwrap(), [1]).await;
    }
    house.broker.snapshot().await.unwrap();
    house.broker.delete_topic("gone").await.unwrap();
    assert_eq!(left(&disk), ["kept", "kept-too"]);
    house.broker.delete_topic("kept").await.unwrap();
    house.broker.delete_topic("kept-too").await.unwrap();
    assert!(left(&disk).is_empty());
}

#[tokio::test]
async fn a_broker_frees_nothing_that_is_not_its_own() {
    let disk = Faulty::new();
    let long = "x".repeat(1_000);
    let log = {
        let (log, _) =
            log::Log::open_on(std::sync::Arc::new(disk.clone()), log_config(), base::Clock::system())
                .unwrap();
        let queue = eyrie_queue::Queue::open(log.clone(), std::path::Path::new("/data")).unwrap();
        let points = queue.topic("points.0").unwrap();
        drop(queue.subscribe("recorder", std::slice::from_ref(&points), eyrie_queue::Position::default()));
        for _ in 0..300 {
            let message = eyrie_queue::NewMessage { topic: &points, payload: long.clone().into() };
            queue.publish(&[message], Durability::Disk).unwrap().await.unwrap();
        }
        log
    };
    // A broker that was not told whose the topic is, and the other one's cursors are lost.
    log.forget("recorder");
    log.close().unwrap();
    let house = open(&disk);
    house.broker.topic("t").await.unwrap();
    house.broker.snapshot().await.unwrap();
    house.broker.delete_topic("t").await.unwrap();
    told(&house).await;
    let points = house.log.reader(&[log::StreamId(1)], log::Lsn(0)).try_next_batch(1 << 20).unwrap();
    assert_eq!((points.len(), house.log.status().freed), (300, 0));
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_believed_is_not_guessed_at() {
    let disk = Faulty::new();
    let house = open(&disk);
    house.broker.topic("t").await.unwrap();
    house.broker.close().await.unwrap();
    house.log.close().unwrap();
    let path = std::path::Path::new("/data/channels.snapshot");
    assert!(disk.damage(path, |bytes| bytes[20] ^= 1));
    let (log, _) = log::Log::open_on(std::sync::Arc::new(disk), log_config(), base::Clock::system()).unwrap();
    let queue = eyrie_queue::Queue::open(log, std::path::Path::new("/data")).unwrap();
    let tasks = base::tasks::TaskGroup::new();
    let opened = eyrie_queue::broker::Broker::open(
        queue,
        std::path::Path::new("/data"),
        Config::default(),
        base::Clock::system(),
        &tasks,
    );
    assert!(matches!(opened, Err(Error::Snapshot(_))));
}

#[tokio::test]
async fn attempts_that_timed_out_are_counted_over_a_kill() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let short = Subscriber { msg_timeout: Duration::from_millis(30), ..subscriber() };
    let mut consumer = channel.subscribe(short).unwrap();
    consumer.set_ready(1);
    publish(&topic, ["a"]).await;
    for attempts in 1..=3 {
        assert_eq!(next(&mut consumer).await.attempts, attempts);
    }
    told(&house).await;
    let house = open(&disk.crash(Crash::KeepAll));
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    assert!(next(&mut consumer).await.attempts >= 4);
}

#[tokio::test]
async fn delays_of_what_a_topic_kept_outlive_a_kill() {
    for is_paused in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        if is_paused {
            topic.channel("c").await.unwrap();
            topic.set_paused(true).await.unwrap();
        }
        let started = std::time::Instant::now();
        let delay = Duration::from_millis(900);
        let messages = [NewMessage { delay, ..text("late") }, text("now")];
        topic.publish(&messages).unwrap().await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        topic.set_paused(false).await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(10);
        assert_eq!(drain(&mut consumer, 1).await, ["now"]);
        told(&house).await;
        let house = open(&disk.crash(Crash::KeepAll));
        let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(10);
        let late = next(&mut consumer).await;
        assert_eq!((&*body(&late), late.attempts), ("late", 1), "paused: {is_paused}");
        assert!(started.elapsed() + Duration::from_millis(2) > delay, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn attempts_that_were_taken_back_stay_so_over_a_kill() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(3);
        publish(&topic, ["never tried", "tried once", "tried again since"]).await;
        let held = hold(&mut consumer, 3).await;
        consumer.requeue(held[1].id, Duration::ZERO).unwrap();
        assert_eq!(next(&mut consumer).await.attempts, 2);
        told(&house).await;
        for delivery in &held {
            consumer.hand_back(delivery.id, Duration::ZERO).unwrap();
        }
        told(&house).await;
        consumer.set_ready(3);
        let again = hold(&mut consumer, 3).await;
        assert_eq!(again.iter().map(|it| it.attempts).collect::<Vec<_>>(), [1, 2, 1]);
        for delivery in &again[..2] {
            consumer.hand_back(delivery.id, Duration::ZERO).unwrap();
        }
        consumer.requeue(again[2].id, Duration::ZERO).unwrap();
        if snapshot {
            house.broker.snapshot().await.unwrap();
        }
        told(&house).await;
        let house = open(&disk.crash(Crash::KeepAll));
        let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(3);
        let last = hold(&mut consumer, 3).await;
        let last: BTreeMap<_, _> = last.iter().map(|it| (body(it), it.attempts)).collect();
        let expected = [("never tried", 1), ("tried again since", 2), ("tried once", 2)];
        let expected = expected.map(|(body, attempts)| (body.to_owned(), attempts));
        assert_eq!(last.into_iter().collect::<Vec<_>>(), expected, "snapshot: {snapshot}");
    }
}

#[tokio::test]
async fn the_delay_of_what_is_handed_back_outlives_a_kill() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    publish(&topic, ["a"]).await;
    for _ in 0..2 {
        let id = next(&mut consumer).await.id;
        consumer.requeue(id, Duration::ZERO).unwrap();
    }
    let id = next(&mut consumer).await.id;
    told(&house).await;
    let (started, delay) = (std::time::Instant::now(), Duration::from_millis(900));
    consumer.hand_back(id, delay).unwrap();
    told(&house).await;
    let house = open(&disk.crash(Crash::KeepAll));
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    assert_eq!(next(&mut consumer).await.attempts, 3, "the third one was taken back");
    assert!(started.elapsed() + Duration::from_millis(2) > delay, "{:?}", started.elapsed());
}

//! What topics ask for beyond NSQ holds over restarts: a kill (nothing was closed), with and without a
//! snapshot before it.
use std::time::Duration;

use base::{Timestamp, testkit::eventually};
use eyrie_queue::Error;
use eyrie_queue::broker::{
    Channel, Consumer, NewMessage, Overflow, Peeked, Place, Policy, SeekTo, dead_letter_topic,
};
use log::files::{Crash, Faulty};

use crate::house::*;

/// The same disk after a kill; with or without a snapshot shortly before.
async fn kill(disk: &Faulty, house: House, snapshot: bool) -> (Faulty, House) {
    if snapshot {
        house.broker.snapshot().await.unwrap();
    }
    told(&house).await;
    let disk = disk.crash(Crash::KeepAll);
    drop(house);
    let house = open(&disk);
    (disk, house)
}

fn keyed(key: &str, body: &str) -> NewMessage {
    NewMessage { key: Some(key.into()), ..text(body) }
}

fn named(id: &str, body: &str) -> NewMessage {
    NewMessage { id: Some(id.into()), ..text(body) }
}

#[tokio::test]
async fn a_publish_is_known_after_a_restart_until_its_window_is_over() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        let window = Some(Duration::from_secs(600));
        topic.set_policy(Policy { dedup_window: window, ..Policy::default() }).await.unwrap();
        topic.channel("c").await.unwrap();
        topic.publish(&[named("a", "1"), text("x")]).unwrap().await.unwrap();
        let (disk, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        assert_eq!(topic.policy().dedup_window, window);
        topic.publish(&[named("a", "1"), named("b", "2")]).unwrap().await.unwrap();
        let (_, house) = kill(&disk, house, false).await;
        let topic = house.broker.find_topic("t").unwrap();
        topic.publish(&[named("b", "2"), named("a", "1")]).unwrap().await.unwrap();
        let mut consumer = topic.find_channel("c").unwrap().subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        assert_eq!(drain(&mut consumer, 3).await, ["1", "x", "2"]);
        nothing(&mut consumer).await;
    }
}

#[tokio::test]
async fn dead_letters_are_moved_once_and_attempts_count_over_restarts() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        topic.set_policy(Policy { dead_letter_after: Some(3), ..Policy::default() }).await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        publish(&topic, ["bad"]).await;
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(1);
        for _ in 0..2 {
            let bad = next(&mut consumer).await;
            consumer.requeue(bad.id, Duration::ZERO).unwrap();
        }
        drop(consumer);
        let (disk, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        let channel = topic.find_channel("c").unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(1);
        let bad = next(&mut consumer).await;
        assert_eq!(bad.attempts, 3);
        consumer.requeue(bad.id, Duration::ZERO).unwrap();
        eventually(SOON, "the letter to be moved", async || (channel.stats().depth == 0).then_some(())).await;
        drop(consumer);
        let (disk, house) = kill(&disk, house, snapshot).await;
        let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
        assert_eq!(channel.stats().depth, 0);
        let dead = house.broker.find_topic(&dead_letter_topic("t", "c")).unwrap();
        let mut undertaker = dead.channel("u").await.unwrap().subscribe(subscriber()).unwrap();
        undertaker.set_ready(9);
        let letter = next(&mut undertaker).await;
        assert_eq!(
            (body(&letter), letter.attempts, letter.timestamp_ns),
            ("bad".to_owned(), 1, bad.timestamp_ns)
        );
        nothing(&mut undertaker).await;
        // Attempts at the letter count as any message's do.
        drop(undertaker);
        let (_, house) = kill(&disk, house, snapshot).await;
        let dead = house.broker.find_topic(&dead_letter_topic("t", "c")).unwrap();
        let mut undertaker = dead.find_channel("u").unwrap().subscribe(subscriber()).unwrap();
        undertaker.set_ready(9);
        assert_eq!(next(&mut undertaker).await.attempts, 2);
    }
}

#[tokio::test]
async fn a_node_that_stops_makes_no_dead_letters() {
    // Consumers are sent away before the broker is closed, or it closes under them.
    for closes_first in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        topic.set_policy(Policy { dead_letter_after: Some(2), ..Policy::default() }).await.unwrap();
        let plain = house.broker.topic("plain").await.unwrap();
        let mut consumers = Vec::new();
        for topic in [&topic, &plain] {
            publish(topic, ["m"]).await;
            let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
            consumer.set_ready(1);
            let first = next(&mut consumer).await;
            consumer.requeue(first.id, Duration::ZERO).unwrap();
            assert_eq!(next(&mut consumer).await.attempts, 2);
            consumers.push(consumer);
        }
        if closes_first {
            house.broker.close().await.unwrap();
            drop(consumers);
        } else {
            house.broker.stop_consumers();
            drop(consumers);
            house.broker.close().await.unwrap();
        }
        house.log.close().unwrap();
        assert!(house.tasks.drain(SOON).await);
        let house = open(&disk.crash(Crash::KeepAll));
        assert!(house.broker.find_topic("t.c.dead").is_none());
        let attempts = async |topic: &str| {
            let channel = house.broker.find_topic(topic).unwrap().find_channel("c").unwrap();
            let mut consumer = channel.subscribe(subscriber()).unwrap();
            consumer.set_ready(1);
            next(&mut consumer).await.attempts
        };
        // Its last attempt is not used up; where nothing depends on it attempts count as in NSQ.
        assert_eq!((attempts("t").await, attempts("plain").await), (2, 3), "closed first: {closes_first}");
    }
}

#[tokio::test]
async fn keys_are_kept_in_order_over_a_restart() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        topic.set_policy(Policy { ordered: true, ..Policy::default() }).await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        let messages = [keyed("a", "1"), keyed("a", "2"), keyed("a", "3"), keyed("b", "4"), keyed("b", "5")];
        topic.publish(&messages).unwrap().await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        let (one, four) = (next(&mut consumer).await, next(&mut consumer).await);
        assert_eq!((body(&one), body(&four)), ("1".to_owned(), "4".to_owned()));
        nothing(&mut consumer).await;
        // Failed, and to be tried again later: what was published behind it waits for that too.
        consumer.requeue(one.id, Duration::from_millis(300)).unwrap();
        consumer.finish(four.id).unwrap();
        let (_, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        let channel = topic.find_channel("c").unwrap();
        assert_eq!(channel.stats().depth + channel.stats().deferred_count, 4);
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        assert_eq!(drain(&mut consumer, 4).await, ["5", "1", "2", "3"]);
        assert_eq!(channel.stats().depth, 0);
    }
}

#[tokio::test]
async fn a_message_that_waited_for_its_key_was_not_tried() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        let rules = Policy { ordered: true, dead_letter_after: Some(1), ..Policy::default() };
        topic.set_policy(rules).await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        topic.publish(&[keyed("a", "1"), keyed("a", "2"), keyed("b", "3")]).unwrap().await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        let (one, three) = (next(&mut consumer).await, next(&mut consumer).await);
        assert_eq!((body(&one), body(&three)), ("1".to_owned(), "3".to_owned()));
        consumer.finish(one.id).unwrap();
        consumer.finish(three.id).unwrap();
        let (_, house) = kill(&disk, house, snapshot).await;
        let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        let two = next(&mut consumer).await;
        assert_eq!((body(&two), two.attempts), ("2".to_owned(), 1));
    }
}

#[tokio::test]
async fn messages_that_wait_for_their_key_are_not_freed() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    topic.set_policy(Policy { ordered: true, ..Policy::default() }).await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1_000);
    // Before and behind them several segments of others, all finished.
    let others = async |consumer: &mut Consumer| {
        for _ in 0..20 {
            let long = "x".repeat(1_000);
            publish(&topic, (0..10).map(|n| format!("{n} {long}"))).await;
            drain(consumer, 10).await;
        }
    };
    others(&mut consumer).await;
    topic.publish(&[keyed("a", "holds"), keyed("a", "waits")]).unwrap().await.unwrap();
    let held = next(&mut consumer).await;
    others(&mut consumer).await;
    assert_eq!((body(&held), channel.stats().depth), ("holds".to_owned(), 1));
    house.broker.snapshot().await.unwrap();
    eventually(SOON, "segments to be freed", async || (house.log.status().freed > 0).then_some(())).await;
    let (_, house) = kill(&disk, house, false).await;
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    assert_eq!(drain(&mut consumer, 2).await, ["holds", "waits"]);
}

#[tokio::test]
async fn bounds_hold_over_a_restart() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        topic.set_policy(Policy { max_bytes: Some(12), ..Policy::default() }).await.unwrap();
        topic.channel("c").await.unwrap();
        publish(&topic, ["aaaa", "bbbb", "cccc"]).await;
        let (disk, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        assert!(matches!(topic.publish(&[text("d")]), Err(Error::TopicFull { .. })));
        let oldest = Policy { max_bytes: Some(12), overflow: Overflow::DropOldest, ..Policy::default() };
        topic.set_policy(oldest).await.unwrap();
        publish(&topic, ["dddd"]).await;
        let (_, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        let mut consumer = topic.find_channel("c").unwrap().subscribe(subscriber()).unwrap();
        consumer.set_ready(9);
        assert_eq!(drain(&mut consumer, 3).await, ["bbbb", "cccc", "dddd"]);
        nothing(&mut consumer).await;
    }
}

#[tokio::test]
async fn bounds_count_what_was_there_before_them() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    topic.channel("c").await.unwrap();
    publish(&topic, ["aaaa", "bbbb", "cccc"]).await;
    topic.set_policy(Policy { max_bytes: Some(12), ..Policy::default() }).await.unwrap();
    assert!(matches!(topic.publish(&[text("d")]), Err(Error::TopicFull { .. })));
}

#[tokio::test]
async fn a_new_time_to_live_does_not_take_what_is_young_enough() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    publish(&topic, ["young"]).await;
    topic.set_policy(Policy { ttl: Some(Duration::from_secs(60)), ..Policy::default() }).await.unwrap();
    publish(&topic, ["younger"]).await;
    // The sweep has come by.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    assert_eq!(channel.stats().depth, 2);
    let (_, house) = kill(&disk, house, true).await;
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    assert_eq!(channel.stats().depth, 2);
}

#[tokio::test]
async fn a_channel_goes_back_and_ahead_and_stays_there_over_a_restart() {
    for snapshot in [false, true] {
        let disk = Faulty::new();
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        topic
            .set_policy(Policy { retain: Some(Duration::from_secs(600)), ..Policy::default() })
            .await
            .unwrap();
        let channel = topic.channel("c").await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(99);
        publish(&topic, 0..5).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
        let between = base::Clock::system().now();
        tokio::time::sleep(Duration::from_millis(5)).await;
        publish(&topic, 5..10).await;
        let mut ids = Vec::new();
        for _ in 0..10 {
            let delivery = next(&mut consumer).await;
            ids.push(delivery.id);
            consumer.finish(delivery.id).unwrap();
        }
        let all: Vec<_> = (0..10).map(|n| n.to_string()).collect();
        for (to, from) in [
            (SeekTo::Start, 0),
            (SeekTo::Time(between), 5),
            (SeekTo::Id(ids[7]), 7),
            (SeekTo::End, 10),
            (SeekTo::Time(Timestamp::from_millis(0)), 0),
            (SeekTo::Time(between + Duration::from_secs(60)), 10),
        ] {
            channel.seek(to).await.unwrap();
            assert_eq!(channel.stats().depth, 10 - from as u64, "{to:?}");
            assert_eq!(drain(&mut consumer, 10 - from).await, all[from..], "{to:?}");
            nothing(&mut consumer).await;
        }
        // What a consumer has when the channel is moved is not its own any more, and counts anew.
        channel.seek(SeekTo::Id(ids[8])).await.unwrap();
        let held = next(&mut consumer).await;
        channel.seek(SeekTo::Id(ids[3])).await.unwrap();
        assert!(consumer.finish(held.id).is_err());
        assert_eq!(next(&mut consumer).await.attempts, 1);
        drop(consumer);
        channel.seek(SeekTo::Id(ids[4])).await.unwrap();
        let (disk, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        let channel = topic.find_channel("c").unwrap();
        assert_eq!(channel.stats().depth, 6);
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(99);
        assert_eq!(drain(&mut consumer, 6).await, all[4..]);
        drop(consumer);
        let (_, house) = kill(&disk, house, snapshot).await;
        let topic = house.broker.find_topic("t").unwrap();
        let channel = topic.find_channel("c").unwrap();
        assert_eq!(channel.stats().depth, 0, "progress after going back is kept");
        // A new channel from the past.
        let late = topic.channel("late").await.unwrap();
        assert_eq!(late.stats().depth, 0);
        late.seek(SeekTo::Start).await.unwrap();
        let mut consumer = late.subscribe(subscriber()).unwrap();
        consumer.set_ready(99);
        assert_eq!(drain(&mut consumer, 10).await, all);
    }
}

#[tokio::test]
async fn what_is_kept_is_kept_and_what_is_not_is_freed() {
    let disk = Faulty::new();
    let house = open(&disk);
    let (kept, freed) =
        (house.broker.topic("kept").await.unwrap(), house.broker.topic("freed").await.unwrap());
    kept.set_policy(Policy { retain: Some(Duration::from_secs(600)), ..Policy::default() }).await.unwrap();
    let long = "x".repeat(1_000);
    let mut first = None;
    for topic in [&freed, &kept] {
        let channel = topic.channel("c").await.unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(100);
        for round in 0..20 {
            publish(topic, (0..10).map(|n| format!("{round} {n} {long}"))).await;
            let delivery = next(&mut consumer).await;
            first.get_or_insert(delivery.id);
            consumer.finish(delivery.id).unwrap();
            drain(&mut consumer, 9).await;
        }
    }
    house.broker.snapshot().await.unwrap();
    eventually(SOON, "segments to be freed", async || (house.log.status().freed > 0).then_some(())).await;
    let (_, house) = kill(&disk, house, true).await;
    for (name, count) in [("kept", 200), ("freed", 0)] {
        let channel = house.broker.find_topic(name).unwrap().find_channel("c").unwrap();
        channel.seek(SeekTo::Start).await.unwrap();
        assert_eq!(channel.stats().depth, count, "{name}");
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(99);
        assert_eq!(drain(&mut consumer, count as usize).await.len(), count as usize);
    }
    let freed = house.broker.find_topic("freed").unwrap().find_channel("c").unwrap();
    let gone = freed.seek(SeekTo::Id(first.unwrap())).await.unwrap_err();
    assert!(matches!(gone, Error::Invalid(_)), "{gone}");
}

#[tokio::test]
async fn all_places_of_a_channel_can_be_seen_without_taking() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let late = NewMessage { delay: Duration::from_secs(600), ..text("late") };
    topic.publish(&[text("taken"), late, text("ready")]).unwrap().await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    next(&mut consumer).await;
    let seen = async |channel: &Channel, max| {
        let shown = |peeked: &Peeked| {
            let place = match peeked.place {
                Place::Ready => "ready",
                Place::InFlight(_) => "in flight",
                Place::Deferred(_) => "deferred",
            };
            format!("{} {place} {}", String::from_utf8_lossy(&peeked.body), peeked.attempts)
        };
        channel.peek(max).await.unwrap().iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(seen(&channel, 10).await, ["ready ready 0", "taken in flight 1", "late deferred 0"]);
    assert_eq!(seen(&channel, 1).await, ["ready ready 0"]);
    assert_eq!((channel.stats().depth, channel.stats().in_flight_count), (1, 1), "nothing was taken");
    // After a restart all of it is in the log only.
    let (_, house) = kill(&disk, house, false).await;
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    assert_eq!(seen(&channel, 10).await, ["taken ready 1", "ready ready 0", "late deferred 0"]);
    assert_eq!(seen(&channel, 2).await, ["taken ready 1", "ready ready 0"]);
    assert_eq!(channel.peek(2_000).await.unwrap().len(), 3);
}

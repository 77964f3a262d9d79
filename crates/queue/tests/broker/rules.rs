//! What topics may ask for beyond NSQ.
use std::time::Duration;

use base::testkit::eventually;
use eyrie_queue::Error;
use eyrie_queue::broker::{
    Channel, Delivery, MessageId, NewMessage, Overflow, Policy, Topic, dead_letter_topic,
};
use log::files::{Crash, Faulty};

use crate::house::{SOON, body, drain, hold, next, nothing, open, publish, subscriber, text};

async fn ask(topic: &Topic, policy: Policy) {
    topic.set_policy(policy).await.unwrap();
}

fn keyed(key: &str, body: &str) -> NewMessage {
    NewMessage { key: Some(key.into()), ..text(body) }
}

/// Nothing is left in the channel.
async fn empty(channel: &Channel) {
    eventually(SOON, "an empty channel", async || {
        let stats = channel.stats();
        (stats.depth == 0 && stats.in_flight_count == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_that_fails_too_often_becomes_a_dead_letter() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("orders").await.unwrap();
    let channel = topic.channel("mail").await.unwrap();
    ask(&topic, Policy { dead_letter_after: Some(2), ..Policy::default() }).await;
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    publish(&topic, ["bad", "good"]).await;
    let first = next(&mut consumer).await;
    assert_eq!((body(&first), first.attempts), ("bad".to_owned(), 1));
    consumer.requeue(first.id, Duration::ZERO).unwrap();
    assert_eq!(drain(&mut consumer, 1).await, ["good"]);
    let second = next(&mut consumer).await;
    assert_eq!((body(&second), second.attempts), ("bad".to_owned(), 2));
    let mut events = house.broker.events();
    consumer.requeue(second.id, Duration::from_secs(1)).unwrap();
    nothing(&mut consumer).await;
    tokio::time::timeout(SOON, events.recv()).await.unwrap().unwrap();
    let dead = house.broker.find_topic(&dead_letter_topic("orders", "mail")).unwrap();
    assert_eq!(dead.name(), "orders.mail.dead");
    let mut undertaker = dead.channel("undertaker").await.unwrap().subscribe(subscriber()).unwrap();
    undertaker.set_ready(1);
    let letter = next(&mut undertaker).await;
    assert_eq!((body(&letter), letter.attempts), ("bad".to_owned(), 1), "there it was never tried");
    assert_eq!(letter.timestamp_ns, first.timestamp_ns);
    empty(&channel).await;
    assert_eq!(channel.stats().deferred_count, 0);
}

#[tokio::test]
async fn a_consumer_that_dies_and_a_timeout_are_failed_attempts_too() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { dead_letter_after: Some(1), ..Policy::default() }).await;
    publish(&topic, ["left", "late"]).await;
    let mut dying = channel.subscribe(subscriber()).unwrap();
    dying.set_ready(1);
    next(&mut dying).await;
    drop(dying);
    let quick = eyrie_queue::broker::Subscriber { msg_timeout: Duration::from_millis(20), ..subscriber() };
    let mut slow = channel.subscribe(quick).unwrap();
    slow.set_ready(1);
    next(&mut slow).await;
    empty(&channel).await;
    let dead = house.broker.find_topic("t.c.dead").unwrap();
    let mut undertaker = dead.channel("u").await.unwrap().subscribe(subscriber()).unwrap();
    undertaker.set_ready(9);
    assert_eq!(drain(&mut undertaker, 2).await, ["left", "late"]);
}

#[tokio::test]
async fn what_its_publisher_gave_little_time_makes_room_though_nobody_consumes() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { max_bytes: Some(20), ..Policy::default() }).await;
    let brief = |ttl| NewMessage { ttl: Some(Duration::from_millis(ttl)), ..text("123456") };
    for _ in 0..3 {
        topic.publish(&[brief(600)]).unwrap().await.unwrap();
    }
    let refused = topic.publish(&[text("123456")]).unwrap_err();
    assert!(matches!(refused, Error::TopicFull { .. }), "{refused}");
    let room = async |topic: &Topic| topic.publish(&[text("123456")]).ok();
    eventually(SOON, "room for another", async || room(&topic).await).await.await.unwrap();
    assert_eq!((channel.stats().depth, channel.peek(10).await.unwrap().len()), (1, 1), "they are not shown");

    // Also where they lie in the log only.
    for _ in 0..2 {
        topic.publish(&[brief(1)]).unwrap().await.unwrap();
    }
    house.broker.snapshot().await.unwrap();
    let house = open(&disk.crash(Crash::KeepAll));
    let topic = house.broker.topic("t").await.unwrap();
    eventually(SOON, "room after a restart", async || room(&topic).await).await.await.unwrap();
    let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    assert_eq!(drain(&mut consumer, 2).await, ["123456", "123456"]);
    nothing(&mut consumer).await;
}

#[tokio::test]
async fn dead_letters_that_do_not_fit_together_are_moved_as_they_fit() {
    for (overflow, kept) in
        [(Overflow::DropOldest, &["cccc", "dddd"][..]), (Overflow::Reject, &["aaaa", "bbbb", "cccc", "dddd"])]
    {
        let house = open(&Faulty::new());
        let topic = house.broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        ask(&topic, Policy { dead_letter_after: Some(1), ..Policy::default() }).await;
        let dead = house.broker.topic("t.c.dead").await.unwrap();
        let letters = dead.channel("u").await.unwrap();
        ask(&dead, Policy { max_bytes: Some(10), overflow, ..Policy::default() }).await;
        publish(&topic, ["aaaa", "bbbb", "cccc", "dddd"]).await;
        let mut dying = channel.subscribe(subscriber()).unwrap();
        dying.set_ready(4);
        hold(&mut dying, 4).await;
        drop(dying);
        if overflow == Overflow::DropOldest {
            empty(&channel).await;
        }
        let mut undertaker = letters.subscribe(subscriber()).unwrap();
        undertaker.set_ready(1);
        assert_eq!(drain(&mut undertaker, kept.len()).await, kept);
        empty(&channel).await;
        nothing(&mut undertaker).await;
    }
}

#[tokio::test]
async fn a_letter_that_its_topic_may_never_hold_is_kept_and_lets_others_go() {
    for overflow in [Overflow::DropOldest, Overflow::Reject] {
        let house = open(&Faulty::new());
        let topic = house.broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        ask(&topic, Policy { dead_letter_after: Some(1), ..Policy::default() }).await;
        let dead = house.broker.topic("t.c.dead").await.unwrap();
        let mut undertaker = dead.channel("u").await.unwrap().subscribe(subscriber()).unwrap();
        undertaker.set_ready(1);
        ask(&dead, Policy { max_bytes: Some(10), overflow, ..Policy::default() }).await;
        let die = async |bodies: &[&str]| {
            publish(&topic, bodies.iter().copied()).await;
            let mut dying = channel.subscribe(subscriber()).unwrap();
            dying.set_ready(9);
            hold(&mut dying, bodies.len()).await;
        };
        die(&["longer than all", "aaaa", "too long as well", "bbbb"]).await;
        assert_eq!(drain(&mut undertaker, 2).await, ["aaaa", "bbbb"]);
        die(&["cccc"]).await;
        assert_eq!(drain(&mut undertaker, 1).await, ["cccc"]);
        nothing(&mut undertaker).await;
        assert_eq!(channel.stats().depth, 2, "they are not lost");
    }
}

#[tokio::test]
async fn nobody_waits_for_a_topic_that_is_read_for_its_new_policy() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t").await.unwrap();
    topic.channel("c").await.unwrap();
    publish(&topic, ["12345", "67890"]).await;
    let held = disk.hold_reads();
    let ruling = {
        let topic = topic.clone();
        let policy = Policy { max_bytes: Some(12), ..Policy::default() };
        tokio::spawn(async move { topic.set_policy(policy).await })
    };
    eventually(SOON, "the policy to be set", async || topic.policy().max_bytes.map(drop)).await;
    let others = async {
        house.broker.topic("other").await.unwrap().channel("c").await.unwrap();
        house.broker.snapshot().await.unwrap();
    };
    tokio::time::timeout(SOON, others).await.expect("they do not wait");
    assert!(!ruling.is_finished());
    // A kill now: what was not read yet is read by the next start.
    let killed = disk.crash(log::files::Crash::KeepAll);
    drop(held);
    ruling.await.unwrap().unwrap();
    for topic in [topic, open(&killed).broker.find_topic("t").unwrap()] {
        let refused = topic.publish(&[text("abc")]).unwrap_err();
        assert_eq!(refused.kind(), base::ErrorKind::Busy, "{refused}");
        publish(&topic, ["ab"]).await;
    }
}

#[tokio::test]
async fn messages_of_a_key_come_one_after_the_other() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { ordered: true, ..Policy::default() }).await;
    let messages =
        [keyed("a", "a1"), keyed("a", "a2"), keyed("b", "b1"), text("x"), keyed("a", "a3"), keyed("b", "b2")];
    topic.publish(&messages).unwrap().await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(100);
    let out = hold(&mut consumer, 3).await;
    assert_eq!(out.iter().map(body).collect::<Vec<_>>(), ["a1", "b1", "x"]);
    nothing(&mut consumer).await;
    assert_eq!(channel.stats().depth, 3);
    assert_eq!(channel.peek(10).await.unwrap().len(), 6, "those that wait for their key can be seen");
    consumer.requeue(out[0].id, Duration::from_millis(30)).unwrap();
    let again = next(&mut consumer).await;
    assert_eq!((body(&again), again.attempts), ("a1".to_owned(), 2), "nothing overtakes what failed");
    consumer.finish(again.id).unwrap();
    let second = next(&mut consumer).await;
    assert_eq!(body(&second), "a2");
    ask(&topic, Policy::default()).await;
    assert_eq!(drain(&mut consumer, 2).await, ["a3", "b2"], "without the rule nobody waits");
}

#[tokio::test]
async fn many_keys_over_a_backlog_keep_their_orders() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { ordered: true, ..Policy::default() }).await;
    let (count, keys) = (3_000, 7);
    for start in (0..count).step_by(500) {
        let message = |n: i32| keyed(&format!("key {}", n % keys), &n.to_string());
        let messages: Vec<_> = (start..start + 500).map(message).collect();
        topic.publish(&messages).unwrap().await.unwrap();
    }
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(50);
    let mut last = vec![-1; keys as usize];
    let (mut seen, mut out) = (0, Vec::<Delivery>::new());
    while seen < count {
        tokio::time::timeout(SOON, consumer.take(50, &mut out)).await.expect("messages in time").unwrap();
        assert!(out.len() <= keys as usize);
        // The last one of them first: no order of finishing must matter. Every tenth fails once.
        while let Some(delivery) = out.pop() {
            let number: i32 = body(&delivery).parse().unwrap();
            if number % 10 == 0 && delivery.attempts == 1 {
                consumer.requeue(delivery.id, Duration::ZERO).unwrap();
                continue;
            }
            let last = &mut last[(number % keys) as usize];
            assert!(number > *last, "{number} after {last}");
            *last = number;
            consumer.finish(delivery.id).unwrap();
            seen += 1;
        }
    }
    assert_eq!((channel.stats().depth, channel.stats().requeue_count), (0, 300));
}

#[tokio::test]
async fn old_messages_are_not_delivered() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { ttl: Some(Duration::from_secs(60)), ..Policy::default() }).await;
    let ttl = |ms| Some(Duration::from_millis(ms));
    let messages =
        [NewMessage { ttl: ttl(1), ..text("old") }, NewMessage { ttl: ttl(90_000), ..text("young") }];
    topic.publish(&messages).unwrap().await.unwrap();
    tokio::time::sleep(Duration::from_millis(5)).await;
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    assert_eq!(drain(&mut consumer, 1).await, ["young"]);
    assert_eq!(channel.stats().depth, 0);
}

#[tokio::test]
async fn too_old_messages_are_dropped_where_nobody_consumes() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { ttl: Some(Duration::from_millis(1)), ..Policy::default() }).await;
    publish(&topic, 0..1_000).await;
    empty(&channel).await;
}

#[tokio::test]
async fn emptying_frees_keys_and_forgets_dead_letters() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { ordered: true, ..Policy::default() }).await;
    topic.publish(&[keyed("a", "1"), keyed("a", "2")]).unwrap().await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    let first: MessageId = next(&mut consumer).await.id;
    nothing(&mut consumer).await;
    channel.empty().await.unwrap();
    assert_eq!(channel.stats().depth, 0);
    assert!(consumer.finish(first).is_err());
    topic.publish(&[keyed("a", "3")]).unwrap().await.unwrap();
    assert_eq!(drain(&mut consumer, 1).await, ["3"]);
}

fn named(id: &str, body: &str) -> NewMessage {
    NewMessage { id: Some(id.into()), ..text(body) }
}

#[tokio::test]
async fn publishing_again_with_the_same_id_has_no_effect() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    topic.publish(&[named("a", "unasked"), named("a", "unasked")]).unwrap().await.unwrap();
    ask(&topic, Policy { dedup_window: Some(Duration::from_secs(600)), ..Policy::default() }).await;
    topic.publish(&[named("a", "1"), text("x"), named("a", "1 again")]).unwrap().await.unwrap();
    // Before the answer to the first one, and after.
    let first = topic.publish(&[named("b", "2")]).unwrap();
    let second = topic.publish(&[named("b", "2 again")]).unwrap();
    second.await.unwrap();
    first.await.unwrap();
    topic.publish(&[named("a", "1"), named("c", "3"), text("x")]).unwrap().await.unwrap();
    topic.publish(&[named("c", "3")]).unwrap().await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(99);
    assert_eq!(drain(&mut consumer, 7).await, ["unasked", "unasked", "1", "x", "2", "3", "x"]);
    assert_eq!((topic.stats().message_count, channel.stats().depth), (7, 0));
}

#[tokio::test]
async fn a_full_topic_refuses_or_drops_the_oldest() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { max_bytes: Some(10), ..Policy::default() }).await;
    publish(&topic, ["aaaa", "bbbb"]).await;
    let refused = topic.publish(&[text("ccc")]).unwrap_err();
    assert!(matches!(refused, Error::TopicFull { bytes_max: 10, .. }), "{refused}");
    assert_eq!(refused.kind(), base::ErrorKind::Busy);
    publish(&topic, ["dd"]).await;
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(1);
    let first = next(&mut consumer).await;
    assert_eq!(body(&first), "aaaa");
    assert!(topic.publish(&[text("e")]).is_err(), "what a consumer has counts");
    consumer.finish(first.id).unwrap();
    publish(&topic, ["ffff"]).await;

    let oldest = Policy { max_bytes: Some(10), overflow: Overflow::DropOldest, ..Policy::default() };
    ask(&topic, oldest).await;
    let never = topic.publish(&[text("12345678901")]).unwrap_err();
    assert!(matches!(never, Error::BeyondTopic { bytes: 11, bytes_max: 10, .. }), "{never}");
    assert_eq!(never.kind(), base::ErrorKind::Invalid, "nobody is told to try again");
    let held = next(&mut consumer).await;
    assert_eq!(body(&held), "bbbb");
    publish(&topic, ["gggg", "hhhh"]).await;
    assert_eq!(channel.stats().depth, 1);
    assert!(topic.publish(&[text("too long to fit")]).is_err());
    consumer.requeue(held.id, Duration::ZERO).unwrap();
    consumer.set_ready(9);
    assert_eq!(drain(&mut consumer, 2).await, ["hhhh", "bbbb"], "what a consumer has is not dropped");
}

#[tokio::test]
async fn one_message_that_waits_long_does_not_count_for_those_behind_it() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    ask(&topic, Policy { max_bytes: Some(20), ..Policy::default() }).await;
    let late = NewMessage { delay: Duration::from_secs(600), ..text("late") };
    topic.publish(&[late]).unwrap().await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(9);
    for n in 1_000..1_100 {
        publish(&topic, [n]).await;
        drain(&mut consumer, 1).await;
    }
    assert!(topic.publish(&[text("x".repeat(17))]).is_err());
    publish(&topic, ["x".repeat(16)]).await;
}

#[tokio::test]
async fn a_backlog_without_a_channel_or_behind_a_pause_is_bounded_too() {
    let house = open(&Faulty::new());
    for paused in [false, true] {
        let topic = house.broker.topic(if paused { "paused" } else { "bare" }).await.unwrap();
        ask(&topic, Policy { max_bytes: Some(40), overflow: Overflow::DropOldest, ..Policy::default() })
            .await;
        if paused {
            topic.channel("c").await.unwrap();
            topic.set_paused(true).await.unwrap();
        }
        for n in 1_000..3_000 {
            publish(&topic, [n]).await;
        }
        assert_eq!(topic.stats().depth, 10);
        topic.set_paused(false).await.unwrap();
        let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
        consumer.set_ready(99);
        let last: Vec<_> = (2_990..3_000).map(|n| n.to_string()).collect();
        assert_eq!(drain(&mut consumer, 10).await, last);
        nothing(&mut consumer).await;
    }
}

#[tokio::test]
async fn rules_that_make_no_sense_are_refused() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    for policy in [
        Policy { dead_letter_after: Some(0), ..Policy::default() },
        Policy { dead_letter_after: Some(6), ..Policy::default() },
        Policy { ttl: Some(Duration::ZERO), ..Policy::default() },
    ] {
        assert!(topic.set_policy(policy.clone()).await.is_err(), "{policy:?}");
        assert_eq!(topic.policy(), Policy::default());
    }
}

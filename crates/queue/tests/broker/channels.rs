//! Making, pausing, emptying and deleting.
use eyrie_queue::Error;
use eyrie_queue::broker::{Config, Event};
use log::files::Faulty;

use crate::house::*;

#[tokio::test]
async fn the_first_channel_gets_what_the_topic_kept_and_later_ones_what_comes() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    publish(&topic, 0..4).await;
    assert_eq!((topic.stats().depth, topic.stats().message_count), (4, 4));
    let first = topic.channel("first").await.unwrap();
    assert_eq!((topic.stats().depth, first.stats().depth), (0, 4));
    let second = topic.channel("second").await.unwrap();
    publish(&topic, [4]).await;
    assert_eq!((first.stats().depth, second.stats().depth), (5, 1));
    let mut consumer = first.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    assert_eq!(drain(&mut consumer, 5).await, ["0", "1", "2", "3", "4"]);
    let names: Vec<_> = topic.stats().channels.iter().map(|channel| channel.name.to_string()).collect();
    assert_eq!(names, ["first", "second"]);
}

#[tokio::test]
async fn a_paused_channel_delivers_nothing_and_a_paused_topic_gives_nothing() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    channel.set_paused(true).await.unwrap();
    publish(&topic, [1]).await;
    nothing(&mut consumer).await;
    channel.set_paused(false).await.unwrap();
    assert_eq!(body(&next(&mut consumer).await), "1");
    topic.set_paused(true).await.unwrap();
    publish(&topic, [2, 3]).await;
    nothing(&mut consumer).await;
    assert_eq!((topic.stats().depth, channel.stats().depth, topic.is_paused()), (2, 0, true));
    let other = topic.channel("d").await.unwrap();
    topic.set_paused(false).await.unwrap();
    assert_eq!(body(&next(&mut consumer).await), "2");
    assert_eq!(other.stats().depth, 2, "what a paused topic keeps goes to all channels");
    publish(&topic, [4]).await;
    assert_eq!(drain(&mut consumer, 2).await, ["3", "4"]);
}

#[tokio::test]
async fn emptying_forgets_what_is_in_flight_too() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(2);
    publish(&topic, 0..1_000).await;
    let held = next(&mut consumer).await;
    channel.empty().await.unwrap();
    let stats = channel.stats();
    assert_eq!((stats.depth, stats.in_flight_count, consumer.in_flight()), (0, 0, 0));
    assert!(matches!(consumer.finish(held.id), Err(Error::NotInFlight)));
    publish(&topic, ["new"]).await;
    assert_eq!(drain(&mut consumer, 1).await, ["new"]);
    topic.set_paused(true).await.unwrap();
    publish(&topic, 0..5).await;
    topic.empty().await.unwrap();
    topic.set_paused(false).await.unwrap();
    publish(&topic, ["newer"]).await;
    assert_eq!(drain(&mut consumer, 1).await, ["newer"]);
    assert_eq!(channel.stats().depth, 0);
}

#[tokio::test]
async fn deleting_ends_consumers() {
    let house = open(&Faulty::new());
    let mut events = house.broker.events();
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    let waits = tokio::spawn(async move {
        let mut out = Vec::new();
        consumer.take(1, &mut out).await
    });
    tokio::task::yield_now().await;
    topic.delete_channel("c").await.unwrap();
    let ended = tokio::time::timeout(SOON, waits).await.unwrap().unwrap();
    assert!(matches!(ended, Err(Error::Exiting)));
    assert!(matches!(channel.subscribe(subscriber()), Err(Error::Exiting)));
    assert!(matches!(topic.delete_channel("c").await, Err(Error::ChannelNotFound(_))));
    house.broker.delete_topic("t").await.unwrap();
    assert!(matches!(house.broker.delete_topic("t").await, Err(Error::TopicNotFound(_))));
    assert!(matches!(topic.publish(&[text(1)]), Err(Error::Exiting)));
    let (topic, channel) = ("t".into(), "c".into());
    let made = Event::ChannelMade { topic, channel };
    let mut seen = Vec::new();
    while let Ok(event) = events.try_recv() {
        seen.push(event);
    }
    assert!(seen.len() == 4 && seen[1] == made, "{seen:?}");
    let again = house.broker.topic("t").await.unwrap();
    let channel = again.channel("c").await.unwrap();
    publish(&again, ["fresh"]).await;
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    assert_eq!(drain(&mut consumer, 1).await, ["fresh"]);
}

#[tokio::test]
async fn ephemeral_ones_go_with_the_last_consumer() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t#ephemeral").await.unwrap();
    publish(&topic, 0..400).await;
    assert_eq!(topic.stats().depth, 300, "what does not fit is dropped");
    let channel = topic.channel("c#ephemeral").await.unwrap();
    publish(&topic, 400..500).await;
    assert_eq!(channel.stats().depth, 300);
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(400);
    let bodies = drain(&mut consumer, 300).await;
    assert_eq!((bodies.len(), &*bodies[299]), (300, "299"));
    drop((consumer, channel));
    let gone = || async { house.broker.find_topic("t#ephemeral").is_none().then_some(()) };
    base::testkit::eventually(SOON, "the topic goes", gone).await;
}

#[tokio::test]
async fn names_and_limits() {
    let config =
        Config { channel_consumers_max: 1, reserved_prefixes: vec!["points.".to_owned()], ..config() };
    let house = open_with(&Faulty::new(), log_config(), config);
    assert_eq!((house.recovered.topics, house.log.status().records), (0, 0));
    assert!(matches!(house.broker.topic("points.1").await, Err(Error::Reserved(_))));
    assert!(matches!(house.broker.topic("no good").await, Err(Error::Name(_))));
    let topic = house.broker.topic("t").await.unwrap();
    assert!(matches!(topic.channel("").await, Err(Error::Name(_))));
    let channel = topic.channel("c").await.unwrap();
    let _one = channel.subscribe(subscriber()).unwrap();
    assert!(matches!(channel.subscribe(subscriber()), Err(Error::TooManyConsumers { consumers_max: 1 })));
    house.broker.close().await.unwrap();
    assert!(matches!(house.broker.topic("u").await, Err(Error::Exiting)));
    assert!(house.tasks.drain(SOON).await, "its tasks end");
}

#[tokio::test]
async fn an_ephemeral_channel_that_somebody_entered_meanwhile_stays() {
    let disk = Faulty::new();
    let house = open(&disk);
    let topic = house.broker.topic("t#ephemeral").await.unwrap();
    let durable = house.broker.topic("durable").await.unwrap();
    publish(&durable, [1]).await;
    let channel = topic.channel("c#ephemeral").await.unwrap();
    let first = channel.subscribe(subscriber()).unwrap();
    house.log.sync(house.log.end()).await.unwrap();
    // Somebody makes or deletes something, for as long as the device takes.
    let slow = disk.hold_syncs();
    let snapshot = tokio::spawn({
        let broker = house.broker.clone();
        async move { broker.snapshot().await }
    });
    let writes =
        async || disk.paths().iter().any(|path| path.ends_with("channels.snapshot.tmp")).then_some(());
    base::testkit::eventually(SOON, "the snapshot is written", writes).await;
    drop(first);
    // The end of the channel waits for that.
    others_turn().await;
    let mut second = channel.subscribe(subscriber()).unwrap();
    second.set_ready(1);
    drop(slow);
    snapshot.await.unwrap().unwrap();
    // Behind the end of the channel, which has waited longer.
    house.broker.topic("later").await.unwrap();
    publish(&topic, ["for the second"]).await;
    assert_eq!(drain(&mut second, 1).await, ["for the second"]);
    drop(second);
    let ended = async || house.broker.find_topic("t#ephemeral").is_none().then_some(());
    base::testkit::eventually(SOON, "the channel and its topic end with the second one", ended).await;
}

/// Lets other tasks have their turn.
async fn others_turn() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

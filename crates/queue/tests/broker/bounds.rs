//! Memory is bounded in bytes, not only in messages; what a channel is done with is let go.
use std::time::Duration;

use base::testkit::eventually;
use bytes::Bytes;
use eyrie_queue::broker::{Config, NewMessage, TAKE_BYTES_MAX};
use log::files::Faulty;

use crate::house::*;

const HOUR: Duration = Duration::from_secs(3_600);

fn of_bytes(bytes: usize, delay: Duration) -> NewMessage {
    NewMessage { delay, ..Bytes::from(vec![b'x'; bytes]).into() }
}

fn large(disk: &Faulty, mem_bytes_max: usize) -> House {
    let log_config = log::Config { segment_bytes: 4 << 20, ..log::Config::new("/data/log") };
    open_with(disk, log_config, Config { mem_bytes_max, ..config() })
}

#[tokio::test]
async fn a_consumer_is_given_so_many_bytes_at_once_and_one_message_at_least() {
    let house = large(&Faulty::new(), 64 << 20);
    let topic = house.broker.topic("t").await.unwrap();
    let mut consumer = topic.channel("c").await.unwrap().subscribe(subscriber()).unwrap();
    consumer.set_ready(100);
    for bytes in [400 << 10, 400 << 10, 400 << 10, 10, TAKE_BYTES_MAX + 1, 10] {
        topic.publish(&[of_bytes(bytes, Duration::ZERO)]).unwrap().await.unwrap();
    }
    let mut counts = Vec::new();
    for _ in 0..3 {
        let mut out = Vec::new();
        consumer.take(100, &mut out).await.unwrap();
        counts.push(out.len());
    }
    assert_eq!(counts, [3, 2, 1]);
}

#[tokio::test]
async fn looking_reads_so_many_bytes_of_what_is_in_the_log_only() {
    let house = large(&Faulty::new(), 1 << 20);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    for _ in 0..10 {
        topic.publish(&[of_bytes(600 << 10, HOUR)]).unwrap().await.unwrap();
    }
    assert_eq!(channel.stats().deferred_count, 10);
    assert_eq!(channel.peek(10).await.unwrap().len(), 7, "4 MiB, and the one that goes beyond");
}

#[tokio::test]
async fn what_is_in_memory_only_has_a_bound_in_bytes() {
    let house = large(&Faulty::new(), 10_000);
    let topic = house.broker.topic("t#ephemeral").await.unwrap();
    for _ in 0..100 {
        topic.publish(&[of_bytes(1_000, Duration::ZERO)]).unwrap().await.unwrap();
    }
    assert_eq!(topic.stats().depth, 10, "for the first channel");
    let channel = topic.channel("c").await.unwrap();
    assert_eq!(channel.stats().depth, 10);
    for _ in 0..100 {
        topic.publish(&[of_bytes(1_000, HOUR)]).unwrap().await.unwrap();
    }
    let stats = channel.stats();
    assert_eq!((stats.deferred_count, stats.depth), (7, 10), "each costs a little beside its body");
}

#[tokio::test]
async fn an_emptied_channel_keeps_no_log_although_nothing_is_published() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    for _ in 0..20 {
        publish(&topic, (0..100).map(|_| "x".repeat(200))).await;
    }
    assert!(house.log.status().segments > 4);
    channel.empty().await.unwrap();
    house.broker.snapshot().await.unwrap();
    eventually(SOON, "segments to be freed", async || (house.log.status().segments <= 2).then_some(())).await;
}

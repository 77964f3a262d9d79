//! How connections end, and what becomes of what was under way.

use std::time::Duration;

use base::testkit::eventually;
use tokio::io::AsyncWriteExt as _;

use super::house::{Heard, House, PATIENCE};

async fn published(house: &House, topic: &str, count: u64) {
    eventually(PATIENCE, "all messages are in", || async {
        let stats = house.stats(topic).topics?;
        (stats[0].message_count == count).then_some(())
    })
    .await;
}

#[tokio::test]
async fn who_writes_and_leaves_has_published() {
    let house = House::open().await;
    for _ in 0..20 {
        let mut client = house.client().await;
        client.send(b"PUB e\n\0\0\0\x01x".repeat(50)).await;
        drop(client);
    }
    published(&house, "e", 1_000).await;
    house.close().await;
}

#[tokio::test]
async fn who_stops_writing_still_hears_all_answers() {
    let house = House::open().await;
    let mut client = house.client().await;
    client.send(b"PUB e\n\0\0\0\x01x".repeat(5_000)).await;
    client.send(b"PUB e\n\0\0\0\x05x").await;
    client.stream.shutdown().await.unwrap();
    for _ in 0..5_000 {
        client.expect("OK").await;
    }
    client.refused("E_BAD_MESSAGE PUB failed to read message body").await;
    published(&house, "e", 5_000).await;
    house.close().await;
}

#[tokio::test]
async fn a_refused_body_does_not_drown_the_refusal() {
    let house = House::open().await;
    let mut client = house.client().await;
    let mut bytes = b"PUB e\n".to_vec();
    bytes.extend_from_slice(&(2_u32 << 20).to_be_bytes());
    bytes.resize(bytes.len() + (2 << 20), b'x');
    client.send(bytes).await;
    client.refused("E_BAD_MESSAGE PUB message too big 2097152 > 1048576").await;
    house.close().await;
}

#[tokio::test]
async fn a_deleted_channel_ends_its_consumers_and_a_deleted_topic_comes_again() {
    let house = House::open().await;
    let mut consumer = house.consumer("e", "c", 1).await;
    let mut producer = house.client().await;
    producer.publish("e", b"1").await;
    consumer.message().await;
    house.nsqd.broker.find_topic("e").unwrap().delete_channel("c").await.unwrap();
    assert_eq!(consumer.hear().await, Heard::End);
    house.nsqd.broker.delete_topic("e").await.unwrap();
    producer.publish("e", b"2").await;
    assert_eq!(house.stats("e").topics.unwrap()[0].depth, 1);
    house.close().await;
}

#[tokio::test]
async fn a_stop_answers_what_was_taken_and_hangs_up() {
    let house = House::open().await;
    let mut consumer = house.consumer("e", "c", 1).await;
    let mut producer = house.client().await;
    producer.publish("e", b"x").await;
    consumer.message().await;
    assert_eq!(house.nsqd.clients.count(), 2);
    house.port.request_stop();
    assert_eq!(consumer.hear().await, Heard::End);
    assert_eq!(producer.hear().await, Heard::End);
    drop((consumer, producer));
    eventually(PATIENCE, "nobody is listed", || async { (house.nsqd.clients.count() == 0).then_some(()) })
        .await;
    assert_eq!(house.stats("e").topics.unwrap()[0].channels[0].depth, 1, "given back");
    house.close().await;
}

#[tokio::test]
async fn an_ephemeral_channel_goes_with_its_last_consumer() {
    let house = House::open().await;
    let consumer = house.consumer("e", "c#ephemeral", 1).await;
    assert_eq!(house.stats("e").topics.unwrap()[0].channels.len(), 1);
    drop(consumer);
    eventually(PATIENCE, "it is gone", || async {
        house.stats("e").topics?[0].channels.is_empty().then_some(())
    })
    .await;
    house.close().await;
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let options = eyrie_nsq::nsqd::Options { tcp_address: "nsqd.sock".to_owned(), ..Default::default() };
    let house = House::with(options).await;
    let mut consumer = house.unix_client().await;
    consumer.send("SUB e c\nRDY 1\n").await;
    consumer.expect("OK").await;
    let mut producer = house.unix_client().await;
    producer.publish("e", b"by file").await;
    assert_eq!(&consumer.message().await.body[..], b"by file");
    let channel = &house.stats("e").topics.unwrap()[0].channels[0];
    assert_eq!(channel.clients.as_ref().unwrap()[0].remote_address, "@");
    drop((consumer, producer));
    tokio::time::timeout(Duration::from_secs(10), house.close()).await.unwrap();
}

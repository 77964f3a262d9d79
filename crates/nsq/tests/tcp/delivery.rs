//! Messages from publisher to consumer and back, as recorded from the real nsqd where it is worth
//! matching, and better where the recording shows its coarse timers.

use std::time::{Duration, Instant};

use super::house::{Heard, House};

#[tokio::test]
async fn a_message_is_delivered_until_it_is_finished() {
    let house = House::open().await;
    let mut consumer = house.consumer("d", "c", 1).await;
    let mut other = house.consumer("d", "c", 0).await;
    let mut producer = house.client().await;
    producer.publish("d", b"hello").await;

    let first = consumer.message().await;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    assert!(now.abs_diff(u128::try_from(first.timestamp_ns).unwrap()) < 20_000_000_000);
    assert_eq!((first.attempts, &first.body[..]), (1, &b"hello"[..]));
    assert!(first.id.iter().all(|digit| b"0123456789abcdef".contains(digit)));
    let id = String::from_utf8_lossy(&first.id).into_owned();

    other.fin(&first.id).await;
    let not_yours = format!("E_FIN_FAILED FIN {id} failed client does not own message");
    assert_eq!(other.hear().await, Heard::Error(not_yours));

    consumer.send(format!("REQ {id} 0\n")).await;
    let second = consumer.message().await;
    assert_eq!((second.attempts, second.id), (2, first.id), "its id stays");

    let asked = Instant::now();
    consumer.send(format!("REQ {id} 300\n")).await;
    let third = consumer.message().await;
    let waited = asked.elapsed();
    assert_eq!((third.attempts, third.id), (3, first.id));
    assert!((Duration::from_millis(295)..Duration::from_secs(10)).contains(&waited), "{waited:?}");

    consumer.send(format!("TOUCH {id}\nFIN {id}\nFIN {id}\n")).await;
    let gone = format!("E_FIN_FAILED FIN {id} failed ID not in flight");
    assert_eq!(consumer.hear().await, Heard::Error(gone), "TOUCH and FIN say nothing");

    let stats = house.stats("d");
    let channel = &stats.topics.unwrap()[0].channels[0];
    assert_eq!((channel.depth, channel.in_flight_count, channel.requeue_count), (0, 0, 2));
    let clients = channel.clients.as_ref().unwrap();
    let consumed = clients.iter().find(|client| client.ready_count == 1).unwrap();
    assert_eq!((consumed.state, consumed.message_count), (3, 3));
    assert_eq!((consumed.finish_count, consumed.requeue_count), (1, 2));
    let producers = stats.producers.unwrap();
    assert_eq!((producers.len(), producers[0].pub_counts[0].count), (1, 1));
    house.close().await;
}

#[tokio::test]
async fn a_message_kept_too_long_is_delivered_again() {
    let house = House::open().await;
    let mut consumer = house.client().await;
    assert_eq!(consumer.identify(r#"{"msg_timeout":1000}"#).await, "OK");
    consumer.send("SUB d c\nRDY 1\n").await;
    consumer.expect("OK").await;
    house.client().await.publish("d", b"x").await;
    consumer.message().await;
    let taken = Instant::now();
    assert_eq!(consumer.message().await.attempts, 2);
    let waited = taken.elapsed();
    assert!((Duration::from_millis(950)..Duration::from_secs(10)).contains(&waited), "{waited:?}");
    house.close().await;
}

#[tokio::test]
async fn what_a_lost_connection_had_goes_to_the_next_at_once() {
    let house = House::open().await;
    house.client().await.publish("d", b"x").await;
    let mut consumer = house.consumer("d", "c", 1).await;
    let first = consumer.message().await;
    drop(consumer);
    let second = house.consumer("d", "c", 1).await.message().await;
    assert_eq!((second.id, second.attempts), (first.id, 2));
    house.close().await;
}

#[tokio::test]
async fn a_message_that_was_not_tried_is_given_back_uncounted() {
    let house = House::open().await;
    let mut consumer = house.consumer("d", "c", 1).await;
    house.client().await.publish("d", b"x").await;
    for (word, attempts) in [("uncounted", 1), ("uncounted", 1), ("anything", 1), ("", 2)] {
        let message = consumer.message().await;
        assert_eq!(message.attempts, attempts, "before {word}");
        let id = String::from_utf8_lossy(&message.id).into_owned();
        consumer.send(format!("REQ {id} 10 {word}\n")).await;
    }
    assert_eq!(consumer.message().await.attempts, 3);
    house.close().await;
}

#[tokio::test]
async fn a_delay_passes_before_a_message_comes() {
    let house = House::open().await;
    let mut consumer = house.consumer("d", "c", 1).await;
    let mut producer = house.client().await;
    let sent = Instant::now();
    producer.send("DPUB d 400\n\0\0\0\x01x").await;
    producer.expect("OK").await;
    consumer.message().await;
    assert!(sent.elapsed() >= Duration::from_millis(395), "{:?}", sent.elapsed());
    house.close().await;
}

#[tokio::test]
async fn a_client_that_does_not_answer_heartbeats_is_cut_off() {
    let house = House::open().await;
    let mut client = house.client().await;
    assert_eq!(client.identify(r#"{"heartbeat_interval":1000}"#).await, "OK");
    let start = Instant::now();
    assert_eq!(client.hear_any().await, Heard::Response("_heartbeat_".to_owned()));
    let first = start.elapsed();
    assert_eq!(client.hear_any().await, Heard::End, "one heartbeat, then the end");
    let end = start.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_millis(1_900)).contains(&first), "{first:?}");
    assert!((Duration::from_millis(1_900)..Duration::from_secs(10)).contains(&end), "{end:?}");

    let mut client = house.client().await;
    assert_eq!(client.identify(r#"{"heartbeat_interval":1000}"#).await, "OK");
    for _ in 0..4 {
        assert_eq!(client.hear_any().await, Heard::Response("_heartbeat_".to_owned()));
        client.send("NOP\n").await;
    }
    client.publish("d", b"still here").await;
    house.close().await;
}

#[tokio::test]
async fn pipelined_commands_are_answered_in_order() {
    let house = House::open().await;
    let mut client = house.consumer("d", "c", 0).await;
    let id = "0123456789abcdef";
    let mut bytes = Vec::new();
    for _ in 0..200 {
        bytes.extend_from_slice(b"PUB p\n\0\0\0\x01x");
        bytes.extend_from_slice(format!("FIN {id}\n").as_bytes());
        bytes.extend_from_slice(b"MPUB p\n\0\0\0\x0e\0\0\0\x02\0\0\0\x01y\0\0\0\x01z");
    }
    bytes.extend_from_slice(b"CLS\n");
    client.send(bytes).await;
    for _ in 0..200 {
        client.expect("OK").await;
        let failed = format!("E_FIN_FAILED FIN {id} failed ID not in flight");
        assert_eq!(client.hear().await, Heard::Error(failed));
        client.expect("OK").await;
    }
    client.expect("CLOSE_WAIT").await;
    assert_eq!(house.stats("p").topics.unwrap()[0].message_count, 600);
    house.close().await;
}

#[tokio::test]
async fn one_message_for_a_client_that_takes_many_comes_soon() {
    let house = House::open().await;
    let mut consumer = house.consumer("d", "c", 100).await;
    let mut producer = house.client().await;
    producer.publish("d", b"warm").await;
    consumer.message().await;
    let mut worst = Duration::ZERO;
    for _ in 0..5 {
        let sent = Instant::now();
        producer.publish("d", b"x").await;
        consumer.message().await;
        worst = worst.max(sent.elapsed());
    }
    assert!(worst < Duration::from_millis(200), "not after the 250 ms of the output buffer: {worst:?}");
    house.close().await;
}

#[tokio::test]
async fn more_than_allowed_is_never_in_flight_and_cls_ends_it() {
    let house = House::open().await;
    let mut producer = house.client().await;
    for number in 0..6_u8 {
        producer.publish("d", &[number]).await;
    }
    let mut consumer = house.consumer("d", "c", 2).await;
    let (first, _second) = (consumer.message().await, consumer.message().await);
    consumer.quiet().await;
    consumer.fin(&first.id).await;
    let third = consumer.message().await;
    consumer.quiet().await;
    consumer.send("CLS\n").await;
    consumer.expect("CLOSE_WAIT").await;
    consumer.fin(&third.id).await;
    consumer.quiet().await;
    let channel = &house.stats("d").topics.unwrap()[0].channels[0];
    assert_eq!((channel.in_flight_count, channel.depth), (1, 3));
    assert_eq!(channel.clients.as_ref().unwrap()[0].state, 4);
    house.close().await;
}

#[tokio::test]
async fn names_and_limits_of_subscriptions() {
    let options = eyrie_nsq::nsqd::Options { max_channel_consumers: 1, ..Default::default() };
    let house = House::with(options).await;
    let _one = house.consumer("d", "c", 0).await;
    let mut two = house.client().await;
    two.send("SUB d c\n").await;
    two.refused("E_SUB_FAILED SUB failed consumers for d:c exceeds limit of 1").await;
    let mut own = house.client().await;
    own.send("PUB points.1\n\0\0\0\x01x").await;
    let Heard::Error(text) = own.hear().await else { panic!("not refused") };
    assert!(text.starts_with("E_BAD_TOPIC PUB "), "{text}");
    assert_eq!(own.hear().await, Heard::End);
    house.close().await;
}

//! Many clients, slow ones, and bodies of every size.

use std::collections::BTreeSet;
use std::process::Command;

use bytes::BytesMut;
use eyrie_nsq::wire::encode;

use super::house::{House, Wire};

#[tokio::test]
async fn a_consumer_that_does_not_read_holds_up_nobody_and_loses_nothing() {
    let house = House::open().await;
    let mut slow = house.consumer("l", "slow", 2_500).await;
    let mut quick = house.consumer("l", "quick", 2_500).await;
    let mut producer = house.client().await;
    let count = 1_000_u32;
    for batch in 0..10_u32 {
        let bodies: Vec<Vec<u8>> = (batch * 100..(batch + 1) * 100)
            .map(|number| [&number.to_be_bytes()[..], &[b'x'; 19_996]].concat())
            .collect();
        let mut bytes = BytesMut::new();
        encode::mpub(&mut bytes, "l", &bodies);
        producer.send(bytes).await;
        producer.expect("OK").await;
    }
    for consumer in [&mut quick, &mut slow] {
        for number in 0..count {
            let message = consumer.message().await;
            assert_eq!((message.body.len(), &message.body[..4]), (20_000, &number.to_be_bytes()[..]));
            consumer.fin(&message.id).await;
        }
    }
    slow.publish("l2", b"its own commands go on").await;
    house.close().await;
}

#[tokio::test]
async fn bodies_as_large_as_allowed_go_through_and_come_out() {
    let house = House::open().await;
    let mut consumer = house.consumer("l", "c", 10).await;
    let mut producer = house.client().await;
    let large: Vec<u8> = (0..1_u32 << 20).map(|at| (at % 251) as u8).collect();
    producer.publish("l", &large).await;
    let message = consumer.message().await;
    assert!(message.body == large);
    consumer.fin(&message.id).await;

    // 4 bytes of count, then 4 bytes a message.
    let piece = &large[..(5 << 20) / 8 - 5];
    let mut bytes = BytesMut::new();
    encode::mpub(&mut bytes, "l", &[piece; 8]);
    producer.send(bytes).await;
    producer.expect("OK").await;
    for _ in 0..8 {
        let message = consumer.message().await;
        assert!(message.body == piece);
        consumer.fin(&message.id).await;
    }
    house.close().await;
}

/// Both ends of a connection are in this process, which the usual limit of 1,024 descriptors is too low for: it
/// is raised, or the test says that it could not be.
#[tokio::test]
async fn more_than_a_thousand_clients_share_a_channel() {
    const CLIENTS: usize = 1_100;
    let descriptors = raise_limit();
    if descriptors < 3 * CLIENTS as u64 {
        eprintln!("SKIPPED: only {descriptors} descriptors are allowed: a thousand clients were not tried");
        return;
    }
    let house = House::open().await;
    let mut consumers = Vec::new();
    for _ in 0..CLIENTS {
        consumers.push(house.consumer("l", "c", 1).await);
    }
    assert_eq!(house.nsqd.clients.count(), CLIENTS);
    let mut producer = house.client().await;
    let bodies: Vec<String> = (0..2 * CLIENTS).map(|number| number.to_string()).collect();
    let mut bytes = BytesMut::new();
    encode::mpub(&mut bytes, "l", &bodies);
    producer.send(bytes).await;
    producer.expect("OK").await;
    let (tell, mut told) = tokio::sync::mpsc::channel(CLIENTS);
    for mut consumer in consumers {
        let tell = tell.clone();
        tokio::spawn(async move { consume(&mut consumer, tell).await });
    }
    let mut seen = BTreeSet::new();
    let (mut messages, mut served) = (0, BTreeSet::new());
    while seen.len() < bodies.len() {
        let (who, body): (std::net::SocketAddr, String) = told.recv().await.unwrap();
        served.insert(who);
        assert!(seen.insert(body), "delivered once");
        messages += 1;
    }
    assert_eq!(messages, bodies.len());
    assert!(served.len() > CLIENTS / 4, "shared among {} of {CLIENTS}", served.len());
    house.close().await;
}

async fn consume(
    consumer: &mut Wire<tokio::net::TcpStream>,
    tell: tokio::sync::mpsc::Sender<(std::net::SocketAddr, String)>,
) {
    let who = consumer.stream.local_addr().unwrap();
    while let super::house::Heard::Message(message) = consumer.hear().await {
        consumer.fin(&message.id).await;
        if tell.send((who, String::from_utf8_lossy(&message.body).into_owned())).await.is_err() {
            return;
        }
    }
}

/// Raises this process's limit of descriptors as far as it may; what holds then.
fn raise_limit() -> u64 {
    let (soft, hard) = limits();
    if soft < hard {
        let process = std::process::id().to_string();
        // Whether it worked is read afterwards.
        let _ =
            Command::new("prlimit").args(["--pid", &process, &format!("--nofile={hard}:{hard}")]).status();
    }
    limits().0
}

/// The soft and the hard limit of descriptors.
fn limits() -> (u64, u64) {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().unwrap_or(u64::MAX), numbers.next().unwrap_or(u64::MAX))
}

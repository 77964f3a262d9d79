//! nsqd with very many connections, a huge backlog, slow consumers, and a full disk.

use std::thread;
use std::time::{Duration, Instant};

use crate::full::{Tmpfs, fill};
use crate::house::{Home, PATIENCE, skipped};
use crate::nsqd::{Client, Frame, Nsqd};

/// Connections of one test, where the system allows so many.
const CONNECTIONS: usize = 10_000;
/// Messages of the backlog; a tenth where nothing is optimised.
const BACKLOG: usize = if cfg!(debug_assertions) { 1_000_000 } else { 10_000_000 };
/// In one MPUB.
const BATCH: usize = 50_000;
/// What the backlog may take, everything else included.
const RESIDENT_BYTES_MAX: u64 = 400 << 20;

#[test]
fn ten_thousand_connections_are_served() {
    let wanted = CONNECTIONS as u64 + 200;
    let allowed = std::fs::read_to_string("/proc/self/limits")
        .expect("limits")
        .lines()
        .find(|line| line.starts_with("Max open files"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok())
        .unwrap_or(u64::MAX);
    if allowed < wanted {
        return skipped(&format!("{allowed} open files are allowed, {wanted} needed: 10,000 connections"));
    }
    let home = Home::new();
    let nsqd = Nsqd::start(&home, &home.beside("nsqd"), &[]);
    let mut clients: Vec<Client> =
        (0..CONNECTIONS).map(|_| Client::open(nsqd.tcp).expect("connected")).collect();
    // Every one of them is heard, the first and the last alike.
    for client in clients.iter_mut().step_by(100) {
        client.publish("t", "hello").expect("published");
    }
    let mut consumer = Client::subscribe(nsqd.tcp, "t", "c", 200).expect("subscribed");
    for _ in 0..CONNECTIONS / 100 {
        let message = consumer.message().expect("a message");
        consumer.send(&format!("FIN {}", message.id)).expect("sent");
    }
}

#[test]
fn a_huge_backlog_takes_little_memory() {
    let home = Home::new();
    let nsqd = Nsqd::start(&home, &home.beside("nsqd"), &[]);
    nsqd.post("/topic/create?topic=t", "");
    nsqd.post("/channel/create?topic=t&channel=c", "");
    let mut client = Client::open(nsqd.tcp).expect("connected");
    for from in (0..BACKLOG).step_by(BATCH) {
        let mut batch = u32::try_from(BATCH).expect("fits").to_be_bytes().to_vec();
        for number in from..from + BATCH {
            let body = format!("{number}");
            batch.extend_from_slice(&u32::try_from(body.len()).expect("fits").to_be_bytes());
            batch.extend_from_slice(body.as_bytes());
        }
        client.send_body("MPUB t", &batch).expect("sent");
        client.ok().expect("published");
    }
    assert_eq!(nsqd.channel("t", "c")["depth"], BACKLOG);
    let resident = nsqd.resident_bytes();
    assert!(resident < RESIDENT_BYTES_MAX, "{} MiB", resident >> 20);
    // They come in order, from memory and from the disk alike.
    let mut consumer = Client::subscribe(nsqd.tcp, "t", "c", 2_500).expect("subscribed");
    for number in 0..50_000 {
        let message = consumer.message().expect("a message");
        assert_eq!(message.body, format!("{number}"));
        consumer.send(&format!("FIN {}", message.id)).expect("sent");
    }
}

#[test]
fn a_consumer_that_does_not_read_holds_up_nobody() {
    let home = Home::new();
    let nsqd = Nsqd::start(&home, &home.beside("nsqd"), &["--msg-timeout=2s"]);
    nsqd.post("/topic/create?topic=t", "");
    nsqd.post("/channel/create?topic=t&channel=c", "");
    // It asks for much and never reads: its socket is soon full.
    let deaf = Client::subscribe(nsqd.tcp, "t", "c", 2_500).expect("subscribed");
    let mut publisher = Client::open(nsqd.tcp).expect("connected");
    let body = "x".repeat(100_000);
    for _ in 0..200 {
        publisher.publish("t", &body).expect("published");
    }
    let mut consumer = Client::subscribe(nsqd.tcp, "t", "c", 100).expect("subscribed");
    let deadline = Instant::now() + PATIENCE;
    let mut received = 0;
    while received < 200 && Instant::now() < deadline {
        let message = consumer.message().expect("a message");
        consumer.send(&format!("FIN {}", message.id)).expect("sent");
        received += 1;
    }
    assert_eq!(received, 200, "all of them, when the deaf one's time is over");
    drop(deaf);
}

#[test]
fn a_full_disk_refuses_publishing_while_consumers_go_on() {
    let home = Home::new();
    let mount = home.beside("small-disk");
    let Some(_disk) = Tmpfs::mount(&mount, 24) else {
        return skipped(
            "a small tmpfs cannot be mounted here (it takes root): nsqd's full disk was not tried",
        );
    };
    let nsqd = Nsqd::start(&home, &mount.join("nsqd"), &[]);
    nsqd.post("/topic/create?topic=t", "");
    nsqd.post("/channel/create?topic=t&channel=c", "");
    let mut publisher = Client::open(nsqd.tcp).expect("connected");
    let body = "x".repeat(50_000);
    publisher.publish("t", &body).expect("there is room");
    fill(&mount);
    let mut published = 1;
    let refusal = loop {
        publisher.send_body("PUB t", body.as_bytes()).expect("sent");
        match publisher.read().expect("an answer") {
            Frame::Answer(_) => published += 1,
            Frame::Error(error) => break error,
            Frame::Message(message) => panic!("{message:?}"),
        }
        assert!(published < 10_000, "never full");
    };
    assert!(refusal.starts_with("E_PUB_FAILED "), "{refusal}");
    // Messages in memory, and those on the disk that is full, are delivered and finished.
    let mut consumer = Client::subscribe(nsqd.tcp, "t", "c", 10).expect("subscribed");
    for _ in 0..published {
        let message = consumer.message().expect("a message");
        consumer.send(&format!("FIN {}", message.id)).expect("sent");
    }
    thread::sleep(Duration::from_millis(100));
    assert!(crate::wire::get(nsqd.http, "/ping").status >= 200, "it lives");
}

//! nsqd on a disk that is smaller than one usual segment of its log, again and again full.

use std::time::{Duration, Instant};

use crate::full::Tmpfs;
use crate::house::{Home, eventually, skipped};
use crate::nsqd::{Client, Frame, Nsqd};

/// Of one message.
const BODY_BYTES: usize = 50_000;
/// The disk, and what of it at least holds messages.
const DISK_MIB: u32 = 40;
const USED_BYTES: usize = 20 << 20;
/// From the last FIN until a message is taken in again.
const AGAIN: Duration = Duration::from_secs(10);

/// Refused so often, so far apart, a disk is full of what is needed: what is not was freed meanwhile.
const REFUSALS: usize = 10;
const APART: Duration = Duration::from_millis(200);

/// Publishes until that is refused for good; how many were taken in.
fn fill(nsqd: &Nsqd) -> usize {
    let mut publisher = Client::open(nsqd.tcp).expect("connected");
    let (mut published, mut refused) = (0, 0);
    while refused < REFUSALS {
        publisher.send_body("PUB t", "x".repeat(BODY_BYTES).as_bytes()).expect("sent");
        match publisher.read().expect("an answer") {
            Frame::Answer(_) => (published, refused) = (published + 1, 0),
            Frame::Error(error) => {
                assert!(error.starts_with("E_PUB_FAILED "), "{error}");
                refused += 1;
                std::thread::sleep(APART);
                // It ends with that.
                publisher = Client::open(nsqd.tcp).expect("connected");
            }
            Frame::Message(message) => panic!("{message:?}"),
        }
        assert!(published < 10_000, "it is never full");
    }
    published
}

#[test]
fn a_small_disk_takes_messages_again_soon_after_they_were_consumed() {
    let home = Home::new();
    let mount = home.beside("small-disk");
    let Some(_disk) = Tmpfs::mount(&mount, DISK_MIB) else {
        return skipped("a small tmpfs cannot be mounted here (it takes root): nsqd on one was not tried");
    };
    let mut nsqd = Nsqd::start(&home, &mount.join("nsqd"), &[]);
    nsqd.post("/topic/create?topic=t", "");
    nsqd.post("/channel/create?topic=t&channel=c", "");
    for round in 0..3 {
        let published = fill(&nsqd);
        assert!(published * BODY_BYTES > USED_BYTES, "round {round}: {published} messages");
        if round == 1 {
            // A full disk is no reason not to start.
            nsqd.kill();
            nsqd = Nsqd::start(&home, &mount.join("nsqd"), &[]);
        }
        let mut consumer = Client::subscribe(nsqd.tcp, "t", "c", 10).expect("subscribed");
        for _ in 0..published {
            let message = consumer.message().expect("a message");
            consumer.send(&format!("FIN {}", message.id)).expect("sent");
        }
        let drained = Instant::now();
        let long = "y".repeat(1 << 20);
        eventually("messages are taken in again", || Client::open(nsqd.tcp).ok()?.publish("t", &long).ok());
        assert!(drained.elapsed() < AGAIN, "round {round}: {:?}", drained.elapsed());
        nsqd.post("/channel/empty?topic=t&channel=c", "");
    }
}

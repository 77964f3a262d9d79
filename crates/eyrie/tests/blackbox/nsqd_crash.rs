//! `kill -9` of nsqd: level × messages in flight × deferred ones × a paused channel. What was acknowledged
//! and not finished comes again, with its attempts and not before its time.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use crate::crash::Dice;
use crate::house::{Home, eventually};
use crate::nsqd::{Client, Nsqd};

/// How long deferred messages wait: longer than all that happens before a kill.
const DELAY: Duration = Duration::from_secs(6);
/// Clocks of two processes on one machine, read at different moments.
const EARLY: Duration = Duration::from_millis(20);
/// No message for so long means that there is none.
const QUIET: Duration = Duration::from_millis(1_500);

#[test]
fn a_killed_nsqd_has_every_acknowledged_message_at_level_os() {
    matrix("os");
}

#[test]
fn a_killed_nsqd_has_every_acknowledged_message_at_level_disk() {
    matrix("disk");
}

fn matrix(level: &str) {
    thread::scope(|scope| {
        for case in 0..8 {
            let case = Case { in_flight: case & 1 > 0, deferred: case & 2 > 0, paused: case & 4 > 0 };
            scope.spawn(move || case.run(level));
        }
    });
}

/// What is under way when the kill comes.
#[derive(Clone, Copy, Debug)]
struct Case {
    in_flight: bool,
    deferred: bool,
    paused: bool,
}

/// What the clients know when the server is gone.
#[derive(Default)]
struct Known {
    /// Answered with OK.
    acknowledged: BTreeSet<String>,
    /// Received, and how often by its own count.
    attempts: BTreeMap<String, u16>,
    /// FIN was sent: it may come again or not.
    finished: BTreeSet<String>,
    /// Must not come before.
    due: BTreeMap<String, Instant>,
}

impl Case {
    fn run(self, level: &str) {
        let home = Home::new();
        let data = home.beside("nsqd");
        let flags = [format!("--durability={level}"), "--msg-timeout=60s".to_owned()];
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let nsqd = Nsqd::start(&home, &data, &flags);
        nsqd.post("/topic/create?topic=t", "");
        nsqd.post("/channel/create?topic=t&channel=c", "");
        let mut known = Known::default();
        let mut publisher = Client::open(nsqd.tcp).expect("connected");
        for number in 0..50 {
            publisher.publish("t", &format!("before {number}")).expect("published");
            known.acknowledged.insert(format!("before {number}"));
        }
        if self.deferred {
            for number in 0..20 {
                let body = format!("deferred {number}");
                known.due.insert(body.clone(), Instant::now() + DELAY);
                publisher.defer("t", DELAY, &body).expect("published");
                known.acknowledged.insert(body);
            }
        }
        // Kept open, or what is in flight would go back to the queue.
        let _consumer = self.in_flight.then(|| take_some(nsqd.tcp, &mut known, self.deferred));
        if self.paused {
            nsqd.post("/channel/pause?topic=t&channel=c", "");
        }
        kill_under_load(nsqd, &mut known);

        let nsqd = Nsqd::start(&home, &data, &flags);
        if self.paused {
            assert_eq!(nsqd.channel("t", "c")["paused"], true, "{self:?}");
            let mut early = Client::subscribe(nsqd.tcp, "t", "c", 100).expect("subscribed");
            early.set_patience(Duration::from_millis(300));
            assert!(early.message().is_none(), "{self:?}: a paused channel delivers");
            nsqd.post("/channel/unpause?topic=t&channel=c", "");
        }
        self.verify(&nsqd, known);
        nsqd.kill();
    }

    /// Everything that must come comes, in its time; nothing else does.
    fn verify(self, nsqd: &Nsqd, known: Known) {
        let mut missing: BTreeSet<&String> = known.acknowledged.difference(&known.finished).collect();
        let mut consumer = Client::subscribe(nsqd.tcp, "t", "c", 100).expect("subscribed");
        consumer.set_patience(QUIET);
        let last_due = known.due.values().max().copied();
        loop {
            let Some(message) = consumer.message() else {
                if missing.is_empty() || last_due.is_none_or(|due| Instant::now() > due + QUIET) {
                    break;
                }
                continue;
            };
            let body = &message.body;
            if let Some(due) = known.due.get(body) {
                assert!(
                    Instant::now() + EARLY >= *due,
                    "{self:?}: {body} came {:?} early",
                    *due - Instant::now()
                );
            }
            // What was in flight has one attempt more than its consumer saw.
            if let Some(seen) = known.attempts.get(body)
                && !known.finished.contains(body)
            {
                assert!(message.attempts > *seen, "{self:?}: {body} has {} attempts", message.attempts);
            }
            missing.remove(body);
            consumer.send(&format!("FIN {}", message.id)).expect("sent");
        }
        assert!(missing.is_empty(), "{self:?}: lost {missing:?}");
        let left = eventually("everything is finished", || {
            let row = nsqd.channel("t", "c");
            (row["depth"] == 0 && row["in_flight_count"] == 0 && row["deferred_count"] == 0).then_some(row)
        });
        assert_eq!(left["timeout_count"], 0, "{self:?}");
    }
}

/// Takes thirty: ten are finished, ten requeued at once or for later, ten stay in flight.
fn take_some(to: SocketAddr, known: &mut Known, deferring: bool) -> Client {
    let mut consumer = Client::subscribe(to, "t", "c", 30).expect("subscribed");
    let mut taken = Vec::new();
    while taken.len() < 30 {
        taken.push(consumer.message().expect("a message"));
    }
    consumer.send("RDY 0").expect("sent");
    for (at, message) in taken.into_iter().enumerate() {
        known.attempts.insert(message.body.clone(), message.attempts);
        if at < 10 {
            consumer.send(&format!("FIN {}", message.id)).expect("sent");
            known.finished.insert(message.body);
        } else if at < 20 {
            let delay = if deferring { DELAY } else { Duration::ZERO };
            known.due.insert(message.body, Instant::now() + delay);
            consumer.send(&format!("REQ {} {}", message.id, delay.as_millis())).expect("sent");
        }
    }
    // An error that answers shows that all before it was read.
    consumer.send("FIN 0000000000000000").expect("sent");
    assert!(matches!(consumer.read(), Ok(crate::nsqd::Frame::Error(_))));
    // What is not a reply (FIN, REQ) is written down within a few milliseconds.
    thread::sleep(Duration::from_millis(50));
    consumer
}

/// Publishes from several connections and kills the server in the middle.
fn kill_under_load(nsqd: Nsqd, known: &mut Known) {
    let killed = Arc::new(AtomicBool::new(false));
    let publishers: Vec<_> = (0..3)
        .map(|connection| {
            let (killed, to) = (killed.clone(), nsqd.tcp);
            thread::spawn(move || {
                let mut acknowledged = Vec::new();
                let Ok(mut client) = Client::open(to) else { return acknowledged };
                for number in 0.. {
                    let body = format!("load {connection} {number}");
                    if client.publish("t", &body).is_err() {
                        assert!(killed.load(SeqCst), "refused while it ran");
                        break;
                    }
                    acknowledged.push(body);
                }
                acknowledged
            })
        })
        .collect();
    let mut dice = Dice::new();
    thread::sleep(Duration::from_millis(50 + dice.throw(300)));
    killed.store(true, SeqCst);
    nsqd.kill();
    for publisher in publishers {
        known.acknowledged.extend(publisher.join().expect("a publisher"));
    }
}

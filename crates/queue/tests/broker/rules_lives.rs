//! Random lives of a topic with all rules at once, ended at any moment by kills and losses of power, in the
//! middle of a snapshot and with publishes on their way too: order by key, dead letters and idempotent publishing
//! against what was promised.
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eyrie_queue::broker::{Consumer, Delivery, NewMessage, Policy};
use log::Durability;
use log::files::{Crash, Faulty};

use crate::house::*;

const KEYS: u64 = 3;
const FAILURES_MAX: u16 = 3;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % sides
    }
}

#[derive(Default)]
struct Seen {
    published: BTreeSet<u64>,
    finished: BTreeSet<u64>,
    /// Of each key the last that was finished for the first time.
    last: BTreeMap<u64, u64>,
    /// Finished after a later one of their key.
    late: BTreeSet<u64>,
    dead: BTreeSet<u64>,
}

impl Seen {
    fn finish(&mut self, number: u64) {
        if self.finished.insert(number) {
            let last = self.last.entry(number % KEYS).or_insert(number);
            if *last > number {
                self.late.insert(number);
            }
            *last = number.max(*last);
        }
    }
}

fn message(number: u64, again: bool) -> NewMessage {
    let body = if again { format!("{number} again") } else { number.to_string() };
    NewMessage {
        id: Some(format!("id {number}").into()),
        key: Some(format!("key {}", number % KEYS).into()),
        ..text(body)
    }
}

fn number(delivery: &Delivery, seed: u64) -> u64 {
    body(delivery).parse().unwrap_or_else(|_| panic!("seed {seed}: a repetition came: {delivery:?}"))
}

/// What comes at once, if anything does.
async fn some(consumer: &mut Consumer) -> Vec<Delivery> {
    let mut out = Vec::new();
    let _ = tokio::time::timeout(Duration::from_millis(5), consumer.take(4, &mut out)).await;
    out
}

async fn live(seed: u64, level: Durability, crash: fn(u64) -> Crash) {
    let mut dice = Dice(seed);
    let mut seen = Seen::default();
    let mut disk = Faulty::new();
    let mut house = open(&disk);
    let mut unanswered = None;
    let topic = house.broker.topic("t").await.unwrap();
    let policy = Policy {
        durability: Some(level),
        ordered: true,
        dead_letter_after: Some(FAILURES_MAX),
        dedup_window: Some(Duration::from_secs(600)),
        ..Policy::default()
    };
    topic.set_policy(policy).await.unwrap();
    topic.channel("c").await.unwrap();
    house.log.sync(house.log.end()).await.unwrap();
    for _ in 0..4 {
        let topic = house.broker.find_topic("t").unwrap();
        let channel = topic.find_channel("c").unwrap();
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(10);
        let mut held: Vec<(u64, Delivery)> = Vec::new();
        // Was published before and not answered: published again, until it is.
        if let Some(number) = unanswered.take() {
            topic.publish(&[message(number, false)]).unwrap().await.unwrap();
            seen.published.insert(number);
        }
        for _ in 0..30 + dice.roll(30) {
            match dice.roll(8) {
                0 | 1 => {
                    let number = seen.published.len() as u64;
                    topic.publish(&[message(number, false)]).unwrap().await.unwrap();
                    seen.published.insert(number);
                }
                2 if !seen.published.is_empty() => {
                    let number = dice.roll(seen.published.len() as u64);
                    topic.publish(&[message(number, true)]).unwrap().await.unwrap();
                }
                3 | 4 => {
                    for delivery in some(&mut consumer).await {
                        held.push((number(&delivery, seed), delivery));
                    }
                    let keys: BTreeSet<u64> = held.iter().map(|(number, _)| number % KEYS).collect();
                    assert_eq!(keys.len(), held.len(), "seed {seed}: {held:?}");
                }
                5 if dice.roll(8) == 0 => house.broker.snapshot().await.unwrap(),
                5 | 6 if !held.is_empty() => {
                    let (number, delivery) = held.remove(dice.roll(held.len() as u64) as usize);
                    consumer.finish(delivery.id).unwrap();
                    seen.finish(number);
                }
                7 if !held.is_empty() => {
                    let (_, delivery) = held.remove(dice.roll(held.len() as u64) as usize);
                    consumer.requeue(delivery.id, Duration::from_millis(dice.roll(20))).unwrap();
                }
                _ => {}
            }
        }
        let number = seen.published.len() as u64;
        let slow = (dice.roll(2) == 0).then(|| disk.hold_syncs());
        let published = topic.publish(&[message(number, false)]).unwrap();
        unanswered = Some(number);
        let snapshot = tokio::spawn({
            let broker = house.broker.clone();
            async move { broker.snapshot().await }
        });
        if slow.is_none() && dice.roll(2) == 0 {
            snapshot.await.unwrap().unwrap();
        } else {
            tokio::time::sleep(Duration::from_millis(dice.roll(4))).await;
        }
        disk = disk.crash(crash(dice.roll(u64::MAX)));
        drop((slow, published, consumer));
        house = open(&disk);
    }
    if let Some(number) = unanswered {
        let topic = house.broker.find_topic("t").unwrap();
        topic.publish(&[message(number, false)]).unwrap().await.unwrap();
        seen.published.insert(number);
    }
    // All of it ends.
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    let busy = || {
        let stats = channel.stats();
        stats.depth + stats.deferred_count + stats.in_flight_count > 0
    };
    let started = std::time::Instant::now();
    while busy() {
        assert!(started.elapsed() < SOON, "seed {seed}: {:?}", channel.stats());
        for delivery in some(&mut consumer).await {
            consumer.finish(delivery.id).unwrap();
            seen.finish(number(&delivery, seed));
        }
    }
    if let Some(dead) = house.broker.find_topic("t.c.dead") {
        let mut undertaker = dead.channel("u").await.unwrap().subscribe(subscriber()).unwrap();
        undertaker.set_ready(100);
        loop {
            let letters = some(&mut undertaker).await;
            if letters.is_empty() && dead.channels()[0].stats().depth == 0 {
                break;
            }
            for letter in letters {
                assert_eq!(letter.attempts, 1, "seed {seed}: {letter:?}");
                seen.dead.insert(number(&letter, seed));
                undertaker.finish(letter.id).unwrap();
            }
        }
    }
    // One that died may come again where a kill took back that it was moved: it was over before.
    assert!(seen.late.is_subset(&seen.dead), "seed {seed}: {:?} came late, dead: {:?}", seen.late, seen.dead);
    let over: BTreeSet<_> = seen.finished.union(&seen.dead).copied().collect();
    assert_eq!(over, seen.published, "seed {seed}: nothing is lost, nothing comes from nowhere");
}

#[tokio::test]
async fn rules_hold_whenever_it_is_killed() {
    for seed in 0..15 {
        live(seed, Durability::Os, |_| Crash::KeepAll).await;
    }
}

#[tokio::test]
async fn rules_hold_whenever_it_loses_power() {
    for seed in 100..112 {
        let crash = |roll: u64| if roll.is_multiple_of(2) { Crash::LoseAll } else { Crash::Some(roll) };
        live(seed, Durability::Disk, crash).await;
    }
}

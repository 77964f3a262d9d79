//! Lives that end at any point, checked against what was promised.
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use eyrie_queue::broker::{Consumer, Delivery, NewMessage, Policy};
use log::Durability;
use log::files::{Crash, Faulty};

use crate::house::*;

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

/// What is known of a message from outside.
#[derive(Debug, Clone)]
struct Known {
    is_finished: bool,
    not_before: Instant,
    attempts: u16,
}

struct World {
    seed: u64,
    dice: Dice,
    known: BTreeMap<u64, Known>,
    count: u64,
}

impl World {
    /// A message came.
    fn came(&mut self, delivery: &Delivery, are_attempts_known: bool) -> u64 {
        let seed = self.seed;
        let number = body(delivery).trim().parse().unwrap();
        let known = self
            .known
            .get_mut(&number)
            .unwrap_or_else(|| panic!("seed {seed}: {number} was never published"));
        let early = known.not_before.saturating_duration_since(Instant::now());
        assert!(early < Duration::from_millis(3), "seed {seed}: {number} came {early:?} early");
        assert!(delivery.attempts <= known.attempts + 1, "seed {seed}: {number} {known:?} {delivery:?}");
        if are_attempts_known && !known.is_finished {
            assert_eq!(delivery.attempts, known.attempts + 1, "seed {seed}: {number} {known:?}");
        }
        known.attempts = known.attempts.max(delivery.attempts);
        number
    }

    async fn step(&mut self, house: &House, consumer: &mut Consumer, held: &mut Vec<Delivery>, exact: bool) {
        match self.dice.roll(10) {
            0..=3 => {
                let topic = house.broker.find_topic("t").unwrap();
                let mut messages = Vec::new();
                for _ in 0..=self.dice.roll(20) {
                    let delay = Duration::from_millis(self.dice.roll(8).saturating_sub(5) * 60);
                    let size = self.dice.roll(600) as usize;
                    messages.push(NewMessage { delay, ..text(format!("{:<size$}", self.count)) });
                    let not_before = Instant::now() + delay;
                    self.known.insert(self.count, Known { is_finished: false, not_before, attempts: 0 });
                    self.count += 1;
                }
                topic.publish(&messages).unwrap().await.unwrap();
            }
            4..=6 => {
                let mut out = Vec::new();
                let max = 1 + self.dice.roll(30) as usize;
                let patience = Duration::from_millis(5);
                let _ = tokio::time::timeout(patience, consumer.take(max, &mut out)).await;
                for delivery in out {
                    self.came(&delivery, exact);
                    held.push(delivery);
                }
            }
            7..=8 => {
                for _ in 0..self.dice.roll(20) {
                    if held.is_empty() {
                        break;
                    }
                    let delivery = held.swap_remove(self.dice.roll(held.len() as u64) as usize);
                    let number: u64 = body(&delivery).trim().parse().unwrap();
                    if self.dice.roll(4) == 0 {
                        let delay = Duration::from_millis(self.dice.roll(3) * 50);
                        let now = Instant::now();
                        consumer.requeue(delivery.id, delay).unwrap();
                        let known = self.known.get_mut(&number).unwrap();
                        known.not_before = now + delay;
                    } else {
                        consumer.finish(delivery.id).unwrap();
                        self.known.get_mut(&number).unwrap().is_finished = true;
                    }
                }
            }
            _ if self.dice.roll(6) == 0 => house.broker.snapshot().await.unwrap(),
            _ => {}
        }
    }
}

/// `crash`: what a life ends with; `is_told`: the journal had time for the last.
async fn lives(seed: u64, level: Durability, crash: fn(u64) -> Crash, is_told: bool) {
    let mut world = World { seed, dice: Dice(seed), known: BTreeMap::new(), count: 0 };
    let mut disk = Faulty::new();
    for life in 0..4 {
        let house = open(&disk);
        let topic = house.broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        if life == 0 {
            topic.set_policy(Policy { durability: Some(level), ..Policy::default() }).await.unwrap();
            house.log.sync(house.log.end()).await.unwrap();
        }
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(100);
        let mut held = Vec::new();
        for _ in 0..20 + world.dice.roll(60) {
            world.step(&house, &mut consumer, &mut held, is_told).await;
        }
        if is_told {
            told(&house).await;
        }
        disk = disk.crash(crash(world.dice.roll(u64::MAX)));
        if !is_told {
            // What happened since may be forgotten, and the delays of what is not known to be requeued.
            let now = Instant::now();
            world
                .known
                .values_mut()
                .filter(|known| known.attempts > 0)
                .for_each(|known| known.not_before = now);
        }
    }
    let house = open(&disk);
    let channel = house.broker.find_topic("t").unwrap().find_channel("c").unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(100);
    let mut missing: std::collections::BTreeSet<u64> =
        world.known.iter().filter(|(_, known)| !known.is_finished).map(|(number, _)| *number).collect();
    let mut out = Vec::new();
    while !missing.is_empty() {
        let waited = tokio::time::timeout(SOON, consumer.take(50, &mut out)).await;
        waited.unwrap_or_else(|_| panic!("seed {seed}: {missing:?} were lost")).unwrap();
        for delivery in out.drain(..) {
            missing.remove(&world.came(&delivery, is_told));
            consumer.finish(delivery.id).unwrap();
        }
    }
    let stats = channel.stats();
    let left = stats.depth + stats.deferred_count;
    if is_told {
        assert_eq!(left, 0, "seed {seed}: what was finished and told came again");
    }
}

#[tokio::test]
async fn after_a_kill_nothing_promised_is_lost_whenever_it_comes() {
    for seed in 0..12 {
        lives(seed, Durability::Os, |_| Crash::KeepAll, false).await;
    }
}

#[tokio::test]
async fn after_a_kill_delays_and_attempts_are_exact_once_the_journal_was_told() {
    for seed in 100..110 {
        lives(seed, Durability::Os, |_| Crash::KeepAll, true).await;
    }
}

#[tokio::test]
async fn after_a_loss_of_power_nothing_promised_on_disk_is_lost() {
    for seed in 200..212 {
        let crash = |roll: u64| if roll.is_multiple_of(2) { Crash::LoseAll } else { Crash::Some(roll) };
        lives(seed, Durability::Disk, crash, false).await;
    }
}

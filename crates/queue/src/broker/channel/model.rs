//! The core against a naive reference: a list of messages, each somewhere.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::consumers::{Proximity, Subscriber};
use super::core::{Core, Limits};
use crate::Error;
use crate::broker::message::{Message, MessageId};

const NODE: u16 = 3;
const TIMEOUT_MS: i64 = 1_000;
const TIMEOUT_MAX_MS: i64 = 2_500;
const READY_MAX: usize = 10;
/// Deferred messages whose bodies are kept, at most about: a quarter of 4,000 bytes, and the empty ones.
const DEFERRED_MAX: usize = 40;
/// Messages read from the log at once.
const PIECE: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    /// In the log or ready.
    Waits,
    Held {
        owner: usize,
        since_ms: i64,
        until_ms: i64,
    },
    Deferred {
        until_ms: i64,
    },
    Done,
}

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

struct World {
    core: Core,
    dice: Dice,
    now_ms: i64,
    /// Everything published, as it lies in the log: by position, which is the number times eight.
    log: Vec<Message>,
    places: Vec<Place>,
    attempts: Vec<u16>,
    /// Handles of the consumers that are there.
    consumers: BTreeMap<usize, u32>,
    ready: BTreeMap<usize, u64>,
    paused: bool,
    /// Counted by the model.
    timed_out: u64,
    requeued: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let limits = Limits { ready_max: READY_MAX, bytes_max: 4_000, is_ephemeral: false, node_id: NODE };
        let mut world = Self {
            core: Core::new(limits, 0, 0, 1_000_000),
            dice: Dice(seed),
            now_ms: 1_000_000,
            log: Vec::new(),
            places: Vec::new(),
            attempts: Vec::new(),
            consumers: BTreeMap::new(),
            ready: BTreeMap::new(),
            paused: false,
            timed_out: 0,
            requeued: 0,
        };
        world.join(0);
        world
    }

    fn join(&mut self, name: usize) {
        let subscriber = Subscriber {
            id: name as u64,
            msg_timeout: Duration::from_millis(TIMEOUT_MS as u64),
            max_msg_timeout: Duration::from_millis(TIMEOUT_MAX_MS as u64),
            sample_rate: 0,
            proximity: Proximity::Global,
        };
        self.consumers.insert(name, self.core.consumers.insert(&subscriber));
        self.ready.insert(name, 0);
    }

    fn publish(&mut self) {
        let seq = self.log.len() as u64;
        let delay_ms = if self.dice.roll(4) == 0 { 1 + self.dice.roll(1_500) as i64 } else { 0 };
        let message = Message {
            position: seq * 8,
            seq,
            published_ns: self.now_ms * 1_000_000,
            deliver_at_ms: if delay_ms == 0 { 0 } else { self.now_ms + delay_ms },
            expires_ms: 0,
            key_hash: 0,
            attempts: 0,
            in_order: delay_ms == 0,
            body: Bytes::from(vec![0; self.dice.roll(200) as usize]),
        };
        self.log.push(message.clone());
        self.attempts.push(0);
        let until_ms = self.now_ms + delay_ms;
        self.places.push(if delay_ms == 0 { Place::Waits } else { Place::Deferred { until_ms } });
        self.core.admit(message, seq * 8 + 8, self.now_ms);
    }

    /// What the reader does.
    fn read(&mut self) {
        while self.core.wants_reading() {
            let due = self.core.due();
            for due in due {
                self.core.recall(due, Some(self.log[due.seq as usize].clone()));
            }
            let from = self.core.next_position as usize / 8;
            let upto = self.log.len().min(from + PIECE);
            let piece: Vec<_> = self.log[from..upto].to_vec();
            self.core.load(piece.into_iter(), upto as u64 * 8, self.now_ms);
            assert!(self.core.ready.len() <= READY_MAX + PIECE + 3 * 8 + DEFERRED_MAX, "memory is bounded");
        }
    }

    fn fire(&mut self) {
        self.core.fire(self.now_ms);
        for place in &mut self.places {
            match *place {
                Place::Held { until_ms, .. } if until_ms <= self.now_ms => {
                    self.timed_out += 1;
                    *place = Place::Waits;
                }
                Place::Deferred { until_ms } if until_ms <= self.now_ms => *place = Place::Waits,
                _ => {}
            }
        }
        assert!(self.core.next_deadline().is_none_or(|ms| ms > self.now_ms));
    }

    fn held_by(&self, name: usize) -> usize {
        self.places
            .iter()
            .filter(|place| matches!(place, Place::Held { owner, .. } if *owner == name))
            .count()
    }

    fn take(&mut self, name: usize) {
        let max = 1 + self.dice.roll(6) as usize;
        let mut out = Vec::new();
        let taken = self.core.take(self.consumers[&name], max, self.now_ms, &mut out);
        assert_eq!(taken, out.len());
        let room = (self.ready[&name] as usize).saturating_sub(self.held_by(name)).min(max);
        let waits = self.places.iter().filter(|place| **place == Place::Waits).count();
        let expected = if self.paused { 0 } else { room.min(waits) };
        // All of them if they are in memory; at least one if there is one.
        assert!(
            out.len() <= expected && (out.len() == expected || expected > 0 && !out.is_empty()),
            "{expected}"
        );
        for delivery in out {
            let position = delivery.id.position(NODE).expect("our node's");
            let at = position as usize / 8;
            assert_eq!(self.places[at], Place::Waits, "message {at}");
            self.attempts[at] += 1;
            assert_eq!(delivery.attempts, self.attempts[at]);
            assert_eq!(delivery.body, self.log[at].body);
            let until_ms = self.now_ms + TIMEOUT_MS;
            self.places[at] = Place::Held { owner: name, since_ms: self.now_ms, until_ms };
        }
    }

    /// Some consumer says something of some message, which may be anywhere.
    fn answer(&mut self) {
        if self.log.is_empty() {
            return;
        }
        let held: VecDeque<usize> =
            (0..self.places.len()).filter(|at| matches!(self.places[*at], Place::Held { .. })).collect();
        let at = match held.len() {
            0 => self.dice.roll(self.log.len() as u64) as usize,
            _ if self.dice.roll(8) == 0 => self.dice.roll(self.log.len() as u64) as usize,
            count => held[self.dice.roll(count as u64) as usize],
        };
        let names: Vec<_> = self.consumers.keys().copied().collect();
        let mut name = names[self.dice.roll(names.len() as u64) as usize];
        if let Place::Held { owner, .. } = self.places[at]
            && self.dice.roll(6) > 0
        {
            name = owner;
        }
        let id = MessageId::new(NODE, at as u64 * 8);
        let place = self.consumers[&name];
        let what = self.dice.roll(4);
        let delay_ms = self.dice.roll(3) as i64 * 400;
        let outcome = match what {
            0 | 1 => self.core.finish(place, id).map(drop),
            2 => self.core.requeue(place, id, delay_ms, self.now_ms),
            _ => self.core.touch(place, id, self.now_ms),
        };
        match self.places[at] {
            Place::Held { owner, since_ms, .. } if owner == name => {
                outcome.expect("it has the message");
                self.requeued += u64::from(what == 2);
                self.places[at] = match what {
                    0 | 1 => Place::Done,
                    2 if delay_ms == 0 => Place::Waits,
                    2 => Place::Deferred { until_ms: self.now_ms + delay_ms },
                    _ => {
                        let until_ms = (self.now_ms + TIMEOUT_MS).min(since_ms + TIMEOUT_MAX_MS);
                        Place::Held { owner, since_ms, until_ms }
                    }
                };
            }
            Place::Held { .. } => assert!(matches!(outcome, Err(Error::NotOwner))),
            _ => assert!(matches!(outcome, Err(Error::NotInFlight))),
        }
    }

    fn leave(&mut self, name: usize) {
        let Some(place) = self.consumers.remove(&name) else { return };
        self.core.leave(place, false, self.now_ms);
        for place in &mut self.places {
            if matches!(place, Place::Held { owner, .. } if *owner == name) {
                *place = Place::Waits;
            }
        }
    }

    fn step(&mut self) {
        let name = self.dice.roll(4) as usize;
        match self.dice.roll(40) {
            0..=9 => (0..=self.dice.roll(4)).for_each(|_| self.publish()),
            10..=17 if self.consumers.contains_key(&name) => self.take(name),
            18..=29 => self.answer(),
            30..=32 => {
                self.now_ms += self.dice.roll(500) as i64;
                self.fire();
            }
            33 | 34 if self.consumers.contains_key(&name) => {
                let count = self.dice.roll(8);
                self.ready.insert(name, count);
                let place = self.consumers[&name];
                self.core.consumers.change(place, |consumer| consumer.ready_count = count as u32);
            }
            35 if self.consumers.len() > 1 => self.leave(name),
            36 if !self.consumers.contains_key(&name) => self.join(name),
            37 if self.dice.roll(4) == 0 => {
                let end = self.core.end;
                self.core.empty(0..end);
                self.places.iter_mut().for_each(|place| *place = Place::Done);
            }
            38 => {
                self.paused = !self.paused;
                self.core.is_paused = self.paused;
            }
            39 => self.restart(),
            _ => {}
        }
        self.read();
    }

    /// Nobody is there any more; what was in flight waits.
    fn restart(&mut self) {
        let names: Vec<_> = self.consumers.keys().copied().collect();
        names.into_iter().for_each(|name| self.leave(name));
        let limits = Limits { ready_max: READY_MAX, bytes_max: 4_000, is_ephemeral: false, node_id: NODE };
        let image = self.core.image("c");
        let floor = self.places.iter().position(|place| *place != Place::Done).unwrap_or(self.places.len());
        assert!(image.position <= floor as u64 * 8, "what is not finished is kept");
        self.core = Core::from_image(limits, image, (self.core.end, self.core.end * 8), self.now_ms);
        self.fire();
        self.join(0);
    }

    fn check(&self, seed: u64) {
        let count = |of: fn(&Place) -> bool| self.places.iter().filter(|place| of(place)).count() as u64;
        let deferred = count(|place| matches!(place, Place::Deferred { .. }));
        let core = &self.core;
        assert_eq!(
            core.in_flight.len() as u64,
            count(|place| matches!(place, Place::Held { .. })),
            "seed {seed}"
        );
        // A deferred message behind the backlog waits there until it is read.
        assert_eq!(
            core.depth() + core.deferred.len() as u64,
            count(|place| *place == Place::Waits) + deferred
        );
        assert_eq!(core.deferred.len() as u64, deferred, "seed {seed}");
        assert_eq!((core.counters.timed_out, core.counters.requeued), (self.timed_out, self.requeued));
        for (name, place) in &self.consumers {
            let consumer = core.consumers.get(*place).expect("it is there");
            assert_eq!(consumer.in_flight as usize, self.held_by(*name), "seed {seed}");
        }
        for (at, place) in self.places.iter().enumerate() {
            assert_eq!(core.finished.contains(at as u64), *place == Place::Done, "seed {seed}, message {at}");
        }
    }
}

#[test]
fn a_channel_is_a_list_of_messages_each_somewhere() {
    for seed in 0..300 {
        let mut world = World::new(seed);
        for _ in 0..250 {
            world.step();
            world.check(seed);
        }
    }
}

//! The core against a naive reference: a list of messages, each somewhere. Its lives end in order and by
//! kills (`restarts`), with rules and without.

mod restarts;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;

use super::consumers::{Proximity, Subscriber};
use super::core::{Core, Limits};
use crate::Error;
use crate::broker::message::{Message, MessageId};
use crate::broker::policy::Policy;
use restarts::Journal;

const NODE: u16 = 3;
const TIMEOUT_MS: i64 = 1_000;
const TIMEOUT_MAX_MS: i64 = 2_500;
const READY_MAX: usize = 10;
/// Deferred messages whose bodies are kept, at most about: a quarter of 4,000 bytes, and the empty ones.
const DEFERRED_MAX: usize = 40;
/// Messages read from the log at once.
const PIECE: usize = 6;
const LIMITS: Limits = Limits { ready_max: READY_MAX, bytes_max: 4_000, is_ephemeral: false, node_id: NODE };

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
    /// A dead letter, or to become one when it is read.
    Dead,
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
    seed: u64,
    core: Core,
    dice: Dice,
    now_ms: i64,
    policy: Policy,
    journal: Journal,
    /// Everything published, as it lies in the log: by position, which is the number times eight.
    log: Vec<Message>,
    places: Vec<Place>,
    attempts: Vec<u16>,
    /// Handed out in this life, or failed before it and deferred.
    tried: Vec<bool>,
    /// Handed back by whom had it first, and not tried since: after a kill others of its key may pass it.
    handed_back: Vec<bool>,
    /// Others of its key do not pass it.
    in_turn: Vec<bool>,
    /// Handles of the consumers that are there.
    consumers: BTreeMap<usize, u32>,
    ready: BTreeMap<usize, u64>,
    paused: bool,
    /// Counted by the model.
    timed_out: u64,
    requeued: u64,
}

impl World {
    fn new(seed: u64, policy: Policy) -> Self {
        let mut core = Core::new(LIMITS, 0, 0, 1_000_000);
        core.set_rules(&policy);
        let mut world = Self {
            seed,
            core,
            policy,
            journal: Journal::new(),
            dice: Dice(seed),
            now_ms: 1_000_000,
            log: Vec::new(),
            places: Vec::new(),
            attempts: Vec::new(),
            tried: Vec::new(),
            handed_back: Vec::new(),
            in_turn: Vec::new(),
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
            // The first record lies at zero, which stands for a position that is not known.
            key_hash: if self.policy.ordered { self.dice.roll(4) * seq.min(1) } else { 0 },
            attempts: 0,
            in_order: delay_ms == 0,
            body: Bytes::from(vec![0; self.dice.roll(200) as usize]),
        };
        self.handed_back.push(false);
        self.in_turn.push(message.in_order);
        self.log.push(message.clone());
        self.attempts.push(0);
        self.tried.push(false);
        let until_ms = self.now_ms + delay_ms;
        self.places.push(if delay_ms == 0 { Place::Waits } else { Place::Deferred { until_ms } });
        self.note_published(&message);
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
        for at in 0..self.places.len() {
            match self.places[at] {
                Place::Held { until_ms, .. } if until_ms <= self.now_ms => {
                    self.timed_out += 1;
                    self.failed(at, Place::Waits);
                }
                Place::Deferred { until_ms } if until_ms <= self.now_ms => self.places[at] = Place::Waits,
                _ => {}
            }
        }
        assert!(self.core.next_deadline().is_none_or(|ms| ms > self.now_ms));
    }

    /// A message was handed out in vain.
    fn failed(&mut self, at: usize, otherwise: Place) {
        let is_dead = self.policy.dead_letter_after.is_some_and(|after| self.attempts[at] >= after);
        self.places[at] = if is_dead { Place::Dead } else { otherwise };
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
        // All of them if they are in memory; at least one if there is one that nothing holds back.
        let is_held_back = self.policy != Policy::default();
        assert!(
            out.len() <= expected && (out.len() == expected || is_held_back || !out.is_empty()),
            "{expected}"
        );
        for delivery in out {
            let position = delivery.id.position(NODE).expect("our node's");
            let at = position as usize / 8;
            assert_eq!(self.places[at], Place::Waits, "message {at}");
            self.check_order(at);
            self.attempts[at] += 1;
            self.tried[at] = true;
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
        let what = self.dice.roll(5);
        let delay_ms = self.dice.roll(3) as i64 * 400;
        let outcome = match what {
            0 | 1 => self.core.finish(place, id).map(drop),
            2 => self.core.requeue(place, id, delay_ms, self.now_ms),
            3 => self.core.hand_back(place, id, delay_ms, self.now_ms),
            _ => self.core.touch(place, id, self.now_ms),
        };
        match self.places[at] {
            Place::Held { owner, since_ms, .. } if owner == name => {
                outcome.expect("it has the message");
                self.requeued += u64::from(what == 2 || what == 3);
                match what {
                    0 | 1 => self.places[at] = Place::Done,
                    2 if delay_ms == 0 => self.failed(at, Place::Waits),
                    2 => self.failed(at, Place::Deferred { until_ms: self.now_ms + delay_ms }),
                    3 => {
                        // It was not tried.
                        self.attempts[at] -= 1;
                        self.handed_back[at] = true;
                        let until_ms = self.now_ms + delay_ms;
                        self.places[at] =
                            if delay_ms == 0 { Place::Waits } else { Place::Deferred { until_ms } };
                    }
                    _ => {
                        let until_ms = (self.now_ms + TIMEOUT_MS).min(since_ms + TIMEOUT_MAX_MS);
                        self.places[at] = Place::Held { owner, since_ms, until_ms };
                    }
                }
            }
            Place::Held { .. } => assert!(matches!(outcome, Err(Error::NotOwner))),
            _ => assert!(matches!(outcome, Err(Error::NotInFlight))),
        }
    }

    fn leave(&mut self, name: usize, is_sent_away: bool) {
        let Some(place) = self.consumers.remove(&name) else { return };
        self.core.leave(place, is_sent_away, self.now_ms);
        for at in 0..self.places.len() {
            if !matches!(self.places[at], Place::Held { owner, .. } if owner == name) {
                continue;
            }
            if let (true, Some(after)) = (is_sent_away, self.policy.dead_letter_after) {
                // The last attempt is not used up.
                self.attempts[at] = self.attempts[at].min(after - 1);
            }
            self.failed(at, Place::Waits);
        }
    }

    /// The channel is sent to a message behind all that are still deferred. Dead letters would go on.
    fn seek(&mut self) {
        let is_later = |message: &Message| message.deliver_at_ms > self.now_ms;
        let first = self.log.iter().rposition(is_later).map_or(0, |at| at + 1);
        if !self.core.rules.dead().is_empty() || self.places.contains(&Place::Dead) {
            return;
        }
        let to = first + self.dice.roll((self.log.len() - first) as u64 + 1) as usize;
        self.core.seek((to as u64, to as u64 * 8));
        for at in 0..self.log.len() {
            self.places[at] = if at < to { Place::Done } else { Place::Waits };
            (self.attempts[at], self.tried[at]) = (0, false);
            (self.handed_back[at], self.in_turn[at]) = (false, self.log[at].in_order);
        }
        self.note_sought(to as u64);
    }

    /// The topic drops old messages, but for those that are held, and dead letters.
    fn drop_oldest(&mut self) {
        let upto = self.core.finished.floor() + self.dice.roll(12);
        let upto = upto.min(self.log.len() as u64);
        self.core.drop_below((upto, upto * 8));
        // Those that were not read yet are no dead letters yet.
        let dead: Vec<u64> = self.core.rules.dead().iter().map(|letter| letter.seq).collect();
        for (seq, place) in (0..upto).zip(&mut self.places) {
            if !matches!(place, Place::Held { .. }) && !dead.contains(&seq) {
                *place = Place::Done;
            }
        }
    }

    /// Some dead letters are moved.
    fn bury(&mut self) {
        let dead: Vec<u64> = self.core.rules.dead().iter().map(|letter| letter.seq).collect();
        for seq in dead {
            assert_eq!(self.places[seq as usize], Place::Dead);
            if self.dice.roll(2) == 0 {
                self.core.buried(seq);
                self.places[seq as usize] = Place::Done;
            }
        }
    }

    /// A message was handed out: of its key no other is out or was tried in vain, and none was passed.
    fn check_order(&self, at: usize) {
        let (seed, key) = (self.seed, self.log[at].key_hash);
        for (other, message) in self.log.iter().enumerate() {
            if key == 0 || message.key_hash != key || other == at || self.places[other] == Place::Done {
                continue;
            }
            // Of several that were tried before a kill, any.
            assert!(!self.tried[other] || self.tried[at], "seed {seed}: {other} holds the key of {at}");
            let is_passed = other < at && self.in_turn[other] && self.in_turn[at];
            assert!(!is_passed, "seed {seed}: {at} came before {other}");
        }
    }

    fn step(&mut self) {
        let name = self.dice.roll(4) as usize;
        match self.dice.roll(49) {
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
            35 if self.consumers.len() > 1 => {
                let is_sent_away = self.dice.roll(2) == 0;
                self.leave(name, is_sent_away);
            }
            36 if !self.consumers.contains_key(&name) => self.join(name),
            37 if self.dice.roll(4) == 0 => {
                let end = self.core.end;
                self.core.empty(0..end);
                self.places.iter_mut().for_each(|place| *place = Place::Done);
                self.note_emptied();
            }
            38 => {
                self.paused = !self.paused;
                self.core.is_paused = self.paused;
                self.note_paused();
            }
            39 => self.restart(),
            40 => self.kill(),
            41 | 42 => self.tell(),
            43 => self.snapshot(),
            44 if self.policy.ttl.is_some() => self.drop_oldest(),
            45 => self.bury(),
            46 => self.give_up(),
            47 => self.restore(),
            48 if self.dice.roll(4) == 0 => self.seek(),
            _ => {}
        }
        self.read();
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
            count(|place| matches!(place, Place::Waits | Place::Dead)) + deferred,
            "seed {seed}"
        );
        let mut later: Vec<usize> = core.deferred.values().map(|deferred| deferred.seq as usize).collect();
        later.sort_unstable();
        for at in later.iter().copied() {
            let is_deferred = matches!(self.places[at], Place::Deferred { .. });
            assert!(is_deferred, "seed {seed}: {at} is {:?}, {} times", self.places[at], self.attempts[at]);
        }
        assert_eq!(later.len() as u64, deferred, "seed {seed}: {later:?}");
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

/// How many seeds are tried: a soak says more in `MODEL_SEEDS`.
fn seeds() -> u64 {
    std::env::var("MODEL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

fn live(policy: &Policy) {
    for seed in 0..seeds() {
        let mut world = World::new(seed, policy.clone());
        for _ in 0..250 {
            world.step();
            world.check(seed);
        }
        world.drain(seed);
    }
}

#[test]
fn a_channel_is_a_list_of_messages_each_somewhere() {
    live(&Policy::default());
}

#[test]
fn the_same_with_keys_dead_letters_and_drops() {
    let ttl = Some(Duration::from_secs(1));
    live(&Policy { ordered: true, dead_letter_after: Some(3), ttl, ..Policy::default() });
}

#[test]
fn the_same_with_drops_only() {
    live(&Policy { ttl: Some(Duration::from_secs(1)), ..Policy::default() });
}

//! How many messages each nsqd may have in flight with us, and the pauses after failures. Pure: every
//! method takes the time.
//!
//! `max_in_flight` is shared out among the connections as evenly as it goes. Where there are more of them
//! than messages, they take turns: one ends when its nsqd has sent nothing for a while (`low_rdy_idle_timeout`)
//! or had it long enough (`low_rdy_timeout`), and who has waited longest is next. After a failure nobody gets
//! anything for a while (backing off), then one connection gets one message: if it fails the next pause is
//! longer, if it does well the pauses shrink until everything runs again. That one message is a turn too: an
//! nsqd that has nothing to try with does not keep it from the others.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Config;

/// A connection, by its number.
pub(super) type Id = u64;

#[derive(Debug)]
pub(super) struct Ready {
    max_in_flight: u32,
    strategy: Strategy,
    connections: BTreeMap<Id, Share>,
    /// Longest turn without a message, and longest of all.
    idle_max: Duration,
    turn_max: Duration,
    /// How often somebody began to wait for a turn.
    waits: u64,
    failures: u32,
    pause: Pause,
}

#[derive(Debug)]
struct Share {
    /// The most that this nsqd allows.
    most: u32,
    /// What it was told last.
    told: u32,
    /// Its turn, where turns are taken.
    turn: Option<Turn>,
    /// Since when it waits for one, in the order of all waits.
    waits: u64,
}

#[derive(Clone, Copy, Debug)]
struct Turn {
    began: Instant,
    /// When a message came, or it began.
    heard: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Pause {
    /// Everybody has a share.
    None,
    /// Nobody has one before this moment.
    Until(Instant),
    /// One connection has one message.
    Trying,
}

#[derive(Clone, Copy, Debug)]
struct Strategy {
    first: Duration,
    longest: Duration,
    jitter: bool,
}

impl Ready {
    pub(super) fn new(config: &Config) -> Self {
        let strategy = Strategy {
            first: config.backoff_multiplier,
            longest: config.max_backoff_duration,
            jitter: config.backoff_strategy == "full_jitter",
        };
        Self {
            max_in_flight: config.max_in_flight,
            strategy,
            connections: BTreeMap::new(),
            idle_max: config.low_rdy_idle_timeout,
            turn_max: config.low_rdy_timeout,
            waits: 0,
            failures: 0,
            pause: Pause::None,
        }
    }

    /// A connection more. What to tell whom comes from [`Ready::tell`].
    pub(super) fn joined(&mut self, id: Id, most: u32) {
        self.waits += 1;
        self.connections.insert(id, Share { most, told: 0, turn: None, waits: self.waits });
    }

    /// A connection less.
    pub(super) fn left(&mut self, id: Id) {
        self.connections.remove(&id);
    }

    /// A message came from it not long ago.
    pub(super) fn heard(&mut self, id: Id, now: Instant) {
        if let Some(turn) = self.connections.get_mut(&id).and_then(|share| share.turn.as_mut()) {
            turn.heard = now;
        }
    }

    /// Ends the turns that are over; the next ones begin with [`Ready::tell`].
    pub(super) fn rotate(&mut self, now: Instant) {
        if matches!(self.pause, Pause::Until(_)) {
            return;
        }
        let (idle_max, turn_max) = (self.idle_max, self.turn_max);
        let is_over = |turn: Turn| now >= turn.heard + idle_max || now >= turn.began + turn_max;
        for share in self.connections.values_mut().filter(|share| share.turn.is_some_and(is_over)) {
            share.turn = None;
            self.waits += 1;
            share.waits = self.waits;
        }
    }

    /// Lets so many have their turn: those who have it, then those who have waited longest.
    fn take_turns(&mut self, total: usize, now: Instant) {
        let mut order: Vec<(bool, u64, Id)> =
            self.connections.iter().map(|(id, share)| (share.turn.is_none(), share.waits, *id)).collect();
        order.sort_unstable();
        for (place, (_, _, id)) in order.into_iter().enumerate() {
            let Some(share) = self.connections.get_mut(&id) else { continue };
            if place < total {
                share.turn = share.turn.or(Some(Turn { began: now, heard: now }));
            } else if share.turn.take().is_some() {
                self.waits += 1;
                share.waits = self.waits;
            }
        }
    }

    /// A message was done.
    pub(super) fn succeeded(&mut self, now: Instant) {
        if self.pause != Pause::Trying {
            return;
        }
        self.failures = self.failures.saturating_sub(1);
        self.pause = if self.failures == 0 { Pause::None } else { self.pausing(now, 0.5) };
    }

    /// A message failed and the consumer should slow down. `chance` is from 0 to 1.
    pub(super) fn failed(&mut self, now: Instant, chance: f64) {
        if self.strategy.longest.is_zero() || matches!(self.pause, Pause::Until(_)) {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        self.pause = self.pausing(now, chance);
    }

    fn pausing(&self, now: Instant, chance: f64) -> Pause {
        let doubled =
            self.strategy.first.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        let pause = doubled.min(self.strategy.longest);
        Pause::Until(now + if self.strategy.jitter { pause.mul_f64(chance) } else { pause })
    }

    /// A connection could not be told what [`Ready::tell`] said.
    pub(super) fn untold(&mut self, id: Id) {
        if let Some(share) = self.connections.get_mut(&id) {
            share.told = u32::MAX;
        }
    }

    /// When to call [`Ready::tell`] again although nothing happened.
    pub(super) fn wakes(&self) -> Option<Instant> {
        match self.pause {
            Pause::Until(at) => Some(at),
            Pause::None | Pause::Trying => None,
        }
    }

    /// Whether it backs off or tries with one message: only then a success changes anything.
    pub(super) fn is_cautious(&self) -> bool {
        self.pause != Pause::None
    }

    /// Whether it backs off, and for how long still.
    pub(super) fn pauses(&self, now: Instant) -> Option<Duration> {
        self.wakes().map(|at| at.saturating_duration_since(now))
    }

    /// The connections whose RDY changes, and what it becomes. Less before more, so that the sum is kept.
    pub(super) fn tell(&mut self, now: Instant) -> Vec<(Id, u32)> {
        if matches!(self.pause, Pause::Until(at) if at <= now) {
            self.pause = Pause::Trying;
        }
        let count = self.connections.len();
        if count == 0 {
            return Vec::new();
        }
        let total = match self.pause {
            Pause::None => self.max_in_flight as usize,
            Pause::Trying => 1,
            Pause::Until(_) => 0,
        };
        // Where everybody has something there are no turns, and who has one more does not matter.
        let turns = total < count;
        self.take_turns(if turns { total } else { 0 }, now);
        let (each, rest) = (total / count, total % count);
        let mut changes = Vec::new();
        for (place, (id, share)) in self.connections.iter_mut().enumerate() {
            let has_one_more = if turns { share.turn.is_some() } else { place < rest };
            let wanted = u32::try_from(each + usize::from(has_one_more)).unwrap_or(u32::MAX).min(share.most);
            if wanted != share.told {
                changes.push((wanted > share.told, *id, wanted));
                share.told = wanted;
            }
        }
        changes.sort_by_key(|(more, ..)| *more);
        changes.into_iter().map(|(_, id, count)| (id, count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready(max_in_flight: u32, connections: u64) -> Ready {
        let mut ready = Ready::new(&Config { max_in_flight, ..Config::default() });
        (0..connections).for_each(|id| ready.joined(id, 2_500));
        ready
    }

    #[test]
    fn messages_are_shared_out_to_the_last_one() {
        let check = |max: u32, connections: u64, expected: &[(Id, u32)]| {
            assert_eq!(ready(max, connections).tell(Instant::now()), expected, "{max} to {connections}");
        };
        check(200, 1, &[(0, 200)]);
        check(200, 3, &[(0, 67), (1, 67), (2, 66)]);
        check(2, 3, &[(0, 1), (1, 1)]);
        check(5_000, 1, &[(0, 2_500)]);
        check(5, 0, &[]);
    }

    #[test]
    fn who_joins_takes_from_the_others_first() {
        let mut ready = ready(4, 1);
        let now = Instant::now();
        assert_eq!(ready.tell(now), [(0, 4)]);
        assert_eq!(ready.tell(now), []);
        ready.joined(1, 2_500);
        assert_eq!(ready.tell(now), [(0, 2), (1, 2)]);
        ready.left(0);
        assert_eq!(ready.tell(now), [(1, 4)]);
    }

    #[test]
    fn more_connections_than_messages_take_turns() {
        let mut ready = ready(1, 3);
        let mut now = Instant::now();
        let mut next = |ready: &mut Ready, seconds: u64, heard: Option<Id>| {
            now += Duration::from_secs(seconds);
            if let Some(id) = heard {
                ready.heard(id, now);
            }
            ready.rotate(now);
            ready.tell(now)
        };
        assert_eq!(next(&mut ready, 0, None), [(0, 1)]);
        assert_eq!(next(&mut ready, 9, None), [], "it may still send something");
        assert_eq!(next(&mut ready, 1, None), [(0, 0), (1, 1)], "ten seconds without a message");
        for _ in 0..5 {
            assert_eq!(next(&mut ready, 5, Some(1)), [], "it is busy");
        }
        assert_eq!(next(&mut ready, 5, Some(1)), [(1, 0), (2, 1)], "thirty seconds are enough");
        ready.left(2);
        assert_eq!(next(&mut ready, 0, None), [(0, 1)], "who has waited longest");
        ready.joined(7, 2_500);
        assert_eq!(next(&mut ready, 10, None), [(0, 0), (1, 1)]);
        assert_eq!(next(&mut ready, 10, None), [(1, 0), (7, 1)]);
    }

    #[test]
    fn failures_pause_longer_and_longer_and_successes_end_it() {
        let mut ready = ready(10, 2);
        let mut now = Instant::now();
        ready.tell(now);
        ready.failed(now, 0.5);
        assert_eq!(ready.pauses(now), Some(Duration::from_secs(2)));
        assert_eq!(ready.tell(now), [(0, 0), (1, 0)]);
        ready.failed(now, 0.5);
        assert_eq!(ready.pauses(now), Some(Duration::from_secs(2)), "what was under way counts once");
        now += Duration::from_secs(2);
        assert_eq!(ready.tell(now), [(0, 1)], "one tries");
        ready.failed(now, 0.5);
        assert_eq!(ready.pauses(now), Some(Duration::from_secs(4)));
        ready.tell(now);
        now += Duration::from_secs(4);
        ready.tell(now);
        ready.succeeded(now);
        assert_eq!(ready.pauses(now), Some(Duration::from_secs(2)), "a success makes it shorter");
        ready.tell(now);
        now += Duration::from_secs(2);
        ready.tell(now);
        ready.succeeded(now);
        assert_eq!(ready.pauses(now), None);
        assert_eq!(ready.tell(now), [(0, 5), (1, 5)]);
    }

    #[test]
    fn who_has_nothing_to_try_with_lets_the_next_one_try() {
        let mut ready = ready(10, 2);
        let mut now = Instant::now();
        ready.tell(now);
        ready.failed(now, 0.5);
        assert_eq!(ready.tell(now), [(0, 0), (1, 0)]);
        now += Duration::from_secs(1);
        ready.rotate(now);
        assert_eq!(ready.tell(now), [], "a pause is a pause");
        now += Duration::from_secs(1);
        assert_eq!(ready.tell(now), [(0, 1)]);
        now += Duration::from_secs(9);
        ready.rotate(now);
        assert_eq!(ready.tell(now), [], "it may still send something");
        now += Duration::from_secs(1);
        ready.rotate(now);
        assert_eq!(ready.tell(now), [(0, 0), (1, 1)], "ten seconds without a message");
        ready.succeeded(now);
        assert_eq!(ready.tell(now), [(0, 5), (1, 5)]);
    }

    #[test]
    fn a_pause_has_an_end_however_many_fail() {
        let mut ready = ready(1, 1);
        let mut now = Instant::now();
        for _ in 0..40 {
            ready.failed(now, 0.5);
            let pause = ready.pauses(now).expect("it pauses");
            assert!(pause <= Duration::from_secs(120));
            now += pause;
            ready.tell(now);
        }
        let config = Config { max_backoff_duration: Duration::ZERO, ..Config::default() };
        let mut never = Ready::new(&config);
        never.failed(now, 0.5);
        assert_eq!(never.pauses(now), None);
    }
}

//! Which of several destinations is next: in turn, in turn without those that failed, or mostly the fastest.
//! Pure: the time and chance are handed in.

use std::time::{Duration, Instant};

use crate::flags::Value;
use serde_json::json;

/// How long a destination that failed is left alone; twice as long after each further failure.
const PENALTY_MIN: Duration = Duration::from_secs(30);

/// The longest that it is left alone.
const PENALTY_MAX: Duration = Duration::from_secs(900);

/// How often the greedy one tries any destination instead of the fastest, at first and at last.
const EXPLORE_MAX: f64 = 0.3;
const EXPLORE_MIN: f64 = 0.01;

/// By which factor that becomes less with each choice.
const EXPLORE_DECAY: f64 = 0.99;

/// What the latest time counts in the average of a destination.
const NEW_WEIGHT: f64 = 0.2;

/// What `-mode` is for.
pub(super) const MODE: &str = "how destinations are chosen: round-robin, hostpool (without those that failed), epsilon-greedy (mostly the fastest)";

/// How destinations are chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// In turn, whatever happens.
    RoundRobin,
    /// In turn, without those that failed lately.
    HostPool,
    /// Mostly the fastest of those.
    EpsilonGreedy,
}

const MODES: [(&str, Mode); 3] = [
    ("round-robin", Mode::RoundRobin),
    ("hostpool", Mode::HostPool),
    ("epsilon-greedy", Mode::EpsilonGreedy),
];

impl Value for Mode {
    fn kind(&self) -> &'static str {
        "string"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        let found = MODES.iter().find(|(name, _)| *name == text);
        let (_, mode) = found.ok_or("it is none of round-robin, hostpool and epsilon-greedy")?;
        *self = *mode;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(MODES.iter().find(|(_, mode)| mode == self).map(|(name, _)| name))
    }

    fn shown(&self) -> Option<String> {
        MODES.iter().find(|(_, mode)| mode == self).map(|(name, _)| format!("{name:?}"))
    }
}

/// Destinations by their place.
#[derive(Debug)]
pub(super) struct Pool {
    mode: Mode,
    hosts: Vec<Host>,
    next: usize,
    explore: f64,
}

#[derive(Clone, Debug, Default)]
struct Host {
    /// Left alone before this moment.
    until: Option<Instant>,
    penalty: Duration,
    /// Average seconds of what did well.
    seconds: Option<f64>,
}

impl Pool {
    pub(super) fn new(mode: Mode, hosts: usize) -> Self {
        assert!(hosts > 0, "the options demand a destination");
        Self { mode, hosts: vec![Host::default(); hosts], next: 0, explore: EXPLORE_MAX }
    }

    /// The next destination; `chance` is from 0 to 1.
    pub(super) fn pick(&mut self, now: Instant, chance: f64) -> usize {
        if self.mode == Mode::EpsilonGreedy {
            let greedy = chance >= self.explore;
            self.explore = (self.explore * EXPLORE_DECAY).max(EXPLORE_MIN);
            let known = |(at, host): (usize, &Host)| host.seconds.map(|seconds| (seconds, at));
            let alive = self.hosts.iter().enumerate().filter(|(_, host)| is_alive(host, now));
            if greedy && let Some((_, at)) = alive.filter_map(known).min_by(|a, b| a.0.total_cmp(&b.0)) {
                return at;
            }
        }
        let count = self.hosts.len();
        let turn = (0..count).map(|step| (self.next + step) % count);
        let any = self.next % count;
        // Where all have failed, each is as good as any.
        let at = match self.mode {
            Mode::RoundRobin => any,
            _ => turn.into_iter().find(|at| is_alive(&self.hosts[*at], now)).unwrap_or(any),
        };
        self.next = (at + 1) % count;
        at
    }

    /// What became of a choice.
    pub(super) fn mark(&mut self, at: usize, well: bool, took: Duration, now: Instant) {
        let host = &mut self.hosts[at];
        if well {
            host.until = None;
            host.penalty = Duration::ZERO;
            let seconds = took.as_secs_f64();
            host.seconds = Some(host.seconds.map_or(seconds, |old| old + NEW_WEIGHT * (seconds - old)));
        } else if is_alive(host, now) {
            host.penalty = (host.penalty * 2).clamp(PENALTY_MIN, PENALTY_MAX);
            host.until = Some(now + host.penalty);
        }
    }
}

fn is_alive(host: &Host, now: Instant) -> bool {
    host.until.is_none_or(|until| until <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_millis(10);

    fn picks(pool: &mut Pool, now: Instant, count: usize) -> Vec<usize> {
        (0..count).map(|_| pool.pick(now, 1.0)).collect()
    }

    #[test]
    fn in_turn_whatever_happens() {
        let (mut pool, now) = (Pool::new(Mode::RoundRobin, 3), Instant::now());
        pool.mark(1, false, TOOK, now);
        assert_eq!(picks(&mut pool, now, 5), [0, 1, 2, 0, 1]);
    }

    #[test]
    fn who_failed_is_left_alone_longer_and_longer() {
        let (mut pool, mut now) = (Pool::new(Mode::HostPool, 3), Instant::now());
        pool.mark(1, false, TOOK, now);
        assert_eq!(picks(&mut pool, now, 4), [0, 2, 0, 2]);
        now += Duration::from_secs(30);
        assert_eq!(picks(&mut pool, now, 3), [0, 1, 2]);
        pool.mark(1, false, TOOK, now);
        now += Duration::from_secs(59);
        assert_eq!(picks(&mut pool, now, 3), [0, 2, 0]);
        now += Duration::from_secs(1);
        assert_eq!(picks(&mut pool, now, 1), [1]);
        pool.mark(1, true, TOOK, now);
        pool.mark(1, false, TOOK, now);
        now += Duration::from_secs(30);
        assert!(picks(&mut pool, now, 3).contains(&1), "a success forgives");
    }

    #[test]
    fn where_all_failed_all_are_tried() {
        let (mut pool, now) = (Pool::new(Mode::HostPool, 2), Instant::now());
        pool.mark(0, false, TOOK, now);
        pool.mark(1, false, TOOK, now);
        assert_eq!(picks(&mut pool, now, 3), [0, 1, 0]);
    }

    #[test]
    fn the_fastest_is_chosen_mostly() {
        let (mut pool, now) = (Pool::new(Mode::EpsilonGreedy, 3), Instant::now());
        for (at, ms) in [(0, 30), (1, 5), (2, 20)] {
            pool.mark(at, true, Duration::from_millis(ms), now);
        }
        assert_eq!(picks(&mut pool, now, 3), [1, 1, 1]);
        let explored: Vec<usize> = (0..3).map(|_| pool.pick(now, 0.0)).collect();
        assert_eq!(explored, [0, 1, 2]);
        pool.mark(1, false, TOOK, now);
        assert_eq!(picks(&mut pool, now, 1), [2], "not while it is left alone");
    }
}

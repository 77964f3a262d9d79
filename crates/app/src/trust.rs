//! The time by which things go for good. The machine's clock may be wrong for a while (a dead battery, a typo,
//! a bad time server), and a day rolled up or minutes removed too early do not come back.
//!
//! It follows the clock, but not a jump ahead until the clock has stood by it for a while.

use std::time::{Duration, Instant};

use base::Timestamp;

/// More than this ahead of the time that has passed since the last look is a jump.
const JUMP: Duration = Duration::from_secs(3_600);
/// More than this ahead of what was last written down is a jump: a process may be off for a weekend.
const OFF: Duration = Duration::from_secs(3 * 86_400);

/// What time it is at least.
#[derive(Debug)]
pub(crate) struct Trust {
    /// How long the clock must stand by a jump.
    hold: Duration,
    time: Timestamp,
    at: Instant,
    doubt: Option<Doubt>,
}

#[derive(Debug)]
struct Doubt {
    since: Instant,
    /// The clock at the last look.
    clock: Timestamp,
}

impl Trust {
    /// `seen`: the trusted time that was written down last, the epoch if there is none.
    pub(crate) fn new(seen: Timestamp, clock: Timestamp, at: Instant, hold: Duration) -> Self {
        let mut trust = Self { hold, time: seen, at, doubt: None };
        trust.follow(clock, at, OFF);
        trust
    }

    /// The trusted time now, `clock` being what the clock says. To be called at least every few minutes.
    pub(crate) fn look(&mut self, clock: Timestamp, at: Instant) -> Timestamp {
        self.follow(clock, at, JUMP);
        self.time
    }

    /// The trusted time at the last look.
    pub(crate) fn time(&self) -> Timestamp {
        self.time
    }

    fn follow(&mut self, clock: Timestamp, at: Instant, limit: Duration) {
        let passed = at.saturating_duration_since(self.at);
        let expected = self.time + passed;
        self.at = at;
        if clock <= expected + limit {
            if self.doubt.take().is_some() {
                tracing::info!(?clock, "the clock has come back to where it was expected");
            }
            self.time = clock;
            return;
        }
        let since = match &self.doubt {
            Some(doubt) if clock <= doubt.clock + passed + JUMP => doubt.since,
            _ => {
                let hold_seconds = self.hold.as_secs();
                // A data folder that has not believed any clock yet counts from the epoch: nothing to say, and
                // nothing to remove.
                if hold_seconds > 0 && self.time > Timestamp::default() + OFF {
                    tracing::warn!(
                        ?clock,
                        ?expected,
                        hold_seconds,
                        "the clock is far ahead of what was expected: no day is rolled up and nothing is removed \
                         until it has stayed there"
                    );
                }
                at
            }
        };
        if at.saturating_duration_since(since) >= self.hold {
            self.time = clock;
            self.doubt = None;
        } else {
            self.time = expected;
            self.doubt = Some(Doubt { since, clock });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_795_262_400);
    const MINUTE: Duration = Duration::from_secs(60);
    const DAY: Duration = Duration::from_secs(86_400);
    const HOLD: Duration = Duration::from_secs(600);

    #[test]
    fn the_clock_is_followed_but_not_at_once_when_it_jumps_ahead() {
        let start = Instant::now();
        let mut trust = Trust::new(NOON - DAY, NOON, start, HOLD);
        let mut look = |minute: u32, clock| trust.look(clock, start + MINUTE * minute);
        assert_eq!(look(0, NOON), NOON, "a day off is no jump");
        assert_eq!(look(1, NOON + MINUTE * 50), NOON + MINUTE * 50, "small steps are followed");
        assert_eq!(look(2, NOON), NOON, "so is a step back");
        // Forty days ahead for a moment.
        assert_eq!(look(3, NOON + DAY * 40), NOON + MINUTE);
        assert_eq!(look(4, NOON + MINUTE * 3), NOON + MINUTE * 3);
        // Ahead for good; while it jumps about nothing is believed.
        assert_eq!(look(5, NOON + DAY * 40), NOON + MINUTE * 4);
        assert_eq!(look(14, NOON + DAY * 50), NOON + MINUTE * 13);
        assert_eq!(look(23, NOON + DAY * 50 + MINUTE * 9), NOON + MINUTE * 22);
        assert_eq!(look(24, NOON + DAY * 50 + MINUTE * 10), NOON + DAY * 50 + MINUTE * 10);
    }

    #[test]
    fn a_start_with_a_strange_clock_is_a_jump() {
        let start = Instant::now();
        for (seen, clock, trusted) in [
            (Timestamp::default(), NOON, Timestamp::default()),
            (NOON, NOON + DAY * 2, NOON + DAY * 2),
            (NOON, NOON + DAY * 40, NOON),
            (NOON, NOON - DAY * 40, NOON - DAY * 40),
        ] {
            let mut trust = Trust::new(seen, clock, start, HOLD);
            assert_eq!(trust.time(), trusted, "seen {seen:?}, now {clock:?}");
            assert_eq!(trust.look(clock + HOLD, start + HOLD), clock + HOLD);
            assert_eq!(Trust::new(seen, clock, start, Duration::ZERO).time(), clock, "tests do not wait");
        }
    }
}

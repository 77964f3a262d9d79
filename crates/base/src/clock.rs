//! Time is handed in: nothing below the binary asks the machine what time it is.

use std::fmt;
use std::ops::{Add, Sub};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A moment: milliseconds since the Unix epoch, UTC. May be negative.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment `ms` milliseconds after the epoch.
    pub const fn from_millis(ms: i64) -> Self {
        Self(ms)
    }

    /// The moment `s` seconds after the epoch, saturating.
    pub const fn from_seconds(s: i64) -> Self {
        Self(s.saturating_mul(1_000))
    }

    /// The start of minute number `minute` since the epoch, saturating.
    pub const fn from_minutes(minute: i64) -> Self {
        Self(minute.saturating_mul(60_000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Whole minutes since the epoch, rounded down.
    pub const fn minutes(self) -> i64 {
        self.0.div_euclid(60_000)
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl Sub for Timestamp {
    type Output = Duration;
    /// The time from `earlier` to `self`; zero where `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}s", self.seconds(), self.0.rem_euclid(1_000))
    }
}

/// Where the time comes from: the machine, or a test that moves it by hand.
///
/// The machine's clock may go backwards; whoever needs order takes it from the log.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's wall clock.
    pub const fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands at `start` until it is [`set`](Self::set) or [`advance`](Self::advance)d.
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(AtomicI64::new(start.millis()))))
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System => {
                let now = SystemTime::now();
                Timestamp(match now.duration_since(UNIX_EPOCH) {
                    Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                    Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
                })
            }
            Source::Manual(at) => Timestamp(at.load(Ordering::SeqCst)),
        }
    }

    /// What time it is, for whoever waits for it: as [`now`](Self::now), but it never goes back. When the
    /// machine's clock is set back this one goes on at its pace, until the other has caught up.
    pub fn steady(&self) -> Timestamp {
        static START: OnceLock<Instant> = OnceLock::new();
        /// The furthest the wall clock was ahead of the time since the start.
        static AHEAD_MS: AtomicI64 = AtomicI64::new(i64::MIN);
        match &self.0 {
            Source::System => {
                // The wall clock first: whoever is held up between the two must not find it further ahead
                // than it is, which would stay so.
                let now_ms = self.now().millis();
                let since = START.get_or_init(Instant::now).elapsed();
                let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
                let ahead_ms = now_ms.saturating_sub(since_ms);
                let ahead_ms = AHEAD_MS.fetch_max(ahead_ms, Ordering::Relaxed).max(ahead_ms);
                Timestamp(ahead_ms.saturating_add(since_ms))
            }
            Source::Manual(_) => self.now(),
        }
    }

    /// What time it is, in nanoseconds since the epoch; as exact as the machine's clock, or as what a
    /// manual one was set to.
    pub fn now_nanos(&self) -> i64 {
        match &self.0 {
            Source::System => {
                let since = SystemTime::now().duration_since(UNIX_EPOCH);
                since.map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
            }
            Source::Manual(at) => at.load(Ordering::SeqCst).saturating_mul(1_000_000),
        }
    }

    /// Moves a manual clock to `to`, backwards too.
    ///
    /// # Panics
    /// If this is the machine's clock: only a test moves time.
    pub fn set(&self, to: Timestamp) {
        match &self.0 {
            Source::Manual(at) => at.store(to.millis(), Ordering::SeqCst),
            Source::System => panic!("the machine's clock cannot be set"),
        }
    }

    /// Moves a manual clock forward.
    ///
    /// # Panics
    /// If this is the machine's clock.
    pub fn advance(&self, by: Duration) {
        self.set(self.now() + by);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::System => f.write_str("Clock::system"),
            Source::Manual(_) => write!(f, "Clock::manual({:?})", self.now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_round_down_before_the_epoch_too() {
        assert_eq!(Timestamp::from_millis(59_999).minutes(), 0);
        assert_eq!(Timestamp::from_millis(-1).minutes(), -1);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
    }

    #[test]
    fn the_steady_clock_is_the_machines_and_does_not_go_back() {
        let clock = Clock::system();
        let mut last = clock.steady();
        assert!(last.millis().abs_diff(clock.now().millis()) < 1_000, "{last:?}");
        for _ in 0..1_000 {
            let now = clock.steady();
            assert!(now >= last);
            last = now;
        }
    }

    #[test]
    fn a_manual_clock_moves_both_ways() {
        let clock = Clock::manual(Timestamp::from_seconds(100));
        let other = clock.clone();
        clock.advance(Duration::from_secs(5));
        assert_eq!(other.now(), Timestamp::from_seconds(105));
        clock.set(Timestamp::from_seconds(1));
        assert_eq!(other.now() - Timestamp::from_seconds(50), Duration::ZERO);
    }
}

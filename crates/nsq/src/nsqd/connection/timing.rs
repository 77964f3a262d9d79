//! When a connection must do something although nothing happens. Pure: `now` is handed in.

use std::time::Duration;

use tokio::time::Instant;

/// Messages wait so long for more of them, so that a steady trickle does not cost a write each.
const FLUSH_PAUSE: Duration = Duration::from_millis(1);
/// A client that is never asked whether it lives is looked at so often, for its idle memory.
const REST: Duration = Duration::from_secs(30);

/// The clocks of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    heartbeat: Option<Duration>,
    pause: Duration,
    next_heartbeat: Instant,
    last_read: Instant,
    last_write: Instant,
    /// Since when a write has waited for the other side.
    stuck: Option<Instant>,
    /// Whether messages wait to be written.
    holds: bool,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Due {
    /// Nothing.
    Nothing,
    /// A heartbeat.
    Heartbeat,
    /// A look at idle memory.
    Rest,
    /// The end: the client says nothing, or does not read.
    End(&'static str),
}

impl Timing {
    pub(super) fn new(
        now: Instant,
        heartbeat: Option<Duration>,
        output_buffer_timeout: Option<Duration>,
    ) -> Self {
        Self {
            heartbeat,
            pause: output_buffer_timeout.map_or(Duration::ZERO, |most| most.min(FLUSH_PAUSE)),
            next_heartbeat: now + heartbeat.unwrap_or(REST),
            last_read: now,
            last_write: now,
            stuck: None,
            holds: false,
        }
    }

    /// Something arrived.
    pub(super) fn read(&mut self, now: Instant) {
        self.last_read = now;
    }

    /// Something was written; `stuck` if not all of it.
    pub(super) fn wrote(&mut self, now: Instant, stuck: bool) {
        self.last_write = now;
        self.holds = false;
        self.stuck = stuck.then_some(now);
    }

    /// A write begins to wait, if it did not already.
    pub(super) fn waits(&mut self, now: Instant) {
        self.stuck.get_or_insert(now);
        // It is tried again when there is room, not when a moment has passed.
        self.holds = false;
    }

    /// Whether messages that wait may be written now; if not, they are when [`Timing::next`] comes.
    pub(super) fn may_flush(&mut self, now: Instant) -> bool {
        self.holds = now < self.last_write + self.pause;
        !self.holds
    }

    /// What is due. The end comes before a heartbeat at the same moment, as in nsqd.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let Some(heartbeat) = self.heartbeat else {
            if now < self.next_heartbeat {
                return Due::Nothing;
            }
            self.next_heartbeat = now + REST;
            return Due::Rest;
        };
        if now >= self.last_read + 2 * heartbeat {
            return Due::End("nothing was heard for two heartbeats");
        }
        if self.stuck.is_some_and(|since| now >= since + heartbeat) {
            return Due::End("it did not read for a heartbeat");
        }
        if now < self.next_heartbeat {
            return Due::Nothing;
        }
        self.next_heartbeat += heartbeat;
        if self.next_heartbeat <= now {
            // The process slept; one heartbeat is enough.
            self.next_heartbeat = now + heartbeat;
        }
        Due::Heartbeat
    }

    /// The next moment at which something may be due.
    pub(super) fn next(&self) -> Instant {
        let mut next = self.next_heartbeat;
        if let Some(heartbeat) = self.heartbeat {
            next = next.min(self.last_read + 2 * heartbeat);
            if let Some(since) = self.stuck {
                next = next.min(since + heartbeat);
            }
        }
        if self.holds {
            next = next.min(self.last_write + self.pause);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_client_that_says_nothing_gets_one_heartbeat_and_goes() {
        let start = Instant::now();
        let mut timing = Timing::new(start, Some(SECOND), None);
        assert_eq!(timing.next(), start + SECOND);
        assert_eq!(timing.due(start + SECOND), Due::Heartbeat);
        assert_eq!(timing.due(start + SECOND), Due::Nothing);
        assert_eq!(timing.next(), start + 2 * SECOND);
        assert!(matches!(timing.due(start + 2 * SECOND), Due::End(_)));
    }

    #[test]
    fn one_that_answers_stays_and_one_that_does_not_read_goes() {
        let start = Instant::now();
        let mut timing = Timing::new(start, Some(SECOND), None);
        for second in 1..10 {
            let now = start + second * SECOND;
            assert_eq!(timing.due(now), Due::Heartbeat);
            timing.read(now);
            timing.wrote(now, false);
        }
        let now = start + 9 * SECOND + SECOND / 2;
        timing.waits(now);
        timing.waits(now + SECOND / 4);
        timing.read(now + SECOND);
        assert!(matches!(timing.due(now + SECOND), Due::End(_)));
    }

    #[test]
    fn without_heartbeats_nobody_goes() {
        let start = Instant::now();
        let mut timing = Timing::new(start, None, None);
        timing.waits(start);
        assert_eq!(timing.due(start + 3600 * SECOND), Due::Rest);
        assert_eq!(timing.next(), start + 3600 * SECOND + REST);
    }

    #[test]
    fn a_write_that_waits_sets_no_alarm_for_more_messages() {
        let start = Instant::now();
        let mut timing = Timing::new(start, Some(SECOND), Some(SECOND / 4));
        assert!(!timing.may_flush(start));
        timing.waits(start);
        assert_eq!(timing.next(), start + SECOND, "or it would go off again and again");
    }

    #[test]
    fn messages_wait_a_moment_for_more() {
        let start = Instant::now();
        let mut timing = Timing::new(start, Some(SECOND), Some(SECOND / 4));
        assert!(!timing.may_flush(start));
        assert_eq!(timing.next(), start + FLUSH_PAUSE);
        assert!(timing.may_flush(start + FLUSH_PAUSE));
        assert!(Timing::new(start, Some(SECOND), None).may_flush(start), "no waiting was asked for");
    }
}

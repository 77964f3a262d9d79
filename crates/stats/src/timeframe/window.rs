//! The window a timeframe means at a moment, and the rung that answers it.

use base::Timestamp;

use super::Timeframe;
use crate::Resolution;

/// The window a timeframe means at a moment: `count` intervals of `step_seconds` from `start`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// Start of the first interval, a whole minute (see [`Timeframe::window`]).
    pub start: Timestamp,
    /// Length of an interval, in seconds; a multiple of 60.
    pub step_seconds: i64,
    /// Number of intervals.
    pub count: usize,
}

/// Since when each rung of the retention ladder is kept. Days are kept for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Minutes that start before this may be gone.
    pub minutes_from: Timestamp,
    /// Hours that start before this may be gone.
    pub hours_from: Timestamp,
}

impl Kept {
    /// Nothing has been dropped.
    pub const EVERYTHING: Self =
        Self { minutes_from: Timestamp::from_millis(i64::MIN), hours_from: Timestamp::from_millis(i64::MIN) };

    /// The finest resolution that is still kept at `at`.
    pub fn finest(self, at: Timestamp) -> Resolution {
        match at {
            at if at >= self.minutes_from => Resolution::Minute,
            at if at >= self.hours_from => Resolution::Hour,
            _ => Resolution::Day,
        }
    }
}

impl Timeframe {
    /// The window that is meant at `now`: it ends at the end of the open minute, so that what was just sent
    /// is in it. With `start` it begins with the minute of that moment instead.
    ///
    /// Where minutes are no longer `kept` at the window's start, the window is moved to whole hours, and
    /// where hours are not, to whole UTC days (its end to the end of the open one, a `start` to the start of
    /// the one it lies in): then intervals of whole hours (days) are answered exactly. Intervals that are
    /// finer than that keep their length; a bucket counts in the interval that holds its start. Minutes are
    /// expected to be kept for an hour at least, and hours for a day.
    pub fn window(self, now: Timestamp, start: Option<Timestamp>, kept: Kept) -> Window {
        let mut window = self.anchored(now, start, Resolution::Minute);
        for coarser in [Resolution::Hour, Resolution::Day] {
            if kept.finest(window.start) >= coarser {
                window = self.anchored(now, start, coarser);
            }
        }
        window
    }

    /// The window that ends with the UTC day of `now`: intervals start at midnight.
    pub fn summary_window(self, now: Timestamp) -> Window {
        self.anchored(now, None, Resolution::Day)
    }

    fn anchored(self, now: Timestamp, start: Option<Timestamp>, to: Resolution) -> Window {
        let step_seconds = self.step.seconds();
        let count = self.steps().min(Self::STEPS_MAX) as usize;
        let start = match start {
            Some(start) => to.floor(start),
            None => {
                let length = step_seconds.saturating_mul(count as i64);
                Timestamp::from_seconds(to.next(now).seconds().saturating_sub(length))
            }
        };
        Window { start, step_seconds, count }
    }
}

impl Window {
    /// The end of the last interval.
    pub const fn end(&self) -> Timestamp {
        self.time(self.count)
    }

    /// The start of interval `index`.
    pub const fn time(&self, index: usize) -> Timestamp {
        let offset = self.step_seconds.saturating_mul(index as i64);
        Timestamp::from_seconds(self.start.seconds().saturating_add(offset))
    }

    /// The starts of all intervals.
    pub fn times(self) -> impl ExactSizeIterator<Item = Timestamp> {
        (0..self.count).map(move |index| self.time(index))
    }

    /// The interval that holds `at`.
    pub fn index(&self, at: Timestamp) -> Option<usize> {
        let offset = at.millis().checked_sub(self.start.millis())?;
        let index = usize::try_from(offset.div_euclid(self.step_seconds.max(1) * 1_000)).ok()?;
        (index < self.count).then_some(index)
    }

    /// The same window, earlier.
    pub const fn earlier(self, seconds: i64) -> Self {
        Self { start: Timestamp::from_seconds(self.start.seconds().saturating_sub(seconds)), ..self }
    }

    /// The coarsest resolution that answers this window exactly: its start and its step are whole steps of
    /// it. Where that is no longer `kept`, the finest one that is.
    pub fn resolution(&self, kept: Kept) -> Resolution {
        let whole = |resolution: &Resolution| {
            let seconds = resolution.seconds();
            self.start.seconds() % seconds == 0 && self.step_seconds % seconds == 0
        };
        let exact = [Resolution::Day, Resolution::Hour].into_iter().find(whole).unwrap_or(Resolution::Minute);
        exact.max(kept.finest(self.start))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::timeframe::{Span, TimeframeError, Unit};

    /// 2026-11-20 22:23:47.654 UTC: a little after minute 29920223.
    const NOW: Timestamp = Timestamp::from_millis(1_795_213_427_654);

    fn window(text: &str, start: Option<i64>, kept: Kept) -> (i64, i64, usize) {
        let timeframe = Timeframe::parse(text).expect("a timeframe");
        let window = timeframe.window(NOW, start.map(Timestamp::from_seconds), kept);
        (window.start.seconds(), window.step_seconds, window.count)
    }

    #[test]
    fn a_window_ends_with_the_open_minute() {
        let end = 1_795_213_440;
        assert_eq!(window("1w3h", None, Kept::EVERYTHING), (end - 604_800, 10_800, 56));
        assert_eq!(window("30m1m", None, Kept::EVERYTHING), (end - 1_800, 60, 30));
        assert_eq!(window("1h7m", None, Kept::EVERYTHING), (end - 9 * 420, 420, 9));
        let whole = Timeframe::parse("1h1m").expect("a timeframe");
        let at = Timestamp::from_seconds(1_795_213_440);
        assert_eq!(whole.window(at, None, Kept::EVERYTHING).index(at), Some(59));
    }

    #[test]
    fn a_window_with_a_start_begins_with_its_minute() {
        assert_eq!(window("1d1h", Some(1_360_861_661), Kept::EVERYTHING), (1_360_861_620, 3_600, 24));
        assert_eq!(window("1d1h", Some(-61), Kept::EVERYTHING), (-120, 3_600, 24));
    }

    #[test]
    fn a_window_of_dropped_minutes_moves_to_whole_hours_and_days() {
        let day = 86_400;
        let (minutes, hours) = (NOW.seconds() - 32 * day, NOW.seconds() - 5 * 365 * day);
        let kept = Kept {
            minutes_from: Timestamp::from_seconds(minutes),
            hours_from: Timestamp::from_seconds(hours),
        };
        let check = |text: &str, end: i64, resolution| {
            let timeframe = Timeframe::parse(text).expect("a timeframe");
            let window = timeframe.window(NOW, None, kept);
            assert_eq!(window.end().seconds(), end, "{text}");
            assert_eq!(window.resolution(kept), resolution, "{text}");
        };
        check("1M3h", 1_795_213_440, Resolution::Minute);
        check("2M3h", 1_795_215_600, Resolution::Hour);
        check("2M2h", 1_795_215_600, Resolution::Hour);
        check("1y1d", 1_795_215_600, Resolution::Hour);
        check("10y1d", 1_795_219_200, Resolution::Day);
        check("10y10y", 1_795_219_200, Resolution::Day);
        // Finer than what is kept: the hour's bucket counts in the quarter that holds its start.
        check("60d15m", 1_795_215_600, Resolution::Hour);
        assert_eq!(
            window("1d1h", Some(minutes - 5), kept),
            ((minutes - 5).div_euclid(3_600) * 3_600, 3_600, 24)
        );
        assert_eq!(window("1d1h", Some(hours - 5), kept), ((hours - 5).div_euclid(day) * day, 3_600, 24));
    }

    #[test]
    fn a_summary_is_of_utc_days_with_today_last() {
        let summary =
            |text: &str| Timeframe::parse_summary(text).map(|timeframe| timeframe.summary_window(NOW));
        let week = summary("7d").expect("a span");
        assert_eq!((week.count, week.step_seconds), (7, 86_400));
        assert!(week.times().all(|time| time.seconds() % 86_400 == 0));
        assert_eq!(week.index(NOW), Some(6));
        assert_eq!(summary("2M").expect("a span").count, 60);
        assert_eq!(summary("3h").expect("a span").count, 1);
        assert_eq!(summary("10y10y").expect("a timeframe").count, 1);
        assert_eq!(summary("7d1h").expect("a timeframe").step_seconds, 86_400);
        assert_eq!(summary("x"), Err(TimeframeError::Grammar("x".into())));
        assert!(matches!(summary("50y"), Err(TimeframeError::TooMany(..))));
    }

    #[test]
    fn an_earlier_window_is_as_long() {
        let window = Window { start: Timestamp::from_seconds(600), step_seconds: 60, count: 3 };
        let start = Timestamp::from_seconds(-3_000);
        assert_eq!(window.earlier(3_600), Window { start, ..window });
    }

    fn span() -> impl Strategy<Value = Span> {
        (1u32..2_000, prop::sample::select(Unit::ALL.to_vec())).prop_map(|(n, unit)| Span { n, unit })
    }

    proptest! {
        /// Times of an interval lie in it, and so does now in the window, whatever is kept.
        #[test]
        fn windows_hold_now(ms in 0i64..4_000_000_000_000, span in span(), step in span(), hours in 1i64..100_000) {
            let Ok(timeframe) = Timeframe::new(span, step, None) else { return Ok(()) };
            let now = Timestamp::from_millis(ms);
            let newest = timeframe.window(now, None, Kept::EVERYTHING);
            prop_assert_eq!(newest.index(now), Some(newest.count - 1));
            // Each rung is kept for at least one step of the next.
            let ago = |seconds| Timestamp::from_seconds(now.seconds() - seconds);
            let kept = Kept { minutes_from: ago(hours * 3_600), hours_from: ago(hours * 86_400) };
            let window = timeframe.window(now, None, kept);
            prop_assert!(window.index(now).is_some());
            prop_assert_eq!(window.index(window.end()), None);
            prop_assert!(window.resolution(kept) >= kept.finest(window.start));
            prop_assert!(window.times().enumerate().step_by(131).all(|(i, time)| window.index(time) == Some(i)));
        }
    }
}

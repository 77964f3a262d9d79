//! The time axis: which moments have a label, and what it says. All times are UTC.

use base::Timestamp;
use jiff::Unit as Calendar;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use stats::timeframe::Window;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Labels stand at least this far apart, in pixels.
const SPACING: f64 = 72.0;

/// How far labels are apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Seconds(i64),
    Months(i16),
}

/// From fine to coarse, each with its (least) length in seconds.
const STEPS: [(Step, i64); 26] = [
    (Step::Seconds(MINUTE), MINUTE),
    (Step::Seconds(2 * MINUTE), 2 * MINUTE),
    (Step::Seconds(5 * MINUTE), 5 * MINUTE),
    (Step::Seconds(10 * MINUTE), 10 * MINUTE),
    (Step::Seconds(15 * MINUTE), 15 * MINUTE),
    (Step::Seconds(30 * MINUTE), 30 * MINUTE),
    (Step::Seconds(HOUR), HOUR),
    (Step::Seconds(2 * HOUR), 2 * HOUR),
    (Step::Seconds(3 * HOUR), 3 * HOUR),
    (Step::Seconds(6 * HOUR), 6 * HOUR),
    (Step::Seconds(12 * HOUR), 12 * HOUR),
    (Step::Seconds(DAY), DAY),
    (Step::Seconds(2 * DAY), 2 * DAY),
    (Step::Seconds(4 * DAY), 4 * DAY),
    (Step::Seconds(7 * DAY), 7 * DAY),
    (Step::Seconds(14 * DAY), 14 * DAY),
    (Step::Months(1), 28 * DAY),
    (Step::Months(2), 59 * DAY),
    (Step::Months(3), 90 * DAY),
    (Step::Months(6), 181 * DAY),
    (Step::Months(12), 365 * DAY),
    (Step::Months(24), 730 * DAY),
    (Step::Months(60), 1_826 * DAY),
    (Step::Months(120), 3_652 * DAY),
    (Step::Months(300), 9_131 * DAY),
    (Step::Months(1_200), 36_524 * DAY),
];

/// A label on the time axis.
#[derive(Clone, PartialEq, Debug)]
pub struct Tick {
    /// Where: 0 is the start of the window, 1 its end.
    pub share: f64,
    /// What it says.
    pub text: String,
}

/// Labels for a window that is `width` pixels wide. Empty for times that no calendar knows.
pub fn ticks(window: &Window, width: f64) -> Vec<Tick> {
    let start = window.start.seconds();
    let length = window.step_seconds.saturating_mul(i64::try_from(window.count).unwrap_or(i64::MAX));
    let most = (width / SPACING).max(1.0);
    let Some((step, seconds)) = STEPS.into_iter().find(|(_, seconds)| {
        length as f64 / *seconds as f64 <= most && *seconds >= window.step_seconds.min(MINUTE)
    }) else {
        return Vec::new();
    };
    let end = start.saturating_add(length);
    let mut ticks = Vec::new();
    let mut at = first(step, start);
    while let Some(moment) = at.filter(|moment| *moment <= end) {
        if moment >= start {
            let share = (moment - start) as f64 / length.max(1) as f64;
            ticks.extend(civil(moment).map(|civil| Tick { share, text: text(civil, seconds, length) }));
        }
        at = next(step, moment);
    }
    ticks
}

/// The first moment of `step` that is not before `start`, or the one before it.
fn first(step: Step, start: i64) -> Option<i64> {
    match step {
        Step::Seconds(seconds) => {
            // The epoch was a Thursday: weeks begin on the Monday four days later.
            let anchor = if seconds >= 7 * DAY { 4 * DAY } else { 0 };
            let steps =
                (start - anchor).div_euclid(seconds) + i64::from((start - anchor).rem_euclid(seconds) != 0);
            steps.checked_mul(seconds)?.checked_add(anchor)
        }
        Step::Months(months) => {
            let civil = civil(start)?;
            let month = i32::from(civil.year()) * 12 + i32::from(civil.month()) - 1;
            month_start(month.div_euclid(i32::from(months)) * i32::from(months))
        }
    }
}

fn next(step: Step, moment: i64) -> Option<i64> {
    match step {
        Step::Seconds(seconds) => moment.checked_add(seconds),
        Step::Months(months) => {
            let civil = civil(moment)?;
            month_start(i32::from(civil.year()) * 12 + i32::from(civil.month()) - 1 + i32::from(months))
        }
    }
}

/// The first second of month number `month` since year 0.
fn month_start(month: i32) -> Option<i64> {
    let year = i16::try_from(month.div_euclid(12)).ok()?;
    let date = Date::new(year, month.rem_euclid(12) as i8 + 1, 1).ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

fn civil(seconds: i64) -> Option<DateTime> {
    Some(TimeZone::UTC.to_datetime(jiff::Timestamp::from_second(seconds).ok()?))
}

fn text(at: DateTime, step: i64, length: i64) -> String {
    let midnight = at.hour() == 0 && at.minute() == 0;
    let format = match step {
        s if s < DAY && !midnight => "%H:%M",
        s if s <= DAY && length <= 8 * DAY => "%a %-d",
        s if s < 28 * DAY => "%-d %b",
        s if s < 365 * DAY && at.month() != 1 => "%b",
        _ => "%Y",
    };
    at.strftime(format).to_string()
}

/// A moment in full for a sentence: `Sat 21 Nov 2026 01:00 UTC`.
pub fn moment(at: Timestamp) -> String {
    match civil(at.seconds()).and_then(|civil| civil.round(Calendar::Minute).ok()) {
        Some(civil) => civil.strftime("%a %-d %b %Y %H:%M UTC").to_string(),
        None => format!("{} s after 1970", at.seconds()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sat 21 Nov 2026 01:00 UTC.
    const NOW: i64 = 1_795_222_800;

    fn check(step_seconds: i64, count: usize, expect: &[&str]) {
        let window =
            Window { start: Timestamp::from_seconds(NOW - step_seconds * count as i64), step_seconds, count };
        let texts: Vec<_> = ticks(&window, 640.0).into_iter().map(|tick| tick.text).collect();
        assert_eq!(texts, expect);
    }

    #[test]
    fn every_span_has_labels_a_person_would_write() {
        check(60, 60, &["Sat 21", "00:10", "00:20", "00:30", "00:40", "00:50", "01:00"]);
        check(60, 180, &["22:00", "22:30", "23:00", "23:30", "Sat 21", "00:30", "01:00"]);
        check(300, 288, &["03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00", "Sat 21"]);
        check(3_600, 72, &["12:00", "Thu 19", "12:00", "Fri 20", "12:00", "Sat 21"]);
        check(10_800, 56, &["Sun 15", "Mon 16", "Tue 17", "Wed 18", "Thu 19", "Fri 20", "Sat 21"]);
        check(86_400, 30, &["26 Oct", "30 Oct", "3 Nov", "7 Nov", "11 Nov", "15 Nov", "19 Nov"]);
        check(86_400, 90, &["31 Aug", "14 Sep", "28 Sep", "12 Oct", "26 Oct", "9 Nov"]);
        check(86_400, 365, &["2026", "Mar", "May", "Jul", "Sep", "Nov"]);
        check(604_800, 104, &["2025", "Apr", "Jul", "Oct", "2026", "Apr", "Jul", "Oct"]);
        check(2_592_000, 120, &["2018", "2020", "2022", "2024", "2026"]);
    }

    #[test]
    fn times_that_no_calendar_knows_have_no_labels() {
        for start in [i64::MIN / 2_000, i64::MAX / 2_000] {
            let window = Window { start: Timestamp::from_seconds(start), step_seconds: 3_600, count: 24 };
            assert_eq!(ticks(&window, 640.0), []);
            assert!(moment(window.start).ends_with("after 1970"));
        }
    }
}

//! Which blocks answer a window: for each UTC day the coarsest rung that is exact.

use base::Timestamp;
use stats::timeframe::Window;

use crate::calendar::{self, HOURS_OF_DAY, MINUTES_OF_DAY};
use crate::head::Marks;

/// A part of a block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    /// All minutes of an hour, from its hour block.
    HourMinutes { hour: u32 },
    /// All minutes of a day, from its day block.
    DayMinutes { day: u32 },
    /// The 24 hours of a day, from its month's block.
    DayHours { day: u32 },
    /// A day in one bucket, from its year's block.
    DayTotal { day: u32 },
}

impl Source {
    /// What else holds the numbers of a source that cannot be read, the better first: what is finer is exact, and
    /// of what is coarser the nearest. An hour of an open day stands nowhere else.
    pub(super) fn others(self, marks: Marks) -> impl Iterator<Item = Self> {
        let others = match self {
            Self::HourMinutes { .. } => [None, None],
            Self::DayMinutes { day } => [Some(Self::DayHours { day }), Some(Self::DayTotal { day })],
            Self::DayHours { day } => [Some(Self::DayMinutes { day }), Some(Self::DayTotal { day })],
            Self::DayTotal { day } => [Some(Self::DayHours { day }), Some(Self::DayMinutes { day })],
        };
        others.into_iter().flatten().filter(move |other| match *other {
            Self::DayMinutes { day } => day >= marks.minutes_from,
            Self::DayHours { day } => day >= marks.hours_from,
            Self::HourMinutes { .. } | Self::DayTotal { .. } => true,
        })
    }
}

/// The sources of a window for a stat of one shard.
pub(super) struct Plan {
    /// The window in minutes since the epoch: `from_minute..to_minute`.
    pub from_minute: u32,
    pub to_minute: u32,
    sources: Vec<Source>,
    marks: Marks,
}

impl Plan {
    /// Of open days only what lies before the minute `upto` is looked for: there is nothing later.
    pub(super) fn new(window: Window, marks: Marks, upto: u32) -> Self {
        let from_minute = calendar::minute(window.start);
        let last = Timestamp::from_millis(window.end().millis().saturating_sub(1));
        if window.count == 0 || last < Timestamp::from_millis(0) {
            return Self { from_minute, to_minute: from_minute, sources: Vec::new(), marks };
        }
        let upto = upto.max(marks.days_closed_before * MINUTES_OF_DAY);
        let to_minute = (calendar::minute(last) + 1).min(upto).max(from_minute);
        let whole_hours = window.start.seconds() % 3_600 == 0 && window.step_seconds % 3_600 == 0;
        let mut sources = Vec::new();
        for day in from_minute / MINUTES_OF_DAY..to_minute.div_ceil(MINUTES_OF_DAY) {
            if day >= marks.days_closed_before {
                sources.push(Source::DayMinutes { day });
                let first = (day * HOURS_OF_DAY).max(from_minute / 60);
                let end = ((day + 1) * HOURS_OF_DAY).min(to_minute.div_ceil(60));
                sources.extend((first..end).map(|hour| Source::HourMinutes { hour }));
            } else if day < marks.hours_from || in_one_interval(window, day) {
                sources.push(Source::DayTotal { day });
            } else if day < marks.minutes_from || whole_hours {
                sources.push(Source::DayHours { day });
            } else {
                sources.push(Source::DayMinutes { day });
            }
        }
        Self { from_minute, to_minute, sources, marks }
    }

    /// The sources for a stat that has minutes of these days (rising) in the head: where they belong to a
    /// closed day, its minutes are read too, so that all are folded in order of time.
    pub(super) fn sources(&self, in_head: impl Iterator<Item = u32>) -> Vec<Source> {
        let mut sources = self.sources.clone();
        let exact = self.marks.minutes_from..self.marks.days_closed_before;
        let mut late: Vec<u32> = in_head.filter(|day| exact.contains(day)).collect();
        late.dedup();
        for source in &mut sources {
            if let Source::DayHours { day } | Source::DayTotal { day } = *source
                && late.binary_search(&day).is_ok()
            {
                *source = Source::DayMinutes { day };
            }
        }
        sources
    }
}

fn in_one_interval(window: Window, day: u32) -> bool {
    let end = Timestamp::from_millis(calendar::day_start(day + 1).millis() - 1);
    let first = window.index(calendar::day_start(day));
    first.is_some() && first == window.index(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    /// The end of day 101.
    const UPTO: u32 = 102 * MINUTES_OF_DAY;

    fn plan(start: i64, step_seconds: i64, count: usize) -> Vec<Source> {
        let marks = Marks { days_closed_before: 100, minutes_from: 90, hours_from: 59 };
        Plan::new(Window { start: Timestamp::from_seconds(start), step_seconds, count }, marks, UPTO)
            .sources(std::iter::empty())
    }

    #[test]
    fn the_coarsest_exact_rung_is_read() {
        use Source::{DayHours, DayMinutes, DayTotal, HourMinutes};
        assert_eq!(plan(95 * DAY, DAY, 2), [DayTotal { day: 95 }, DayTotal { day: 96 }]);
        assert_eq!(plan(95 * DAY, 3_600, 24), [DayHours { day: 95 }]);
        assert_eq!(plan(95 * DAY + 60, 3_600, 24), [DayMinutes { day: 95 }, DayMinutes { day: 96 }]);
        assert_eq!(
            plan(94 * DAY + 3_600, 3 * DAY, 1),
            [DayHours { day: 94 }, DayTotal { day: 95 }, DayTotal { day: 96 }, DayHours { day: 97 }],
            "edges on the hour need hours, days between them do not"
        );
        assert_eq!(plan(80 * DAY + 60, 60, 1), [DayHours { day: 80 }], "minutes are gone");
        assert_eq!(plan(58 * DAY, 60, 1), [DayTotal { day: 58 }], "hours are gone");
        assert_eq!(
            plan(100 * DAY + 3_660, 60, 60),
            [DayMinutes { day: 100 }, HourMinutes { hour: 2_401 }, HourMinutes { hour: 2_402 }]
        );
        assert_eq!(plan(-DAY, 60, 10), []);
        let century = plan(101 * DAY, 30 * DAY, 1_200);
        assert_eq!(century.len(), 1 + 24, "what cannot be there yet is not looked for");
        assert_eq!(plan(200 * DAY, 60, 60), []);
    }

    #[test]
    fn minutes_that_came_late_are_read_with_their_day() {
        let marks = Marks { days_closed_before: 100, minutes_from: 90, hours_from: 59 };
        let window = Window { start: Timestamp::from_seconds(95 * DAY), step_seconds: DAY, count: 2 };
        let sources = Plan::new(window, marks, UPTO).sources([96, 96, 101].into_iter());
        assert_eq!(sources, [Source::DayTotal { day: 95 }, Source::DayMinutes { day: 96 }]);
    }
}

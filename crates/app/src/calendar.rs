//! Minutes, hours and days as the head counts them, in a `u32` since the epoch, and the blocks in which
//! [`Shelf`] places them.

use base::Timestamp;
use stats::resolution::{Place, Shelf};
use store::{BlockKey, BlockKind};

/// Minutes of a day.
pub(crate) const MINUTES_OF_DAY: u32 = 1_440;
/// Hours of a day.
pub(crate) const HOURS_OF_DAY: u32 = 24;

/// The last minute that a segment can hold, in the year 3883.
const LAST_MINUTE: u32 = store::SegmentKey::HOUR_MAX * 60 + 59;

/// The minute a moment counts in; moments that no block or segment can hold count in the nearest minute.
pub(crate) fn minute(time: Timestamp) -> u32 {
    (Shelf::clamp(time).minutes() as u32).min(LAST_MINUTE)
}

/// The hour that holds `time`.
pub(crate) fn hour(time: Timestamp) -> u32 {
    minute(time) / 60
}

/// The day that holds `time`.
pub(crate) fn day(time: Timestamp) -> u32 {
    minute(time) / MINUTES_OF_DAY
}

/// The start of a day.
pub(crate) fn day_start(day: u32) -> Timestamp {
    Timestamp::from_minutes(i64::from(day) * i64::from(MINUTES_OF_DAY))
}

fn place(shelf: Shelf, day: u32) -> Place {
    shelf.place(day_start(day)).expect("days are made of clamped minutes")
}

/// The number of the `HoursOfMonth` block that holds a day, and the slot of the day's first hour.
pub(crate) fn month(day: u32) -> (u32, u16) {
    let place = place(Shelf::HoursOfMonth, day);
    (place.number, place.slot)
}

/// The number of the `DaysOfYear` block that holds a day, and the day's slot.
pub(crate) fn year(day: u32) -> (u32, u16) {
    let place = place(Shelf::DaysOfYear, day);
    (place.number, place.slot)
}

/// How many slots a block has.
pub(crate) fn slots(key: BlockKey) -> u16 {
    let shelf = match key.kind {
        BlockKind::MinutesOfHour => Shelf::MinutesOfHour,
        BlockKind::MinutesOfDay => Shelf::MinutesOfDay,
        BlockKind::HoursOfMonth => Shelf::HoursOfMonth,
        BlockKind::DaysOfYear => Shelf::DaysOfYear,
    };
    shelf.slots(key.number)
}

/// The first day of the month that holds `day`.
pub(crate) fn month_start(day: u32) -> u32 {
    day - u32::from(month(day).1) / HOURS_OF_DAY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_found_in_their_month_and_year() {
        // 21 November 2026.
        let day = super::day(Timestamp::from_seconds(1_795_219_200));
        assert_eq!(day, 20_778);
        assert_eq!(month(day), (2026 * 12 + 10, 20 * 24));
        assert_eq!(year(day), (2026, 324));
        assert_eq!(month_start(day), day - 20);
        assert_eq!(minute(Timestamp::from_seconds(-5)), 0);
        let last = Timestamp::from_millis(i64::MAX);
        assert_eq!(hour(last), store::SegmentKey::HOUR_MAX, "its segment has a key");
        assert_eq!(year(super::day(last)).0, 3883);
    }
}

//! The rungs of the retention ladder and the blocks in which they are kept.

use base::Timestamp;

/// How fine a rung is. Times are counted in whole steps since the epoch, UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Resolution {
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
}

impl Resolution {
    /// The length of one step, in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// The number of the step that holds `at`, counted from the epoch; negative before it.
    pub const fn number(self, at: Timestamp) -> i64 {
        at.seconds().div_euclid(self.seconds())
    }

    /// The start of step `number`, saturating.
    pub const fn start(self, number: i64) -> Timestamp {
        Timestamp::from_seconds(number.saturating_mul(self.seconds()))
    }

    /// The start of the step that holds `at`.
    pub const fn floor(self, at: Timestamp) -> Timestamp {
        self.start(self.number(at))
    }

    /// The end of the step that holds `at`: always later than `at`.
    pub const fn next(self, at: Timestamp) -> Timestamp {
        self.start(self.number(at) + 1)
    }
}

/// What one block holds of one stat: the steps of one span of UTC time. The store's block kinds are these,
/// one for one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Shelf {
    /// 60 minutes of one hour; number = hours since the epoch.
    MinutesOfHour,
    /// 1,440 minutes of one day; number = days since the epoch.
    MinutesOfDay,
    /// Up to 744 hours of one calendar month; number = year × 12 + month − 1.
    HoursOfMonth,
    /// Up to 366 days of one calendar year; number = the year.
    DaysOfYear,
}

/// Where a step is kept.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Place {
    /// Which block of the shelf; at most [`Shelf::NUMBER_MAX`].
    pub number: u32,
    /// Which step within the block, from 0.
    pub slot: u16,
}

/// A time that no block can hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is outside of what blocks can hold, the years 1970 to 9999: clamp it with Shelf::clamp")]
pub struct OutOfRange(pub Timestamp);

impl Shelf {
    /// Every shelf, finest first.
    pub const ALL: [Self; 4] =
        [Self::MinutesOfHour, Self::MinutesOfDay, Self::HoursOfMonth, Self::DaysOfYear];
    /// The largest block number that a packed key holds: 28 bits.
    pub const NUMBER_MAX: u32 = (1 << 28) - 1;
    /// The first moment that blocks can hold: the epoch.
    pub const EARLIEST: Timestamp = Timestamp::from_millis(0);
    /// The last one: the end of the year 9999.
    pub const LATEST: Timestamp = Timestamp::from_millis(253_402_300_799_999);

    /// The length of a slot.
    pub const fn resolution(self) -> Resolution {
        match self {
            Self::MinutesOfHour | Self::MinutesOfDay => Resolution::Minute,
            Self::HoursOfMonth => Resolution::Hour,
            Self::DaysOfYear => Resolution::Day,
        }
    }

    /// The nearest moment that blocks can hold.
    pub fn clamp(at: Timestamp) -> Timestamp {
        at.clamp(Self::EARLIEST, Self::LATEST)
    }

    /// Block and slot of the step that holds `at`.
    pub fn place(self, at: Timestamp) -> Result<Place, OutOfRange> {
        if at != Self::clamp(at) {
            return Err(OutOfRange(at));
        }
        let day = Resolution::Day.number(at);
        let number = match self {
            Self::MinutesOfHour => Resolution::Hour.number(at),
            Self::MinutesOfDay => day,
            Self::HoursOfMonth => {
                let (year, month, _) = civil(day);
                year * 12 + month - 1
            }
            Self::DaysOfYear => civil(day).0,
        } as u32;
        let slot = self.resolution().number(at) - self.resolution().number(self.start(number));
        Ok(Place { number, slot: slot as u16 })
    }

    /// The first moment of block `number`.
    pub const fn start(self, number: u32) -> Timestamp {
        let number = number as i64;
        match self {
            Self::MinutesOfHour => Resolution::Hour.start(number),
            Self::MinutesOfDay => Resolution::Day.start(number),
            Self::HoursOfMonth => Resolution::Day.start(days(number / 12, number % 12 + 1, 1)),
            Self::DaysOfYear => Resolution::Day.start(days(number, 1, 1)),
        }
    }

    /// How many slots block `number` has: 28 days are 672 hours.
    pub const fn slots(self, number: u32) -> u16 {
        let seconds = self.start(number + 1).seconds() - self.start(number).seconds();
        (seconds / self.resolution().seconds()) as u16
    }

    /// The start of a slot: undoes [`Shelf::place`].
    pub const fn time(self, place: Place) -> Timestamp {
        let start = self.start(place.number).seconds();
        Timestamp::from_seconds(start + place.slot as i64 * self.resolution().seconds())
    }

    /// The numbers of the blocks that hold any of `from..until`, clamped to what blocks can hold.
    pub fn numbers(self, from: Timestamp, until: Timestamp) -> std::ops::Range<u32> {
        let last = Timestamp::from_millis(until.millis().saturating_sub(1));
        if last < from || last < Self::EARLIEST || from > Self::LATEST {
            return 0..0;
        }
        let number = |at| self.place(Self::clamp(at)).map_or(0, |place| place.number);
        number(from)..number(last) + 1
    }
}

/// Year, month and day of a day since the epoch, in the Gregorian calendar. Counts from 1 March 0000, so
/// that the leap day is a year's last.
const fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + (month <= 2) as i64, month, day)
}

/// The day since the epoch of a date: undoes [`civil`].
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Seconds since the epoch of a moment, by `date -u -d MOMENT +%s`.
    fn check(shelf: Shelf, seconds: i64, number: u32, slot: u16) {
        let at = Timestamp::from_seconds(seconds);
        let place = Place { number, slot };
        assert_eq!(shelf.place(at), Ok(place), "{shelf:?} {seconds}");
        assert_eq!(shelf.time(place), shelf.resolution().floor(at), "{shelf:?} {place:?}");
    }

    #[test]
    fn moments_have_their_places() {
        check(Shelf::MinutesOfHour, 0, 0, 0);
        check(Shelf::HoursOfMonth, 0, 1970 * 12, 0);
        check(Shelf::DaysOfYear, 0, 1970, 0);
        // 2013-03-12 19:55:26
        check(Shelf::MinutesOfHour, 1_363_118_126, 378_643, 55);
        check(Shelf::MinutesOfDay, 1_363_118_126, 15_776, 19 * 60 + 55);
        check(Shelf::HoursOfMonth, 1_363_118_126, 2013 * 12 + 2, 11 * 24 + 19);
        check(Shelf::DaysOfYear, 1_363_118_126, 2013, 70);
        // 2024-02-29 23:59:59, 2024-12-31, 2100-03-01 (no leap year)
        check(Shelf::HoursOfMonth, 1_709_251_199, 2024 * 12 + 1, 29 * 24 - 1);
        check(Shelf::DaysOfYear, 1_709_251_199, 2024, 59);
        check(Shelf::DaysOfYear, 1_735_603_200, 2024, 365);
        check(Shelf::DaysOfYear, 4_107_542_400, 2100, 59);
        // 9999-12-31 23:59:59
        check(Shelf::MinutesOfDay, 253_402_300_799, 2_932_896, 1_439);
    }

    #[test]
    fn blocks_have_the_slots_of_their_month_and_year() {
        let slots = |shelf: Shelf, number| shelf.slots(number);
        assert_eq!(slots(Shelf::MinutesOfHour, 378_643), 60);
        assert_eq!(slots(Shelf::MinutesOfDay, 15_776), 1_440);
        assert_eq!(slots(Shelf::HoursOfMonth, 2024 * 12 + 1), 29 * 24);
        assert_eq!(slots(Shelf::HoursOfMonth, 2023 * 12 + 1), 28 * 24);
        assert_eq!(slots(Shelf::HoursOfMonth, 2023 * 12 + 11), 31 * 24);
        assert_eq!(slots(Shelf::DaysOfYear, 2024), 366);
        assert_eq!(slots(Shelf::DaysOfYear, 2100), 365);
    }

    #[test]
    fn what_blocks_cannot_hold_is_refused_and_can_be_clamped() {
        for (ms, clamped) in [(-1, Shelf::EARLIEST), (i64::MIN, Shelf::EARLIEST), (i64::MAX, Shelf::LATEST)] {
            let at = Timestamp::from_millis(ms);
            for shelf in Shelf::ALL {
                assert_eq!(shelf.place(at), Err(OutOfRange(at)));
                assert_eq!(Shelf::clamp(at), clamped);
                assert!(shelf.place(clamped).is_ok_and(|place| place.number <= Shelf::NUMBER_MAX));
            }
        }
    }

    #[test]
    fn steps_are_counted_before_the_epoch_too() {
        let at = Timestamp::from_millis(-1);
        assert_eq!(Resolution::Hour.number(at), -1);
        assert_eq!(Resolution::Hour.floor(at), Timestamp::from_seconds(-3_600));
        assert_eq!(Resolution::Hour.next(at), Timestamp::from_seconds(0));
        assert_eq!(Resolution::Day.next(Timestamp::from_seconds(0)), Timestamp::from_seconds(86_400));
    }

    #[test]
    fn a_range_of_time_names_its_blocks() {
        let numbers = |shelf: Shelf, from, until| {
            shelf.numbers(Timestamp::from_seconds(from), Timestamp::from_seconds(until))
        };
        assert_eq!(numbers(Shelf::MinutesOfHour, 3_600, 7_200), 1..2);
        assert_eq!(numbers(Shelf::MinutesOfHour, 3_599, 7_201), 0..3);
        assert_eq!(numbers(Shelf::DaysOfYear, -5, 1), 1970..1971);
        assert_eq!(numbers(Shelf::MinutesOfDay, 10, 10), 0..0);
        assert_eq!(numbers(Shelf::MinutesOfDay, -10, -5), 0..0);
    }

    proptest! {
        #[test]
        fn dates_go_both_ways(day in -800_000i64..3_000_000) {
            let (year, month, of_month) = civil(day);
            prop_assert_eq!(days(year, month, of_month), day);
            prop_assert!((1..=12).contains(&month) && (1..=31).contains(&of_month));
            let (next_year, next_month, next) = civil(day + 1);
            prop_assert!((next_year, next_month, next) > (year, month, of_month));
            prop_assert!(next == of_month + 1 || next == 1);
        }

        #[test]
        fn places_go_both_ways(ms in 0i64..253_402_300_800_000) {
            let at = Timestamp::from_millis(ms);
            for shelf in Shelf::ALL {
                let place = shelf.place(at).expect("in range");
                prop_assert_eq!(shelf.time(place), shelf.resolution().floor(at));
                prop_assert!(place.slot < shelf.slots(place.number));
                let end = shelf.start(place.number + 1);
                prop_assert!(shelf.start(place.number) <= at && at < end);
                prop_assert_eq!(shelf.numbers(at, end), place.number..place.number + 1);
            }
        }
    }
}

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

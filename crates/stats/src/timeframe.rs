//! StatHat's timeframes: `1w3h` is one week at three hours.

use std::fmt;
use std::str::FromStr;

use base::Timestamp;

use crate::Resolution;

/// A unit of a timeframe.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Unit {
    /// `m`
    Minute,
    /// `h`
    Hour,
    /// `d`
    Day,
    /// `w`
    Week,
    /// `M`: 30 days.
    Month,
    /// `y`: 365 days.
    Year,
}

/// A number of units, such as `3h`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    /// How many; at least 1.
    pub n: u32,
    /// Of what.
    pub unit: Unit,
}

/// How far back, in which steps: `1w3h`; with a third part, compared with how long before: `1d15m1w`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Timeframe {
    /// The whole window.
    pub span: Span,
    /// One interval; divides the window into at most [`Timeframe::STEPS_MAX`].
    pub step: Span,
    /// Offset of the period to compare with.
    pub compare: Option<Span>,
}

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

/// Why a text is not a timeframe.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TimeframeError {
    /// Not the grammar.
    #[error("`{0}` is not a timeframe: write a duration and an interval, such as 1w3h (units m h d w M y)")]
    Grammar(String),
    /// Interval longer than the window.
    #[error("the interval of `{0}` is longer than its duration")]
    StepTooLong(String),
    /// Too many intervals.
    #[error("`{0}` has {1} intervals, the limit is {max}", max = Timeframe::STEPS_MAX)]
    TooMany(String, u64),
    /// A part beyond [`Span::SECONDS_MAX`].
    #[error("a part of `{0}` is longer than {max} years", max = Span::SECONDS_MAX / Unit::Year.seconds())]
    SpanTooLong(String),
}

impl Unit {
    const ALL: [Self; 6] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Year];

    /// Its length, in seconds.
    pub const fn seconds(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Week => 7 * 86_400,
            Self::Month => 30 * 86_400,
            Self::Year => 365 * 86_400,
        }
    }

    /// Its letter in a timeframe.
    pub const fn letter(self) -> char {
        match self {
            Self::Minute => 'm',
            Self::Hour => 'h',
            Self::Day => 'd',
            Self::Week => 'w',
            Self::Month => 'M',
            Self::Year => 'y',
        }
    }

    /// Its word, singular.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Year => "year",
        }
    }
}

impl Span {
    /// The longest span, in seconds: a hundred years.
    pub const SECONDS_MAX: i64 = 100 * Unit::Year.seconds();

    /// So many of a unit.
    pub const fn new(n: u32, unit: Unit) -> Self {
        Self { n, unit }
    }

    /// Reads one span, such as `7d`.
    pub fn parse(text: &str) -> Result<Self, TimeframeError> {
        match Self::take(text, text)? {
            (span, "") => Ok(span),
            _ => Err(TimeframeError::Grammar(text.into())),
        }
    }

    /// Its length, in seconds.
    pub const fn seconds(self) -> i64 {
        self.n as i64 * self.unit.seconds()
    }

    /// In words: `3 hours`.
    pub fn words(self) -> String {
        format!("{} {}{}", self.n, self.unit.word(), if self.n == 1 { "" } else { "s" })
    }

    /// The first span of `text` and what follows it; errors name the `whole`.
    fn take<'a>(text: &'a str, whole: &str) -> Result<(Self, &'a str), TimeframeError> {
        let grammar = || TimeframeError::Grammar(whole.chars().take(TEXT_SHOWN_MAX).collect());
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let letter = text[digits..].chars().next().ok_or_else(grammar)?;
        let unit = Unit::ALL.into_iter().find(|unit| unit.letter() == letter).ok_or_else(grammar)?;
        let rest = &text[digits + 1..];
        if digits == 0 || text[..digits].bytes().all(|digit| digit == b'0') {
            return Err(grammar());
        }
        let too_long = || TimeframeError::SpanTooLong(whole.chars().take(TEXT_SHOWN_MAX).collect());
        let span = Self { n: text[..digits].parse().map_err(|_| too_long())?, unit };
        if span.seconds() > Self::SECONDS_MAX { Err(too_long()) } else { Ok((span, rest)) }
    }
}

/// How much of a wrong text an error repeats, in characters.
const TEXT_SHOWN_MAX: usize = 40;

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.n, self.unit.letter())
    }
}

impl FromStr for Span {
    type Err = TimeframeError;
    fn from_str(text: &str) -> Result<Self, TimeframeError> {
        Self::parse(text)
    }
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
    /// The most intervals one answer holds.
    pub const STEPS_MAX: u64 = 11_000;

    /// Checks the limits.
    pub fn new(span: Span, step: Span, compare: Option<Span>) -> Result<Self, TimeframeError> {
        let timeframe = Self { span, step, compare };
        let steps = timeframe.steps();
        if span.n == 0 || step.n == 0 || compare.is_some_and(|compare| compare.n == 0) {
            return Err(TimeframeError::Grammar(timeframe.to_string()));
        }
        if step.seconds() > span.seconds() {
            return Err(TimeframeError::StepTooLong(timeframe.to_string()));
        }
        if steps > Self::STEPS_MAX {
            return Err(TimeframeError::TooMany(timeframe.to_string(), steps));
        }
        Ok(timeframe)
    }

    /// Reads `<n><unit><n><unit>` with an optional third `<n><unit>`: `1w3h`, `1d15m1w`.
    pub fn parse(text: &str) -> Result<Self, TimeframeError> {
        let (span, rest) = Span::take(text, text)?;
        let (step, rest) = Span::take(rest, text)?;
        let compare = match rest {
            "" => None,
            rest => match Span::take(rest, text)? {
                (compare, "") => Some(compare),
                _ => return Err(TimeframeError::Grammar(text.chars().take(TEXT_SHOWN_MAX).collect())),
            },
        };
        Self::new(span, step, compare)
    }

    /// Reads what the export's `summary` takes: `7d` is `7d1d`, and a whole timeframe is taken as it is,
    /// its interval being at least a day.
    pub fn parse_summary(text: &str) -> Result<Self, TimeframeError> {
        let day = Span::new(1, Unit::Day);
        match Span::take(text, text)? {
            (span, "") if span.seconds() < day.seconds() => Self::new(day, day, None),
            (span, "") => Self::new(span, day, None),
            _ => {
                let given = Self::parse(text)?;
                let longer = |span: Span| if span.seconds() < day.seconds() { day } else { span };
                Self::new(longer(given.span), longer(given.step), given.compare)
            }
        }
    }

    /// In words: `1 week @ 3 hours`.
    pub fn words(self) -> String {
        let words = format!("{} @ {}", self.span.words(), self.step.words());
        match self.compare {
            None => words,
            Some(compare) => format!("{words}, compared with {} before", compare.words()),
        }
    }

    /// The number of intervals: the last one that is needed is a whole one.
    pub const fn steps(self) -> u64 {
        let (span, step) = (self.span.seconds(), self.step.seconds());
        if step <= 0 { 0 } else { ((span + step - 1) / step) as u64 }
    }

    /// The window that is meant at `now`: it ends at the end of the open minute, so that what was just sent
    /// is in it. With `start` it begins with the minute of that moment instead.
    ///
    /// Where minutes are no longer `kept` at the window's start, the window is moved to whole hours, and
    /// where hours are not, to whole UTC days (its end to the end of the open one, a `start` to the start of
    /// the one it lies in): then intervals of whole hours (days) are answered exactly. Intervals that are
    /// finer than that keep their length; a bucket counts in the interval that holds its start.
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

    /// How long before a window the period lies with which it is compared, in seconds: the third part, or
    /// the length of the window itself.
    pub fn compare_seconds(self) -> i64 {
        let length = self.step.seconds() * self.steps() as i64;
        self.compare.map_or(length, Span::seconds)
    }
}

impl fmt::Display for Timeframe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.span, self.step)?;
        self.compare.map_or(Ok(()), |compare| compare.fmt(f))
    }
}

impl FromStr for Timeframe {
    type Err = TimeframeError;
    fn from_str(text: &str) -> Result<Self, TimeframeError> {
        Self::parse(text)
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

//! StatHat's timeframes: `1w3h` is one week at three hours.

use std::fmt;
use std::str::FromStr;

pub use window::{Kept, Window};

mod window;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, seconds: (i64, i64), words: &str) {
        let timeframe = Timeframe::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((timeframe.span.seconds(), timeframe.step.seconds()), seconds, "{text}");
        assert_eq!(timeframe.words(), words, "{text}");
        assert_eq!(timeframe.to_string(), text);
    }

    #[test]
    fn the_timeframes_of_the_clients_are_read() {
        check("1w3h", (604_800, 10_800), "1 week @ 3 hours");
        check("1d15m", (86_400, 900), "1 day @ 15 minutes");
        check("1M1h", (2_592_000, 3_600), "1 month @ 1 hour");
        check("1d1h", (86_400, 3_600), "1 day @ 1 hour");
        check("30m1m", (1_800, 60), "30 minutes @ 1 minute");
        check("1y1d", (31_536_000, 86_400), "1 year @ 1 day");
        check("2M1d", (5_184_000, 86_400), "2 months @ 1 day");
        check("10y10y", (315_360_000, 315_360_000), "10 years @ 10 years");
        check("1d15m1w", (86_400, 900), "1 day @ 15 minutes, compared with 1 week before");
    }

    #[test]
    fn what_is_not_a_timeframe_is_refused_by_name() {
        let grammar = ["", "1w", "w3h", "1w3", "1W3h", "1w3H", "1w 3h", "+1w3h", "1w3h1", "1w3h1dx", "0w3h"];
        let grammar =
            grammar.into_iter().chain(["1w0h", "1w3h0d", "1é3h", "é", "1w3h1d1d", "-1w3h", "１w3h"]);
        for text in grammar {
            assert_eq!(Timeframe::parse(text), Err(TimeframeError::Grammar(text.into())), "{text}");
        }
        assert_eq!(Timeframe::parse("1h1d"), Err(TimeframeError::StepTooLong("1h1d".into())));
        assert_eq!(Timeframe::parse("1y1m"), Err(TimeframeError::TooMany("1y1m".into(), 525_600)));
        assert_eq!(Timeframe::parse("101y1y"), Err(TimeframeError::SpanTooLong("101y1y".into())));
        assert_eq!(
            Timeframe::parse("1d1h99999999999y").map_err(|e| e.to_string()).unwrap_err(),
            "a part of `1d1h99999999999y` is longer than 100 years"
        );
        assert_eq!(Span::parse("7d1"), Err(TimeframeError::Grammar("7d1".into())));
        assert!(Timeframe::new(Span::new(0, Unit::Day), Span::new(1, Unit::Day), None).is_err());
    }

    #[test]
    fn the_period_compared_with_lies_before() {
        let seconds = |text: &str| Timeframe::parse(text).expect("a timeframe").compare_seconds();
        assert_eq!(seconds("1d15m"), 86_400);
        assert_eq!(seconds("1d15m1w"), 604_800);
        assert_eq!(seconds("1h7m"), 9 * 420);
    }

    fn span() -> impl Strategy<Value = Span> {
        (1u32..2_000, prop::sample::select(&Unit::ALL[..])).prop_map(|(n, unit)| Span { n, unit })
    }

    proptest! {
        #[test]
        fn text_goes_both_ways(span in span(), step in span(), compare in prop::option::of(span())) {
            if let Ok(timeframe) = Timeframe::new(span, step, compare)
                && compare.is_none_or(|compare| compare.seconds() <= Span::SECONDS_MAX)
                && span.seconds() <= Span::SECONDS_MAX
            {
                prop_assert_eq!(timeframe.to_string().parse(), Ok(timeframe));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,12}", like in "[0-9]{0,12}[mhdwMy]{0,2}[0-9]{0,3}[mhdwMy]?") {
            for text in [text, like] {
                let _ = Timeframe::parse_summary(&text);
                if let Ok(timeframe) = Timeframe::parse(&text) {
                    prop_assert!(timeframe.steps() <= Timeframe::STEPS_MAX);
                }
            }
        }
    }
}

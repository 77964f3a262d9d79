//! Numbers and times as fifteen languages write them.

use std::time::Duration;

use base::Timestamp;

/// Why a number was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NumberError {
    #[error("is empty")]
    Empty,
    #[error("is not a number: `{0}`")]
    Text(String),
    #[error("is not finite: `{0}`")]
    NotFinite(String),
}

/// How much of a refused number is shown.
const SHOWN_CHARS: usize = 40;

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

/// Reads `1`, `9.5`, `1e-07`, `1.23456785e+07`, `-3`, ` 5.0 `. NaN, infinities and what is too great
/// for a double are refused.
pub(crate) fn parse(text: &str) -> Result<f64, NumberError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(NumberError::Empty);
    }
    // One or two digits are most of the traffic.
    if let [digit @ b'0'..=b'9'] = text.as_bytes() {
        return Ok(f64::from(digit - b'0'));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err(NumberError::NotFinite(shown(text))),
        Err(_) => Err(NumberError::Text(shown(text))),
    }
}

/// 2001-01-01, in seconds: no point is older.
const EARLIEST: Timestamp = Timestamp::from_seconds(978_307_200);
/// How far ahead of our clock a point may be.
const AHEAD_MAX: Duration = Duration::from_secs(86_400);
/// From 13 digits on it is milliseconds: in seconds that would be the year 33658.
const MILLISECONDS_FROM: f64 = 1e12;

/// When a point counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Moment {
    pub(crate) time: Timestamp,
    /// What was sent was no plausible time, so the time of receipt stands for it.
    pub(crate) odd: bool,
}

/// Reads unix seconds, or milliseconds where it has 13 digits. What is no number, before 2001 or
/// more than a day ahead becomes `now`.
pub(crate) fn moment(seconds: Option<f64>, now: Timestamp) -> Moment {
    let odd = Moment { time: now, odd: true };
    let Some(seconds) = seconds.filter(|s| s.is_finite()) else { return odd };
    let millis = if seconds >= MILLISECONDS_FROM { seconds } else { seconds * 1_000.0 };
    // A float beyond the range of an integer saturates, and is implausible then.
    let time = Timestamp::from_millis(millis as i64);
    if time < EARLIEST || time > now + AHEAD_MAX { odd } else { Moment { time, odd: false } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_of_every_language_are_read() {
        let check = |text: &str, number: f64| assert_eq!(parse(text), Ok(number), "{text:?}");
        check("1", 1.0);
        check("9.5", 9.5);
        check("1e-07", 1e-7);
        check("1.23456785e+07", 12_345_678.5);
        check("5.0", 5.0);
        check(" 3 ", 3.0);
        check("-2", -2.0);
        check("+4", 4.0);
        check("1e308", 1e308);
        check("0.10000000000000000000", 0.1);
        check("12.000000", 12.0);
    }

    #[test]
    fn what_is_no_finite_number_is_refused_in_words() {
        let check = |text: &str, message: &str| {
            assert_eq!(parse(text).expect_err(text).to_string(), message, "{text:?}");
        };
        check("", "is empty");
        check("  ", "is empty");
        check("NaN", "is not finite: `NaN`");
        check("-inf", "is not finite: `-inf`");
        check("Infinity", "is not finite: `Infinity`");
        check("1e999", "is not finite: `1e999`");
        check("many", "is not a number: `many`");
        check("9,5", "is not a number: `9,5`");
        check(&"x".repeat(500), &format!("is not a number: `{}`", "x".repeat(SHOWN_CHARS)));
    }

    #[test]
    fn times_are_seconds_or_plainly_milliseconds() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let check = |seconds: f64, millis: i64| {
            let expect = Moment { time: Timestamp::from_millis(millis), odd: false };
            assert_eq!(moment(Some(seconds), now), expect, "{seconds}");
        };
        check(1_363_118_126.0, 1_363_118_126_000);
        check(1_363_118_126.25, 1_363_118_126_250);
        check(1_363_118_126_789.0, 1_363_118_126_789);
        check(978_307_200.0, 978_307_200_000);
        check(1_800_086_400.0, 1_800_086_400_000);
        for odd in [0.0, -1.0, 136_277_244.0, 978_307_199.0, 1_800_086_401.0, 1e16, 1e300, f64::NAN] {
            assert_eq!(moment(Some(odd), now), Moment { time: now, odd: true }, "{odd}");
        }
        assert!(moment(None, now).odd);
    }

    proptest! {
        #[test]
        fn a_written_number_is_read_back(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
            prop_assert_eq!(parse(&number.to_string()), Ok(number));
            prop_assert_eq!(parse(&format!("{number:e}")), Ok(number));
        }

        #[test]
        fn nothing_panics(text in ".*", seconds in any::<f64>()) {
            let _ = parse(&text);
            let _ = moment(Some(seconds), Timestamp::from_seconds(1_800_000_000));
        }
    }
}

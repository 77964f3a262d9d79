//! Durations as Go writes and reads them: `1h0m0s`, `1.5s`, `250ms`.

use std::time::Duration;

/// Most nanoseconds a Go duration can hold: about 292 years.
const NANOS_MAX: u128 = i64::MAX as u128;

const UNITS: [(&str, u128); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Reads `text` as Go does: numbers with units, each may have a fraction; a bare `0` needs no unit.
/// Negative ones are refused: nothing here can last less than no time.
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration: write 250ms, 1.5s, 1m30s or 1h");
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanos: u128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(end);
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, next) = behind.split_at(end);
        let (_, scale) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        nanos = nanos.saturating_add(scaled(number, *scale).ok_or_else(wrong)?);
        rest = next;
    }
    match u64::try_from(nanos) {
        Ok(exact) if nanos <= NANOS_MAX => Ok(Duration::from_nanos(exact)),
        _ => Err(format!("`{text}` is longer than 292 years")),
    }
}

/// `number` × `scale`, its fraction cut at a nanosecond. `None` if it is not a number.
fn scaled(number: &str, scale: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let mut nanos = if whole.is_empty() { 0 } else { whole.parse::<u128>().ok()?.checked_mul(scale)? };
    let mut part = scale;
    for digit in fraction.bytes() {
        part /= 10;
        nanos = nanos.checked_add(part * u128::from(digit - b'0'))?;
    }
    Some(nanos)
}

/// Writes `duration` as Go does: hours, minutes and seconds, or one unit below a second.
pub fn format(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    for (unit, scale, limit) in [("ns", 1, 1_000), ("µs", 1_000, 1_000_000), ("ms", 1_000_000, 1_000_000_000)]
    {
        if nanos < limit {
            return with_fraction(nanos, scale) + unit;
        }
    }
    let seconds = with_fraction(nanos % 60_000_000_000, 1_000_000_000);
    let minutes = nanos / 60_000_000_000;
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

fn with_fraction(nanos: u128, scale: u128) -> String {
    let (whole, mut rest) = (nanos / scale, nanos % scale);
    let mut out = whole.to_string();
    let mut place = scale;
    if rest > 0 {
        out.push('.');
    }
    while rest > 0 {
        place /= 10;
        out.push(char::from(b'0' + u8::try_from(rest / place).expect("one digit")));
        rest %= place;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_and_written_as_go_does() {
        let check = |text: &str, nanos: u64, written: &str| {
            assert_eq!(parse(text), Ok(Duration::from_nanos(nanos)), "{text}");
            assert_eq!(format(Duration::from_nanos(nanos)), written, "{text}");
        };
        check("60s", 60_000_000_000, "1m0s");
        check("1h", 3_600_000_000_000, "1h0m0s");
        check("1h2m3.5s", 3_723_500_000_000, "1h2m3.5s");
        check("250ms", 250_000_000, "250ms");
        check("1.5us", 1_500, "1.5µs");
        check("2µs", 2_000, "2µs");
        check("7ns", 7, "7ns");
        check(".5s", 500_000_000, "500ms");
        check("0", 0, "0s");
        check("0s", 0, "0s");
        check("15m", 900_000_000_000, "15m0s");
        check("1.000000001s", 1_000_000_001, "1.000000001s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "5", "s", "1d", "-1s", "1s2", "1..2s", ".s", "1 s", "9999999h"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(nanos in 0..=i64::MAX as u64) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse(&format(duration)), Ok(duration));
        }
    }
}

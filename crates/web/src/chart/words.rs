//! What a chart says to those who cannot see it, and the words on it.

use stats::Kind;
use stats::timeframe::{Span, Timeframe};

use super::Spec;

/// A timeframe in words for a sentence: `last week by 3 hours`.
pub fn period(timeframe: &Timeframe) -> String {
    format!("last {} by {}", span(timeframe.span), span(timeframe.step))
}

/// `week`, `3 hours`.
fn span(span: Span) -> String {
    if span.n == 1 { span.unit.word().to_owned() } else { span.words() }
}

/// `signups, last week by 3 hours: total 1,204, between 0 and 93`.
pub fn describe(spec: &Spec) -> String {
    let about = [spec.title.as_str(), spec.period.as_str()];
    let about = about.into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ");
    let known: Vec<f64> = spec.figures.iter().flatten().copied().filter(|f| f.is_finite()).collect();
    let Some(headline) = headline(spec.kind, &known) else {
        return format!("{about}: no data");
    };
    let low = known.iter().copied().fold(f64::INFINITY, f64::min);
    let high = known.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let name = match spec.kind {
        Kind::Counter => "total",
        Kind::Value => "mean",
    };
    format!("{about}: {name} {}, between {} and {}", figure(headline), figure(low), figure(high))
}

/// The one number of a chart: the total of a counter, the mean of a value; `None` without figures.
pub fn headline(kind: Kind, known: &[f64]) -> Option<f64> {
    if known.is_empty() {
        return None;
    }
    let n = known.len() as f64;
    Some(match kind {
        Kind::Counter => known.iter().sum(),
        // Each part by itself: the sum of large readings is not finite.
        Kind::Value => known.iter().map(|figure| figure / n).sum(),
    })
}

/// A figure for a sentence: thousands grouped, four significant digits where it has decimals.
pub fn figure(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return "out of range".to_owned();
    }
    if size >= 1e15 || (size > 0.0 && size < 1e-4) {
        return format!("{number:.3e}").replace('-', "−");
    }
    if number.fract() == 0.0 {
        // + 0.0: minus zero is zero.
        return grouped(&format!("{:.0}", number + 0.0));
    }
    let decimals = (3 - size.log10().floor() as i32).clamp(0, 8) as usize;
    let text = format!("{number:.decimals$}");
    grouped(if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text })
}

/// A plain decimal with `,` between thousands and a real minus sign.
pub(crate) fn grouped(decimal: &str) -> String {
    let (sign, digits) = decimal.strip_prefix('-').map_or(("", decimal), |rest| ("−", rest));
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::from(sign);
    for (n, digit) in whole.chars().enumerate() {
        if n > 0 && (whole.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        let table = [
            (0.0, "0"),
            (-0.0, "0"),
            (3.0, "3"),
            (1204.0, "1,204"),
            (-1234567.0, "−1,234,567"),
            (142.26, "142.3"),
            (12345.6, "12,346"),
            (0.5, "0.5"),
            (0.012345, "0.01235"),
            (1e20, "1.000e20"),
            (2.5e-9, "2.500e−9"),
            (f64::INFINITY, "out of range"),
        ];
        for (number, expect) in table {
            assert_eq!(figure(number), expect);
        }
    }

    #[test]
    fn a_period_reads_as_a_sentence() {
        let words = |text: &str| period(&text.parse().expect("a timeframe"));
        assert_eq!(words("1w3h"), "last week by 3 hours");
        assert_eq!(words("2M1d"), "last 2 months by day");
    }
}

//! What a chart says to those who cannot see it, and the words on it.

use std::borrow::Cow;

use stats::Kind;
use stats::number::{grouped, short};
use stats::timeframe::{Span, Timeframe};

use super::Spec;

/// A name as people are to see it: what would not be seen, or would turn what follows around, stands there by its
/// number. Names are whatever clients send.
pub fn shown(name: &str) -> Cow<'_, str> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    // A zero-width joiner holds one picture together, of several.
    let hidden = |c: char| hidden(c) && c != '\u{200d}';
    if !name.contains(hidden) {
        return name.into();
    }
    let mut out = String::with_capacity(name.len() + 16);
    for c in name.chars() {
        if hidden(c) { out.push_str(&format!("[U+{:04X}]", u32::from(c))) } else { out.push(c) }
    }
    out.into()
}

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
    let known = || spec.figures.iter().flatten().copied().filter(|figure| figure.is_finite());
    let (Some(number), true) = (spec.number, known().next().is_some()) else {
        return format!("{about}: no data");
    };
    let low = known().fold(f64::INFINITY, f64::min);
    let high = known().fold(f64::NEG_INFINITY, f64::max);
    let name = match spec.kind {
        Kind::Counter => "total",
        Kind::Value => "mean",
    };
    format!("{about}: {name} {}, between {} and {}", figure(number), figure(low), figure(high))
}

/// From here on figures are told with a letter: `165.6 k`.
const SHORT_FROM: f64 = 100_000.0;

/// A figure as pages and pictures tell it: `9.53`, `12,412`, `165.6 k`.
pub fn figure(number: f64) -> String {
    let whole = (1_000.0..SHORT_FROM).contains(&number.abs().round());
    if whole { grouped(number.round()) } else { short(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_stands_there_by_its_number() {
        for plain in ["signups", "température 3 °C", "日本", "\u{1f469}\u{200d}\u{1f680}"] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown("abc\u{202e}txt.exe"), "abc[U+202E]txt.exe");
        assert_eq!(shown("a\0b\nc\u{7f}\u{feff}"), "a[U+0000]b[U+000A]c[U+007F][U+FEFF]");
    }

    #[test]
    fn figures_read_well() {
        let table = [(0.0, "0"), (1204.0, "1,204"), (12345.6, "12,346"), (142.26, "142.3"), (1e6, "1 M")];
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

//! The timeframes that pages offer, and what they are called.

use serde::Serialize;
use stats::Timeframe;
use stats::timeframe::Span;

use crate::failure::Failure;

/// A timeframe with a name of its own.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// The key that chooses it.
    pub key: char,
    /// As URLs have it.
    pub t: &'static str,
    /// As people say it.
    pub name: &'static str,
    /// As StatHat's addresses have it, also with `_compare` at its end.
    pub classic: &'static str,
}

/// From an hour to a year.
pub const PRESETS: [Preset; 6] = [
    Preset { key: 'h', t: "1h1m", name: "hour", classic: "hour" },
    Preset { key: 'n', t: "12h10m", name: "12 h", classic: "half" },
    Preset { key: 'd', t: "1d15m", name: "day", classic: "day" },
    Preset { key: 'w', t: "1w3h", name: "week", classic: "week" },
    Preset { key: 'm', t: "1M6h", name: "month", classic: "month" },
    Preset { key: 'y', t: "1y1d", name: "year", classic: "year" },
];

/// What a page shows unless asked otherwise, once there is enough to fill it.
pub const USUAL: &str = "1w3h";

/// Shorter ones, for stats that are younger than them.
const YOUNG: [&str; 3] = ["1h1m", "12h10m", "1d15m"];

/// The rows of the summary table: indexes into [`PRESETS`].
pub const SUMMARY: [usize; 5] = [0, 2, 3, 4, 5];

/// A timeframe as pages show it.
#[derive(Clone, Serialize, Debug)]
pub struct Shown {
    /// As URLs have it: `1w3h`.
    pub t: String,
    /// `1 week @ 3 hours`.
    pub words: String,
    /// `week`, `3 days`.
    pub span: String,
    /// `3 hours`.
    pub step: String,
    /// What is compared with: `the week before`.
    pub before: String,
}

/// One choice of the picker.
#[derive(Clone, Serialize, Debug)]
pub struct Choice {
    /// The key that chooses it.
    pub key: char,
    /// As URLs have it.
    pub t: &'static str,
    /// As people say it.
    pub name: &'static str,
    /// Whether it is the one shown.
    pub current: bool,
}

/// Reads what a URL asks for; nothing means [`USUAL`].
pub fn read(t: Option<&str>) -> Result<Timeframe, Failure> {
    let text = t.filter(|text| !text.is_empty()).unwrap_or(USUAL);
    text.parse().map_err(|error: stats::timeframe::TimeframeError| Failure::Invalid(error.to_string()))
}

/// Reads what a URL asks for; nothing means the shortest timeframe that holds all of a stat of this age, [`USUAL`] at
/// the longest.
pub fn read_for(t: Option<&str>, age_seconds: i64) -> Result<Timeframe, Failure> {
    if t.is_some_and(|text| !text.is_empty()) {
        return read(t);
    }
    let young = YOUNG.map(preset).into_iter().find(|timeframe| age_seconds <= timeframe.span.seconds());
    Ok(young.unwrap_or_else(|| preset(USUAL)))
}

/// What StatHat's addresses call `half` or `week_compare`.
pub fn classic(name: &str) -> Option<&'static str> {
    let name = name.strip_suffix("_compare").unwrap_or(name);
    PRESETS.iter().find(|preset| preset.classic == name).map(|preset| preset.t)
}

/// One of our own, which always reads.
pub fn preset(t: &'static str) -> Timeframe {
    t.parse().expect("our own timeframes are timeframes")
}

/// How long before the window the one to compare with began.
pub fn compare(timeframe: &Timeframe) -> Span {
    timeframe.compare.unwrap_or(timeframe.span)
}

/// As pages show it.
pub fn shown(timeframe: &Timeframe) -> Shown {
    Shown {
        t: timeframe.to_string(),
        words: timeframe.words(),
        span: span(timeframe.span),
        step: span(timeframe.step),
        before: format!("the {} before", span(compare(timeframe))),
    }
}

/// The picker's choices.
pub fn choices(timeframe: &Timeframe) -> Vec<Choice> {
    let shown = timeframe.to_string();
    let choice = |p: &Preset| Choice { key: p.key, t: p.t, name: p.name, current: p.t == shown };
    PRESETS.iter().map(choice).collect()
}

/// `week`, `3 days`.
pub fn span(span: Span) -> String {
    if span.n == 1 { span.unit.word().to_owned() } else { span.words() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_timeframe_of_ours_is_one() {
        for Preset { t, .. } in PRESETS {
            assert_eq!(shown(&preset(t)).t, t);
        }
        let usual = shown(&read(None).expect("the usual one"));
        assert_eq!(
            (usual.span.as_str(), usual.step.as_str(), usual.before.as_str()),
            ("week", "3 hours", "the week before")
        );
    }

    #[test]
    fn young_stats_are_not_shown_in_an_empty_week() {
        let opened = |t, age| read_for(t, age).expect("a timeframe").to_string();
        for (age, expected) in [
            (0, "1h1m"),
            (3_600, "1h1m"),
            (3_601, "12h10m"),
            (86_400, "1d15m"),
            (86_401, "1w3h"),
            (-60, "1h1m"),
        ] {
            assert_eq!(opened(None, age), expected, "{age} seconds old");
        }
        assert_eq!((opened(Some(""), 0), opened(Some("1y1d"), 0)), ("1h1m".to_owned(), "1y1d".to_owned()));
    }

    #[test]
    fn what_is_none_says_how_to_write_one() {
        let failure = read(Some("fortnight")).expect_err("no timeframe");
        assert!(failure.to_string().contains("1w3h"), "{failure}");
    }
}

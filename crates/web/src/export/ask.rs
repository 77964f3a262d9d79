//! What an export asks for: which intervals, from where.

use std::collections::HashMap;

use base::Timestamp;
use stats::Timeframe;
use stats::timeframe::Window;

use super::refusal::Refusal;

/// A query string; of a parameter given twice the last counts.
pub type Params = HashMap<String, String>;

/// What `data` and `dataset` answer unless asked otherwise.
pub const USUAL: &str = "1w3h";

/// Which intervals an export asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Asked {
    /// `t`, or `summary` as a timeframe.
    pub timeframe: Timeframe,
    start: Option<Timestamp>,
    summary: bool,
}

impl Asked {
    /// Reads `t`, `start` and `summary`; `summary` wins over `t`.
    pub fn read(params: &Params) -> Result<Self, Refusal> {
        let given = |name: &str| params.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let invalid = |error: stats::timeframe::TimeframeError| Refusal::Invalid(error.to_string());
        let start = match given("start") {
            Some(text) => Some(Timestamp::from_seconds(
                text.parse().map_err(|_| Refusal::Invalid("start is a moment in unix seconds".to_owned()))?,
            )),
            None => None,
        };
        if let Some(text) = given("summary") {
            let timeframe = Timeframe::parse_summary(text).map_err(invalid)?;
            return Ok(Self { timeframe, start, summary: true });
        }
        let timeframe = Timeframe::parse(given("t").unwrap_or(USUAL)).map_err(invalid)?;
        Ok(Self { timeframe, start, summary: false })
    }

    /// The intervals meant now: a summary's fall on UTC midnights, the others end with the open minute or
    /// begin at `start`.
    pub fn window(&self, app: &app::App) -> Window {
        match self.start {
            None if self.summary => self.timeframe.summary_window(app.clock.now()),
            // The day in which it lies.
            Some(start) if self.summary => {
                let day = start.seconds().div_euclid(86_400).saturating_mul(86_400);
                app.charts.window(self.timeframe, Some(Timestamp::from_seconds(day)))
            }
            start => app.charts.window(self.timeframe, start),
        }
    }
}

/// Where a page of `statlist` begins.
pub fn offset(params: &Params) -> Result<usize, Refusal> {
    match params.get("offset").map(String::as_str).unwrap_or("") {
        "" => Ok(0),
        text => {
            text.parse().map_err(|_| Refusal::Invalid("offset is a number of stats to leave out".to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Asked, Refusal> {
        Asked::read(&query.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_week_by_three_hours_is_usual() {
        let usual = read(&[]).expect("usual").timeframe.words();
        assert_eq!(usual, "1 week @ 3 hours");
        assert_eq!(read(&[("t", "")]).expect("empty").timeframe.words(), usual);
    }

    #[test]
    fn a_summary_is_by_day() {
        assert_eq!(
            read(&[("summary", "7d"), ("t", "1h1m")]).expect("summary").timeframe.words(),
            "7 days @ 1 day"
        );
        assert_eq!(read(&[("summary", "10y10y")]).expect("badge").timeframe.steps(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for query in
            [("t", "1w"), ("t", "3h1w"), ("t", "1m1h"), ("summary", "week"), ("start", "noon"), ("t", "9y1m")]
        {
            let refusal = read(&[query]).expect_err(query.1);
            assert!(matches!(refusal, Refusal::Invalid(_)), "{query:?}: {refusal:?}");
        }
        assert!(offset(&Params::from([("offset".to_owned(), "-1".to_owned())])).is_err());
    }
}

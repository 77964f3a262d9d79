//! Series as pages, live streams and JSON show them: columns, one number, its change.

use app::App;
use serde::Serialize;
use stats::timeframe::Window;
use stats::{Series, StatId, Timeframe};

use crate::chart;
use crate::failure::Failure;

/// A stat's one number over a window.
#[derive(Clone, Copy, PartialEq, Serialize, Debug)]
pub struct Figure {
    /// The total of a counter, the mean of a value; nothing where nothing was received.
    pub value: Option<f64>,
    /// Of the window to compare with.
    pub previous: Option<f64>,
    /// By how much the one differs from the other, in percent of the other.
    pub change: Option<f64>,
}

/// A chart in columns.
#[derive(Clone, PartialEq, Serialize, Debug)]
pub struct Columns {
    /// Start of the first interval, seconds since the epoch.
    pub start: i64,
    /// Length of an interval, seconds.
    pub step: i64,
    /// One figure an interval; `null` where nothing was received.
    pub values: Vec<Option<f64>>,
    /// The same intervals of the window to compare with.
    pub previous: Vec<Option<f64>>,
}

/// A window of a stat and the one to compare it with.
#[derive(Clone, Debug)]
pub struct Compared {
    /// The window asked for.
    pub series: Series,
    /// The one before.
    pub before: Series,
}

/// Reads many stats over a timeframe that ends now, in the order given.
pub async fn read(app: &App, ids: &[StatId], timeframe: Timeframe) -> Result<Vec<Compared>, Failure> {
    let window = app.charts.window(timeframe, None);
    let earlier = window.earlier(timeframe.compare_seconds());
    let (series, before) =
        tokio::try_join!(app.charts.series_of(ids, window), app.charts.series_of(ids, earlier))?;
    Ok(series.into_iter().zip(before).map(|(series, before)| Compared { series, before }).collect())
}

/// Reads one stat, see [`read`].
pub async fn read_one(app: &App, id: StatId, timeframe: Timeframe) -> Result<Compared, Failure> {
    let window = app.charts.window(timeframe, None);
    let earlier = window.earlier(timeframe.compare_seconds());
    let (series, before) = tokio::try_join!(app.charts.series(id, window), app.charts.series(id, earlier))?;
    Ok(Compared { series, before })
}

impl Compared {
    /// The one number.
    pub fn figure(&self) -> Figure {
        Figure::of(self.series.figure(), self.before.figure())
    }

    /// The chart.
    pub fn columns(&self) -> Columns {
        let Window { start, step_seconds, .. } = self.series.window;
        let previous = chart::figures(&self.before);
        let known = previous.iter().any(Option::is_some);
        Columns {
            start: start.seconds(),
            step: step_seconds,
            values: chart::figures(&self.series),
            previous: if known { previous } else { Vec::new() },
        }
    }
}

impl Figure {
    /// A number beside the one before it.
    pub fn of(value: Option<f64>, previous: Option<f64>) -> Self {
        let change = value.zip(previous).and_then(|(value, previous)| stats::number::change(value, previous));
        Self { value, previous, change }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::Timestamp;
    use stats::{Bucket, Kind};

    fn series(kind: Kind, numbers: &[Option<f64>]) -> Series {
        let window = Window { start: Timestamp::from_seconds(0), step_seconds: 60, count: numbers.len() };
        Series { kind, window, buckets: numbers.iter().map(|n| n.map(Bucket::of)).collect(), since: None }
    }

    #[test]
    fn a_change_needs_something_to_compare_with() {
        assert_eq!(Figure::of(Some(3.0), Some(2.0)).change, Some(50.0));
        assert_eq!(Figure::of(Some(3.0), Some(0.0)).change, None);
        assert_eq!(Figure::of(Some(3.0), None).change, None);
        assert_eq!(Figure::of(Some(-3.0), Some(-2.0)).change, Some(-50.0));
        assert_eq!(Figure::of(Some(f64::MAX), Some(f64::MIN_POSITIVE)).change, None);
    }

    #[test]
    fn a_period_without_data_is_not_drawn() {
        let compared = Compared {
            series: series(Kind::Value, &[Some(1.0), None]),
            before: series(Kind::Value, &[None, None]),
        };
        let columns = compared.columns();
        assert_eq!(columns.values, [Some(1.0), None]);
        assert!(columns.previous.is_empty());
    }
}

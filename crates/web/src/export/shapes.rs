//! The answers, with StatHat's keys in StatHat's order. Pure.

use app::catalog::StatInfo;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, header};
use serde::Serialize;
use stats::number::Figure;
use stats::{Bucket, Kind, Series};

use super::ask::Asked;

/// An answer of JSON that no cache keeps.
pub fn json(shape: &impl Serialize) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    let body = serde_json::to_string(shape).expect("our own shapes have no keys but names");
    (headers, body).into_response()
}

/// What was done, or what was wrong.
#[derive(Serialize, Debug)]
pub struct Message<'a> {
    /// In words.
    pub msg: &'a str,
}

/// A stat of `/x/TOKEN/statlist`, `stat` and `stats`.
#[derive(Serialize, Debug)]
pub struct Stat<'a> {
    id: &'a str,
    name: &'a str,
    public: bool,
    counter: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    classic_key: Option<&'a str>,
    data_received_at: i64,
    created_at: i64,
}

impl<'a> Stat<'a> {
    /// The four documented keys first; the others were seen too.
    pub fn of(stat: &'a StatInfo) -> Self {
        Self {
            id: &stat.public_id,
            name: &stat.name,
            public: stat.public,
            counter: stat.kind == Kind::Counter,
            classic_key: Some(&stat.classic_key),
            data_received_at: stat.received_at.seconds(),
            created_at: stat.created_at.seconds(),
        }
    }

    /// Of `/a1/stats`, as the command line reads it: without the key.
    pub fn of_a1(stat: &'a StatInfo) -> Self {
        Self { classic_key: None, ..Self::of(stat) }
    }
}

/// One stat of `/x/TOKEN/data`.
#[derive(Serialize, Debug)]
pub struct Data<'a> {
    name: &'a str,
    timeframe: String,
    points: Vec<Point>,
}

#[derive(Serialize, Debug)]
struct Point {
    time: i64,
    value: Figure,
}

impl<'a> Data<'a> {
    /// A point an interval, 0 where nothing was received.
    pub fn of(stat: &'a StatInfo, asked: &Asked, series: &Series) -> Self {
        let point = |(time, value, _): (base::Timestamp, f64, u64)| Point {
            time: time.seconds(),
            value: Figure(value),
        };
        Self {
            name: &stat.name,
            timeframe: asked.timeframe.words(),
            points: series.points().map(point).collect(),
        }
    }
}

/// `/a1/stats/ID/dataset`.
#[derive(Serialize, Debug)]
pub struct Dataset<'a> {
    name: &'a str,
    timeframe: String,
    kind: &'static str,
    points: Vec<CountedPoint>,
}

#[derive(Serialize, Debug)]
struct CountedPoint {
    time: i64,
    value: Figure,
    rcount: u64,
}

/// `/a1`'s word for a kind.
const fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "count",
        Kind::Value => "value",
    }
}

impl<'a> Dataset<'a> {
    /// `rcount` is how many numbers an interval received: 0 tells a gap from a zero.
    pub fn of(stat: &'a StatInfo, asked: &Asked, series: &Series) -> Self {
        let point = |(time, value, rcount): (base::Timestamp, f64, u64)| CountedPoint {
            time: time.seconds(),
            value: Figure(value),
            rcount,
        };
        Self {
            name: &stat.name,
            timeframe: asked.timeframe.words(),
            kind: word(stat.kind),
            points: series.points().map(point).collect(),
        }
    }
}

/// `/a1/stats/ID/dataset_full`: a dataset whose points carry the whole bucket.
#[derive(Serialize, Debug)]
pub struct FullDataset<'a> {
    name: &'a str,
    timeframe: String,
    kind: &'static str,
    points: Vec<FullPoint>,
}

#[derive(Serialize, Debug)]
struct FullPoint {
    time: i64,
    value: Figure,
    rcount: u64,
    sum: Figure,
    min: Figure,
    max: Figure,
    last: Figure,
}

impl<'a> FullDataset<'a> {
    /// All of an empty interval is 0.
    pub fn of(stat: &'a StatInfo, asked: &Asked, series: &Series) -> Self {
        const NOTHING: Bucket = Bucket { count: 0, sum: 0.0, min: 0.0, max: 0.0, last: 0.0 };
        let point = |((time, value, rcount), bucket): ((base::Timestamp, f64, u64), &Option<Bucket>)| {
            let bucket = bucket.unwrap_or(NOTHING);
            FullPoint {
                time: time.seconds(),
                value: Figure(value),
                rcount,
                sum: Figure(bucket.sum),
                min: Figure(bucket.min),
                max: Figure(bucket.max),
                last: Figure(bucket.last),
            }
        };
        Self {
            name: &stat.name,
            timeframe: asked.timeframe.words(),
            kind: word(stat.kind),
            points: series.points().zip(&series.buckets).map(point).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use base::Timestamp;
    use stats::{AccountId, StatId};

    use super::*;
    use crate::export::ask::Params;

    const START: i64 = 1_360_861_620;

    fn stat(kind: Kind) -> StatInfo {
        StatInfo {
            id: StatId(258),
            account: AccountId(2),
            name: "server load \"avg\" é".into(),
            kind,
            public_id: "lxoC".into(),
            classic_key: "NzMzGif9".into(),
            public: false,
            created_at: Timestamp::from_millis(1_360_000_000_999),
            received_at: Timestamp::from_millis(1_360_861_999_001),
            deleted_at: None,
        }
    }

    /// Three intervals of three hours, the middle one empty.
    fn asked(kind: Kind, numbers: &[(i64, f64)]) -> (StatInfo, Asked, Series) {
        let asked = Asked::read(&Params::from([("t".to_owned(), "9h3h".to_owned())])).expect("a timeframe");
        let window = asked.timeframe.window(
            Timestamp::from_seconds(0),
            Some(Timestamp::from_seconds(START)),
            stats::timeframe::Kept::EVERYTHING,
        );
        let buckets = numbers.iter().map(|(at, n)| (Timestamp::from_seconds(START + at), Bucket::of(*n)));
        (stat(kind), asked, Series::fold(kind, window, buckets))
    }

    fn check(shape: &(impl Serialize + ?Sized), expect: &str) {
        assert_eq!(serde_json::to_string(shape).expect("JSON"), expect);
    }

    #[test]
    fn a_stat_is_what_stathat_wrote() {
        check(
            &Stat::of(&stat(Kind::Counter)),
            r#"{"id":"lxoC","name":"server load \"avg\" é","public":false,"counter":true,"classic_key":"NzMzGif9","data_received_at":1360861999,"created_at":1360000000}"#,
        );
        check(
            &Stat::of_a1(&stat(Kind::Value)),
            r#"{"id":"lxoC","name":"server load \"avg\" é","public":false,"counter":false,"data_received_at":1360861999,"created_at":1360000000}"#,
        );
    }

    #[test]
    fn points_are_sums_of_counters_and_an_empty_interval_is_zero() {
        let (stat, asked, series) =
            asked(Kind::Counter, &[(0, 1.0), (60, 2.0), (21_600, 0.1), (21_660, 0.2)]);
        check(
            &[Data::of(&stat, &asked, &series)],
            r#"[{"name":"server load \"avg\" é","timeframe":"9 hours @ 3 hours","points":[{"time":1360861620,"value":3},{"time":1360872420,"value":0},{"time":1360883220,"value":0.3}]}]"#,
        );
    }

    #[test]
    fn points_are_means_of_values() {
        let (stat, asked, series) = asked(Kind::Value, &[(0, -1.5), (60, 2.0), (21_600, 1e21)]);
        check(
            &Dataset::of(&stat, &asked, &series),
            r#"{"name":"server load \"avg\" é","timeframe":"9 hours @ 3 hours","kind":"value","points":[{"time":1360861620,"value":0.25,"rcount":2},{"time":1360872420,"value":0,"rcount":0},{"time":1360883220,"value":1e+21,"rcount":1}]}"#,
        );
    }

    #[test]
    fn a_full_dataset_holds_whole_buckets() {
        let (stat, asked, series) = asked(Kind::Counter, &[(0, 4.0), (60, -2.0)]);
        check(
            &FullDataset::of(&stat, &asked, &series).points[..2],
            r#"[{"time":1360861620,"value":2,"rcount":2,"sum":2,"min":-2,"max":4,"last":-2},{"time":1360872420,"value":0,"rcount":0,"sum":0,"min":0,"max":0,"last":0}]"#,
        );
    }
}

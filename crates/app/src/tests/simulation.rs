//! Random points, clock moves, failures and kills against a model that fits on a page.
//!
//! Numbers are quarters, so that every order of adding gives the same sum and everything can be compared
//! to the last digit. On failure proptest prints the shortest history that shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use base::Timestamp;
use proptest::prelude::*;
use stats::timeframe::Window;
use stats::{Bucket, Kind, ShardId, Timeframe};

use super::faults::Fault;
use super::house::ME;
use super::house::{DAY, HOUR, House, MINUTE, NOON, config};

#[derive(Clone, Debug)]
enum Step {
    /// Numbers of stats at offsets from now, in minutes.
    Send(Vec<(u8, i8, i64)>),
    Forward(u64),
    Back(u64),
    Checkpoint,
    Close,
    Kill,
    Fail(Vec<Fault>),
    FailReads(u32),
    Look(usize, u64),
}

fn offset() -> impl Strategy<Value = i64> {
    prop_oneof![
        8 => -5..=0i64,
        3 => -200..=200i64,
        2 => -3 * 1_440..=1_440i64,
        2 => -45 * 1_440..=0i64,
        1 => -3 * 365 * 1_440..=0i64,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let fault = prop_oneof![Just(Fault::None), Just(Fault::Before), Just(Fault::After)];
    prop_oneof![
        12 => prop::collection::vec((0..4u8, any::<i8>(), offset()), 1..12).prop_map(Step::Send),
        3 => (1..180u64).prop_map(Step::Forward),
        2 => prop_oneof![Just(1_440u64), Just(1_500), Just(4_000), Just(40 * 1_440)].prop_map(Step::Forward),
        1 => (1..300u64).prop_map(Step::Back),
        4 => Just(Step::Checkpoint),
        4 => Just(Step::Close),
        3 => Just(Step::Kill),
        2 => prop::collection::vec(fault, 1..4).prop_map(Step::Fail),
        1 => (1..4u32).prop_map(Step::FailReads),
        3 => (0..TIMEFRAMES.len(), 0..90u64).prop_map(|(timeframe, back)| Step::Look(timeframe, back)),
    ]
}

const TIMEFRAMES: [&str; 9] = ["1h1m", "3h15m", "1d1h", "1w3h", "2d7m", "1M1d", "3M1d", "1y1w", "5y1y"];
const NAMES: [&str; 4] = ["alpha", "beta", "gamma gamma", "delta"];

/// Minutes of each stat, each the bucket of its numbers in order of arrival.
#[derive(Default)]
struct Model(BTreeMap<(u8, u32), Bucket>);

impl Model {
    fn add(&mut self, stat: u8, time: Timestamp, number: f64) {
        let minute = crate::calendar::minute(time);
        match self.0.entry((stat, minute)) {
            std::collections::btree_map::Entry::Occupied(mut bucket) => bucket.get_mut().add(number),
            std::collections::btree_map::Entry::Vacant(none) => {
                none.insert(Bucket::of(number));
            }
        }
    }

    /// What a window must show: each minute counts in the interval that holds the start of the finest step
    /// that is kept of it.
    fn series(&self, house: &House, stat: u8, window: Window) -> Vec<Option<Bucket>> {
        let shard = ShardId::of(ME, NAMES[usize::from(stat)], house.config.shards);
        let marks = house.app.state.shard(shard).head.read().marks;
        let mut series: Vec<Option<Bucket>> = vec![None; window.count];
        for ((_, minute), bucket) in self.0.range((stat, 0)..=(stat, u32::MAX)) {
            let day = minute / 1_440;
            let start = match day {
                day if day < marks.hours_from => day * 1_440,
                day if day < marks.minutes_from => minute / 60 * 60,
                _ => *minute,
            };
            if let Some(index) = window.index(Timestamp::from_minutes(i64::from(start))) {
                match &mut series[index] {
                    Some(sum) => sum.merge(bucket),
                    none => *none = Some(*bucket),
                }
            }
        }
        series
    }

    async fn compare(&self, house: &House, window: Window, what: &str) {
        for stat in 0..NAMES.len() as u8 {
            let name = NAMES[usize::from(stat)];
            if self.0.range((stat, 0)..=(stat, u32::MAX)).next().is_none() {
                continue;
            }
            let expected = self.series(house, stat, window);
            let found = house.series(name, window).await.buckets;
            for (index, (expected, found)) in expected.iter().zip(&found).enumerate() {
                // What comes late for hours that are kept without their minutes arrives last.
                let found = match (expected, found) {
                    (Some(expected), Some(found)) if window.start < house.app.charts.kept().minutes_from => {
                        Some(Bucket { last: expected.last, ..*found })
                    }
                    _ => *found,
                };
                assert_eq!(found, *expected, "{what}: {name}, interval {index} of {window:?}");
            }
        }
    }
}

fn window(house: &House, timeframe: &str, days_back: u64) -> Window {
    let timeframe = Timeframe::parse(timeframe).expect("a timeframe");
    let start = match days_back {
        0 => None,
        days => Some(house.clock.now() - DAY * days as u32 - MINUTE * 17),
    };
    house.app.charts.window(timeframe, start)
}

async fn live(steps: Vec<Step>) {
    let mut house = House::with(config(), NOON).await;
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Send(numbers) => {
                let now = house.clock.now();
                let mut sent = Vec::new();
                for (stat, number, offset) in numbers {
                    let time = Timestamp::from_minutes(now.minutes() + offset);
                    let number = f64::from(number) / 4.0;
                    model.add(stat, time, number);
                    sent.push((NAMES[usize::from(stat)], Kind::Counter, number, time));
                }
                house.send(&sent).await;
            }
            Step::Forward(minutes) => house.clock.advance(MINUTE * minutes as u32),
            Step::Back(minutes) => house.clock.set(house.clock.now() - MINUTE * minutes as u32),
            Step::Checkpoint => house.checkpoint().await,
            Step::Close => house.close().await,
            Step::Kill => house = house.restart().await,
            Step::Fail(faults) => house.store.plan(&faults),
            Step::FailReads(count) => house.store.fail_reads(count),
            Step::Look(timeframe, days_back) => {
                house.store.heal();
                house.app.settled().await;
                // Late points for what is kept without minutes count there once their hour is closed.
                house.checkpoint().await;
                house.close().await;
                let window = window(&house, TIMEFRAMES[timeframe], days_back);
                model.compare(&house, window, "on the way").await;
            }
        }
    }
    house.store.heal();
    let mut house = house.restart().await;
    for what in ["after a kill", "after closing", "after a day"] {
        house.app.settled().await;
        if what != "after a kill" {
            house.checkpoint().await;
            house.close().await;
            house.close().await;
        }
        for timeframe in TIMEFRAMES {
            let window = window(&house, timeframe, 0);
            if what == "after a kill" && window.start < house.app.charts.kept().minutes_from {
                continue;
            }
            model.compare(&house, window, what).await;
        }
        if what == "after closing" {
            house.clock.advance(DAY + HOUR);
            house = house.restart().await;
        }
    }
    house.kill().await;
}

/// 16, or what `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(16)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn every_acknowledged_number_counts_once(steps in prop::collection::vec(step(), 5..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("a runtime");
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_secs(60), live(steps)).await.expect("it does not hang");
        });
    }
}

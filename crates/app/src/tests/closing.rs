//! Closing hours and days, and what may stop it half way.

use std::time::Duration;

use stats::timeframe::Window;
use stats::{Bucket, ShardId, StatId, Timeframe};
use store::{BlockKey, BlockKind, Store};

use super::faults::Fault;
use super::house::{DAY, HOUR, House, ME, MINUTE, NOON, config};

#[tokio::test]
async fn a_close_too_large_for_one_transaction_goes_on_where_it_was() {
    let config = crate::Config { shards: 1, ..config() };
    let mut house = House::with(config, NOON).await;
    let names: Vec<String> = (0..2_300).map(|n| format!("stat {n}")).collect();
    let numbers: Vec<_> = names.iter().map(|name| (name.as_str(), stats::Kind::Counter, 1.0, NOON)).collect();
    house.send(&numbers).await;
    house.checkpoint().await;
    house.clock.advance(2 * HOUR);
    // Three transactions: the first is written, the second not, and then it is killed.
    house.store.plan(&[[Fault::None].as_slice(), &[Fault::Before; 100]].concat());
    let state = house.app.state.clone();
    let closing = tokio::spawn(async move { crate::closing::pass(&state).await });
    base::testkit::eventually(Duration::from_secs(20), "it is half done", async || {
        house.app.readiness().err().map(|_| ())
    })
    .await;
    house = house.restart().await;
    assert!(closing.await.expect("no panic").is_err(), "the kill interrupted it");
    let ledger = house.app.state.shard(ShardId(0)).writer.lock().await.ledger.clone();
    assert_eq!(ledger.closing, None, "it is finished before anything else is written");
    // More for the same hour, of stats that were done and of some that were not.
    house.send(&numbers).await;
    house.checkpoint().await;
    let expected = [Some(Bucket { sum: 2.0, count: 2, ..Bucket::of(1.0) })];
    for what in ["open again", "after a kill", "closed"] {
        let ids: Vec<StatId> =
            names.iter().map(|name| house.app.catalog.by_name(ME, name).expect("there").id).collect();
        let window = house.app.charts.window(Timeframe::parse("1d1d").expect("a timeframe"), None);
        let series = house.app.charts.series_of(&ids, window).await.expect("series");
        let wrong = series.iter().position(|one| one.buckets != expected);
        assert_eq!(wrong, None, "{what}");
        if what == "open again" {
            house = house.restart().await;
        }
        house.close().await;
    }
    house.kill().await;
}

#[tokio::test]
async fn nothing_is_written_once_the_closing_has_stopped_half_way() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    let shard = house.app.catalog.by_name(ME, "a").expect("there").id.shard();
    house.app.state.shard(shard).writer.lock().await.ledger.closing =
        Some(crate::ledger::Closing { hours: vec![crate::calendar::hour(NOON)], upto: 1 });
    house.count("a", 2.0).await;
    house.app.settled().await;
    assert!(house.app.checkpoint().await.is_err());
    assert!(house.app.readiness().expect_err("it is not ready").contains("half way"));
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 3.0, "the log has kept it");
    house.kill().await;
}

#[tokio::test]
async fn a_panic_in_the_closing_is_told_and_nothing_is_written_after_it() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    house.store.panic_in_reads(true);
    house.clock.advance(2 * HOUR);
    let told =
        async || house.app.readiness().err().filter(|reason| reason.contains("a fault in the closing"));
    base::testkit::eventually(Duration::from_secs(20), "it is not ready", told).await;
    house.store.heal();
    house.count("a", 2.0).await;
    house.app.settled().await;
    assert!(house.app.checkpoint().await.is_err(), "what the closing left is not written over");
    house = house.restart().await;
    house.app.settled().await;
    house.close().await;
    assert_eq!(house.total("a", "1d1m").await, 3.0, "the log has kept it");
    house.kill().await;
}

#[tokio::test]
async fn a_panic_in_background_work_halts_and_says_so() {
    let house = House::new().await;
    let work = || -> u32 { panic!("a panic that a test asked for") };
    assert!(crate::closing::in_background(&house.app.state, work).await.is_err());
    let reason = house.app.readiness().expect_err("it is not ready");
    assert!(reason.contains("a fault in the closing of hours and days"), "{reason}");
    house.kill().await;
}

#[tokio::test]
async fn while_the_closing_lags_the_log_keeps_what_comes() {
    let house = House::with(crate::Config { shards: 1, cells_max: 100, ..config() }, NOON).await;
    let turn = house.app.state.closing.lock().await;
    let old: Vec<_> =
        (0..300).map(|n| ("a", stats::Kind::Counter, 1.0, NOON - Duration::from_secs(60) * n)).collect();
    house.send(&old).await;
    house.checkpoint().await;
    house.send(&old).await;
    house.app.checkpoint().await.expect("commands are obeyed");
    assert_eq!(house.app.state.meters.folded.get(), 300, "nothing more is folded");
    drop(turn);
    house.app.settled().await;
    house.close().await;
    assert_eq!(house.total("a", "1d1h").await, 600.0);
    house.kill().await;
}

#[tokio::test]
async fn old_minutes_and_hours_go_and_their_sums_stay() {
    let house =
        House::with(crate::Config { keep_minutes: DAY * 2, keep_hours: DAY * 60, ..config() }, NOON).await;
    for minute in 0..90 {
        house.send(&[("a", stats::Kind::Counter, 1.0, NOON + MINUTE * minute)]).await;
    }
    house.clock.advance(DAY);
    house.checkpoint().await;
    house.close().await;
    let stat = house.app.catalog.by_name(ME, "a").expect("there").id;
    let day = crate::calendar::day(NOON);
    let kept = async || {
        let key = |kind, number| BlockKey { kind, stat: stat.0, number };
        let keys = [
            key(BlockKind::MinutesOfDay, day),
            key(BlockKind::HoursOfMonth, crate::calendar::month(day).0),
            key(BlockKind::DaysOfYear, crate::calendar::year(day).0),
        ];
        let mut found: Vec<BlockKind> =
            house.store.blocks_of(&keys).await.expect("it reads").iter().map(|(key, _)| key.kind).collect();
        found.sort();
        found
    };
    use BlockKind::{DaysOfYear, HoursOfMonth, MinutesOfDay};
    assert_eq!(kept().await, [MinutesOfDay, HoursOfMonth, DaysOfYear]);
    house.clock.advance(DAY * 5);
    house.close().await;
    assert_eq!(kept().await, [HoursOfMonth, DaysOfYear]);
    let noon = Window { start: NOON, step_seconds: 3_600, count: 2 };
    let figures = house.series("a", noon).await.figures().collect::<Vec<_>>();
    assert_eq!(figures, [Some(60.0), Some(30.0)]);
    house.send(&[("a", stats::Kind::Counter, 5.0, NOON)]).await;
    house.checkpoint().await;
    house.close().await;
    assert_eq!(kept().await, [HoursOfMonth, DaysOfYear], "what is late goes into the hours");
    assert_eq!(house.series("a", noon).await.buckets[0].map(|bucket| bucket.sum), Some(65.0));
    house.clock.advance(DAY * 120);
    house.close().await;
    assert_eq!(kept().await, [DaysOfYear]);
    assert_eq!(house.total("a", "1y1d").await, 95.0);
    house.kill().await;
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_for_a_moment_costs_nothing() {
    let mut house = House::with(crate::Config { clock_doubt: HOUR, ..config() }, NOON).await;
    // As after an hour of running.
    *house.app.state.trust.lock() = crate::trust::Trust::new(NOON, NOON, std::time::Instant::now(), HOUR);
    house.count("a", 1.0).await;
    house.count("trashed", 1.0).await;
    house.checkpoint().await;
    let trashed = house.app.catalog.by_name(ME, "trashed").expect("there").id;
    house.app.catalog.delete(trashed).await.expect("deleted");
    let marks =
        |house: &House| house.app.state.shards.iter().map(|s| s.head.read().marks).collect::<Vec<_>>();
    house.close().await;
    let before = marks(&house);
    house.clock.advance(40 * DAY);
    house.close().await;
    assert_eq!(marks(&house), before, "no day is rolled up, no minutes go");
    house = house.restart().await;
    house.app.settled().await;
    house.checkpoint().await;
    house.close().await;
    assert_eq!(marks(&house), before, "a restart does not make it believable");
    house.clock.set(NOON + MINUTE);
    house.close().await;
    assert_eq!(house.total("a", "1h1m").await, 1.0);
    assert!(house.app.catalog.by_id(trashed).is_some());
    house.kill().await;
}

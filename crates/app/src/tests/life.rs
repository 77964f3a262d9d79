//! The life of a point, step by step.

use std::time::Duration;

use stats::timeframe::Window;
use stats::{StatId, Timeframe};
use store::Store;

use super::faults::Fault;
use super::house::{DAY, HOUR, House, ME, MINUTE, NOON, config};
use crate::Error;
use crate::calendar;
use crate::intake::Fate;
use crate::listing::{Query, Sort};

#[tokio::test]
async fn a_number_is_on_the_graph_once_it_is_settled() {
    let house = House::new().await;
    house.count("signups", 2.0).await;
    house.count("signups", 3.0).await;
    house.send(&[("load", stats::Kind::Value, 0.5, NOON), ("load", stats::Kind::Value, 1.5, NOON)]).await;
    house.app.settled().await;
    let window = house.app.charts.window(Timeframe::parse("1h1m").expect("a timeframe"), None);
    let signups = house.series("signups", window).await;
    assert_eq!(signups.kind, stats::Kind::Counter);
    assert_eq!(signups.figures().flatten().collect::<Vec<_>>(), [5.0]);
    assert_eq!(signups.latest(), Some(5.0));
    assert_eq!(house.series("load", window).await.figure(), Some(1.0));
    let stat = house.app.catalog.by_name(ME, "signups").expect("it was made");
    assert_eq!(house.app.catalog.by_public_id(&stat.public_id).map(|found| found.id), Some(stat.id));
    assert_eq!(house.app.charts.version(stat.id), 2);
    assert_eq!(house.app.readiness(), Ok(()));
    house.kill().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_every_step() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house = house.restart().await;
    house.count("a", 10.0).await;
    house.checkpoint().await;
    house.count("a", 100.0).await;
    house = house.restart().await;
    house.app.settled().await;
    house.clock.advance(2 * HOUR);
    house.checkpoint().await;
    house.close().await;
    house.count("a", 1_000.0).await;
    house = house.restart().await;
    house.clock.advance(2 * DAY);
    house.checkpoint().await;
    house.close().await;
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1w1d").await, 1_111.0);
    assert_eq!(house.total("a", "1w1m").await, 1_111.0);
    house.app.finish().await.expect("it finishes");
    house = house.restart().await;
    assert_eq!(house.total("a", "1w1h").await, 1_111.0);
    house.kill().await;
}

#[tokio::test]
async fn the_store_may_fail_before_or_after_it_has_written() {
    for faults in [
        &[Fault::Before][..],
        &[Fault::After],
        &[Fault::Before, Fault::After, Fault::Before],
        &[Fault::None, Fault::After, Fault::After],
    ] {
        let mut house = House::new().await;
        house.count("a", 1.0).await;
        house.store.plan(faults);
        house.checkpoint().await;
        house.count("a", 10.0).await;
        house.clock.advance(2 * HOUR);
        house.checkpoint().await;
        house.store.plan(faults);
        house.close().await;
        house.clock.advance(DAY);
        house.store.plan(faults);
        house.store.fail_reads(2);
        house.close().await;
        house.store.heal();
        assert_eq!(house.total("a", "1w1h").await, 11.0, "{faults:?}");
        assert_eq!(house.app.readiness(), Ok(()));
        house = house.restart().await;
        house.app.settled().await;
        assert_eq!(house.total("a", "1w1m").await, 11.0, "{faults:?}");
        house.kill().await;
    }
}

#[tokio::test]
async fn while_the_store_is_down_numbers_are_taken_and_shown_and_it_says_so() {
    let mut house = House::new().await;
    house.store.plan(&[Fault::Before; 1_000]);
    house.count("a", 1.0).await;
    house.app.settled().await;
    base::testkit::eventually(Duration::from_secs(10), "readiness tells of the store", async || {
        house.app.readiness().err().filter(|reason| reason.contains("store"))
    })
    .await;
    for (number, total) in [(2.0, 3.0), (4.0, 7.0)] {
        house.count("a", number).await;
        tokio::time::timeout(Duration::from_secs(20), house.app.settled()).await.expect("folding goes on");
        assert_eq!(house.total("a", "1h1m").await, total);
    }
    assert!(house.app.readiness().is_err(), "nothing of it is written down");
    house.store.heal();
    base::testkit::eventually(Duration::from_secs(20), "it recovers", async || house.app.readiness().ok())
        .await;
    house.count("a", 8.0).await;
    house.checkpoint().await;
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 15.0, "each once");
    house.kill().await;
}

#[tokio::test]
async fn a_second_recorder_stops_the_first() {
    let house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    for (shard, position) in house.store.positions().await.expect("positions") {
        let stolen =
            store::Checkpoint { shard, from: Some(position), to: position + 1, ..Default::default() };
        house.store.checkpoint(&[stolen]).await.expect("it moves");
    }
    house.count("a", 2.0).await;
    house.app.settled().await;
    assert!(house.app.finish().await.is_err());
    let reason = house.app.readiness().expect_err("it is not ready");
    assert!(reason.contains("another recorder"), "{reason}");
    house.kill().await;
}

#[tokio::test]
async fn numbers_of_the_other_kind_are_refused_by_name() {
    let house = House::new().await;
    house.count("a", 1.0).await;
    house.app.settled().await;
    let fates =
        house.send(&[("a", stats::Kind::Value, 5.0, NOON), ("b", stats::Kind::Value, 5.0, NOON)]).await;
    assert_eq!(fates, [Fate::Mismatch { is: stats::Kind::Counter }, Fate::Taken]);
    // Both kinds at once for a new stat: the first one wins.
    house.send(&[("c", stats::Kind::Value, 5.0, NOON), ("c", stats::Kind::Counter, 7.0, NOON)]).await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 1.0);
    assert_eq!(house.total("c", "1h1m").await, 5.0);
    assert_eq!(house.app.state.meters.mismatched.get(), 0, "the intake lets none through");
    house.kill().await;
}

#[tokio::test]
async fn the_trash_gives_back_until_it_is_emptied() {
    let mut house = House::new().await;
    for name in ["kept", "revived", "purged"] {
        house.count(name, 1.0).await;
    }
    house.checkpoint().await;
    let id = |house: &House, name: &str| house.app.catalog.by_name(ME, name).map(|stat| stat.id);
    for name in ["kept", "revived", "purged"] {
        house.app.catalog.delete(id(&house, name).expect("there")).await.expect("deleted");
    }
    assert_eq!(house.app.catalog.of_account(ME), []);
    house.app.catalog.restore(id(&house, "kept").expect("there")).await.expect("restored");
    house.count("revived", 2.0).await;
    house.checkpoint().await;
    let old = id(&house, "purged");
    house = house.restart().await;
    let names = |stats: Vec<crate::catalog::StatInfo>| {
        stats.into_iter().map(|stat| stat.name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(house.app.catalog.of_account(ME)), ["kept", "revived"]);
    assert_eq!(names(house.app.catalog.trash(ME)), ["purged"]);
    house.clock.advance(3 * DAY);
    house.close().await;
    assert_eq!(id(&house, "purged"), None);
    let gone = house
        .app
        .charts
        .series(old.expect("it was there"), Window { start: NOON, step_seconds: 60, count: 1 });
    assert!(matches!(gone.await, Err(Error::NotFound(_))));
    house.count("purged", 4.0).await;
    house.checkpoint().await;
    assert_ne!(id(&house, "purged"), old, "a number of a stat is not used again");
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("purged", "1w1h").await, 4.0);
    assert_eq!(house.total("revived", "1w1h").await, 3.0);
    house.kill().await;
}

#[tokio::test]
async fn a_point_that_is_read_again_revives_nothing() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    house.clock.advance(MINUTE);
    house.count("a", 2.0).await;
    house.app.settled().await;
    house.clock.advance(MINUTE);
    let stat = house.app.catalog.by_name(ME, "a").expect("there").id;
    house.app.catalog.delete(stat).await.expect("deleted");
    for _ in 0..2 {
        house = house.restart().await;
        house.app.settled().await;
        assert_eq!(house.app.catalog.trash(ME).len(), 1, "its owner deleted it later");
        house.checkpoint().await;
    }
    house.clock.advance(MINUTE);
    house.count("a", 4.0).await;
    house.checkpoint().await;
    house = house.restart().await;
    assert_eq!(house.app.catalog.trash(ME), []);
    assert_eq!(house.total("a", "1h1m").await, 7.0);
    house.kill().await;
}

#[tokio::test]
async fn a_flood_of_new_stats_is_written_in_shares() {
    let mut house = House::new().await;
    house.store.plan(&[Fault::Before; 1_000]);
    let names: Vec<String> = (0..45_000).map(|n| n.to_string()).collect();
    for some in names.chunks(500) {
        let numbers: Vec<_> =
            some.iter().map(|name| (name.as_str(), stats::Kind::Counter, 1.0, NOON)).collect();
        house.send(&numbers).await;
    }
    // All of it is read at once from the log.
    house = house.restart().await;
    house.checkpoint().await;
    let most = house.store.new_stats();
    assert!((1..=20_500).contains(&most), "{most} new stats in one transaction");
    house = house.restart().await;
    assert_eq!(house.app.catalog.len(), 45_000);
    house.kill().await;
}

#[tokio::test]
async fn readers_do_not_wait_out_the_pauses_of_a_failing_store() {
    let house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    house.clock.advance(2 * HOUR);
    house.store.plan(&[Fault::Before; 1_000]);
    let state = house.app.state.clone();
    let closing = tokio::spawn(async move { crate::closing::pass(&state).await });
    // Pauses double from 50 ms: by now they are long.
    base::testkit::eventually(Duration::from_secs(20), "it fails for the fifth time", async || {
        (house.app.state.meters.store_errors.get() >= 5).then_some(())
    })
    .await;
    let looking = house.total("a", "1d1h");
    let total = tokio::time::timeout(Duration::from_millis(700), looking).await;
    assert_eq!(total.expect("readers do not wait"), 1.0);
    house.store.heal();
    house.kill().await;
    closing.await.expect("no panic").ok();
}

#[tokio::test]
async fn the_list_finds_sorts_and_pages() {
    let house = House::new().await;
    for (name, yesterday, today) in
        [("Alpha one", 10.0, 5.0), ("beta ONE", 1.0, 6.0), ("gamma two", 2.0, 1.0)]
    {
        house
            .send(&[
                (name, stats::Kind::Counter, yesterday, NOON - 30 * HOUR),
                (name, stats::Kind::Counter, today, NOON),
            ])
            .await;
    }
    house.app.settled().await;
    let names = async |search: &str, sort| {
        let query = Query { search: search.to_owned(), sort, page: 1, per_page: 2 };
        let page = house.app.listing.page(ME, query).await.expect("a page");
        let names: Vec<String> = page.rows.iter().map(|row| row.stat.name.to_string()).collect();
        (names.join(", "), page.matches, page.pages)
    };
    assert_eq!(names("", Sort::Name).await, ("Alpha one, beta ONE".to_owned(), 3, 2));
    assert_eq!(names("one", Sort::Figure).await, ("beta ONE, Alpha one".to_owned(), 2, 1));
    assert_eq!(names("", Sort::Change).await.0, "beta ONE, Alpha one");
    assert_eq!(names("TWO gam", Sort::Received).await.0, "gamma two");
    let last = Query { page: 99, per_page: 2, ..Query::default() };
    let page = house.app.listing.page(ME, last).await.expect("a page");
    assert_eq!((page.page, page.total), (2, 3));
    let row = &page.rows[0];
    assert_eq!((row.figure, row.previous), (Some(1.0), Some(2.0)));
    assert_eq!(row.spark.len(), 24);
    let mut spark = vec![Some(0.0); 23];
    spark.push(Some(1.0));
    assert_eq!(row.spark, spark, "as a chart draws a counter that had begun");
    let typed: Vec<String> =
        house.app.listing.names(ME, "ONE", 1).iter().map(|stat| stat.name.to_string()).collect();
    assert_eq!(typed, ["Alpha one"]);
    house.kill().await;
}

#[tokio::test]
async fn classic_keys_belong_together() {
    let house = House::new().await;
    let mine = house.app.accounts.create("me@example.com", None).await.expect("an account").account;
    let other = house.app.accounts.create("you@example.com", None).await.expect("an account").account;
    house.app.accounts.refresh().await.expect("they are read");
    let sent = crate::intake::Sent {
        account: mine.id,
        name: stats::StatName::new("a").expect("a name"),
        kind: stats::Kind::Value,
        number: 1.0,
        time: NOON,
    };
    house.app.intake.submit(&[sent]).expect("taken").settle().await.expect("there");
    house.app.settled().await;
    let key = house.app.catalog.by_name(mine.id, "a").expect("made").classic_key;
    assert_eq!(key.len(), 28);
    let stat = house.app.intake.by_classic_keys(&key, &mine.user_key).expect("both are right");
    assert_eq!((stat.account, stat.name.as_str(), stat.kind), (mine.id, "a", stats::Kind::Value));
    assert!(house.app.intake.by_classic_keys(&key, &other.user_key).is_none());
    assert!(house.app.intake.by_classic_keys("nonsense", &mine.user_key).is_none());
    house.kill().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_each_number_once_while_it_moves() {
    let house = House::with(crate::Config { shards: 1, ..config() }, NOON).await;
    let names: Vec<String> = (0..120).map(|n| format!("stat {n}")).collect();
    let mut numbers = Vec::new();
    for (n, name) in names.iter().enumerate() {
        // Hours of today, of the day before and of forty days ago: every way up the ladder.
        for hours in [2, 3, 20, 30, 960] {
            numbers.push((name.as_str(), stats::Kind::Counter, 1.0 + n as f64, NOON - HOUR * hours));
        }
    }
    house.send(&numbers).await;
    house.checkpoint().await;
    let ids: Vec<StatId> =
        names.iter().map(|name| house.app.catalog.by_name(ME, name).expect("there").id).collect();
    let state = house.app.state.clone();
    let closing = tokio::spawn(async move {
        for _ in 0..3 {
            crate::closing::pass(&state).await.expect("nothing stops it");
            state.clock.advance(12 * HOUR);
        }
    });
    let window = Window { start: NOON - DAY * 60, step_seconds: 86_400 * 70, count: 1 };
    let mut looks = 0;
    while !closing.is_finished() || looks == 0 {
        for (n, series) in
            house.app.charts.series_of(&ids, window).await.expect("series").into_iter().enumerate()
        {
            let total = series.total().map(|bucket| (bucket.count, bucket.sum));
            assert_eq!(total, Some((5, 5.0 * (1.0 + n as f64))), "stat {n}, look {looks}");
        }
        looks += 1;
    }
    closing.await.expect("it closed");
    assert_eq!(house.app.state.shards[0].head.read().cells(), 0);
    assert!(looks > 3, "{looks} looks");
    house.kill().await;
}

#[tokio::test]
async fn a_stat_began_with_its_earliest_number_wherever_that_is_kept() {
    let mut house = House::new().await;
    let at = |hours: u32| NOON - HOUR * hours;
    house.send(&[("a", stats::Kind::Counter, 1.0, at(0)), ("a", stats::Kind::Counter, 1.0, at(30))]).await;
    house.checkpoint().await;
    let since = async |house: &House| {
        let stat = house.app.catalog.by_name(ME, "a").expect("there");
        house.app.charts.since(&stat).await.expect("the store answers")
    };
    assert_eq!(since(&house).await, at(30), "in the head");
    house.clock.advance(2 * DAY);
    house.close().await;
    assert_eq!(since(&house).await, at(30), "it was looked up once");
    house = house.restart().await;
    let day = calendar::day_start(calendar::day(at(30)));
    assert_eq!(since(&house).await, day, "of a day that is rolled up, the day");
    house.send(&[("a", stats::Kind::Counter, 1.0, at(50))]).await;
    house.app.settled().await;
    assert_eq!(since(&house).await, at(50), "late numbers move it");
    // An hour with one number at its end: before it, nothing was counted.
    let hour = Window { start: at(1) + MINUTE, step_seconds: 60, count: 60 };
    assert_eq!(house.series("a", hour).await.drawn()[58..], [Some(0.0), Some(1.0)]);
    assert_eq!(house.series("a", hour).await.drawn()[0], Some(0.0));
    house.kill().await;
}

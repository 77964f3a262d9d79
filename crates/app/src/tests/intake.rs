//! What is answered to numbers, and that the answers stay true.

use std::sync::Arc;
use std::time::Duration;

use stats::{Kind, StatName};

use super::house::{House, ME, NOON, config};
use crate::intake::{Accepted, Fate, Sent};
use crate::{Config, Error};

fn sent(name: &str, kind: Kind, number: f64) -> Sent {
    Sent { account: ME, name: StatName::new(name).expect("a good name"), kind, number, time: NOON }
}

/// Names that fill a segment in a few calls.
fn long(name: usize) -> String {
    format!("{name:0>200}")
}

/// A house whose disk has room for a little of what was taken in, all of it while one sync took its time: by then
/// `calls` of 330 KB each, the last of which cannot be kept.
async fn overfull(names: fn(usize) -> String) -> (House, log::files::Faulty, Vec<Accepted>) {
    let disk = log::files::Faulty::new();
    let disk_config = Config { durability: queue::Durability::Disk, ..config() };
    let house = House::on(Arc::new(disk.clone()), disk_config, NOON).await;
    house.count("before", 1.0).await;
    house.app.settled().await;
    let (held, before) = (disk.hold_syncs(), disk.syncs());
    let mut calls = vec![house.app.intake.submit(&[sent("first", Kind::Counter, 1.0)]).expect("taken in")];
    base::testkit::eventually(Duration::from_secs(20), "the committer is busy", async || {
        (disk.syncs() > before).then_some(())
    })
    .await;
    disk.space_left(Some(1 << 20));
    for call in 0..40 {
        let many: Vec<Sent> = (0..1_500).map(|_| sent(&names(call), Kind::Counter, 1.0)).collect();
        calls.push(house.app.intake.submit(&many).expect("taken in"));
    }
    drop(held);
    (house, disk, calls)
}

#[tokio::test]
async fn what_the_log_gave_up_is_not_waited_for() {
    let (house, disk, calls) = overfull(|_| long(0)).await;
    let (mut taken, mut refused) = (-1.0, 0);
    for accepted in calls {
        let numbers = accepted.fates.len() as f64;
        match accepted.settle().await {
            Ok(()) => taken += numbers,
            Err(error) => {
                assert_eq!(error.kind(), base::ErrorKind::Busy, "{error}");
                refused += 1;
            }
        }
    }
    assert!(taken > 0.0 && refused > 0, "{taken} taken, {refused} refused");
    tokio::time::timeout(Duration::from_secs(60), house.app.settled()).await.expect("nothing more comes");
    assert_eq!(house.total(&long(0), "1h1m").await, taken);
    disk.space_left(None);
    house.kill().await;
}

#[tokio::test]
async fn nothing_is_promised_to_those_who_hung_up_and_were_refused() {
    let (house, disk, calls) = overfull(long).await;
    drop(calls);
    base::testkit::eventually(Duration::from_secs(60), "promises end without their senders", async || {
        (house.app.catalog.promised() == 0).then_some(())
    })
    .await;
    let made = (0..40).filter(|name| house.app.catalog.by_name(ME, &long(*name)).is_some()).count();
    assert!(made < 40, "some were given up");
    disk.space_left(None);
    house.kill().await;
}

#[tokio::test]
async fn a_new_stat_has_one_kind_from_its_first_number_on() {
    let house = House::new().await;
    let other = Fate::Mismatch { is: Kind::Counter };
    let fates = house.send(&[("x", Kind::Counter, 1.0, NOON), ("x", Kind::Value, 2.0, NOON)]).await;
    assert_eq!(fates, [Fate::Taken, other], "in one request");
    let first = house.app.intake.submit(&[sent("y", Kind::Counter, 1.0)]).expect("taken");
    let second = house.app.intake.submit(&[sent("y", Kind::Value, 1.0)]).expect("answered");
    assert_eq!((&first.fates[..], &second.fates[..]), (&[Fate::Taken][..], &[other][..]), "in two that race");
    first.settle().await.expect("the log has it");
    house.app.settled().await;
    assert_eq!(house.total("x", "1h1m").await, 1.0);
    assert_eq!(house.app.state.meters.folded.get(), 2);
    assert_eq!(house.app.catalog.promised(), 0, "promises end when the stat is made");
    house.kill().await;
}

#[tokio::test]
async fn a_kind_is_not_promised_by_what_the_log_refused() {
    let disk = log::files::Faulty::new();
    let disk_config = Config { durability: queue::Durability::Disk, ..config() };
    let house = House::on(Arc::new(disk.clone()), disk_config, NOON).await;
    let first = house.app.intake.submit(&[sent("x", Kind::Counter, 1.0)]).expect("it goes to the log");
    disk.fail_syncs(true);
    let second = house.app.intake.submit(&[sent("y", Kind::Counter, 1.0)]);
    let _ = first.settle().await;
    if let Ok(second) = second {
        assert!(second.settle().await.is_err());
    }
    assert!(house.app.intake.submit(&[sent("z", Kind::Counter, 1.0)]).is_err());
    base::testkit::eventually(Duration::from_secs(10), "only what is in the log is promised", async || {
        (house.app.catalog.promised() <= 1).then_some(())
    })
    .await;
    disk.fail_syncs(false);
    drop(house);
}

#[tokio::test]
async fn new_stats_wait_for_what_the_log_held_at_the_start() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house = house.restart().await;
    // The start has read it, so the kind is known though nothing was written down.
    let fates = house.send(&[("a", Kind::Value, 1.0, NOON), ("b", Kind::Value, 1.0, NOON)]).await;
    assert_eq!(fates, [Fate::Mismatch { is: Kind::Counter }, Fate::Taken]);
    house.app.settled().await;
    // A log that takes longer to read than a start waits.
    house.app.state.folded.send_modify(|folded| folded.replayed = false);
    let both = [sent("c", Kind::Value, 1.0), sent("d", Kind::Value, 1.0)];
    assert!(matches!(house.app.intake.submit(&both), Err(Error::Busy { .. })));
    house.count("a", 1.0).await;
    house.app.state.folded.send_modify(|folded| folded.replayed = true);
    house.send(&[("c", Kind::Counter, 1.0, NOON)]).await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 2.0);
    assert_eq!(house.app.catalog.promised(), 0);
    house.kill().await;
}

#[tokio::test]
async fn an_account_has_so_many_stats_and_no_more() {
    let house = House::with(Config { stats_per_account_max: 3, ..config() }, NOON).await;
    let number = |name| (name, Kind::Counter, 1.0, NOON);
    let fates = house.send(&[number("a"), number("b"), number("a")]).await;
    assert_eq!(fates, [Fate::Taken; 3]);
    house.app.settled().await;
    let fates = house.send(&[number("c"), number("d"), number("a"), number("c")]).await;
    assert_eq!(fates, [Fate::Taken, Fate::TooManyStats, Fate::Taken, Fate::Taken]);
    house.checkpoint().await;
    let deleted = house.app.catalog.by_name(ME, "b").expect("there").id;
    house.app.catalog.delete(deleted).await.expect("into the trash");
    assert_eq!(
        house.send(&[number("d"), number("b")]).await,
        [Fate::TooManyStats, Fate::Taken],
        "it is in the trash"
    );
    house.app.settled().await;
    assert_eq!((house.total("b", "1h1m").await, house.app.catalog.promised()), (2.0, 0));
    assert_eq!(house.app.catalog.count_of(ME), 3);
    house.kill().await;
}

#[tokio::test]
async fn a_mistyped_kind_goes_with_the_stat_that_is_deleted_for_good() {
    let house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    let wrong = house.app.catalog.by_name(ME, "a").expect("there").id;
    assert!(matches!(house.app.catalog.purge(wrong).await, Err(Error::Conflict(_))), "not in the trash");
    house.app.catalog.delete(wrong).await.expect("into the trash");
    let value = [("a", Kind::Value, 5.0, NOON)];
    assert_eq!(house.send(&value).await, [Fate::Mismatch { is: Kind::Counter }]);
    house.app.catalog.purge(wrong).await.expect("it goes");
    house.close().await;
    assert_eq!(house.app.catalog.by_id(wrong), None);
    assert_eq!(house.send(&value).await, [Fate::Taken]);
    house.checkpoint().await;
    let right = house.app.catalog.by_name(ME, "a").expect("made again");
    assert_eq!((right.kind, right.id == wrong), (Kind::Value, false));
    house.kill().await;
}

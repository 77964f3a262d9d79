//! A log and a store that do not belong together, or hold what is none of ours.

use std::time::Duration;

use store::Store;

use super::house::{House, NOON};

#[tokio::test]
async fn a_record_that_cannot_be_read_is_skipped_for_ever() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    let queue = house.app.state.queue.clone();
    let topic = queue.topic("points.0").expect("a topic");
    for payload in [&b"\xff junk"[..], b"\x01\x00\xff", b""] {
        let message = queue::NewMessage { topic: &topic, payload: payload.to_vec().into() };
        queue.publish(&[message], queue::Durability::Os).expect("it is taken").await.expect("it is there");
    }
    house.count("a", 2.0).await;
    house.app.settled().await;
    base::testkit::eventually(Duration::from_secs(5), "both are counted", async || {
        (house.app.state.meters.damaged_records.get() == 2).then_some(())
    })
    .await;
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 3.0);
    assert_eq!(house.app.readiness(), Ok(()));
    house.kill().await;
}

#[tokio::test]
async fn messages_of_other_topics_behind_the_last_number_are_not_waited_for() {
    let house = House::new().await;
    house.count("a", 1.0).await;
    house.app.settled().await;
    let queue = &house.app.state.queue;
    let other = queue.topic("other").expect("a topic");
    let message = queue::NewMessage { topic: &other, payload: "not a number".into() };
    let end = queue.publish(&[message], queue::Durability::Os).expect("taken").await.expect("written");
    // Our own numbers, which would move the recorder on too, come only every ten seconds.
    let finished = tokio::time::timeout(Duration::from_secs(5), house.app.finish()).await;
    finished.expect("nobody waits for a number behind it").expect("written down");
    for (shard, position) in house.store.positions().await.expect("they read") {
        assert!(position > end.0, "shard {shard} may let go of what is not ours");
    }
    house.kill().await;
}

#[tokio::test]
async fn a_store_that_is_older_than_its_log_is_refused_unless_that_is_meant() {
    let mut house = House::new().await;
    house = house.restart().await;
    assert_eq!(house.app.state.meters.log_gap_bytes.get(), 0);
    let name = "a".repeat(200);
    let many: Vec<_> = (0..3_000).map(|_| (name.as_str(), stats::Kind::Counter, 1.0, NOON)).collect();
    for _ in 0..4 {
        house.send(&many).await;
    }
    house.checkpoint().await;
    base::testkit::eventually(Duration::from_secs(20), "the log frees what is recorded", async || {
        (house.log_first() > 0).then_some(())
    })
    .await;
    house = house.restart().await;
    assert_eq!(house.app.state.meters.log_gap_bytes.get(), 0);
    let mut stopped = house.kill().await;
    stopped.remove_store();
    let (refused, mut stopped) = stopped.refused().await;
    assert_eq!(refused.kind(), base::ErrorKind::Conflict);
    assert!(refused.to_string().contains("the store is older than the log"), "{refused}");
    stopped.config.accept_log_gap = true;
    house = stopped.start().await;
    assert!(house.app.state.meters.log_gap_bytes.get() >= house.log_first());
    house = house.restart().await;
    house.kill().await;
}

#[tokio::test]
async fn a_store_that_is_older_than_its_log_reads_what_the_log_still_has() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    house.app.settled().await;
    // One more, so that the reader goes round and releases what was recorded.
    house.count("a", 2.0).await;
    house.app.settled().await;
    let mut stopped = house.kill().await;
    stopped.remove_store();
    let (refused, mut stopped) = stopped.refused().await;
    assert!(refused.to_string().contains("the store is new and the log is not"), "{refused}");
    stopped.config.accept_log_gap = true;
    house = stopped.start().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 3.0);
    assert_eq!(house.app.state.meters.log_gap_bytes.get(), 0);
    house.kill().await;
}

#[tokio::test]
async fn a_log_that_is_gone_is_refused_and_one_that_ends_early_is_counted() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    house.count("a", 2.0).await;
    house.app.settled().await;
    let stopped = house.kill().await;
    let segments = stopped.take_segments();
    stopped.forget_cursors();
    let (refused, stopped) = stopped.refused().await;
    assert_eq!(refused.kind(), base::ErrorKind::Conflict);
    assert!(refused.to_string().contains("the log is gone"), "{refused}");
    // Put back, nothing is missing: the refused start has changed nothing.
    stopped.put_back(segments);
    house = stopped.start().await;
    house.app.settled().await;
    assert_eq!((house.total("a", "1h1m").await, house.app.state.meters.log_gap_bytes.get()), (3.0, 0));
    // What was written down and what was not, cut off together.
    house.checkpoint().await;
    house.count("a", 4.0).await;
    house.app.settled().await;
    let stopped = house.kill().await;
    stopped.cut_segments(100);
    house = stopped.start().await;
    assert!(house.app.state.meters.log_gap_bytes.get() > 0);
    assert_eq!(house.total("a", "1h1m").await, 3.0, "what was written down is there");
    house.kill().await;
}

#[tokio::test]
async fn a_store_that_is_ahead_of_its_log_goes_on_counting() {
    let mut house = House::new().await;
    for _ in 0..50 {
        house.count("a", 1.0).await;
    }
    house.checkpoint().await;
    house = house.restart_without_log().await;
    house.count("a", 7.0).await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 57.0);
    house.checkpoint().await;
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1h1m").await, 57.0);
    house.kill().await;
}

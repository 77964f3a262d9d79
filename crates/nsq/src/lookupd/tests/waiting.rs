use base::testkit::promtool_accepts;
use tokio::sync::Semaphore;

use super::*;

/// The answer to a request that waits, and the revision it names.
async fn lookup(house: &House, query: &str) -> (u16, String, String) {
    let (status, head, body) = house.ask("GET", &format!("/lookup?{query}")).await;
    let revision = head.lines().find_map(|line| line.strip_prefix("x-eyrie-revision: "));
    (status, revision.unwrap_or("none").to_owned(), body)
}

/// How many wait, as `/metrics` says it.
async fn waiting(house: &House, expected: usize) {
    eventually(SOON, "somebody waits", || async {
        let (_, metrics) = house.get("/metrics").await;
        metrics.contains(&format!("eyrie_nsqlookupd_waits {expected}\n")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn lookup_waits_for_a_change_of_its_topic() {
    let house = std::sync::Arc::new(House::open().await);
    let mut nsqd = house.identified().await;
    let (status, revision, _) = lookup(&house, "topic=t&wait=60s").await;
    assert_eq!(status, 404, "without `since` it answers at once");

    let (asker, since) = (house.clone(), revision.clone());
    let asked = tokio::spawn(async move { lookup(&asker, &format!("topic=t&wait=60s&since={since}")).await });
    waiting(&house, 1).await;
    nsqd.do_it("REGISTER other").await;
    assert!(!asked.is_finished(), "another topic does not wake it");
    nsqd.do_it("REGISTER t c").await;
    let (status, after, body) = asked.await.expect("no panic");
    assert_eq!(status, 200);
    assert!(body.contains("b.example") && body.contains(r#"["c"]"#), "{body}");
    assert_ne!(after, revision);
    waiting(&house, 0).await;

    // An old revision, and one of an earlier life, are answered at once.
    for since in [revision.as_str(), "0-1"] {
        let (status, again, _) = lookup(&house, &format!("topic=t&wait=60s&since={since}")).await;
        assert_eq!((status, again), (200, after.clone()));
    }
    // Nothing changes: it ends by its own time, with the same revision.
    let (_, still, _) = lookup(&house, &format!("topic=t&wait=10ms&since={after}")).await;
    assert_eq!(still, after);
    // What is registered again is no change.
    nsqd.do_it("REGISTER t c").await;
    assert_eq!(lookup(&house, "topic=t&wait=0s").await.1, after);
}

#[tokio::test]
async fn every_change_of_a_topic_is_another_revision() {
    let house = House::open().await;
    let mut nsqd = house.identified().await;
    let mut seen = vec![lookup(&house, "topic=t&wait=0").await.1];
    let mut note = async |what: &str| {
        let revision = lookup(&house, "topic=t&wait=0").await.1;
        assert!(!seen.contains(&revision), "{what}");
        seen.push(revision);
    };
    nsqd.do_it("REGISTER t").await;
    note("a producer").await;
    nsqd.do_it("REGISTER t c").await;
    note("a channel").await;
    house.ask("POST", "/topic/tombstone?topic=t&node=b.example:4151").await;
    note("a tombstone").await;
    house.ask("POST", "/channel/delete?topic=t&channel=c").await;
    note("a channel less").await;
    house.ask("POST", "/channel/create?topic=t&channel=d").await;
    note("a channel from outside").await;
    nsqd.do_it("UNREGISTER t").await;
    note("a producer less").await;
    house.ask("POST", "/topic/delete?topic=t").await;
    note("no topic").await;
    house.close().await;
}

#[tokio::test]
async fn what_changes_nothing_is_no_other_revision_and_is_not_kept() {
    let house = House::open().await;
    let mut nsqd = house.identified().await;
    nsqd.do_it("REGISTER t c").await;
    let (here, absent) =
        (lookup(&house, "topic=t&wait=0").await.1, lookup(&house, "topic=absent&wait=0").await.1);
    nsqd.do_it("UNREGISTER other").await;
    nsqd.do_it("UNREGISTER t d").await;
    let long = "x".repeat(30_000);
    for path in [
        "/topic/create?topic=t".to_owned(),
        "/channel/create?topic=t&channel=c".to_owned(),
        "/channel/delete?topic=t&channel=d".to_owned(),
        "/topic/delete?topic=absent".to_owned(),
        "/topic/tombstone?topic=t&node=nobody:1".to_owned(),
        format!("/topic/delete?topic={long}"),
        format!("/topic/tombstone?topic={long}&node=nobody:1"),
    ] {
        house.ask("POST", &path).await;
    }
    assert_eq!(lookup(&house, "topic=t&wait=0").await.1, here);
    assert_eq!(lookup(&house, "topic=absent&wait=0").await.1, absent);
    // Nobody waits for what can never be.
    let (status, since, _) = lookup(&house, "topic=no!&wait=60s").await;
    assert_eq!(status, 404);
    assert_eq!(lookup(&house, &format!("topic=no!&wait=60s&since={since}")).await.0, 404);
    house.close().await;
}

#[tokio::test]
async fn waiting_ends_with_the_house_and_is_only_for_who_asks() {
    let house = std::sync::Arc::new(House::open().await);
    let (status, revision, body) = lookup(&house, "topic=t&wait=soon").await;
    assert_eq!((status, body.as_str()), (400, r#"{"message":"INVALID_WAIT"}"#));
    assert_eq!(revision, "none");
    assert_eq!(lookup(&house, "topic=t&since=x").await.1, "none");

    let since = lookup(&house, "topic=t&wait=0").await.1;
    let asker = house.clone();
    let asked = tokio::spawn(async move { lookup(&asker, &format!("topic=t&wait=60s&since={since}")).await });
    waiting(&house, 1).await;
    assert!(house.tasks.drain(SOON).await, "a request that waits does not hold up the end");
    assert_eq!(asked.await.expect("no panic").0, 404);
}

#[tokio::test]
async fn who_finds_no_place_to_wait_is_told_to_poll() {
    let house = std::sync::Arc::new(House::built(|shared| shared.waits = Semaphore::new(1)).await);
    let since = lookup(&house, "topic=t&wait=0").await.1;
    let wait = format!("topic=t&wait=60s&since={since}");
    let (asker, same) = (house.clone(), wait.clone());
    let asked = tokio::spawn(async move { lookup(&asker, &same).await });
    waiting(&house, 1).await;
    let (status, revision, body) = lookup(&house, &wait).await;
    assert_eq!((status, revision.as_str()), (404, "none"), "{body}");
    assert_eq!(lookup(&house, "topic=t&wait=60s&since=0-1").await.1, since, "who need not wait is told");
    assert!(!asked.is_finished(), "who has a place keeps it");
    house.identified().await.do_it("REGISTER t").await;
    assert_eq!(asked.await.expect("no panic").0, 200);
    let since = lookup(&house, "topic=t&wait=0").await.1;
    let again = lookup(&house, &format!("topic=t&wait=1ms&since={since}")).await;
    assert_eq!((again.0, again.1), (200, since), "its place is free");
}

#[tokio::test]
async fn metrics_count() {
    let house = House::open().await;
    let mut nsqd = house.identified().await;
    nsqd.do_it("REGISTER t c").await;
    nsqd.do_it("PING").await;
    nsqd.do_it("PING").await;
    house.get("/lookup?topic=t").await;
    let (_, metrics) = house.get("/metrics").await;
    for line in [
        "eyrie_nsqlookupd_topics 1",
        "eyrie_nsqlookupd_channels 1",
        "eyrie_nsqlookupd_nodes 1",
        "eyrie_nsqlookupd_connections 1",
        "eyrie_nsqlookupd_commands_total{command=\"PING\"} 2",
        "eyrie_nsqlookupd_commands_total{command=\"REGISTER\"} 1",
        "eyrie_nsqlookupd_lookups_total 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} in {metrics}");
    }
    promtool_accepts(&metrics);
    house.close().await;
}

//! What Prometheus scrapes.

use base::testkit::promtool_accepts;
use eyrie_nsq::nsqd::options::Durability;

use super::house::House;

#[tokio::test]
async fn figures_of_topics_and_channels_are_scraped() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c%23ephemeral", "").await;
    house.does("/mpub?topic=t", "one\ntwo").await;
    let prometheus = "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n";
    let answer = house.ask_with("GET", "/metrics", prometheus, b"").await;
    let kind = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.headers.contains(&kind.to_owned()), "{answer:?}");
    let volatile = ["uptime_seconds", "memory_bytes", "eyrie_nsqd_log_"];
    let lines = answer.body.lines().filter(|line| !volatile.iter().any(|name| line.contains(name)));
    insta::assert_snapshot!(lines.filter(|line| !line.starts_with("# HELP")).collect::<Vec<_>>().join("\n"), @r#"
    # TYPE eyrie_nsqd_healthy gauge
    eyrie_nsqd_healthy 1
    # TYPE eyrie_nsqd_clients gauge
    eyrie_nsqd_clients 0
    # TYPE eyrie_nsqd_lookupds gauge
    eyrie_nsqd_lookupds 0
    # TYPE eyrie_nsqd_refused_publishes counter
    eyrie_nsqd_refused_publishes_total 0
    # TYPE eyrie_nsqd_topic_messages counter
    eyrie_nsqd_topic_messages_total{topic="t"} 2
    # TYPE eyrie_nsqd_topic_message_bytes counter
    eyrie_nsqd_topic_message_bytes_total{topic="t"} 6
    # TYPE eyrie_nsqd_topic_depth gauge
    eyrie_nsqd_topic_depth{topic="t"} 0
    # TYPE eyrie_nsqd_topic_backend_depth gauge
    eyrie_nsqd_topic_backend_depth{topic="t"} 0
    # TYPE eyrie_nsqd_topic_paused gauge
    eyrie_nsqd_topic_paused{topic="t"} 0
    # TYPE eyrie_nsqd_channel_messages counter
    eyrie_nsqd_channel_messages_total{topic="t",channel="c#ephemeral"} 2
    # TYPE eyrie_nsqd_channel_requeued counter
    eyrie_nsqd_channel_requeued_total{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_timed_out counter
    eyrie_nsqd_channel_timed_out_total{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_depth gauge
    eyrie_nsqd_channel_depth{topic="t",channel="c#ephemeral"} 2
    # TYPE eyrie_nsqd_channel_backend_depth gauge
    eyrie_nsqd_channel_backend_depth{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_in_flight gauge
    eyrie_nsqd_channel_in_flight{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_deferred gauge
    eyrie_nsqd_channel_deferred{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_consumers gauge
    eyrie_nsqd_channel_consumers{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_paused gauge
    eyrie_nsqd_channel_paused{topic="t",channel="c#ephemeral"} 0
    # TYPE eyrie_nsqd_channel_delivered counter
    eyrie_nsqd_channel_delivered_total{topic="t",channel="c#ephemeral",proximity="zone"} 0
    eyrie_nsqd_channel_delivered_total{topic="t",channel="c#ephemeral",proximity="region"} 0
    eyrie_nsqd_channel_delivered_total{topic="t",channel="c#ephemeral",proximity="global"} 0
    # TYPE eyrie_nsqd_topic_latency_seconds summary
    # TYPE eyrie_nsqd_channel_latency_seconds summary
    # EOF
    "#);
}

/// The figure of this name.
fn figure(page: &str, name: &str) -> f64 {
    let line = page.lines().find_map(|line| line.strip_prefix(&format!("eyrie_nsqd_{name} ")));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
}

#[tokio::test]
async fn figures_of_the_log_move_with_it() {
    let house = House::with(|options| options.durability = Durability::Disk).await;
    let before = house.get("/metrics").await.body;
    assert_eq!((figure(&before, "log_full"), figure(&before, "log_poisoned")), (0.0, 0.0));
    assert_eq!(figure(&before, "log_quota_bytes"), 8_589_934_592.0);
    house.does("/pub?topic=t", vec![b'x'; 100_000]).await;
    let after = house.get("/metrics").await.body;
    let grown = |name: &str| figure(&after, name) - figure(&before, name);
    assert!((100_000.0..120_000.0).contains(&grown("log_appended_bytes_total")), "{after}");
    assert!(grown("log_appended_records_total") >= 1.0 && grown("log_commits_total") >= 1.0);
    assert!(grown("log_syncs_total") >= 1.0 && grown("log_sync_seconds_total") > 0.0);
    assert_eq!(figure(&after, "log_segments"), 1.0);
    assert!(figure(&after, "log_disk_bytes") > 100_000.0);
    assert!(figure(&after, "log_synced_position") <= figure(&after, "log_position"));
}

#[tokio::test]
async fn publishing_that_finds_no_room_is_counted() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    let policy = br#"{"max_bytes":10,"overflow":"reject"}"#;
    assert_eq!(house.ask("PUT", "/topic/policy?topic=t", policy).await.status, 200);
    house.does("/channel/create?topic=t&channel=c", "").await;
    house.does("/pub?topic=t", "0123456789").await;
    assert_eq!(house.post("/pub?topic=t", "more").await.status, 503);
    assert_eq!(house.post("/mpub?topic=t", "more\nmore").await.status, 503);
    assert_eq!(house.post("/pub?topic=t!", "a wrong name").await.status, 400);
    assert_eq!(figure(&house.get("/metrics").await.body, "refused_publishes_total"), 2.0);
}

/// What Prometheus itself says of what it would scrape.
#[tokio::test]
async fn promtool_accepts_the_figures() {
    let house = House::with(|options| options.e2e_percentiles = vec![0.5, 0.99]).await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c%23ephemeral", "").await;
    house.does("/pub?topic=t", "one").await;
    promtool_accepts(&house.get("/metrics").await.body);
}

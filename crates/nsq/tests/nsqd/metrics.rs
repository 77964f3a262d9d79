//! What Prometheus scrapes.

use super::house::House;

#[tokio::test]
async fn figures_of_topics_and_channels_are_scraped() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c%23ephemeral", "").await;
    house.does("/mpub?topic=t", "one\ntwo").await;
    let answer = house.get("/metrics").await;
    let kind = "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(answer.headers.contains(&kind.to_owned()), "{answer:?}");
    let volatile = ["uptime_seconds", "memory_bytes"];
    let lines = answer.body.lines().filter(|line| !volatile.iter().any(|name| line.contains(name)));
    insta::assert_snapshot!(lines.filter(|line| !line.starts_with("# HELP")).collect::<Vec<_>>().join("\n"), @r#"
    # TYPE eyrie_nsqd_healthy gauge
    eyrie_nsqd_healthy 1
    # TYPE eyrie_nsqd_clients gauge
    eyrie_nsqd_clients 0
    # TYPE eyrie_nsqd_lookupds gauge
    eyrie_nsqd_lookupds 0
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
    # TYPE eyrie_nsqd_topic_latency_nanoseconds gauge
    # TYPE eyrie_nsqd_channel_latency_nanoseconds gauge
    # EOF
    "#);
}

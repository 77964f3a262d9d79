use super::*;

fn row(node: &str, json: &str) -> TopicStats {
    let mut topic: TopicStats = serde_json::from_str(json).expect("an nsqd's answer");
    for latency in topic.latencies_mut() {
        latency.spread();
    }
    topic.placed(node, node, 100)
}

const A: &str = r#"{"topic_name":"t","depth":5,"backend_depth":2,"message_count":10,"message_bytes":70,"paused":false,
  "e2e_processing_latency":{"count":1,"percentiles":[{"quantile":0.5,"value":100}]},
  "channels":[{"channel_name":"c","depth":3,"backend_depth":3,"message_count":4,"global_msg_count":2,"client_count":1,
    "clients":[{"client_id":"one","hostname":"z","connect_ts":90}]}]}"#;
const B: &str = r#"{"topic_name":"t","depth":1,"message_count":1,"paused":true,
  "e2e_processing_latency":{"count":3,"percentiles":[{"quantile":0.5,"value":500}]},
  "channels":[{"channel_name":"c","depth":1,"zone_local_msg_count":5,"clients":[{"client_id":"two","hostname":"a"}]},
              {"channel_name":"d","paused":true,"clients":null}]}"#;

#[test]
fn rows_add_up() {
    let total = TopicStats::total("t", &[row("a:1", A), row("b:1", B)]);
    assert_eq!((total.node.as_str(), total.depth, total.memory_depth, total.backend_depth), ("*", 6, 4, 2));
    assert_eq!((total.message_count, total.message_bytes, total.paused), (11, 70, true));
    let latency = total.e2e_processing_latency.as_ref().expect("both measured");
    let half = latency.percentiles.as_ref().expect("one")[0];
    assert_eq!((latency.count, half.min, half.max, half.average), (4, 100.0, 500.0, 400.0));
    let channels = total.channels.as_ref().expect("two");
    assert_eq!(channels.iter().map(|c| c.channel_name.as_str()).collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!((channels[0].node.as_str(), channels[0].depth, channels[0].delivery_msg_count), ("*", 4, 7));
    assert_eq!(channels[1].node, "b:1", "on one node only, its row is the total");
    let rows = total.nodes.as_ref().expect("two");
    assert_eq!(rows[0].channels.as_ref().expect("one")[0].depth, 3, "the rows stay what they were");
}

#[test]
fn clients_of_all_nodes_are_in_one_list() {
    let rows = [row("a:1", A), row("b:1", B)];
    let channels = || rows.iter().flat_map(|row| row.channels.iter().flatten());
    let total = ChannelStats::total("c", channels()).expect("both have it");
    let clients = total.clients.expect("two");
    assert_eq!((clients[0].client_id.as_str(), clients[0].node.as_str()), ("two", "b:1"));
    assert_eq!((clients[1].client_id.as_str(), clients[1].connected), ("one", 10_000_000_000));
    assert!(ChannelStats::total("d", channels()).expect("one has it").clients.is_none());
    assert!(ChannelStats::total("nope", channels()).is_none());
}

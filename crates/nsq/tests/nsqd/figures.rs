//! Figures of what clients really do: in `/stats`, and as statsd gets them.

use std::collections::BTreeMap;
use std::time::Duration;

use base::testkit::eventually;
use tokio::net::UdpSocket;

use super::house::{House, SOON};
use super::wire::Wire;

const IDENTIFY: &str = r#"{"client_id":"cid","hostname":"hst","user_agent":"ua/1","msg_timeout":60000}"#;

/// The answer with what differs from run to run replaced.
fn steady(json: &str) -> String {
    let mut value: serde_json::Value = serde_json::from_str(json).expect("JSON");
    fn walk(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, field) in fields.iter_mut() {
                    match name.as_str() {
                        "remote_address" | "connect_ts" | "start_time" => *field = "[any]".into(),
                        _ => walk(field),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(walk),
            _ => {}
        }
    }
    walk(&mut value);
    serde_json::to_string_pretty(&value).expect("written")
}

#[tokio::test]
async fn consumers_and_producers_are_shown_with_what_they_did() {
    let house = House::open().await;
    let mut producer = Wire::open(&house, r#"{"client_id":"p","hostname":"ph"}"#).await;
    let mut consumer = Wire::open(&house, IDENTIFY).await;
    consumer.does("SUB adm ch\n", None).await;
    producer.does("PUB adm\n", Some(b"first")).await;
    producer.does("PUB adm\n", Some(b"other")).await;
    producer.does("PUB elsewhere\n", Some(b"x")).await;
    consumer.command("RDY 1\n", None).await;
    let (id, body) = consumer.message().await;
    assert_eq!(body, "first");
    consumer.command(&format!("FIN {id}\n"), None).await;
    let (id, _) = consumer.message().await;
    consumer.command(&format!("REQ {id} 0\n"), None).await;
    let (again, body) = consumer.message().await;
    assert_eq!((again, body.as_str()), (id, "other"));
    let settled = async || {
        let answer = house.get("/stats?format=json&topic=adm&include_mem=false").await.body;
        answer.contains(r#""requeue_count":1"#).then_some(answer)
    };
    let answer = eventually(SOON, "what the consumer did is counted", settled).await;
    insta::assert_snapshot!("consumers_and_producers", steady(&answer));
    let text = house.get("/stats?topic=adm&include_mem=false").await.body;
    let line = |from: &str| text.lines().find(|line| line.contains(from)).expect(from).to_owned();
    let (shown, connected) = line("state: 3")
        .rsplit_once(" connected: ")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .expect("a time");
    assert!(shown.starts_with("        [V2 hst:"), "{shown}");
    assert!(
        shown.ends_with("state: 3 inflt: 1    rdy: 1    fin: 1        re-q: 1        msgs: 3       "),
        "{shown}"
    );
    assert!(connected.ends_with('s'), "{connected}");
    let producers = line("topics: ");
    assert!(producers.contains(" msgs: 2        topics: adm=2 connected: "), "{producers}");
    // One who has gone is not shown any more.
    drop(consumer);
    let gone = async || {
        let channel = house.stats("topic=adm").await["topics"][0]["channels"][0].clone();
        (channel["client_count"] == 0 && channel["clients"] == serde_json::json!([])).then_some(channel)
    };
    let channel = eventually(SOON, "the consumer is gone", gone).await;
    assert_eq!(
        (&channel["depth"], &channel["in_flight_count"]),
        (&1.into(), &0.into()),
        "its message waits again"
    );
}

#[tokio::test]
async fn statsd_gets_the_real_figures_and_times() {
    let statsd = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let house = House::with(|options| {
        options.statsd_address = statsd.local_addr().expect("bound").to_string();
        options.statsd_interval = Duration::from_millis(150);
        options.e2e_percentiles = vec![1.0, 0.99];
    })
    .await;
    let mut consumer = Wire::open(&house, IDENTIFY).await;
    consumer.does("SUB adm ch\n", None).await;
    consumer.command("RDY 1\n", None).await;
    house.does("/pub?topic=adm", "first").await;
    let (id, _) = consumer.message().await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    consumer.command(&format!("FIN {id}\n"), None).await;
    // Counters are differences: their sum over all packets is what there was.
    let mut counters: BTreeMap<String, i64> = BTreeMap::new();
    let mut gauges: BTreeMap<String, i64> = BTreeMap::new();
    let prefix = format!("nsq.127_0_0_1_{}.", house.running.nsqd.ports.http);
    let mut packet = [0; 2048];
    let latency = "topic.adm.channel.ch.e2e_processing_latency_99";
    while gauges.get(latency).is_none_or(|nanos| *nanos == 0) || !gauges.contains_key("mem.next_gc_bytes") {
        let received = tokio::time::timeout(SOON, statsd.recv(&mut packet)).await.expect("in time");
        let length = received.expect("a packet");
        assert!(length <= 508, "{length}");
        for line in String::from_utf8_lossy(&packet[..length]).lines() {
            let (name, value) =
                line.strip_prefix(&prefix).expect("the prefix").split_once(':').expect("a value");
            let (value, kind) = value.split_once('|').expect("a kind");
            let value: i64 = value.parse().expect("a number");
            match kind {
                "c" => *counters.entry(name.to_owned()).or_default() += value,
                "g" => drop(gauges.insert(name.to_owned(), value)),
                other => panic!("{other}"),
            }
        }
    }
    assert!(gauges[latency] >= 20_000_000, "{gauges:?}");
    assert_eq!(counters["topic.adm.message_count"], 1);
    assert_eq!(counters["topic.adm.message_bytes"], 5);
    assert_eq!(counters["topic.adm.channel.ch.message_count"], 1);
    let golden = [
        "mem.gc_pause_usec_100",
        "mem.gc_pause_usec_95",
        "mem.gc_pause_usec_99",
        "mem.heap_idle_bytes",
        "mem.heap_in_use_bytes",
        "mem.heap_objects",
        "mem.heap_released_bytes",
        "mem.next_gc_bytes",
        "topic.adm.backend_depth",
        "topic.adm.channel.ch.backend_depth",
        "topic.adm.channel.ch.clients",
        "topic.adm.channel.ch.deferred_count",
        "topic.adm.channel.ch.depth",
        "topic.adm.channel.ch.e2e_processing_latency_100",
        "topic.adm.channel.ch.e2e_processing_latency_99",
        "topic.adm.channel.ch.in_flight_count",
        "topic.adm.depth",
        "topic.adm.e2e_processing_latency_100",
        "topic.adm.e2e_processing_latency_99",
    ];
    assert_eq!(gauges.keys().map(String::as_str).collect::<Vec<_>>(), golden);
    assert_eq!(
        counters.keys().map(String::as_str).collect::<Vec<_>>(),
        [
            "mem.gc_runs",
            "topic.adm.channel.ch.message_count",
            "topic.adm.channel.ch.requeue_count",
            "topic.adm.channel.ch.timeout_count",
            "topic.adm.message_bytes",
            "topic.adm.message_count",
        ]
    );
    let stats = house.stats("").await;
    let told = &stats["topics"][0]["channels"][0]["e2e_processing_latency"];
    assert_eq!((&told["count"], &told["percentiles"][0]["quantile"]), (&1.into(), &1.into()), "{told}");
    assert!(told["percentiles"][1]["value"].as_f64().expect("a number") >= 2e7, "{told}");
    let metrics = house.get("/metrics").await.body;
    assert!(
        metrics
            .contains("eyrie_nsqd_channel_latency_seconds{topic=\"adm\",channel=\"ch\",quantile=\"0.99\"} "),
        "{metrics}"
    );
    assert!(metrics.contains("\neyrie_nsqd_clients 1\n"), "{metrics}");
}

use super::*;
use crate::nsqd::stats::{ChannelStats, Quantile, TopicStats};

fn config() -> Config {
    Config {
        address: "127.0.0.1:1".to_owned(),
        prefix: prefix("nsq.%s", "127.0.0.1", 22053),
        interval: Duration::from_secs(60),
        packet_bytes: 508,
        memory: true,
        exclude_ephemeral: false,
    }
}

/// One topic with one channel, both with these counts.
fn stats(topic: &str, channel: &str, count: u64) -> Stats {
    let quantiles = [1.0, 0.99].map(|quantile| Quantile { quantile, value: 0.0 });
    let e2e_processing_latency = Latency { count: 0, percentiles: Some(quantiles.to_vec()) };
    let channel = ChannelStats {
        channel_name: channel.into(),
        depth: 0,
        backend_depth: 0,
        in_flight_count: 1,
        deferred_count: 0,
        message_count: count,
        zone_local_msg_count: 0,
        region_local_msg_count: 0,
        global_msg_count: count,
        requeue_count: 0,
        timeout_count: 0,
        client_count: 1,
        clients: None,
        paused: false,
        e2e_processing_latency: e2e_processing_latency.clone(),
    };
    let topic = TopicStats {
        topic_name: topic.into(),
        channels: vec![channel],
        depth: 0,
        backend_depth: 0,
        message_count: count,
        message_bytes: 5 * count,
        paused: false,
        e2e_processing_latency,
    };
    Stats { topics: Some(vec![topic]), producers: None }
}

#[test]
fn packets_are_those_of_the_real_nsqd() {
    let memory = Memory {
        heap_objects: 2669,
        heap_idle_bytes: 2_088_960,
        heap_in_use_bytes: 1_548_288,
        heap_released_bytes: 2_056_192,
        next_gc_bytes: 4_194_304,
        ..Memory::default()
    };
    let packets = packets(&config(), &stats("adm", "ch", 1), &Stats::default(), Some(&memory));
    assert_eq!(packets.iter().map(String::len).collect::<Vec<_>>(), [474, 479, 376]);
    assert_eq!(
        packets.concat(),
        "nsq.127_0_0_1_22053.topic.adm.message_count:1|c
nsq.127_0_0_1_22053.topic.adm.message_bytes:5|c
nsq.127_0_0_1_22053.topic.adm.depth:0|g
nsq.127_0_0_1_22053.topic.adm.backend_depth:0|g
nsq.127_0_0_1_22053.topic.adm.e2e_processing_latency_100:0|g
nsq.127_0_0_1_22053.topic.adm.e2e_processing_latency_99:0|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.message_count:1|c
nsq.127_0_0_1_22053.topic.adm.channel.ch.depth:0|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.backend_depth:0|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.in_flight_count:1|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.deferred_count:0|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.requeue_count:0|c
nsq.127_0_0_1_22053.topic.adm.channel.ch.timeout_count:0|c
nsq.127_0_0_1_22053.topic.adm.channel.ch.clients:1|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.e2e_processing_latency_100:0|g
nsq.127_0_0_1_22053.topic.adm.channel.ch.e2e_processing_latency_99:0|g
nsq.127_0_0_1_22053.mem.heap_objects:2669|g
nsq.127_0_0_1_22053.mem.heap_idle_bytes:2088960|g
nsq.127_0_0_1_22053.mem.heap_in_use_bytes:1548288|g
nsq.127_0_0_1_22053.mem.heap_released_bytes:2056192|g
nsq.127_0_0_1_22053.mem.gc_pause_usec_100:0|g
nsq.127_0_0_1_22053.mem.gc_pause_usec_99:0|g
nsq.127_0_0_1_22053.mem.gc_pause_usec_95:0|g
nsq.127_0_0_1_22053.mem.next_gc_bytes:4194304|g
nsq.127_0_0_1_22053.mem.gc_runs:0|c
"
    );
}

#[test]
fn counters_are_differences_and_begin_anew_with_the_topic() {
    let count = |now: &Stats, last: &Stats| {
        let packets = packets(&config(), now, last, None).concat();
        packets.lines().find_map(|line| Some(line.split_once("adm.message_count:")?.1.to_owned()))
    };
    let five = stats("adm", "ch", 5);
    assert_eq!(count(&five, &Stats::default()).as_deref(), Some("5|c"));
    assert_eq!(count(&stats("adm", "ch", 7), &five).as_deref(), Some("2|c"));
    assert_eq!(count(&stats("adm", "ch", 3), &five).as_deref(), Some("3|c"));
    assert_eq!(count(&stats("adm", "ch", 7), &stats("other", "ch", 5)).as_deref(), Some("7|c"));
}

#[test]
fn ephemeral_ones_can_be_left_out() {
    let config = Config { exclude_ephemeral: true, ..config() };
    let lines = |topic, channel| {
        packets(&config, &stats(topic, channel, 1), &Stats::default(), None).concat().lines().count()
    };
    assert_eq!((lines("t", "c"), lines("t", "c#ephemeral"), lines("t#ephemeral", "c")), (16, 6, 0));
}

#[test]
fn prefixes_name_the_node() {
    assert_eq!(prefix("nsq.%s", "b.example", 4151), "nsq.b_example_4151.");
    assert_eq!(prefix("%s.x.", "::1", 4151), "[__1]_4151.x.");
    assert_eq!(prefix("fixed", "h", 1), "fixed.");
    assert_eq!(prefix("", "h", 1), "");
}

#[test]
fn the_packets_of_a_push_are_spread_over_it() {
    assert_eq!(between(Duration::from_secs(60), 59), Duration::from_secs(1));
    assert_eq!(between(Duration::from_secs(1), 5), Duration::ZERO);
    assert_eq!(between(Duration::from_secs(11), 0), Duration::from_secs(10));
}

#[tokio::test]
async fn pushes_come_every_interval_and_end_at_the_stop() {
    let statsd = UdpSocket::bind("127.0.0.1:0").await.expect("bound");
    let address = statsd.local_addr().expect("bound").to_string();
    let config = Config { address, interval: Duration::from_millis(50), memory: false, ..config() };
    let tasks = base::tasks::TaskGroup::new();
    let stop = tasks.stop_signal();
    // Three from an earlier life, then two more for each look.
    let looks = std::sync::atomic::AtomicU64::new(0);
    let told = move || stats("t", "c", 3 + 2 * looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    tasks.spawn("statsd", async move { run(config, told, stop).await });
    let mut packet = [0; 1024];
    let mut counts = Vec::new();
    while counts.len() < 2 {
        let length = statsd.recv(&mut packet).await.expect("a packet");
        let packet = String::from_utf8_lossy(&packet[..length]);
        let count = packet.lines().find_map(|line| line.split_once("topic.t.message_count:"));
        counts.extend(count.map(|(_, count)| count.to_owned()));
    }
    assert_eq!(counts, ["2|c", "2|c"], "a push tells what was added since the start or the one before");
    assert!(tasks.drain(Duration::from_secs(1)).await);
}

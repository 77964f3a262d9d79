use super::*;

fn consumer() -> ClientStats {
    ClientStats {
        client_id: "127.0.0.1".to_owned(),
        hostname: "127.0.0.1".to_owned(),
        version: "V2",
        remote_address: "127.0.0.1:56022".to_owned(),
        state: 3,
        connect_ts: 1_795_214_814,
        ..ClientStats::default()
    }
}

/// What the real nsqd had when it was asked for the golden answers.
fn report() -> Report {
    let producer = ClientStats {
        remote_address: "127.0.0.1:56004".to_owned(),
        state: 0,
        pub_counts: vec![PubCount { topic: "d1".to_owned(), count: 1 }],
        ..consumer()
    };
    let other = ClientStats {
        remote_address: "127.0.0.1:35222".to_owned(),
        state: 0,
        connect_ts: 1_795_214_824,
        ..consumer()
    };
    let channel = ChannelStats {
        channel_name: "ch".into(),
        depth: 0,
        backend_depth: 0,
        in_flight_count: 0,
        deferred_count: 0,
        message_count: 1,
        zone_local_msg_count: 0,
        region_local_msg_count: 0,
        global_msg_count: 3,
        requeue_count: 2,
        timeout_count: 0,
        client_count: 1,
        clients: Some(vec![consumer()]),
        paused: false,
        e2e_processing_latency: Latency::default(),
    };
    let topic = TopicStats {
        topic_name: "d1".into(),
        channels: vec![channel],
        depth: 0,
        backend_depth: 0,
        message_count: 1,
        message_bytes: 5,
        paused: false,
        e2e_processing_latency: Latency::default(),
    };
    Report {
        version: "1.3.0",
        health: "OK".to_owned(),
        start_time: 1_795_214_809,
        topics: Some(vec![topic]),
        memory: None,
        producers: Some(vec![producer, other]),
    }
}

fn text(report: &Report) -> String {
    let text = Text {
        report,
        now: jiff::Timestamp::from_second(1_795_214_824).expect("in range"),
        uptime: std::time::Duration::from_nanos(14_462_253_835),
    }
    .to_string();
    // The first line names this version and its compiler.
    text.split_once('\n').expect("a first line").1.to_owned()
}

#[test]
fn json_has_nsqs_keys_in_nsqs_order() {
    let golden = concat!(
        r#"{"version":"1.3.0","health":"OK","start_time":1795214809,"topics":[{"topic_name":"d1","channels":["#,
        r#"{"channel_name":"ch","depth":0,"backend_depth":0,"in_flight_count":0,"deferred_count":0,"#,
        r#""message_count":1,"global_msg_count":3,"requeue_count":2,"timeout_count":0,"client_count":1,"clients":["#,
        r#"{"client_id":"127.0.0.1","hostname":"127.0.0.1","version":"V2","remote_address":"127.0.0.1:56022","#,
        r#""state":3,"ready_count":0,"in_flight_count":0,"message_count":0,"finish_count":0,"requeue_count":0,"#,
        r#""connect_ts":1795214814,"sample_rate":0,"deflate":false,"snappy":false,"user_agent":"","#,
        r#""topology_zone":"","topology_region":"","tls":false,"tls_cipher_suite":"","tls_version":"","#,
        r#""tls_negotiated_protocol":"","tls_negotiated_protocol_is_mutual":false}],"paused":false,"#,
        r#""e2e_processing_latency":{"count":0,"percentiles":null}}],"depth":0,"backend_depth":0,"#,
        r#""message_count":1,"message_bytes":5,"paused":false,"#,
        r#""e2e_processing_latency":{"count":0,"percentiles":null}}],"producers":[{"client_id":"127.0.0.1","#,
        r#""hostname":"127.0.0.1","version":"V2","remote_address":"127.0.0.1:56004","state":0,"ready_count":0,"#,
        r#""in_flight_count":0,"message_count":0,"finish_count":0,"requeue_count":0,"connect_ts":1795214814,"#,
        r#""sample_rate":0,"deflate":false,"snappy":false,"user_agent":"","topology_zone":"","#,
        r#""topology_region":"","pub_counts":[{"topic":"d1","count":1}],"tls":false,"tls_cipher_suite":"","#,
        r#""tls_version":"","tls_negotiated_protocol":"","tls_negotiated_protocol_is_mutual":false},"#,
        r#"{"client_id":"127.0.0.1","hostname":"127.0.0.1","vers"#,
    );
    let json = serde_json::to_string(&report()).expect("written");
    assert!(json.starts_with(golden), "{json}");
}

#[test]
fn unknown_topics_are_null() {
    let report = Report {
        topics: None,
        producers: None,
        memory: Some(Memory { heap_objects: 5017, gc_total_runs: 2, ..Memory::default() }),
        ..report()
    };
    assert_eq!(
        serde_json::to_string(&report).expect("written"),
        concat!(
            r#"{"version":"1.3.0","health":"OK","start_time":1795214809,"topics":null,"memory":"#,
            r#"{"heap_objects":5017,"heap_idle_bytes":0,"heap_in_use_bytes":0,"heap_released_bytes":0,"#,
            r#""gc_pause_usec_100":0,"gc_pause_usec_99":0,"gc_pause_usec_95":0,"next_gc_bytes":0,"#,
            r#""gc_total_runs":2},"producers":null}"#
        )
    );
    insta::assert_snapshot!(text(&report), @r"
    start_time 2026-11-20T22:46:49Z
    uptime 14.462253835s

    Health: OK

    Memory:
       heap_objects             	5017
       heap_idle_bytes          	0
       heap_in_use_bytes        	0
       heap_released_bytes      	0
       gc_pause_usec_100        	0
       gc_pause_usec_99         	0
       gc_pause_usec_95         	0
       next_gc_bytes            	0
       gc_total_runs            	2

    Topics: None

    Producers: None
    ");
}

#[test]
fn text_is_nsqs_to_the_byte() {
    let golden = "start_time 2026-11-20T22:46:49Z\nuptime 14.462253835s\n\nHealth: OK\n\nTopics:\n   [d1             ] depth: 0     be-depth: 0     msgs: 1        e2e%: \n      [ch                       ] depth: 0     be-depth: 0     inflt: 0    def: 0    re-q: 2     timeout: 0     msgs: 1        e2e%: \n        [V2 127.0.0.1:56022      ] state: 3 inflt: 0    rdy: 0    fin: 0        re-q: 0        msgs: 0        connected: 10s\n\nProducers:\n   [V2 127.0.0.1:56004      ] msgs: 1        topics: d1=1 connected: 10s\n   [V2 127.0.0.1:35222      ] state: 0 inflt: 0    rdy: 0    fin: 0        re-q: 0        msgs: 0        connected: 0s\n";
    assert_eq!(text(&report()), golden);
}

#[test]
fn pauses_and_percentiles_are_shown() {
    let mut report = report();
    let topic = &mut report.topics.as_mut().expect("topics")[0];
    topic.paused = true;
    topic.channels[0].paused = true;
    topic.channels[0].clients = None;
    let quantiles = [(1.0, 2_500_000_000.0), (0.99, 1_500_000.0), (0.5, 320_000.0), (0.1, 12.25)];
    topic.e2e_processing_latency = Latency {
        count: 4,
        percentiles: Some(quantiles.map(|(quantile, value)| Quantile { quantile, value }).to_vec()),
    };
    let second = TopicStats { topic_name: "zz".into(), channels: Vec::new(), ..topic.clone() };
    report.topics.as_mut().expect("topics").push(second);
    report.producers = None;
    insta::assert_snapshot!(text(&report), @r"
    start_time 2026-11-20T22:46:49Z
    uptime 14.462253835s

    Health: OK

    Topics:
    *P [d1             ] depth: 0     be-depth: 0     msgs: 1        e2e%: 2.5s, 1.5ms, 320.0us, 12.2ns
       *P [ch                       ] depth: 0     be-depth: 0     inflt: 0    def: 0    re-q: 2     timeout: 0     msgs: 1        e2e%: 

    *P [zz             ] depth: 0     be-depth: 0     msgs: 1        e2e%: 2.5s, 1.5ms, 320.0us, 12.2ns

    Producers: None
    ");
    let latency = &report.topics.as_ref().expect("topics")[0].e2e_processing_latency;
    assert_eq!(
        serde_json::to_string(latency).expect("written"),
        r#"{"count":4,"percentiles":[{"quantile":1,"value":2500000000},{"quantile":0.99,"value":1500000},{"quantile":0.5,"value":320000},{"quantile":0.1,"value":12.25}]}"#
    );
}

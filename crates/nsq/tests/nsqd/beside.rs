//! What differed when this nsqd and the real one, side by side, were asked the same: each case says what the
//! real one answered.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::house::House;

/// `(status, code of the error)`.
fn code(answer: &super::house::Answer) -> (u16, String) {
    let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
    (answer.status, said["message"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn bytes_that_are_no_text_are_names_that_cannot_be() {
    let house = House::open().await;
    for (path, expected) in [
        ("/pub?topic=%ff", (400, "INVALID_TOPIC")),
        ("/topic/create?topic=t%ff", (400, "INVALID_TOPIC")),
        ("/topic/pause?topic=%ff", (404, "TOPIC_NOT_FOUND")),
        ("/topic/delete?topic=%ff", (404, "TOPIC_NOT_FOUND")),
        ("/channel/empty?topic=%ff", (400, "INVALID_ARG_TOPIC")),
        ("/pub?topic=%zz", (400, "INVALID_REQUEST")),
        // Ours: ids that are no text would all be the same one.
        ("/pub?topic=t&id=%ff", (400, "INVALID_ID")),
    ] {
        let answer = house.post(path, "x").await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{path}");
    }
    assert_eq!(house.get("/stats?topic=%ff").await.status, 200);
}

#[tokio::test]
async fn the_first_thing_that_is_wrong_with_a_batch_is_named() {
    let house = House::with(|options| options.max_body_size = 5_000).await;
    let large = vec![b'x'; 5_001];
    for (path, body, expected) in [
        ("/mpub", &large[..], (413, "BODY_TOO_BIG")),
        ("/mpub?topic=bad!", &large, (413, "BODY_TOO_BIG")),
        ("/mpub?topic=bad!&binary=1", b"", (400, "INVALID_TOPIC")),
        ("/mpub?topic=a&binary=1&defer=x", b"", (413, "BAD_BODY")),
    ] {
        let answer = house.post(path, body).await;
        assert_eq!(code(&answer), (expected.0, expected.1.to_owned()), "{path}");
    }
    // The topic was fine, and so it was made, though nothing was published.
    let stats = house.stats("topic=a").await;
    assert_eq!(stats["topics"][0]["message_count"], 0);
    let head = "POST /mpub HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5001\r\n\r\n";
    let answer = house.raw(&[head.as_bytes(), &large].concat()).await;
    assert!(answer.starts_with("HTTP/1.1 413 Request Entity Too Large\r\n"), "{answer}");
}

#[tokio::test]
async fn a_misspelt_path_is_sent_to_the_right_one() {
    let house = House::open().await;
    for (method, path, expected) in [
        ("POST", "//pub?topic=t", Some("/pub?topic=t")),
        ("POST", "/pub/?topic=t", Some("/pub?topic=t")),
        ("POST", "/topic/create/", Some("/topic/create")),
        ("POST", "/x/../pub", Some("/pub")),
        ("GET", "//config/Log_Level", Some("/config/Log_Level")),
        ("GET", "/debug/pprof", Some("/debug/pprof/")),
        // There is a path like it, but not for this method, or there is none.
        ("GET", "//pub?topic=t", None),
        ("POST", "//ping", None),
        ("GET", "/PING", None),
        ("GET", "//nope", None),
        ("GET", "/", None),
    ] {
        let answer = house.ask(method, path, b"x").await;
        let location = answer.headers.iter().find_map(|header| header.strip_prefix("Location: "));
        assert_eq!(location, expected, "{method} {path}: {answer:?}");
        let status = match (expected, method) {
            (None, _) => 404,
            (_, "GET") => 301,
            _ => 307,
        };
        assert_eq!(answer.status, status, "{method} {path}");
    }
    let page = house.get("/ping/?a=1&b='").await;
    assert_eq!(page.body, "<a href=\"/ping?a=1&amp;b=&#39;\">Moved Permanently</a>.\n\n");
    assert!(house.stats("topic=t").await["topics"].is_null(), "nothing was published on the way");
}

#[tokio::test]
async fn who_asked_before_sending_a_body_is_told_that_nothing_follows() {
    let house = House::open().await;
    let request = "POST /topic/pause?topic=none HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    // Answered and closed without the body, which never comes.
    let answer = house.raw(request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
    assert!(answer.contains("\r\nConnection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn a_backlog_counts_as_on_the_disk_beyond_what_nsqd_keeps_in_memory() {
    let house = House::with(|options| options.mem_queue_size = 3).await;
    house.does("/topic/create?topic=t", "").await;
    let depths = async |what: &str, found: &serde_json::Value, expected: [u64; 2]| {
        let found = ["depth", "backend_depth"].map(|name| found[name].as_u64().expect(name));
        assert_eq!(found, expected, "{what}");
    };
    house.does("/mpub?topic=t", "1\n2").await;
    depths("topic", &house.stats("topic=t").await["topics"][0], [2, 0]).await;
    house.does("/mpub?topic=t", "3\n4\n5").await;
    depths("topic", &house.stats("topic=t").await["topics"][0], [5, 2]).await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    depths("channel", &house.stats("topic=t").await["topics"][0]["channels"][0], [5, 2]).await;
    let house = house.again().await;
    depths("again", &house.stats("topic=t").await["topics"][0]["channels"][0], [5, 2]).await;
}

#[tokio::test]
async fn one_limit_is_for_requeued_and_for_deferred_messages() {
    let hours = |count: u64| std::time::Duration::from_secs(count * 3600);
    let house = House::with(|options| options.max_req_timeout = hours(24)).await;
    house.does("/pub?topic=t&defer=86400000", "x").await;
    let late = house.post("/pub?topic=t&defer=86400001", "x").await;
    assert_eq!(code(&late), (400, "INVALID_DEFER".to_owned()));
    let own = House::with(|options| {
        options.max_req_timeout = hours(24);
        options.max_defer_timeout = hours(1);
    });
    assert_eq!(own.await.post("/pub?topic=t&defer=3600001", "x").await.status, 400);
}

#[tokio::test]
async fn a_unix_socket_has_no_port_and_its_clients_no_host() {
    let house = House::with(|options| options.tcp_address = format!("{}/tcp.sock", options.data_path)).await;
    let mut client =
        tokio::net::UnixStream::connect(house.dir.path().join("tcp.sock")).await.expect("connected");
    client.write_all(b"  V2SUB t c\n").await.expect("sent");
    let mut answer = [0; 10];
    client.read_exact(&mut answer).await.expect("answered");
    let info: serde_json::Value = serde_json::from_str(&house.get("/info").await.body).expect("JSON");
    assert_eq!((info["tcp_port"].as_i64(), info["http_port"].as_u64().is_some()), (Some(-1), true));
    let stats = house.stats("topic=t").await;
    let told = &stats["topics"][0]["channels"][0]["clients"][0];
    let said = ["remote_address", "client_id", "hostname"].map(|name| told[name].as_str().expect(name));
    assert_eq!(said, ["@", "", ""]);
}

#[tokio::test]
async fn a_topic_without_channels_has_no_latencies() {
    let house = House::with(|options| options.e2e_percentiles = vec![0.99]).await;
    house.does("/pub?topic=t", "x").await;
    let latency = async || house.stats("topic=t").await["topics"][0]["e2e_processing_latency"].clone();
    assert_eq!(latency().await, serde_json::json!({ "count": 0, "percentiles": null }));
    house.does("/channel/create?topic=t&channel=c", "").await;
    assert_eq!(latency().await["percentiles"][0]["quantile"], 0.99);
}

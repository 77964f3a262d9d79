//! The HTTP API against what the real nsqd 1.3.0 answered.

use super::house::{Answer, House};

/// What the real one answers with this status and this body.
fn golden(status: u16, body: &str) -> Answer {
    let mut headers = vec!["Connection: close".to_owned(), format!("Content-Length: {}", body.len())];
    let kind = match body {
        "" => None,
        "OK" => Some("text/plain; charset=utf-8"),
        _ => Some("application/json; charset=utf-8"),
    };
    headers.extend(kind.map(|kind| format!("Content-Type: {kind}")));
    headers.push("X-Nsq-Content-Type: nsq; version=1.0".to_owned());
    Answer { status, headers, body: body.to_owned() }
}

#[tokio::test]
async fn answers_are_those_of_the_real_nsqd() {
    let house = House::open().await;
    let large = vec![b'x'; (1 << 20) + 1];
    let code = |code: &str| format!(r#"{{"message":"{code}"}}"#);
    let fails = |status, name: &str| golden(status, &code(name));
    let ok = || golden(200, "OK");
    let done = || golden(200, "");
    let says = |json: &str| golden(200, json);
    let one_short: &[u8] = b"\0\0\0\x01\0\0\0\x01x";
    let table: Vec<(&str, &str, &[u8], Answer)> = vec![
        ("GET", "/nope", b"", fails(404, "NOT_FOUND")),
        ("POST", "/pub?topic=h1", b"x", ok()),
        ("POST", "/pub", b"x", fails(400, "MISSING_ARG_TOPIC")),
        ("POST", "/pub?topic=h!", b"x", fails(400, "INVALID_TOPIC")),
        ("POST", "/pub?topic=h1", b"", fails(400, "MSG_EMPTY")),
        ("POST", "/pub?topic=h1&defer=x", b"x", fails(400, "INVALID_DEFER")),
        ("POST", "/pub?topic=h1&defer=-1", b"x", fails(400, "INVALID_DEFER")),
        ("POST", "/pub?topic=h1&defer=3600001", b"x", fails(400, "INVALID_DEFER")),
        ("POST", "/pub?topic=h1&defer=1000", b"x", ok()),
        ("POST", "/pub?topic=h1", &large, fails(413, "MSG_TOO_BIG")),
        ("POST", "/mpub?topic=h2", b"a\nb\n\nc\n", ok()),
        ("POST", "/mpub?topic=h2&binary=true", b"\0\0\0\x01\0\0\0\0", fails(413, "BAD_MESSAGE")),
        ("POST", "/mpub?topic=h2&binary=true", one_short, ok()),
        ("POST", "/mpub?topic=h2&binary=true", b"\0\0\0\0", fails(413, "BAD_BODY")),
        ("POST", "/mpub?topic=h2&binary=true", b"", fails(413, "BAD_BODY")),
        ("POST", "/mpub?topic=h2&binary=0", b"", ok()),
        ("POST", "/mpub?topic=h2", &large, fails(413, "MSG_TOO_BIG")),
        ("POST", "/topic/create?topic=h3", b"", done()),
        ("POST", "/topic/create?topic=h!", b"", fails(400, "INVALID_TOPIC")),
        ("POST", "/topic/create", b"", fails(400, "MISSING_ARG_TOPIC")),
        ("POST", "/channel/create?topic=h3&channel=c", b"", done()),
        ("POST", "/channel/create?topic=nope&channel=c", b"", fails(404, "TOPIC_NOT_FOUND")),
        ("POST", "/channel/create?topic=h3", b"", fails(400, "MISSING_ARG_CHANNEL")),
        ("POST", "/channel/create?topic=h3&channel=c!", b"", fails(400, "INVALID_ARG_CHANNEL")),
        ("POST", "/channel/create?topic=h!&channel=c", b"", fails(400, "INVALID_ARG_TOPIC")),
        ("POST", "/topic/pause?topic=h3", b"", done()),
        ("POST", "/topic/pause?topic=nope", b"", fails(404, "TOPIC_NOT_FOUND")),
        ("POST", "/topic/pause", b"", fails(400, "MISSING_ARG_TOPIC")),
        ("POST", "/topic/unpause?topic=h3", b"", done()),
        ("POST", "/channel/pause?topic=h3&channel=c", b"", done()),
        ("POST", "/channel/unpause?topic=h3&channel=c", b"", done()),
        ("POST", "/channel/pause?topic=h3&channel=nope", b"", fails(404, "CHANNEL_NOT_FOUND")),
        ("POST", "/topic/empty?topic=h3", b"", done()),
        ("POST", "/channel/empty?topic=h3&channel=c", b"", done()),
        ("POST", "/channel/delete?topic=h3&channel=c", b"", done()),
        ("POST", "/channel/delete?topic=h3&channel=c", b"", fails(404, "CHANNEL_NOT_FOUND")),
        ("POST", "/topic/delete?topic=h3", b"", done()),
        ("POST", "/topic/delete?topic=h3", b"", fails(404, "TOPIC_NOT_FOUND")),
        ("GET", "/config/nsqlookupd_tcp_addresses", b"", says("[]")),
        ("GET", "/config/log_level", b"", says("2")),
        ("PUT", "/config/log_level", b"debug", says("1")),
        ("PUT", "/config/log_level", b"nope", fails(400, "INVALID_VALUE")),
        ("PUT", "/config/log_level", b"info", says("2")),
        ("PUT", "/config/log_level", b"", fails(413, "INVALID_VALUE")),
        ("PUT", "/config/nsqlookupd_tcp_addresses", br#"["127.0.0.1:1"]"#, says(r#"["127.0.0.1:1"]"#)),
        ("PUT", "/config/nsqlookupd_tcp_addresses", b"[]", says("[]")),
        ("PUT", "/config/nsqlookupd_tcp_addresses", b"{}", fails(400, "INVALID_VALUE")),
        ("PUT", "/config/nsqlookupd_tcp_addresses", br#"["nowhere"]"#, fails(400, "INVALID_VALUE")),
        ("PUT", "/config/verbose", b"true", fails(400, "INVALID_OPTION")),
        ("GET", "/config/mem_queue_size", b"", says("10000")),
        ("GET", "/config/nope", b"", fails(400, "INVALID_OPTION")),
        ("POST", "/debug/freememory", b"", fails(500, "INTERNAL_ERROR")),
    ];
    for (method, path, body, expected) in table {
        assert_eq!(house.ask(method, path, body).await, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn answers_without_nsqs_header_are_as_they_were_too() {
    let house = House::open().await;
    let plain = |status, body: &str| Answer {
        headers: golden(status, body)
            .headers
            .into_iter()
            .filter(|header| !header.starts_with("X-Nsq") && !header.starts_with("Content-Type"))
            .chain(["Content-Type: text/plain; charset=utf-8".to_owned()])
            .collect(),
        ..golden(status, body)
    };
    assert_eq!(house.get("/ping").await, plain(200, "OK"));
    let refused = r#"invalid block rate : strconv.Atoi: parsing "": invalid syntax"#;
    assert_eq!(house.ask("PUT", "/debug/setblockrate", b"").await, plain(400, refused));
    assert_eq!(house.ask("PUT", "/debug/setblockrate?rate=5", b"").await.status, 200);
    let index = house.get("/debug/pprof/").await;
    assert!(index.headers.contains(&"Content-Type: text/html; charset=utf-8".to_owned()), "{index:?}");
    assert!(house.get("/debug/pprof/cmdline").await.body.contains("nsqd"));
    let refused = house.ask("PUT", "/ping", b"").await;
    assert_eq!((refused.status, refused.headers[0].as_str()), (405, "Allow: GET, OPTIONS"));
    assert_eq!(refused.body, r#"{"message":"METHOD_NOT_ALLOWED"}"#);
    assert_eq!(house.get("/pub?topic=t").await.status, 405);
}

#[tokio::test]
async fn info_names_the_node() {
    let house = House::with(|options| options.topology_zone = "z".to_owned()).await;
    let answer = house.get("/info").await;
    let nsqd = &house.running.nsqd;
    let host = eyrie_nsq::host::name();
    let (http, tcp, started) = (nsqd.ports.http, nsqd.ports.tcp, nsqd.start_time().seconds());
    assert!(http > 0 && tcp > 0);
    let body = format!(
        r#"{{"version":"1.3.0","broadcast_address":"127.0.0.1","hostname":"{host}","http_port":{http},"tcp_port":{tcp},"start_time":{started},"max_heartbeat_interval":60000000000,"max_output_buffer_size":65536,"max_output_buffer_timeout":30000000000,"max_deflate_level":6,"topology_zone":"z","topology_region":""}}"#
    );
    assert_eq!(answer, golden(200, &body));
}

#[tokio::test]
async fn stats_are_filtered_as_asked() {
    let house = House::open().await;
    house.does("/topic/create?topic=t1", "").await;
    house.does("/topic/create?topic=t2", "").await;
    house.does("/channel/create?topic=t1&channel=a", "").await;
    house.does("/channel/create?topic=t1&channel=b", "").await;
    house.does("/mpub?topic=t1", "one\ntwo").await;
    let stats = house.stats("").await;
    let names = |stats: &serde_json::Value| {
        let topics = stats["topics"].as_array().expect("topics").iter();
        topics
            .map(|topic| {
                let channels = topic["channels"].as_array().expect("channels").iter();
                let channels: Vec<_> =
                    channels.map(|channel| channel["channel_name"].as_str().expect("a name")).collect();
                format!("{}:{}", topic["topic_name"].as_str().expect("a name"), channels.join(","))
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&stats), ["t1:a,b", "t2:"]);
    assert_eq!(names(&house.stats("topic=t2").await), ["t2:"]);
    assert_eq!(names(&house.stats("channel=b").await), ["t1:b"]);
    let channel = &stats["topics"][0]["channels"][0];
    assert_eq!((channel["depth"].as_u64(), channel["message_count"].as_u64()), (Some(2), Some(2)));
    assert_eq!(stats["topics"][0]["message_bytes"], 6);
    assert!(channel["clients"].is_array() && stats["memory"].is_object() && stats["producers"].is_null());
    let bare = house.stats("include_clients=false&include_mem=0").await;
    assert!(bare["topics"][0]["channels"][0]["clients"].is_null() && bare.get("memory").is_none());
    let none = house.stats("topic=nope").await;
    assert!(none["topics"].is_null() && none["producers"].is_null());
    let text = house.get("/stats?topic=t1&include_mem=false").await;
    assert!(text.headers.contains(&"Content-Type: text/plain; charset=utf-8".to_owned()));
    let lines: Vec<_> = text.body.lines().filter(|line| line.contains('[')).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
       [t1             ] depth: 0     be-depth: 0     msgs: 2        e2e%: 
          [a                        ] depth: 2     be-depth: 0     inflt: 0    def: 0    re-q: 0     timeout: 0     msgs: 2        e2e%: 
          [b                        ] depth: 2     be-depth: 0     inflt: 0    def: 0    re-q: 0     timeout: 0     msgs: 2        e2e%:
    ");
}

#[tokio::test]
async fn pauses_are_shown_and_emptying_empties() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    house.does("/mpub?topic=t", "one\ntwo\nthree").await;
    house.does("/topic/pause?topic=t", "").await;
    house.does("/channel/pause?topic=t&channel=c", "").await;
    let topic = house.stats("").await["topics"][0].clone();
    assert_eq!((&topic["paused"], &topic["channels"][0]["paused"]), (&true.into(), &true.into()));
    assert_eq!(topic["channels"][0]["depth"], 3);
    house.does("/pub?topic=t", "four").await;
    let topic = house.stats("").await["topics"][0].clone();
    assert_eq!((&topic["depth"], &topic["channels"][0]["depth"]), (&1.into(), &3.into()));
    house.does("/channel/empty?topic=t&channel=c", "").await;
    house.does("/topic/empty?topic=t", "").await;
    house.does("/topic/unpause?topic=t", "").await;
    house.does("/channel/unpause?topic=t&channel=c", "").await;
    let topic = house.stats("").await["topics"][0].clone();
    assert_eq!((&topic["depth"], &topic["channels"][0]["depth"]), (&0.into(), &0.into()));
    assert_eq!((&topic["paused"], &topic["channels"][0]["paused"]), (&false.into(), &false.into()));
}

//! nsqadmin's API in front of scripted daemons: golden answers, what is sent on, who may, who is told.

mod golden;
mod house;

use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use base::testkit::{eventually, promtool_accepts};
use eyrie_nsq::admin::{Options, run};
use eyrie_nsq::logging::{Level, Verbosity};
use house::House;

/// What the real nsqd behind the golden answers said, its clients as asked for.
fn stats(clients: &str) -> String {
    let latency = r#"{"count":0,"percentiles":[{"quantile":1,"value":0},{"quantile":0.99,"value":0}]}"#;
    format!(
        r#"{{"version":"1.3.0","health":"OK","start_time":1,"topics":[{{"topic_name":"adm","channels":[{{
        "channel_name":"ch","depth":0,"backend_depth":0,"in_flight_count":1,"deferred_count":0,"message_count":1,
        "global_msg_count":1,"requeue_count":0,"timeout_count":0,"client_count":1,"clients":{clients},"paused":false,
        "e2e_processing_latency":{latency}}}],"depth":0,"backend_depth":0,"message_count":1,"message_bytes":5,
        "paused":false,"e2e_processing_latency":{latency}}}],"producers":null}}"#
    )
}

const CLIENT: &str = r#"[{"client_id":"cid","hostname":"hst","version":"V2","remote_address":"127.0.0.1:54730",
  "state":3,"ready_count":1,"in_flight_count":1,"message_count":1,"finish_count":0,"requeue_count":0,
  "connect_ts":1795215602,"sample_rate":0,"deflate":false,"snappy":false,"user_agent":"ua/1","topology_zone":"",
  "topology_region":"","tls":false,"tls_cipher_suite":"","tls_version":"","tls_negotiated_protocol":"",
  "tls_negotiated_protocol_is_mutual":false}]"#;

/// The cluster of the golden transcript.
async fn golden_house() -> House {
    let house = House::new().await;
    script(&house);
    house
}

fn script(house: &House) {
    let producer = format!(
        r#"{{"producers":[{{"remote_address":"127.0.0.1:56518","hostname":"vm","broadcast_address":"127.0.0.1",
        "tcp_port":22052,"http_port":{},"version":"1.3.0","topology_zone":"","topology_region":"",
        "tombstones":[false],"topics":["adm"]}}],"channels":["ch"]}}"#,
        house.port()
    );
    let unknown = r#"{"message":"TOPIC_NOT_FOUND"}"#;
    house
        .lookupd
        .says("/topics", 200, r#"{"topics":["t","adm","t2","adm2"]}"#)
        .says("/nodes", 200, &producer)
        .says("/lookup?topic=", 404, unknown)
        .says("/lookup?topic=adm", 200, &producer)
        .says("/lookup?topic=adm2", 200, r#"{"channels":["c1"],"producers":[]}"#)
        .says("/lookup?topic=t", 200, r#"{"channels":["ch"],"producers":[]}"#)
        .says("/lookup?topic=t2", 200, r#"{"channels":[],"producers":[]}"#)
        .says("/channels?topic=adm2", 200, r#"{"channels":["c1"]}"#)
        .says("/channels?topic=t", 200, r#"{"channels":["ch"]}"#)
        .says("/channels?topic=t2", 200, r#"{"channels":[]}"#)
        .says("/topic/", 200, "")
        .says("/channel/", 200, "");
    let info = format!(
        r#"{{"version":"1.3.0","broadcast_address":"127.0.0.1","hostname":"vm","tcp_port":22052,"http_port":{}}}"#,
        house.port()
    );
    house
        .nsqd
        .says("/info", 200, info)
        .says("/stats?format=json", 200, stats(CLIENT))
        .says("/stats?format=json&include_clients=false", 200, stats("null"))
        .says("/stats?format=json&topic=adm&include_clients=false", 200, stats("null"))
        .says("/topic/", 200, "")
        .says("/channel/", 200, "");
}

#[tokio::test]
async fn what_is_there_is_told_to_the_byte() {
    let house = golden_house().await;
    house.answers("/ping", 200, "OK").await;
    house.answers("/api/topics", 200, r#"{"topics":["adm","adm2","t","t2"],"message":""}"#).await;
    let inactive = r#"{"topics":{"adm2":["c1"],"t":["ch"],"t2":null},"message":""}"#;
    house.answers("/api/topics?inactive=true", 200, inactive).await;
    house.answers("/api/topics/adm", 200, golden::TOPIC).await;
    house.answers("/api/topics/adm/ch", 200, golden::CHANNEL).await;
    house.answers("/api/nodes", 200, golden::NODES).await;
    house.answers(&house.here("/api/nodes/127.0.0.1:22053"), 200, golden::NODE).await;
    house.answers("/api/counter", 200, golden::COUNTER).await;
    house.answers("/config/nsqlookupd_http_addresses", 200, r#"["127.0.0.1:22051"]"#).await;
    house.end().await;
}

#[tokio::test]
async fn what_is_not_there_is_told_to_the_byte() {
    let house = golden_house().await;
    house.answers("/api/topics/nope", 502, golden::UNKNOWN).await;
    house.answers("/api/topics/nope/nope", 502, golden::UNKNOWN).await;
    house.answers("/api/topics/adm/nope", 200, r#"{"message":""}"#).await;
    house.answers("/api/nodes/nope:1", 404, r#"{"message":"NODE_NOT_FOUND"}"#).await;
    house.answers("/api/graphite?metric=rate&target=x", 500, r#"{"message":"INTERNAL_ERROR"}"#).await;
    house.answers("/api/graphite?metric=x", 400, r#"{"message":"INVALID_ARG_METRIC"}"#).await;
    house.answers("/api/nope", 404, r#"{"message":"NOT_FOUND"}"#).await;
    house.answers("/config/nope", 400, r#"{"message":"INVALID_OPTION"}"#).await;
    let bad = async |method: &str, path: &str, body: &str, code: &str| {
        let (status, answer) = house.send(method, path, body).await;
        assert_eq!((status, answer), (400, format!(r#"{{"message":"{code}"}}"#)), "{method} {path} {body}");
    };
    bad("POST", "/api/topics", r#"{"topic": "bad!"}"#, "INVALID_TOPIC").await;
    bad("POST", "/api/topics", r#"{"topic": "ok", "channel": "b!"}"#, "INVALID_CHANNEL").await;
    bad("POST", "/api/topics/adm", r#"{"action": "nope"}"#, "INVALID_ACTION").await;
    bad("POST", "/api/topics/adm", "", "EOF").await;
    bad("POST", "/api/topics/adm", "pause", "INVALID_BODY").await;
    bad("DELETE", "/api/nodes/x:1", r#"{"topic": "b!"}"#, "INVALID_TOPIC").await;
    assert_eq!((house.nsqd.posts(), house.lookupd.posts()), (vec![], vec![]), "nothing was sent on");
    house.end().await;
}

#[tokio::test]
async fn changes_reach_everybody_they_concern() {
    let house = golden_house().await;
    let check = async |method: &str, path: &str, body: &str, lookupd: &[&str], nsqd: &[&str]| {
        let answer = house.send(method, path, body).await;
        assert_eq!(answer, (200, r#"{"message":""}"#.to_owned()), "{method} {path} {body}");
        assert_eq!(house.lookupd.posts(), lookupd, "{method} {path} {body}");
        assert_eq!(house.nsqd.posts(), nsqd, "{method} {path} {body}");
    };
    let pause = r#"{"action":"pause"}"#;
    check("POST", "/api/topics/adm", pause, &[], &["/topic/pause?topic=adm"]).await;
    check("POST", "/api/topics/adm", r#"{"action":"unpause"}"#, &[], &["/topic/unpause?topic=adm"]).await;
    check("POST", "/api/topics/adm", r#"{"action":"empty"}"#, &[], &["/topic/empty?topic=adm"]).await;
    let channel = "/channel/pause?topic=adm&channel=e%23ephemeral";
    check("POST", "/api/topics/adm/e%23ephemeral", pause, &[], &[channel]).await;
    let topic = "/topic/create?topic=adm";
    check("POST", "/api/topics", r#"{"topic":"adm"}"#, &[topic], &[]).await;
    let made = "/channel/create?topic=adm&channel=c1";
    check("POST", "/api/topics", r#"{"topic":"adm","channel":"c1"}"#, &[topic, made], &[made]).await;
    let gone = "/channel/delete?topic=adm&channel=ch";
    check("DELETE", "/api/topics/adm/ch", "", &[gone], &[gone]).await;
    let gone = "/topic/delete?topic=adm";
    check("DELETE", "/api/topics/adm", "", &[gone], &[gone]).await;
    let node = house.here("/api/nodes/127.0.0.1:22053");
    let tombstone = format!("/topic/tombstone?topic=adm&node=127.0.0.1%3A{}", house.port());
    check("DELETE", &node, r#"{"topic":"adm"}"#, &[&tombstone], &[gone]).await;
    house.end().await;
}

#[tokio::test]
async fn a_node_that_nobody_knows_is_not_asked() {
    let house = golden_house().await;
    let stranger = house::Fake::start(&house.tasks).await;
    let path = format!("/api/nodes/{}", stranger.address);
    let (status, answer) = house.send("DELETE", &path, r#"{"topic":"adm"}"#).await;
    assert_eq!(status, 502, "{answer}");
    assert!(answer.contains("UPSTREAM_ERROR: failed to query any nsqd"), "{answer}");
    assert!(stranger.asked().is_empty() && house.lookupd.posts().is_empty());
    house.end().await;
}

#[tokio::test]
async fn those_who_do_not_answer_are_a_warning_beside_the_others() {
    let house = golden_house().await;
    let second = house::Fake::start(&house.tasks).await;
    second.says("/", 500, "no\n");
    let both = serde_json::json!([house.lookupd.address, second.address]).to_string();
    assert_eq!(house.send("PUT", "/config/nsqlookupd_http_addresses", &both).await, (200, both));
    let warning = r#"WARNING: got response 500 Internal Server Error \"no\\n\""#;
    let topics = format!(r#"{{"topics":["adm","adm2","t","t2"],"message":"{warning}"}}"#);
    house.answers("/api/topics", 200, &topics).await;
    let deleted = house.send("DELETE", "/api/topics/adm", "").await;
    let twice = r#"WARNING: got response 500 Internal Server Error \"no\\n\"\ngot response 500 Internal Server Error \"no\\n\""#;
    assert_eq!(deleted, (200, format!(r#"{{"message":"{twice}"}}"#)));
    assert_eq!(house.nsqd.posts(), ["/topic/delete?topic=adm"], "what can be done is done");
    house.end().await;
}

#[tokio::test]
async fn without_lookupds_the_nsqds_are_asked_themselves() {
    let house = House::with(|options| options.lookupd_http_addresses.clear()).await;
    script(&house);
    let (status, answer) = house.get("/api/topics").await;
    let nobody = r#"{"message":"UPSTREAM_ERROR: failed to query any nsqd: "}"#;
    assert_eq!((status, answer.as_str()), (502, nobody), "nobody is named");
    house.end().await;

    let house = golden_house().await;
    let nsqds = vec![house.nsqd.address.clone()];
    let direct = House::with(|options| {
        options.lookupd_http_addresses.clear();
        options.nsqd_http_addresses = nsqds;
    })
    .await;
    let (_, nodes) = direct.get("/api/nodes").await;
    let expected = house.here(
        r#"{"nodes":[{"remote_addresses":null,"remote_address":"","hostname":"vm","broadcast_address":"127.0.0.1","tcp_port":22052,"http_port":22053,"version":"1.3.0","topics":[{"topic":"adm","tombstoned":false}],"out_of_date":false}],"message":""}"#,
    );
    assert_eq!(nodes, expected);
    assert_eq!(direct.get("/api/topics").await.1, r#"{"topics":["adm"],"message":""}"#);
    assert_eq!(direct.get("/api/topics/adm").await.1, house.here(golden::TOPIC));
    direct.send("POST", "/api/topics", r#"{"topic":"new"}"#).await;
    assert_eq!(house.nsqd.posts(), ["/topic/create?topic=new"]);
    direct.end().await;
    house.end().await;
}

#[tokio::test]
async fn every_action_is_told_to_the_endpoint() {
    let tasks = base::tasks::TaskGroup::new();
    let endpoint = house::Fake::start(&tasks).await;
    endpoint.says("/hook", 200, "");
    let url = format!("http://{}/hook", endpoint.address);
    let house = House::with(|options| options.notification_http_endpoint = url).await;
    script(&house);
    house.send("POST", "/api/topics", r#"{"topic":"adm","channel":"c1"}"#).await;
    house.send("POST", "/api/topics/adm/ch", r#"{"action":"pause"}"#).await;
    let node = house.here("/api/nodes/127.0.0.1:22053");
    house.send("DELETE", &node, r#"{"topic":"adm"}"#).await;
    let told = eventually(Duration::from_secs(10), "four notices", async || {
        let told = endpoint.asked();
        (told.len() == 4).then_some(told)
    })
    .await;
    let via = eyrie_nsq::host::name();
    let notice = |what: &str, path: &str| {
        format!(
            r#"POST /hook {{{what},"timestamp":1795215602,"remote_ip":"127.0.0.1:37420","user_agent":"ua/1","url":"http://127.0.0.1:22055{path}","via":"{via}"}}"#
        )
    };
    let node_address = &house.nsqd.address;
    let tombstone = format!(r#""action":"tombstone_topic_producer","topic":"adm","node":"{node_address}""#);
    assert_eq!(
        told,
        [
            notice(r#""action":"create_topic","topic":"adm""#, "/api/topics"),
            notice(r#""action":"create_channel","topic":"adm","channel":"c1""#, "/api/topics"),
            notice(r#""action":"pause_channel","topic":"adm","channel":"ch""#, "/api/topics/adm/ch"),
            notice(&tombstone, &node),
        ]
    );
    house.end().await;
    assert!(tasks.drain(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn only_named_admins_change_something() {
    let house = House::with(|options| options.admin_users = vec!["ann".to_owned()]).await;
    script(&house);
    let as_user = async |user: &str| {
        let request = http::Request::builder()
            .method("POST")
            .uri("/api/topics/adm")
            .header("X-Forwarded-User", user)
            .body(axum::body::Body::from(r#"{"action":"pause"}"#));
        house.ask(request.expect("a request")).await
    };
    assert_eq!(as_user("bob").await, (403, r#"{"message":"FORBIDDEN"}"#.to_owned()));
    assert_eq!(house.send("DELETE", "/api/topics/adm", "").await.0, 403, "nobody");
    // Not even from where everybody may: a proxy on this machine stands for the whole world.
    let elsewhere = r#"["127.0.0.1:1"]"#;
    assert_eq!(house.send("PUT", "/config/nsqlookupd_http_addresses", elsewhere).await.0, 403);
    assert_eq!((house.nsqd.posts(), house.lookupd.posts()), (vec![], vec![]));
    assert_eq!(as_user("ann").await.0, 200);
    assert_eq!(house.nsqd.posts(), ["/topic/pause?topic=adm"]);
    assert_eq!(house.get("/api/topics").await.0, 200, "everybody may look");
    house.end().await;
}

#[tokio::test]
async fn options_are_read_and_two_of_them_changed_from_near() {
    let house = golden_house().await;
    assert_eq!(house.get("/config/log_level").await.1, "2");
    assert_eq!(house.get("/config/http_client_request_timeout").await.1, "5000000000");
    let put = async |name: &str, value: &str| house.send("PUT", &format!("/config/{name}"), value).await;
    assert_eq!(put("log_level", "debug").await, (200, "1".to_owned()));
    assert_eq!(put("log_level", "loud").await.0, 400);
    assert_eq!(put("log_level", "").await, (413, r#"{"message":"INVALID_VALUE"}"#.to_owned()));
    assert_eq!(put("base_path", "/x").await, (400, r#"{"message":"INVALID_OPTION"}"#.to_owned()));
    assert_eq!(put("nsqlookupd_http_addresses", "127.0.0.1:1").await.0, 400);
    assert_eq!(put("nsqlookupd_http_addresses", "[]").await, (200, "[]".to_owned()));
    house.end().await;

    let far = House::with(|options| options.allow_config_from_cidr = "10.0.0.0/8".to_owned()).await;
    assert_eq!(far.get("/config/log_level").await, (403, r#"{"message":"FORBIDDEN"}"#.to_owned()));
    let unknown = http::Request::builder().uri("/config/log_level").body(axum::body::Body::empty());
    let answer = far.ask(unknown.expect("a request")).await;
    assert_eq!(answer, (400, r#"{"message":"INVALID_REMOTE_ADDR"}"#.to_owned()));
    far.end().await;
}

#[tokio::test]
async fn graphite_is_asked_on_behalf_of_browsers() {
    let tasks = base::tasks::TaskGroup::new();
    let graphite = house::Fake::start(&tasks).await;
    graphite.says("/render", 200, r#"[{"target":"x","datapoints":[[90.0,1],[null,2]]}]"#);
    graphite.knows_only("Basic YW5uOnBAc3M=");
    let url = format!("http://ann:p%40ss@{}", graphite.address);
    let house = House::with(|options| {
        options.graphite_url = url;
        options.proxy_graphite = true;
    })
    .await;
    house.answers("/render?target=a", 200, r#"[{"target":"x","datapoints":[[90.0,1],[null,2]]}]"#).await;
    house.answers("/api/graphite?metric=rate&target=own", 200, r#"{"rate":"1.50"}"#).await;
    house.end().await;

    graphite.knows_only("");
    let plain = format!("http://{}/", graphite.address);
    let house = House::with(|options| options.graphite_url = plain).await;
    house.answers("/api/graphite?metric=rate&target=stats.x", 200, r#"{"rate":"1.50"}"#).await;
    house.answers("/api/graphite?metric=rate", 400, r#"{"message":"INVALID_ARG_TARGET"}"#).await;
    assert_eq!(house.get("/render?target=a").await.0, 404, "not asked for");
    graphite.says("/render", 200, r#"[{"target":"x","datapoints":[[null,1]]}]"#);
    house.answers("/api/graphite?metric=rate&target=x", 200, r#"{"rate":"N/A"}"#).await;
    assert_eq!(
        graphite.asked()[..3],
        [
            "GET /render?target=a",
            "GET /render?format=json&from=-120sec&target=own&until=-60sec",
            "GET /render?format=json&from=-120sec&target=stats%2Ex&until=-60sec"
        ]
    );
    house.end().await;
    assert!(tasks.drain(Duration::from_secs(10)).await);
}

#[tokio::test]
async fn while_somebody_looks_rates_are_measured() {
    let house = golden_house().await;
    let clock = house.admin.clock().clone();
    house.admin.rates().look(clock.now().millis());
    let samples = std::sync::atomic::AtomicUsize::new(0);
    let moved = eventually(Duration::from_secs(20), "two samples", async || {
        let asked = house.nsqd.asked().len();
        if asked > samples.swap(asked, std::sync::atomic::Ordering::Relaxed) {
            clock.advance(Duration::from_secs(2));
        }
        let moved = house.admin.rates().of(eyrie_nsq::admin::rates::Of::Topic("adm"));
        moved.now().map(|_| moved)
    })
    .await;
    assert_eq!(moved.now(), Some(0.0), "one message was counted before and after");
    house.end().await;
}

#[tokio::test]
async fn what_was_asked_done_and_told_is_scraped() {
    let house = House::with(|options| {
        options.nsqd_http_addresses = Vec::new();
        options.notification_http_endpoint = "http://127.0.0.1:1/nobody".to_owned();
    })
    .await;
    house.lookupd.says("/topics", 200, r#"{"topics":[]}"#).says("/nodes", 200, r#"{"producers":[]}"#);
    house.lookupd.says("/topic/create", 200, "").says("/channel/create", 200, "");
    house.lookupd.says("/lookup", 200, r#"{"channels":[],"producers":[]}"#);
    assert_eq!(house.get("/api/nodes").await.0, 200);
    assert_eq!(house.send("POST", "/api/topics", r#"{"topic":"t","channel":"c"}"#).await.0, 200);
    house.lookupd.says("/nodes", 500, "");
    assert_eq!(house.get("/api/nodes").await.0, 502);
    let page = eventually(Duration::from_secs(10), "both notices failed", || async {
        let (status, page) = house.get("/metrics").await;
        assert_eq!(status, 200);
        page.contains("eyrie_nsqadmin_notices_total{outcome=\"failed\"} 2\n").then_some(page)
    })
    .await;
    promtool_accepts(&page);
    for line in [
        "eyrie_nsqadmin_actions_total{action=\"create_topic\"} 1",
        "eyrie_nsqadmin_actions_total{action=\"create_channel\"} 1",
        "eyrie_nsqadmin_watched 0",
    ] {
        assert!(page.lines().any(|found| found == line), "{line} in {page}");
    }
    let count = |outcome: &str| {
        let name = format!("eyrie_nsqadmin_asked_total{{outcome=\"{outcome}\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u32>().ok()).unwrap_or_default()
    };
    assert!(count("answered") >= 2 && count("failed") >= 1, "{page}");
    house.end().await;
}

#[tokio::test]
async fn a_taken_port_is_told_once() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let options = Options {
        http_address: address.clone(),
        nsqd_http_addresses: vec!["127.0.0.1:4151".to_owned()],
        ..Options::default()
    };
    let tasks = TaskGroup::new();
    let (clock, stop) = (Clock::system(), tasks.stop_signal());
    let started = run(options, Verbosity::new(Level::Error), clock, stop, |_| axum::Router::new()).await;
    let error = started.expect_err("the port is taken");
    assert!(error.starts_with(&format!("listen ({address}) failed - ")), "{error}");
    assert_eq!(error.matches("listen (").count(), 1, "{error}");
}

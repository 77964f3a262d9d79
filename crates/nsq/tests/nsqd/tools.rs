//! The tools and their client against this nsqd and nsqlookupd: TLS, AUTH, topics that appear, other nsqds
//! and HTTP servers.

use std::io::{BufReader, Cursor};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use base::Clock;
use base::tasks::TaskGroup;
use base::testkit::eventually;
use eyrie_nsq::client::{Config, Consumer, Error, Producer, Sources};
use eyrie_nsq::http::{Limits, Listener, client, serve};
use eyrie_nsq::lookupd::{self, Lookupd};
use eyrie_nsq::nsqd::options::TlsRequired;
use eyrie_nsq::tools::reading::Reading;
use eyrie_nsq::tools::{to_file, to_http, to_nsq, to_nsq_stdin};
use parking_lot::Mutex;

use super::auth::authority;
use super::house::{House, SOON};

fn certificate(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name).display().to_string()
}

fn tcp(house: &House) -> String {
    house.running.tcp_address.clone()
}

/// Reads from this nsqd, trying again at once.
fn reading(house: &House) -> Reading {
    Reading {
        nsqd_tcp_addresses: vec![tcp(house)],
        consumer_opts: vec!["backoff_multiplier,1ms".to_owned(), "default_requeue_delay,1ms".to_owned()],
        ..Reading::default()
    }
}

/// One who insists on TLS and on a secret.
async fn guarded(tasks: &TaskGroup) -> House {
    let authority = authority(tasks).await;
    House::with(|options| {
        options.tls_cert = certificate("house.pem");
        options.tls_key = certificate("house.key");
        options.tls_required = TlsRequired::Yes;
        options.auth_http_addresses = vec![authority];
    })
    .await
}

fn config(opts: &[&str]) -> Config {
    let mut config = Config::default();
    let opts: Vec<String> = opts.iter().map(|opt| (*opt).to_owned()).collect();
    config.set_all(&opts).expect("options");
    config
}

#[tokio::test]
async fn our_client_encrypts_compresses_and_says_who_it_is() {
    let tasks = TaskGroup::new();
    let house = guarded(&tasks).await;
    let root = format!("tls_root_ca_file,{}", certificate("house-ca.pem"));
    let ways: [&[&str]; 5] = [
        &[&root],
        &[&root, "snappy"],
        &[&root, "deflate", "deflate_level,9"],
        &[&root, "tls_min_version,tls1.3"],
        &["tls_insecure_skip_verify"],
    ];
    for way in ways {
        let opts = [&["tls_v1", "auth_secret,s"], way].concat();
        let work = TaskGroup::new();
        Producer::new(&tcp(&house), config(&opts), &work).publish("t", b"hello").await.expect("published");
        let sources = Sources { nsqds: vec![tcp(&house)], lookupds: Vec::new() };
        let mut consumer =
            Consumer::start("t", "c", config(&opts), &sources, client::Options::default(), &work)
                .expect("names");
        let message = tokio::time::timeout(SOON, consumer.next()).await.expect("in time").expect("it runs");
        assert_eq!(&message.body[..], b"hello", "{way:?}");
        message.finish().await;
        work.request_stop();
        assert!(consumer.next().await.is_none());
        assert!(work.drain(SOON).await);
    }
    house.running.close().await.expect("closed");
}

#[tokio::test]
async fn whoever_is_not_let_in_learns_why() {
    let tasks = TaskGroup::new();
    let house = guarded(&tasks).await;
    let root = format!("tls_root_ca_file,{}", certificate("house-ca.pem"));
    let stranger = format!("tls_root_ca_file,{}", certificate("ca.pem"));
    let check = async |opts: &[&str], expected: &str| {
        let work = TaskGroup::new();
        let outcome = Producer::new(&tcp(&house), config(opts), &work).publish("t", b"x").await;
        let error = outcome.expect_err("it must not get in");
        assert!(matches!(error, Error::Connect { .. } | Error::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{opts:?}: {error}");
    };
    check(&["tls_v1", &stranger, "auth_secret,s"], "invalid peer certificate: UnknownIssuer").await;
    check(&["tls_v1", &root], "it wants to know who we are: give auth_secret").await;
    check(&["tls_v1", &root, "auth_secret,wrong"], "E_UNAUTHORIZED AUTH no authorizations found").await;
    check(&["auth_secret,s"], "E_INVALID").await;
    let plain = House::open().await;
    let work = TaskGroup::new();
    let error = Producer::new(&tcp(&plain), config(&["tls_v1"]), &work).publish("t", b"x").await;
    assert!(error.expect_err("no TLS there").to_string().contains("it does not speak TLS"));
    house.running.close().await.expect("closed");
    plain.running.close().await.expect("closed");
}

#[tokio::test]
async fn nsq_to_nsq_moves_everything_and_nothing_else() {
    let (from, to) = (House::open().await, House::open().await);
    let bodies: Vec<String> = (0..500).map(|n| format!("{{\"n\":{n},\"keep\":{}}}", n % 2 == 0)).collect();
    from.does("/topic/create?topic=t", "").await;
    from.does("/channel/create?topic=t&channel=nsq_to_nsq", "").await;
    to.does("/topic/create?topic=u", "").await;
    to.does("/channel/create?topic=u&channel=c", "").await;
    from.does("/mpub?topic=t", bodies.join("\n")).await;
    let options = to_nsq::Options {
        topics: vec!["t".to_owned()],
        destination_topic: "u".to_owned(),
        destination_nsqd_tcp_addresses: vec![tcp(&to)],
        reading: reading(&from),
        ..to_nsq::Options::default()
    };
    let work = TaskGroup::new();
    let running = tokio::spawn(to_nsq::run(options, work.stop_signal()));
    eventually(SOON, "all are there, and finished here", || async {
        let (there, here) = (to.stats("topic=u").await, from.stats("topic=t").await);
        let (there, here) = (&there["topics"][0]["channels"][0], &here["topics"][0]["channels"][0]);
        let left = here["depth"].as_u64()? + here["in_flight_count"].as_u64()?;
        (there["depth"] == 500 && left == 0).then_some(())
    })
    .await;
    work.request_stop();
    running.await.expect("no panic").expect("it ends well");
    from.running.close().await.expect("closed");
    to.running.close().await.expect("closed");
}

#[tokio::test]
async fn nsq_to_http_hands_on_what_comes_while_it_runs() {
    let (house, tasks) = (House::open().await, TaskGroup::new());
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let hearing = Arc::clone(&heard);
    let router = Router::new().route("/in", post(async move |body: String| hearing.lock().push(body)));
    let listener = Listener::bind("127.0.0.1:0").await.expect("loopback");
    let options = to_http::Options {
        topic: "t".to_owned(),
        posts: vec![format!("http://{}/in", listener.address())],
        reading: reading(&house),
        ..to_http::Options::default()
    };
    let stop = tasks.stop_signal();
    tasks.spawn("site", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    let work = TaskGroup::new();
    let running = tokio::spawn(to_http::run(options, work.stop_signal()));
    let bodies: Vec<String> = (0..200).map(|n| format!("{n:03}")).collect();
    for part in bodies.chunks(50) {
        house.does("/mpub?topic=t", part.join("\n")).await;
        let last = part.last().expect("a chunk");
        eventually(SOON, "the last is heard", || async { heard.lock().contains(last).then_some(()) }).await;
    }
    eventually(SOON, "all are finished", || async {
        let stats = house.stats("topic=t").await;
        let channel = &stats["topics"][0]["channels"][0];
        (channel["in_flight_count"] == 0 && channel["depth"] == 0).then_some(())
    })
    .await;
    work.request_stop();
    running.await.expect("no panic").expect("it ends well");
    let mut heard = heard.lock().clone();
    heard.sort();
    assert_eq!(heard, bodies, "each once");
    house.running.close().await.expect("closed");
}

#[tokio::test]
async fn topics_of_a_pattern_are_written_when_they_appear() {
    let tasks = TaskGroup::new();
    let options = lookupd::Options {
        tcp_address: "127.0.0.1:0".to_owned(),
        http_address: "127.0.0.1:0".to_owned(),
        ..lookupd::Options::default()
    };
    let lookupd = Lookupd::bind(options, Clock::system()).await.expect("loopback");
    let (registering, asking) = (lookupd.tcp_address().expect("bound").to_string(), lookupd.http_address());
    tasks.spawn("lookupd", lookupd.run(tasks.stop_signal()));
    let house = House::with(|options| options.lookupd_tcp_addresses = vec![registering]).await;
    house.does("/pub?topic=orders.eu", "one").await;
    house.does("/pub?topic=returns", "not this").await;
    let out = house.dir.path().join("archive");
    let options = to_file::Options {
        topic_pattern: r"^orders\.".to_owned(),
        topic_refresh: Duration::from_millis(20),
        sync_interval: Duration::from_millis(20),
        output_dir: out.display().to_string(),
        filename_format: "<TOPIC>/<TOPIC>.log".to_owned(),
        reading: Reading { lookupd_http_addresses: vec![asking], ..Reading::default() },
        ..to_file::Options::default()
    };
    let work = TaskGroup::new();
    let running = tokio::spawn(to_file::run(options, work.stop_signal()));
    let written = async |topic: &str, expected: &str| {
        let file = out.join(topic).join(format!("{topic}.log"));
        eventually(SOON, topic, || async {
            std::fs::read_to_string(&file).is_ok_and(|text| text == expected).then_some(())
        })
        .await;
    };
    written("orders.eu", "one\n").await;
    house.does("/pub?topic=orders.us", "two").await;
    written("orders.us", "two\n").await;
    house.does("/pub?topic=orders.eu", "three").await;
    written("orders.eu", "one\nthree\n").await;
    work.request_stop();
    running.await.expect("no panic").expect("it ends well");
    assert!(!Path::new(&out).join("returns").exists());
    assert!(tasks.drain(SOON).await);
    house.running.close().await.expect("closed");
}

#[tokio::test]
async fn to_nsq_names_what_is_too_big_and_publishes_the_rest() {
    let house = House::with(|options| options.max_msg_size = 1_000).await;
    // So long that nsqd hangs up while it is written to.
    let long = "x".repeat(3 << 20);
    let input = format!("one\n{long}\n\ntwo\n{}\nthree", "y".repeat(1_001));
    let options = to_nsq_stdin::Options {
        topic: "t".to_owned(),
        nsqd_tcp_addresses: vec![tcp(&house)],
        ..to_nsq_stdin::Options::default()
    };
    let work = TaskGroup::new();
    let input = BufReader::new(Cursor::new(input));
    let ended = to_nsq_stdin::run(options, input, work.stop_signal()).await;
    assert_eq!(ended, Err("2 of 6 lines were not published".to_owned()));
    assert_eq!(house.stats("topic=t").await["topics"][0]["depth"], 3);
    house.running.close().await.expect("closed");
}

#[tokio::test]
async fn to_nsq_names_what_no_room_in_the_topic_is_enough_for() {
    let house = House::open().await;
    let rules = br#"{"max_bytes":20,"overflow":"reject"}"#;
    assert_eq!(house.ask("PUT", "/topic/policy?topic=t", rules).await.status, 200);
    let options = to_nsq_stdin::Options {
        topic: "t".to_owned(),
        nsqd_tcp_addresses: vec![tcp(&house)],
        ..to_nsq_stdin::Options::default()
    };
    let work = TaskGroup::new();
    let input = BufReader::new(Cursor::new(format!("one\n{}\ntwo\nthree", "y".repeat(21))));
    let ended = to_nsq_stdin::run(options, input, work.stop_signal()).await;
    assert_eq!(ended, Err("1 of 4 lines were not published".to_owned()));
    assert_eq!(house.stats("topic=t").await["topics"][0]["depth"], 3);
    house.running.close().await.expect("closed");
}

//! Starting, stopping, and what must hold from one to the other.

use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use eyrie_nsq::http::client::{Options as ClientOptions, Tls};
use eyrie_nsq::http::{Client, client};
use eyrie_nsq::logging::{Level, Verbosity};
use eyrie_nsq::nsqd::options::TlsRequired;
use eyrie_nsq::nsqd::{Error, Options, Running, run};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::house::{House, options, raw};

fn fixture(name: &str) -> String {
    format!("{}/fixtures/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}

async fn refused(options: Options) -> Error {
    Running::start(options, Verbosity::new(Level::Info), Clock::system()).await.expect_err("refused")
}

#[tokio::test]
async fn a_folder_and_a_port_are_used_once() {
    let house = House::open().await;
    let same = options(&house.dir);
    let error = refused(same).await;
    let text = error.to_string();
    assert!(matches!(error, Error::Folder(_)) && text.contains("another process (pid "), "{text}");
    let other = TempDir::new().expect("a folder");
    let taken = Options { http_address: house.http().to_owned(), ..options(&other) };
    let text = refused(taken).await.to_string();
    assert!(text.starts_with(&format!("listen ({}) failed - ", house.http())), "{text}");
    house.running.close().await.expect("closed");
    let again = Running::start(options(&house.dir), Verbosity::new(Level::Info), Clock::system()).await;
    again.expect("free again").close().await.expect("closed");
}

#[tokio::test]
async fn what_was_answered_is_there_after_a_restart() {
    let house = House::open().await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    house.does("/topic/create?topic=waiting", "").await;
    house.does("/mpub?topic=t", "one\ntwo\nthree").await;
    house.does("/pub?topic=t&defer=3600000", "later").await;
    house.does("/pub?topic=waiting", "x").await;
    house.does("/channel/pause?topic=t&channel=c", "").await;
    let house = house.again().await;
    let stats = house.stats("").await;
    let channel = &stats["topics"][0]["channels"][0];
    assert_eq!(channel["channel_name"], "c", "{stats}");
    assert_eq!((&channel["depth"], &channel["deferred_count"]), (&3.into(), &1.into()), "{stats}");
    assert_eq!(channel["paused"], true);
    assert_eq!(
        (&stats["topics"][1]["topic_name"], &stats["topics"][1]["depth"]),
        (&"waiting".into(), &1.into())
    );
    house.running.close().await.expect("closed");
}

#[tokio::test]
async fn requests_that_run_are_answered_before_it_ends() {
    let dir = TempDir::new().expect("a folder");
    let work = TaskGroup::new();
    let http = dir.path().join("http.sock").display().to_string();
    let options = Options { http_address: http.clone(), ..options(&dir) };
    let served = tokio::spawn(run(options, Verbosity::new(Level::Info), Clock::system(), work.stop_signal()));
    let mut stream = base::testkit::eventually(Duration::from_secs(10), "it serves", async || {
        UnixStream::connect(&http).await.ok()
    })
    .await;
    stream
        .write_all(
            b"POST /pub?topic=t HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
        )
        .await
        .expect("sent");
    let mut head = [0; 25];
    stream.read_exact(&mut head).await.expect("told to go on");
    assert_eq!(&head, b"HTTP/1.1 100 Continue\r\n\r\n");
    work.request_stop();
    stream.write_all(b"whole").await.expect("sent");
    let mut back = String::new();
    stream.read_to_string(&mut back).await.expect("answered");
    assert!(back.starts_with("HTTP/1.1 200 OK") && back.ends_with("OK"), "{back}");
    served.await.expect("no panic").expect("ended well");
    assert!(!std::path::Path::new(&http).exists());
}

#[tokio::test]
async fn plain_http_says_where_tls_is() {
    let secure = |options: &mut Options| {
        options.tls_cert = fixture("server.pem");
        options.tls_key = fixture("server.key");
        options.tls_required = TlsRequired::Yes;
    };
    let house = House::with(secure).await;
    let https = house.running.nsqd.ports.https;
    for path in ["/ping", "/stats", "/nope"] {
        let answer = house.get(path).await;
        assert_eq!(answer.status, 403);
        assert_eq!(answer.body, format!(r#"{{"message": "TLS_REQUIRED", "https_port": {https}}}"#));
    }
    let tls = Tls { root_ca_file: Some(fixture("ca.pem").into()), ..Tls::default() };
    let client = Client::new(ClientOptions { tls, ..ClientOptions::default() }).expect("an authority");
    let stats = client.get(&format!("http://{}/stats", house.http())).await.expect("asked again over TLS");
    assert!(stats.starts_with(b"nsqd v1.3.0"));
    let ping = client.get(&format!("https://127.0.0.1:{https}/ping")).await.expect("asked");
    assert_eq!(ping, "OK");

    // TLS for TCP only: plain HTTP serves.
    let house = House::with(|options| {
        secure(options);
        options.tls_required = TlsRequired::ExceptHttp;
    })
    .await;
    assert_eq!(house.get("/ping").await.body, "OK");
    let dir = TempDir::new().expect("a folder");
    let error = refused(Options { tls_required: TlsRequired::Yes, ..options(&dir) }).await;
    assert!(matches!(error, Error::Tls(_)), "{error}");
}

#[tokio::test]
async fn http_can_be_left_out() {
    let house = House::with(|options| options.http_address.clear()).await;
    assert_eq!((&house.running.http_address, house.running.nsqd.ports.http), (&None, 0));
    let answer = raw(&house.running.tcp_address, b"  V9").await;
    assert!(answer.ends_with("E_BAD_PROTOCOL"), "{answer:?}");
    let error = Client::new(ClientOptions::default())
        .expect("no files")
        .get(&format!("http://{}/ping", house.running.tcp_address))
        .await
        .expect_err("not HTTP");
    assert!(matches!(error, client::Error::Unreachable { .. }), "{error}");
}

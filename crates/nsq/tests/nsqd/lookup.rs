//! nsqd with nsqlookupds: a fake one that writes everything down, and the real one.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use base::testkit::eventually;
use eyrie_nsq::http::Client;
use eyrie_nsq::http::client::Options as ClientOptions;
use eyrie_nsq::lookupd::{self, Lookupd};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::house::{House, SOON};

/// Answers `OK` to everything, except that it has no room for a topic `refused`, and writes it down.
struct Fake {
    address: String,
    said: Arc<Mutex<Vec<String>>>,
    tasks: TaskGroup,
}

impl Fake {
    async fn open(address: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("bound");
        let address = listener.local_addr().expect("bound").to_string();
        let (said, tasks) = (Arc::new(Mutex::new(Vec::new())), TaskGroup::new());
        let (stop, list) = (tasks.stop_signal(), Arc::clone(&said));
        tasks.spawn("fake lookupd", async move {
            tokio::select! {
                () = stop.requested() => {}
                () = async {
                    // One connection at a time: nsqd has one.
                    while let Ok((stream, _)) = listener.accept().await {
                        let _ = talk(stream, &list).await;
                    }
                } => {}
            }
        });
        Self { address, said, tasks }
    }

    async fn hears(&self, expected: &[&str]) {
        let what = expected.join(", ");
        let heard = async || {
            let mut said = self.said.lock();
            let all = expected.iter().all(|line| said.iter().any(|heard| heard == line));
            all.then(|| said.clear())
        };
        eventually(SOON, &what, heard).await;
    }

    async fn close(self) {
        self.tasks.drain(SOON).await;
    }
}

async fn talk(mut stream: TcpStream, said: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut magic = [0; 4];
    stream.read_exact(&mut magic).await?;
    assert_eq!(&magic, b"  V1");
    loop {
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            line.push(stream.read_u8().await?);
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let answer = if line == "IDENTIFY" {
            let mut body = vec![0; stream.read_u32().await? as usize];
            stream.read_exact(&mut body).await?;
            said.lock().push(format!("IDENTIFY {}", String::from_utf8_lossy(&body)));
            r#"{"broadcast_address":"127.0.0.1","http_port":1,"tcp_port":1,"version":"1.3.0","hostname":"h"}"#
        } else {
            let answer =
                if line.contains("refused") { "E_TOO_MANY_NAMES too many topics and channels" } else { "OK" };
            said.lock().push(line);
            answer
        };
        stream.write_u32(answer.len() as u32).await?;
        stream.write_all(answer.as_bytes()).await?;
    }
}

#[tokio::test]
async fn everything_is_registered_and_unregistered() {
    let fake = Fake::open("127.0.0.1:0").await;
    let house = House::with(|options| {
        options.lookupd_tcp_addresses = vec![fake.address.clone()];
        options.broadcast_address = "b.example".to_owned();
        options.broadcast_http_port = 80;
        options.topology_region = "r".to_owned();
    })
    .await;
    let (host, tcp) = (eyrie_nsq::host::name(), house.running.nsqd.ports.tcp);
    let introduction = format!(
        r#"IDENTIFY {{"version":"1.3.0","tcp_port":{tcp},"http_port":80,"hostname":"{host}","broadcast_address":"b.example","topology_zone":"","topology_region":"r"}}"#
    );
    fake.hears(&[&introduction]).await;
    house.does("/topic/create?topic=t", "").await;
    house.does("/channel/create?topic=t&channel=c", "").await;
    house.does("/topic/create?topic=e%23ephemeral", "").await;
    fake.hears(&["REGISTER t", "REGISTER t c", "REGISTER e#ephemeral"]).await;
    house.does("/channel/delete?topic=t&channel=c", "").await;
    fake.hears(&["UNREGISTER t c"]).await;
    house.does("/channel/create?topic=t&channel=d", "").await;
    house.does("/topic/delete?topic=t", "").await;
    fake.hears(&["REGISTER t d", "UNREGISTER t d", "UNREGISTER t"]).await;
    // One name that it has no room for costs no other one, and not the connection.
    house.does("/topic/create?topic=refused", "").await;
    fake.hears(&["REGISTER refused"]).await;
    house.does("/topic/create?topic=taken", "").await;
    fake.hears(&["REGISTER taken"]).await;
    assert!(!fake.said.lock().iter().any(|line| line.starts_with("IDENTIFY")), "it had to come again");
    house.does("/topic/delete?topic=refused", "").await;
    // It goes and comes back: everything is told again.
    let address = fake.address.clone();
    fake.close().await;
    house.does("/topic/create?topic=meanwhile", "").await;
    let fake = Fake::open(&address).await;
    fake.hears(&[&introduction, "REGISTER meanwhile", "REGISTER e#ephemeral"]).await;
    // Taken off the list, it is left alone.
    house.ask("PUT", "/config/nsqlookupd_tcp_addresses", b"[]").await;
    let left = async || (house.running.nsqd.lookup.connected() == 0).then_some(());
    eventually(SOON, "it is left", left).await;
    house.running.close().await.expect("closed");
    fake.close().await;
}

/// Our own nsqlookupd on free ports.
async fn lookupd(tasks: &TaskGroup) -> (String, String) {
    let options = lookupd::Options {
        tcp_address: "127.0.0.1:0".to_owned(),
        http_address: "127.0.0.1:0".to_owned(),
        broadcast_address: "127.0.0.1".to_owned(),
        ..lookupd::Options::default()
    };
    let lookupd = Lookupd::bind(options, Clock::system()).await.expect("bound");
    let addresses = (lookupd.tcp_address().expect("bound").to_string(), lookupd.http_address());
    let stop = tasks.stop_signal();
    tasks.spawn("lookupd", async move {
        lookupd.run(stop).await;
    });
    addresses
}

#[tokio::test]
async fn a_new_topic_has_the_channels_that_others_know() {
    let tasks = TaskGroup::new();
    let (tcp, http) = lookupd(&tasks).await;
    let client = Client::new(ClientOptions::default()).expect("no files");
    for path in ["topic=t&channel=a", "topic=t&channel=b", "topic=t&channel=e%23ephemeral"] {
        let url = format!("http://{http}/channel/create?{path}");
        client.post(&url, None, bytes::Bytes::new()).await.expect("made");
    }
    let house = House::with(|options| options.lookupd_tcp_addresses = vec![tcp]).await;
    let connected = async || (house.running.nsqd.lookup.connected() == 1).then_some(());
    eventually(SOON, "it is connected", connected).await;
    // Four at once: none of them sees the topic before its channels.
    let publish = async || house.post("/pub?topic=t", "x").await.status;
    let statuses = tokio::join!(publish(), publish(), publish(), publish());
    assert_eq!(statuses, (200, 200, 200, 200));
    let stats = house.stats("topic=t").await;
    let channels = stats["topics"][0]["channels"].as_array().expect("channels");
    let counts: Vec<_> = channels
        .iter()
        .map(|channel| (channel["channel_name"].as_str().expect("a name"), channel["depth"].as_u64()))
        .collect();
    assert_eq!(counts, [("a", Some(4)), ("b", Some(4))]);
    let registered = async || {
        let found: serde_json::Value =
            client.get_json(&format!("http://{http}/lookup?topic=t")).await.ok()?;
        (found["producers"].as_array()?.len() == 1).then_some(found)
    };
    let found = eventually(SOON, "others find it", registered).await;
    assert_eq!(found["producers"][0]["tcp_port"], house.running.nsqd.ports.tcp);
    // A lookupd that is gone holds nobody up.
    assert!(tasks.drain(SOON).await);
    let publish = tokio::time::timeout(Duration::from_secs(8), house.post("/pub?topic=u", "x"));
    assert_eq!(publish.await.expect("in time").status, 200);
}

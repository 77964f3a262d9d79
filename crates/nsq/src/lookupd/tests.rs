//! What the real nsqlookupd answered, asked again: over sockets, byte for byte.

mod golden;
mod silence;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use base::tasks::TaskGroup;
use base::testkit::eventually;
use base::{Clock, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tcp::Silence;
use super::{Lookupd, Options, Shared};

const SOON: Duration = Duration::from_secs(10);

/// A lookupd of a test, on ports of its own, with a clock that the test moves.
struct House {
    tcp: String,
    http: String,
    clock: Clock,
    tasks: TaskGroup,
}

impl House {
    async fn open() -> Self {
        Self::with(Silence::default()).await
    }

    async fn with(silence: Silence) -> Self {
        Self::built(|shared| shared.silence = silence).await
    }

    async fn built(change: impl FnOnce(&mut Shared)) -> Self {
        let clock = Clock::manual(Timestamp::from_seconds(1_795_215_600));
        let options = Options {
            tcp_address: "127.0.0.1:0".to_owned(),
            http_address: "127.0.0.1:0".to_owned(),
            broadcast_address: "127.0.0.1".to_owned(),
            ..Options::default()
        };
        let mut lookupd = Lookupd::bind(options, clock.clone()).await.expect("loopback can be bound");
        change(Arc::get_mut(&mut lookupd.shared).expect("nobody has it yet"));
        let tcp = lookupd.tcp_address().expect("bound").to_string();
        let http = lookupd.http_address();
        let tasks = TaskGroup::new();
        tasks.spawn("lookupd", lookupd.run(tasks.stop_signal()));
        Self { tcp, http, clock, tasks }
    }

    async fn close(self) {
        assert!(self.tasks.drain(SOON).await, "it does not end");
    }

    /// An nsqd that has said nothing but the magic.
    async fn nsqd(&self) -> Nsqd {
        let mut stream = TcpStream::connect(&self.tcp).await.expect("it listens");
        stream.write_all(b"  V1").await.expect("sent");
        Nsqd { stream }
    }

    /// The nsqd of the golden file.
    async fn identified(&self) -> Nsqd {
        let mut nsqd = self.nsqd().await;
        nsqd.identify(HELLO).await;
        nsqd
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.ask("GET", path).await;
        (status, body)
    }

    /// Status, head and body of one request on a connection of its own.
    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.http).await.expect("it listens");
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("an answer");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, head.to_ascii_lowercase(), body.to_owned())
    }
}

const HELLO: &str = r#"{"version":"1.3.0","tcp_port":4150,"http_port":4151,"hostname":"h","broadcast_address":"b.example","unknown":1}"#;

struct Nsqd {
    stream: TcpStream,
}

impl Nsqd {
    fn address(&self) -> String {
        self.stream.local_addr().expect("connected").to_string()
    }

    /// Sends and reads one answer; `None` when lookupd hung up.
    async fn say(&mut self, bytes: &[u8]) -> Option<String> {
        self.stream.write_all(bytes).await.expect("sent");
        self.hear().await
    }

    async fn hear(&mut self) -> Option<String> {
        let mut size = [0; 4];
        self.stream.read_exact(&mut size).await.ok()?;
        let mut data = vec![0; u32::from_be_bytes(size) as usize];
        self.stream.read_exact(&mut data).await.ok()?;
        Some(String::from_utf8(data).expect("text"))
    }

    async fn identify(&mut self, json: &str) -> Option<String> {
        let mut bytes = b"IDENTIFY\n".to_vec();
        bytes.extend_from_slice(&u32::try_from(json.len()).expect("short").to_be_bytes());
        bytes.extend_from_slice(json.as_bytes());
        self.say(&bytes).await
    }

    /// Sends a command that is answered with OK.
    async fn do_it(&mut self, command: &str) {
        let answer = self.say(format!("{command}\n").as_bytes()).await;
        assert_eq!(answer.as_deref(), Some("OK"), "{command}");
    }
}

#[tokio::test]
async fn who_has_one_name_too_many_keeps_the_others() {
    let house = House::built(|shared| shared.registry.get_mut().names_max = 1).await;
    let mut nsqd = house.identified().await;
    nsqd.do_it("REGISTER t").await;
    let refused = nsqd.say(b"REGISTER u\n").await;
    assert_eq!(
        refused.as_deref(),
        Some("E_TOO_MANY_NAMES too many topics and channels: the limit is 1000000")
    );
    nsqd.do_it("PING").await;
    assert_eq!(house.get("/topics").await, (200, r#"{"topics":["t"]}"#.to_owned()));
    house.close().await;
}

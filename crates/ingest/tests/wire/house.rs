//! A server over a sink that remembers, and a client that writes bytes.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app::intake::{ClassicStat, EzAccount, Fate, Sent};
use base::metrics::Metrics;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use bytes::Bytes;
use eyrie_ingest::{self as ingest, Config, Ingest, Running, Server, Sink};
use http_body_util::Full;
use hyper::{Request, Response};
use parking_lot::Mutex;
use stats::{AccountId, Kind, StatName};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What the clock of every test shows: 2027-01-15 08:00 UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);
/// How long a test waits for what must come.
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// The golden answer.
pub(crate) const OK: &str = r#"{"status":200,"msg":"ok"}"#;

/// A sink with three accounts: `key` (also `k@example.com`), `off`, and classic keys `stat~`+`user~`. The stat
/// `beyond` is one too many.
#[derive(Clone)]
pub(crate) struct Fake(Arc<FakeState>);

struct FakeState {
    sent: Mutex<Vec<Sent>>,
    unknown: Mutex<Vec<String>>,
    busy: AtomicBool,
    /// False while the log stands still.
    log: watch::Sender<bool>,
}

impl Sink for Fake {
    type Accepted = (Self, Vec<Fate>);

    fn by_ez_key(&self, key: &str) -> Option<EzAccount> {
        match key {
            "key" | "k@example.com" => Some(EzAccount { id: AccountId(2), enabled: true }),
            "off" => Some(EzAccount { id: AccountId(3), enabled: false }),
            _ => None,
        }
    }

    fn by_classic_keys(&self, stat_key: &str, user_key: &str) -> Option<ClassicStat> {
        let kind = match (stat_key, user_key) {
            ("stat~", "user~") => Kind::Counter,
            ("gauge~", "user~") => Kind::Value,
            _ => return None,
        };
        let name = StatName::new(stat_key.trim_end_matches('~')).expect("a name");
        Some(ClassicStat { account: AccountId(2), name, kind })
    }

    fn count_unknown_key(&self, key: &str) {
        self.0.unknown.lock().push(key.to_owned());
    }

    fn submit(&self, sent: &[Sent]) -> Result<(Self, Vec<Fate>), app::Error> {
        if self.0.busy.load(Ordering::SeqCst) {
            return Err(app::Error::Busy { message: "the log is full".into(), retry_after_seconds: 7 });
        }
        let mut all = self.0.sent.lock();
        let fates = sent
            .iter()
            .map(|point| {
                let wrong = match point.name.as_str() {
                    "gauge" => (point.kind == Kind::Counter).then_some(Kind::Value),
                    "stat" => (point.kind == Kind::Value).then_some(Kind::Counter),
                    _ => None,
                };
                match wrong {
                    Some(is) => Fate::Mismatch { is },
                    None if point.name.as_str() == "beyond" => Fate::TooManyStats,
                    None => {
                        all.push(point.clone());
                        Fate::Taken
                    }
                }
            })
            .collect();
        Ok((self.clone(), fates))
    }

    fn fates(accepted: &(Self, Vec<Fate>)) -> &[Fate] {
        &accepted.1
    }

    async fn settle((this, _): (Self, Vec<Fate>)) -> Result<(), app::Error> {
        this.0
            .log
            .subscribe()
            .wait_for(|runs| *runs)
            .await
            .map(drop)
            .map_err(|_| app::Error::Unavailable("closed".into()))
    }
}

/// A running server.
pub(crate) struct House {
    pub(crate) sink: Fake,
    pub(crate) metrics: Metrics,
    pub(crate) address: SocketAddr,
    pub(crate) tasks: TaskGroup,
    pub(crate) running: Option<Running>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With a changed configuration.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let sink = Fake(Arc::new(FakeState {
            sent: Mutex::default(),
            unknown: Mutex::default(),
            busy: AtomicBool::new(false),
            log: watch::Sender::new(true),
        }));
        let metrics = Metrics::new();
        let ingest = Ingest::new(sink.clone(), Clock::manual(NOW), config, &metrics);
        let server = Server::bind(2, &["127.0.0.1:0".parse().expect("an address")]).expect("a free port");
        let address = server.addresses()[0];
        let tasks = TaskGroup::new();
        let running = server
            .run(ingest, tower::service_fn(fallback), &metrics, tasks.stop_signal())
            .expect("threads start");
        Self { sink, metrics, address, tasks, running: Some(running) }
    }

    /// The log stands still from now on: nothing settles.
    pub(crate) fn stop_log(&self) {
        self.sink.0.log.send_replace(false);
    }

    /// It goes on.
    pub(crate) fn start_log(&self) {
        self.sink.0.log.send_replace(true);
    }

    pub(crate) fn set_busy(&self, busy: bool) {
        self.sink.0.busy.store(busy, Ordering::SeqCst);
    }

    /// What was taken since the last call: `name kind number`, and ` @seconds` if it is not now.
    pub(crate) fn taken(&self) -> Vec<String> {
        let sent = std::mem::take(&mut *self.sink.0.sent.lock());
        sent.iter()
            .map(|point| {
                assert_eq!(point.account, AccountId(2));
                let kind = if point.kind == Kind::Counter { 'c' } else { 'v' };
                let time = match point.time {
                    NOW => String::new(),
                    time => format!(" @{}", time.millis() as f64 / 1000.0),
                };
                format!("{} {kind} {:?}{time}", point.name.as_str(), point.number)
            })
            .collect()
    }

    /// Waits until `count` points were taken.
    pub(crate) async fn eventually_taken(&self, count: usize) -> Vec<String> {
        base::testkit::eventually(SOON, "points are taken", || async {
            (self.sink.0.sent.lock().len() >= count).then_some(())
        })
        .await;
        self.taken()
    }

    pub(crate) fn unknown_keys(&self) -> Vec<String> {
        std::mem::take(&mut *self.sink.0.unknown.lock())
    }

    /// One sample of the metrics.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.render();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("eyrie_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().expect("a number")
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::to(self.address).await
    }

    /// Sends bytes on a new connection and reads one answer.
    pub(crate) async fn send(&self, request: impl AsRef<[u8]>) -> String {
        let mut client = self.connect().await;
        client.write(request).await;
        client.answer().await
    }

    /// Posts a body and gives back the body of the answer.
    pub(crate) async fn post(&self, head: &str, body: impl AsRef<[u8]>) -> String {
        let answer = self.send(post(head, body)).await;
        answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }
}

/// A POST to `/ez` or to what `head` begins with: `/path` or `/path\r\nHeader: value`.
pub(crate) fn post(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let (path, headers) = head.split_once("\r\n").unwrap_or((head, ""));
    let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
    let mut request =
        format!("POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
            .into_bytes();
    request.extend_from_slice(body);
    request
}

pub(crate) async fn fallback(
    request: Request<ingest::server::Arriving>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    assert!(request.extensions().get::<base::Peer>().is_some_and(|peer| peer.0.ip().is_loopback()));
    match request.uri().path() {
        "/panic" => panic!("on purpose"),
        "/never" => std::future::pending().await,
        "/length" => {
            let body =
                http_body_util::BodyExt::collect(request.into_body()).await.map(|body| body.to_bytes());
            Ok(Response::new(Full::new(format!("{:?}", body.map(|body| body.len()).ok()).into())))
        }
        "/big" => Ok(Response::new(Full::new(Bytes::from(vec![b'x'; 3 << 20])))),
        path => Ok(Response::new(Full::new(format!("fallback: {} {path}", request.method()).into()))),
    }
}

/// A connection that reads and writes bytes.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    got: Vec<u8>,
}

impl Client {
    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.expect("somebody listens"), got: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.expect("the server reads");
    }

    /// Reads on until `done` says where an answer ends.
    async fn until(&mut self, what: &str, done: impl Fn(&[u8]) -> Option<usize>) -> String {
        let read = async {
            loop {
                if let Some(end) = done(&self.got) {
                    return end;
                }
                let count = self.stream.read_buf(&mut self.got).await.expect("an answer");
                assert!(count > 0, "closed before {what}: {:?}", String::from_utf8_lossy(&self.got));
            }
        };
        let end = match tokio::time::timeout(SOON, read).await {
            Ok(end) => end,
            Err(_) => panic!("no {what} in time, only {:?}", String::from_utf8_lossy(&self.got)),
        };
        let answer: Vec<u8> = self.got.drain(..end).collect();
        String::from_utf8(answer).expect("text")
    }

    /// The next answer, head and body, without its date.
    pub(crate) async fn answer(&mut self) -> String {
        let answer = self
            .until("an answer", |got| {
                let head = got.windows(4).position(|end| end == b"\r\n\r\n")? + 4;
                let text = std::str::from_utf8(&got[..head]).expect("text").to_ascii_lowercase();
                let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
                let end = head + length.map_or(0, |length| length.parse().expect("a length"));
                (got.len() >= end).then_some(end)
            })
            .await;
        let lines = answer.split_inclusive("\r\n");
        lines.filter(|line| !line.to_ascii_lowercase().starts_with("date:")).collect()
    }

    /// Everything until the server closes.
    pub(crate) async fn rest(&mut self) -> String {
        let read = self.stream.read_to_end(&mut self.got);
        let _ = tokio::time::timeout(SOON, read).await.expect("the server closes in time");
        String::from_utf8_lossy(&std::mem::take(&mut self.got)).into_owned()
    }
}

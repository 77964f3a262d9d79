//! An nsqd on free ports in a folder of its own, and a raw HTTP client.

use std::time::Duration;

use base::Clock;
use eyrie_nsq::logging::{Level, Verbosity};
use eyrie_nsq::nsqd::{Options, Running};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct House {
    pub(crate) running: Running,
    pub(crate) dir: TempDir,
}

/// An answer, its headers by name and without the date.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<String>,
    pub(crate) body: String,
}

pub(crate) fn options(dir: &TempDir) -> Options {
    Options {
        tcp_address: "127.0.0.1:0".to_owned(),
        http_address: "127.0.0.1:0".to_owned(),
        https_address: "127.0.0.1:0".to_owned(),
        broadcast_address: "127.0.0.1".to_owned(),
        data_path: dir.path().display().to_string(),
        ..Options::default()
    }
}

pub(crate) async fn start(options: Options) -> Running {
    Running::start(options, Verbosity::new(Level::Info), Clock::system()).await.expect("started")
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let dir = TempDir::new().expect("a folder");
        let mut options = options(&dir);
        change(&mut options);
        Self { running: start(options).await, dir }
    }

    /// Ends it and starts it again on the same folder.
    pub(crate) async fn again(self) -> Self {
        let options = (*self.running.nsqd.options()).clone();
        self.running.close().await.expect("closed");
        Self { running: start(options).await, dir: self.dir }
    }

    pub(crate) fn http(&self) -> &str {
        self.running.http_address.as_deref().expect("it serves HTTP")
    }

    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        raw(self.http(), bytes).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: &[u8]) -> Answer {
        self.ask_with(method, path, "", body).await
    }

    pub(crate) async fn ask_with(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let length = body.len();
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n"
        )
        .into_bytes();
        request.extend_from_slice(body);
        Answer::of(&self.raw(&request).await)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, b"").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask("POST", path, body.as_ref()).await
    }

    /// Posts what must be fine.
    pub(crate) async fn does(&self, path: &str, body: impl AsRef<[u8]>) {
        let answer = self.post(path, body).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }

    pub(crate) async fn stats(&self, query: &str) -> serde_json::Value {
        let answer = self.get(&format!("/stats?format=json&{query}")).await;
        serde_json::from_str(&answer.body).expect("JSON")
    }
}

pub(crate) async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    stream.write_all(bytes).await.expect("sent");
    let mut back = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut back)).await.expect("in time").expect("answered");
    String::from_utf8_lossy(&back).into_owned()
}

impl Answer {
    pub(crate) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
        let mut headers: Vec<_> =
            lines.filter(|line| !line.starts_with("Date: ")).map(str::to_owned).collect();
        headers.sort_unstable();
        Self { status, headers, body: body.to_owned() }
    }
}

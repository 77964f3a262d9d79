//! `eyrie nsqd` as a child, and a client of its protocol that knows nothing of our code.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::house::{Home, Lines, PATIENCE, collect, eventually, find};
use crate::wire::{self, Answer};

/// A running nsqd. Dropping it kills it.
pub(crate) struct Nsqd {
    child: Child,
    pub(crate) tcp: SocketAddr,
    pub(crate) http: SocketAddr,
    err: Lines,
}

impl Nsqd {
    /// Starts it on free ports and waits until it listens.
    pub(crate) fn start(home: &Home, data: &Path, flags: &[&str]) -> Self {
        std::fs::create_dir_all(data).expect("a folder");
        let mut command = home.command(["nsqd", "--tcp-address=127.0.0.1:0", "--http-address=127.0.0.1:0"]);
        command.args(["--https-address=127.0.0.1:0", "--broadcast-address=127.0.0.1", "--data-path"]);
        command.arg(data).args(flags).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary runs");
        let err = collect(child.stderr.take().expect("piped"));
        let mut address = |label: &str| {
            eventually("nsqd listens", || {
                let over = child.try_wait().expect("a child");
                assert!(over.is_none(), "ended with {over:?}: {:?}", err.lock().expect("lines"));
                find(&err, label)?.parse().ok()
            })
        };
        let (tcp, http) = (address(" TCP: listening on "), address(" HTTP: listening on "));
        Self { child, tcp, http, err }
    }

    pub(crate) fn logged(&self) -> String {
        self.err.lock().expect("lines").join("\n")
    }

    /// Resident memory in bytes.
    pub(crate) fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
        kib.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// No chance to do anything more.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Makes things, pauses them and so on; it must succeed.
    pub(crate) fn post(&self, path: &str, body: &str) -> Answer {
        let answer = wire::post(self.http, path, body);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer
    }

    /// The channel's row of `/stats`.
    pub(crate) fn channel(&self, topic: &str, channel: &str) -> Value {
        let answer = wire::get(self.http, &format!("/stats?format=json&topic={topic}&channel={channel}"));
        answer.json()["topics"][0]["channels"][0].clone()
    }
}

impl Drop for Nsqd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- nsqd\n{}", self.logged());
        }
    }
}

/// A message that was received.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) attempts: u16,
    pub(crate) body: String,
}

/// What the server sends.
#[derive(Clone, Debug)]
pub(crate) enum Frame {
    Answer(String),
    Error(String),
    Message(Message),
}

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn open(to: SocketAddr) -> io::Result<Self> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"  V2")?;
        Ok(Self(BufReader::new(stream)))
    }

    /// A subscriber that takes up to `ready` at once.
    pub(crate) fn subscribe(to: SocketAddr, topic: &str, channel: &str, ready: u32) -> io::Result<Self> {
        let mut client = Self::open(to)?;
        client.send(&format!("SUB {topic} {channel}"))?;
        client.ok()?;
        client.send(&format!("RDY {ready}"))?;
        Ok(client)
    }

    /// How long [`read`](Self::read) waits.
    pub(crate) fn set_patience(&self, patience: Duration) {
        self.0.get_ref().set_read_timeout(Some(patience)).expect("a timeout that is not zero");
    }

    pub(crate) fn send(&mut self, line: &str) -> io::Result<()> {
        self.0.get_mut().write_all(format!("{line}\n").as_bytes())
    }

    pub(crate) fn send_body(&mut self, line: &str, body: &[u8]) -> io::Result<()> {
        let mut bytes = format!("{line}\n").into_bytes();
        bytes.extend_from_slice(&u32::try_from(body.len()).expect("a small body").to_be_bytes());
        bytes.extend_from_slice(body);
        self.0.get_mut().write_all(&bytes)
    }

    /// The next frame; heartbeats are answered and skipped.
    pub(crate) fn read(&mut self) -> io::Result<Frame> {
        loop {
            let mut head = [0; 8];
            self.0.read_exact(&mut head)?;
            let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            let mut data = vec![0; size as usize - 4];
            self.0.read_exact(&mut data)?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            match head[7] {
                0 if data == b"_heartbeat_" => self.send("NOP")?,
                0 => return Ok(Frame::Answer(text(&data))),
                1 => return Ok(Frame::Error(text(&data))),
                _ => {
                    let attempts = u16::from_be_bytes([data[8], data[9]]);
                    return Ok(Frame::Message(Message {
                        id: text(&data[10..26]),
                        attempts,
                        body: text(&data[26..]),
                    }));
                }
            }
        }
    }

    /// The next frame must be `OK`.
    pub(crate) fn ok(&mut self) -> io::Result<()> {
        match self.read()? {
            Frame::Answer(answer) if answer == "OK" => Ok(()),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// The next message; none within the patience is `None`.
    pub(crate) fn message(&mut self) -> Option<Message> {
        loop {
            match self.read() {
                Ok(Frame::Message(message)) => return Some(message),
                Ok(Frame::Answer(_)) => {}
                Ok(Frame::Error(error)) => panic!("{error}"),
                Err(_) => return None,
            }
        }
    }

    /// Publishes and waits for the answer.
    pub(crate) fn publish(&mut self, topic: &str, body: &str) -> io::Result<()> {
        self.send_body(&format!("PUB {topic}"), body.as_bytes())?;
        self.ok()
    }

    /// Publishes with a delay and waits for the answer.
    pub(crate) fn defer(&mut self, topic: &str, delay: Duration, body: &str) -> io::Result<()> {
        self.send_body(&format!("DPUB {topic} {}", delay.as_millis()), body.as_bytes())?;
        self.ok()
    }
}

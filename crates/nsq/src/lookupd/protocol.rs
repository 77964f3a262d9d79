//! Protocol V1: what an nsqd says and what it hears. A command is a line; `IDENTIFY` has a body behind it.
//! Every error ends the connection, except that there is no room for more names.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{BufMut as _, BytesMut};
use serde::Serialize;

use super::Shared;
use super::peer::{Peer, Presented};
use crate::version::VERSION;

/// What an nsqd sends before anything else.
pub(super) const MAGIC: [u8; 4] = *b"  V1";

/// Longest line of a command.
pub(super) const LINE_BYTES_MAX: usize = 4096;

/// Largest body of `IDENTIFY`.
pub(super) const BODY_BYTES_MAX: i32 = 64 << 10;

/// The code for a name there is no room for.
pub(crate) const TOO_MANY: &str = "E_TOO_MANY_NAMES";

/// What is wrong with a command: a code that nsqds know, and a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Refusal {
    pub(super) code: &'static str,
    pub(super) text: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Whether the connection ends. An nsqd that has one topic too many keeps its others here.
    pub(super) fn is_fatal(&self) -> bool {
        self.code != TOO_MANY
    }

    /// As it is sent and logged.
    pub(super) fn line(&self) -> String {
        if self.text.is_empty() { self.code.to_owned() } else { format!("{} {}", self.code, self.text) }
    }
}

/// A line, taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Command {
    Ping,
    /// Its body follows.
    Identify,
    Register(Names),
    Unregister(Names),
}

/// Words behind a command: a topic and perhaps a channel, not checked yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Names {
    topic: Option<String>,
    channel: Option<String>,
}

impl Command {
    /// Reads a line without its end.
    pub(super) fn parse(line: &[u8]) -> Result<Self, Refusal> {
        let line = String::from_utf8_lossy(line);
        let mut words = line.trim().split(' ');
        let name = words.next().unwrap_or_default();
        let mut names = || Names {
            topic: words.next().map(str::to_owned),
            channel: words.next().filter(|word| !word.is_empty()).map(str::to_owned),
        };
        match name {
            "PING" => Ok(Self::Ping),
            "IDENTIFY" => Ok(Self::Identify),
            "REGISTER" => Ok(Self::Register(names())),
            "UNREGISTER" => Ok(Self::Unregister(names())),
            _ => Err(Refusal::new("E_INVALID", format!("invalid command {name}"))),
        }
    }
}

impl Names {
    /// The names, if both can be names.
    fn checked(&self, command: &str) -> Result<(&str, Option<&str>), Refusal> {
        let Some(topic) = self.topic.as_deref() else {
            return Err(Refusal::new("E_INVALID", format!("{command} insufficient number of params")));
        };
        let check = |code, what: &str, name: &str| match queue::check_name(name) {
            Ok(()) => Ok(()),
            Err(_) => Err(Refusal::new(code, format!("{command} {what} name '{name}' is not valid"))),
        };
        check("E_BAD_TOPIC", "topic", topic)?;
        let channel = self.channel.as_deref();
        channel.map_or(Ok(()), |channel| check("E_BAD_CHANNEL", "channel", channel))?;
        Ok((topic, channel))
    }
}

/// Appends an answer: its length and its bytes, without a type.
pub(super) fn put_answer(out: &mut BytesMut, data: &[u8]) {
    out.put_u32(u32::try_from(data.len()).expect("answers are short"));
    out.extend_from_slice(data);
}

/// One connection's side of the conversation.
pub(super) struct Session {
    shared: Arc<Shared>,
    address: SocketAddr,
    peer: Option<Arc<Peer>>,
}

/// Who lookupd is, for an nsqd that presents itself. In the order of NSQ's answer.
#[derive(Serialize)]
struct Us<'a> {
    broadcast_address: &'a str,
    hostname: &'a str,
    http_port: u16,
    tcp_port: u16,
    version: &'a str,
}

impl Session {
    pub(super) fn new(shared: Arc<Shared>, address: SocketAddr) -> Self {
        Self { shared, address, peer: None }
    }

    /// Whether it has presented itself.
    pub(super) fn is_known(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether `IDENTIFY` may come, asked before its body is read.
    pub(super) fn may_identify(&self) -> Result<(), Refusal> {
        match self.peer {
            Some(_) => Err(Refusal::new("E_INVALID", "cannot IDENTIFY again")),
            None => Ok(()),
        }
    }

    /// `IDENTIFY` with its body.
    pub(super) fn identify(&mut self, body: &[u8]) -> Result<Vec<u8>, Refusal> {
        let shared = &self.shared;
        shared.figures.command("IDENTIFY");
        let presented: Presented = serde_json::from_slice(body)
            .map_err(|_| Refusal::new("E_BAD_BODY", "IDENTIFY failed to decode JSON body"))?;
        let id = shared.next_peer.fetch_add(1, Ordering::Relaxed);
        let peer = Peer::new(id, self.address, presented, shared.now())
            .ok_or_else(|| Refusal::new("E_BAD_BODY", "IDENTIFY missing fields"))?;
        let said = &peer.presented;
        tracing::info!(
            "CLIENT({}): IDENTIFY Address:{} TCP:{} HTTP:{} Version:{}",
            self.address,
            said.broadcast_address,
            said.tcp_port,
            said.http_port,
            said.version
        );
        let peer = Arc::new(peer);
        shared.change(|registry| registry.connect(Arc::clone(&peer)));
        tracing::info!("DB: client({}) REGISTER category:client key: subkey:", self.address);
        self.peer = Some(peer);
        let us = Us {
            broadcast_address: &shared.options.broadcast_address,
            hostname: &shared.host,
            http_port: shared.http_port,
            tcp_port: shared.tcp_port,
            version: VERSION,
        };
        Ok(serde_json::to_vec(&us).expect("strings and numbers are JSON"))
    }

    /// Every other command.
    pub(super) fn run(&mut self, command: &Command) -> Result<(), Refusal> {
        let shared = &self.shared;
        match command {
            Command::Ping => {
                shared.figures.command("PING");
                if let Some(peer) = &self.peer {
                    let now = shared.now();
                    tracing::info!("CLIENT({}): pinged (last ping {:?})", self.address, now - peer.heard());
                    peer.hear(now);
                }
            }
            Command::Register(names) => {
                shared.figures.command("REGISTER");
                let id = self.peer()?;
                let (topic, channel) = names.checked("REGISTER")?;
                let news = shared
                    .change(|registry| registry.register(id, topic, channel))
                    .map_err(|full| Refusal::new(TOO_MANY, full.to_string()))?;
                if news {
                    self.note("REGISTER", topic, channel);
                }
            }
            Command::Unregister(names) => {
                shared.figures.command("UNREGISTER");
                let id = self.peer()?;
                let (topic, channel) = names.checked("UNREGISTER")?;
                shared.change(|registry| registry.unregister(id, topic, channel));
                self.note("UNREGISTER", topic, channel);
            }
            Command::Identify => unreachable!("it has a body and a function of its own"),
        }
        Ok(())
    }

    fn peer(&self) -> Result<u64, Refusal> {
        let peer = self.peer.as_ref().ok_or_else(|| Refusal::new("E_INVALID", "client must IDENTIFY"))?;
        Ok(peer.id)
    }

    fn note(&self, what: &str, topic: &str, channel: Option<&str>) {
        let category = if channel.is_some() { "channel" } else { "topic" };
        let subkey = channel.unwrap_or_default();
        tracing::info!("DB: client({}) {what} category:{category} key:{topic} subkey:{subkey}", self.address);
    }
}

impl Drop for Session {
    /// The nsqd is gone, however it went.
    fn drop(&mut self) {
        if let Some(peer) = &self.peer {
            self.shared.change(|registry| registry.disconnect(peer.id));
            tracing::info!("DB: client({}) UNREGISTER everything", self.address);
        }
    }
}

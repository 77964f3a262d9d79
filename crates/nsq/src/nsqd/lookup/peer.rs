//! One connection to one nsqlookupd, kept up.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use queue::broker::Event;
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpStream;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::{ANSWER_BYTES_MAX, Shared};
use crate::lookupd::TOO_MANY;
use crate::wire::frame::odd_size;

/// What a connection to nsqlookupd begins with.
const MAGIC: &[u8] = b"  V1";

/// A topic, or a channel of it.
type Registration = (Arc<str>, Option<Arc<str>>);

pub(super) struct Peer {
    pub(super) address: String,
    pub(super) shared: Arc<Shared>,
}

/// What nsqlookupd tells of itself.
#[derive(Deserialize)]
struct About {
    broadcast_address: String,
    http_port: u16,
}

/// An open connection, and what was registered over it.
struct Session {
    stream: BufStream<TcpStream>,
    patience: Duration,
    registered: BTreeSet<Registration>,
    /// Whether it had no room for something.
    is_full: bool,
}

impl Peer {
    /// Connects again and again; never ends by itself.
    pub(super) async fn run(&self) {
        let times = &self.shared.times;
        let mut wait = times.backoff_min;
        loop {
            let started = Instant::now();
            let error = match self.session().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            self.forget();
            // A connection that held for a while failed for the first time.
            if started.elapsed() > times.ping {
                wait = times.backoff_min;
            }
            tracing::error!("LOOKUPD({}): {error}; next try in {wait:?}", self.address);
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(times.backoff_max);
        }
    }

    /// Asks it no more for channels.
    pub(super) fn forget(&self) {
        self.shared.reached.lock().retain(|(address, _)| *address != self.address);
    }

    async fn session(&self) -> io::Result<std::convert::Infallible> {
        let times = &self.shared.times;
        // Before the first look at the broker: what is made meanwhile is told by an event.
        let mut events = self.shared.broker.events();
        let stream = within(times.patience, TcpStream::connect(&self.address)).await?;
        stream.set_nodelay(true)?;
        let mut session = Session {
            stream: BufStream::new(stream),
            patience: times.patience,
            registered: BTreeSet::new(),
            is_full: false,
        };
        let about = session.introduce(&serde_json::to_vec(&self.shared.introduction)?).await?;
        tracing::info!(
            "LOOKUPD({}): peer info {}:{}",
            self.address,
            about.broadcast_address,
            about.http_port
        );
        let host = about.broadcast_address;
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        self.shared.reached.lock().insert((self.address.clone(), format!("{host}:{}", about.http_port)));
        self.agree(&mut session).await?;
        let mut pings = tokio::time::interval_at(Instant::now() + times.ping, times.ping);
        loop {
            tokio::select! {
                _ = pings.tick() => {
                    session.command("PING", None).await?;
                    if session.is_full {
                        self.agree(&mut session).await?;
                    }
                }
                told = next_event(&mut events) => match told {
                    Some(event) => session.follow(event).await?,
                    None => self.agree(&mut session).await?,
                },
            }
        }
    }

    /// Registers what is there and unregisters what is not.
    async fn agree(&self, session: &mut Session) -> io::Result<()> {
        let mut wanted = BTreeSet::new();
        for topic in self.shared.broker.topics() {
            let name: Arc<str> = topic.name().into();
            wanted.extend(
                topic.channels().iter().map(|channel| (Arc::clone(&name), Some(channel.name().into()))),
            );
            wanted.insert((name, None));
        }
        let gone: Vec<_> = session.registered.difference(&wanted).cloned().collect();
        // Channels before their topic, which sorts first.
        for gone in gone.into_iter().rev() {
            session.unregister(gone).await?;
        }
        session.is_full = false;
        for new in wanted {
            session.register(new).await?;
        }
        if session.is_full {
            tracing::warn!("LOOKUPD({}): it has no room for all topics and channels", self.address);
        }
        Ok(())
    }
}

/// What happened next; `None` when some of it was missed.
async fn next_event(events: &mut Receiver<Event>) -> Option<Event> {
    match events.recv().await {
        Ok(event) => Some(event),
        Err(RecvError::Lagged(_)) => None,
        // The broker is closed: nothing will happen any more.
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

impl Session {
    async fn introduce(&mut self, introduction: &[u8]) -> io::Result<About> {
        let length = u32::try_from(introduction.len()).map_err(io::Error::other)?;
        let answer = within(self.patience, async {
            self.stream.write_all(MAGIC).await?;
            self.stream.write_all(b"IDENTIFY\n").await?;
            self.stream.write_u32(length).await?;
            self.stream.write_all(introduction).await?;
            self.stream.flush().await?;
            read_answer(&mut self.stream).await
        })
        .await?;
        serde_json::from_slice(&answer)
            .map_err(|_| io::Error::other(format!("IDENTIFY: {}", String::from_utf8_lossy(&answer))))
    }

    async fn follow(&mut self, event: Event) -> io::Result<()> {
        match event {
            Event::TopicMade { topic } => self.register((topic, None)).await,
            Event::ChannelMade { topic, channel } => self.register((topic, Some(channel))).await,
            Event::ChannelDeleted { topic, channel } => self.unregister((topic, Some(channel))).await,
            Event::TopicDeleted { topic } => {
                let channels: Vec<_> = self
                    .registered
                    .iter()
                    .filter(|(of, channel)| *of == topic && channel.is_some())
                    .cloned()
                    .collect();
                for channel in channels {
                    self.unregister(channel).await?;
                }
                self.unregister((topic, None)).await
            }
        }
    }

    async fn register(&mut self, what: Registration) -> io::Result<()> {
        if self.registered.contains(&what) {
            return Ok(());
        }
        match self.answer("REGISTER", Some(&what)).await? {
            (_, answer) if answer.starts_with(TOO_MANY.as_bytes()) => self.is_full = true,
            (line, answer) => {
                is_ok(&line, &answer)?;
                self.registered.insert(what);
            }
        }
        Ok(())
    }

    async fn unregister(&mut self, what: Registration) -> io::Result<()> {
        if !self.registered.remove(&what) {
            return Ok(());
        }
        self.command("UNREGISTER", Some(&what)).await
    }

    /// Sends a command and reads its `OK`.
    async fn command(&mut self, verb: &str, what: Option<&Registration>) -> io::Result<()> {
        let (line, answer) = self.answer(verb, what).await?;
        is_ok(&line, &answer)
    }

    /// Sends a command: what was said, and the answer.
    async fn answer(&mut self, verb: &str, what: Option<&Registration>) -> io::Result<(String, Bytes)> {
        let line = match what {
            None => format!("{verb}\n"),
            Some((topic, None)) => format!("{verb} {topic}\n"),
            Some((topic, Some(channel))) => format!("{verb} {topic} {channel}\n"),
        };
        let answer = within(self.patience, async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await?;
            read_answer(&mut self.stream).await
        })
        .await?;
        Ok((line, answer))
    }
}

fn is_ok(line: &str, answer: &[u8]) -> io::Result<()> {
    if answer == b"OK" {
        return Ok(());
    }
    Err(io::Error::other(format!("{}: {}", line.trim_end(), String::from_utf8_lossy(answer))))
}

/// A length of four bytes and as many bytes.
async fn read_answer(stream: &mut BufStream<TcpStream>) -> io::Result<Bytes> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).await?;
    let length = length.as_slice().get_u32();
    if length as usize > ANSWER_BYTES_MAX {
        return Err(io::Error::other(odd_size("an answer", length)));
    }
    let mut answer = vec![0; length as usize];
    stream.read_exact(&mut answer).await?;
    Ok(answer.into())
}

async fn within<T>(patience: Duration, exchange: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    tokio::time::timeout(patience, exchange).await.unwrap_or_else(|_| {
        Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {patience:?}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_http_port_of_a_nsqlookupd_is_told_by_its_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut far, _) = far.expect("accepted");
        far.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.expect("written");
        let error = read_answer(&mut BufStream::new(near.expect("connected"))).await.expect_err("no answer");
        assert!(error.to_string().contains("is that the HTTP port?"), "{error}");
    }
}

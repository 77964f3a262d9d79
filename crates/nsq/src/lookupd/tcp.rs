//! nsqds' connections.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use bytes::{Buf as _, BytesMut};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::Shared;
use crate::http::listener::canonical;

use super::protocol::{BODY_BYTES_MAX, Command, LINE_BYTES_MAX, MAGIC, Refusal, Session, put_answer};

/// Most nsqds at once; further ones wait in the system's queue.
const CONNECTIONS_MAX: usize = 16_384;

/// How long to wait when the system has no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How long the four bytes of the magic may take.
const MAGIC_TIME: Duration = Duration::from_secs(30);

/// How long a connection may take until it has presented itself, and how long an nsqd may be silent then.
/// nsqds ping every 15 s, and one that is silent for five minutes is not shown any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    pub(super) unknown: Duration,
    pub(super) known: Duration,
}

impl Default for Silence {
    fn default() -> Self {
        Self { unknown: Duration::from_secs(60), known: Duration::from_secs(15 * 60) }
    }
}

/// How long an nsqd may refuse to read an answer.
const WRITE_TIME: Duration = Duration::from_secs(30);

/// Silence after which the system asks whether the peer still lives: nsqds that went without a word must
/// not stay known. They ping every 15 s anyway.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Takes connections until `stop`; each runs in `connections`.
pub(super) async fn accept(listener: TcpListener, shared: &Arc<Shared>, connections: &TaskGroup, stop: Stop) {
    let room = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            accepted = async {
                let place = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
                (place, listener.accept().await)
            } => accepted,
        };
        let (place, (stream, address)) = match accepted {
            (place, Ok((stream, address))) => (place, (stream, canonical(address))),
            (_, Err(error)) => {
                tracing::warn!("temporary Accept() failure - {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (shared, stop) = (Arc::clone(shared), connections.stop_signal());
        connections.spawn("lookupd connection", async move {
            shared.figures.connected();
            tracing::info!("TCP: new client({address})");
            let outcome = tokio::select! {
                outcome = converse(stream, address, &shared) => outcome,
                () = stop.requested() => Ok(()),
            };
            if let Err(error) = outcome {
                tracing::error!("client({address}) - {error}");
            }
            shared.figures.disconnected();
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, address: SocketAddr, shared: &Arc<Shared>) -> io::Result<()> {
    // Only a matter of latency and of noticing the dead: the connection works without.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(&stream)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE));
    let mut wire = Wire { stream, input: BytesMut::new(), out: BytesMut::new() };
    match tokio::time::timeout(MAGIC_TIME, wire.magic()).await {
        Ok(Ok(magic)) => {
            let shown = magic.escape_ascii();
            tracing::info!("CLIENT({address}): desired protocol magic '{shown}'");
            if magic != MAGIC {
                wire.say(b"E_BAD_PROTOCOL").await?;
                return Err(io::Error::other(format!("bad protocol magic '{shown}'")));
            }
        }
        Ok(Err(error)) => return Err(io::Error::other(format!("failed to read protocol version - {error}"))),
        Err(_) => return Err(io::Error::other("failed to read protocol version - it took too long")),
    }
    let mut session = Session::new(Arc::clone(shared), address);
    loop {
        let patience = if session.is_known() { shared.silence.known } else { shared.silence.unknown };
        let heard = tokio::time::timeout(patience, hear(&mut session, &mut wire)).await;
        let Some(answer) = heard.map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, format!("it said nothing for {patience:?}"))
        })??
        else {
            break;
        };
        match answer {
            Ok(answer) => wire.say(&answer).await?,
            Err(refusal) => {
                tracing::error!("[{address}] - {}", refusal.line());
                wire.say(refusal.line().as_bytes()).await?;
                if refusal.is_fatal() {
                    break;
                }
            }
        }
    }
    tracing::info!("PROTOCOL(V1): [{address}] exiting ioloop");
    Ok(())
}

/// The next command, done; `None` when the nsqd has hung up.
async fn hear(session: &mut Session, wire: &mut Wire) -> io::Result<Option<Result<Vec<u8>, Refusal>>> {
    Ok(match wire.line().await? {
        None => None,
        Some(line) => Some(command(session, wire, line).await),
    })
}

async fn command(
    session: &mut Session,
    wire: &mut Wire,
    line: Result<BytesMut, Refusal>,
) -> Result<Vec<u8>, Refusal> {
    match Command::parse(&line?)? {
        Command::Identify => {
            session.may_identify()?;
            let body = wire.body().await?;
            session.identify(&body)
        }
        other => session.run(&other).map(|()| b"OK".to_vec()),
    }
}

struct Wire {
    stream: TcpStream,
    input: BytesMut,
    out: BytesMut,
}

impl Wire {
    async fn magic(&mut self) -> io::Result<[u8; 4]> {
        let mut magic = [0; 4];
        self.stream.read_exact(&mut magic).await?;
        Ok(magic)
    }

    /// The next line without its end; `None` when the nsqd has hung up.
    async fn line(&mut self) -> io::Result<Option<Result<BytesMut, Refusal>>> {
        let mut searched = 0;
        loop {
            if let Some(end) = memchr::memchr(b'\n', &self.input[searched..]) {
                let line = self.input.split_to(searched + end);
                self.input.advance(1);
                return Ok(Some(Ok(line)));
            }
            searched = self.input.len();
            if searched > LINE_BYTES_MAX {
                return Ok(Some(Err(Refusal::new("E_INVALID", "a line is too long"))));
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// An int32 and so many bytes.
    async fn body(&mut self) -> Result<BytesMut, Refusal> {
        let broken = |what: &str| Refusal::new("E_BAD_BODY", format!("IDENTIFY failed to read {what}"));
        if !self.fill(4).await {
            return Err(broken("body size"));
        }
        let bytes = self.input.get_i32();
        if !(0..=BODY_BYTES_MAX).contains(&bytes) {
            return Err(broken("body"));
        }
        let bytes = usize::try_from(bytes).expect("it is not negative");
        if !self.fill(bytes).await {
            return Err(broken("body"));
        }
        Ok(self.input.split_to(bytes))
    }

    /// Reads until `bytes` are there; false if they never come.
    async fn fill(&mut self, bytes: usize) -> bool {
        while self.input.len() < bytes {
            match self.stream.read_buf(&mut self.input).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        true
    }

    async fn say(&mut self, answer: &[u8]) -> io::Result<()> {
        self.out.clear();
        put_answer(&mut self.out, answer);
        tokio::time::timeout(WRITE_TIME, self.stream.write_all(&self.out))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

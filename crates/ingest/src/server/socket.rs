//! A connection's socket, shared by hyper, which reads and writes through it, and by the task that
//! owns the connection, which decides when written bytes leave and what has taken too long.
//!
//! hyper's own `pipeline_flush` holds an answer back as long as anything unread is in its buffer:
//! a stray byte behind a body (a sloppy CRLF, a Content-Length that is too short) would hold it until
//! a timeout. Here the bytes leave when hyper has nothing left to do for now: one system call for
//! sixteen pipelined answers, and none is ever held back.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Bytes that may wait to leave; beyond it hyper is made to wait.
const OUT_BYTES_MAX: usize = 64 << 10;
/// Room for answers that a connection keeps while it is idle.
const OUT_BYTES_KEPT: usize = 4 << 10;

/// What a connection is waiting for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Accepted, and nothing has arrived yet.
    New,
    /// Between requests.
    Idle,
    /// Some of a request's head is there.
    Head,
    /// A request's body is awaited.
    Body,
    /// The log is awaited.
    Settling,
    /// The fallback has the whole request and works, at its own pace.
    Elsewhere,
}

struct State {
    stream: TcpStream,
    out: Vec<u8>,
    /// How much of `out` has left.
    sent: usize,
    phase: Phase,
    since: Instant,
    /// The peer has not taken our bytes since then.
    stuck_since: Option<Instant>,
    /// The peer will send no more.
    ended: bool,
    /// The peer is gone: what is written is thrown away, what it sent is still read.
    broken: bool,
    /// An answer told the peer that the connection ends before its request does.
    cut: bool,
}

/// Cheap to clone; every clone is the same socket.
#[derive(Clone)]
pub(super) struct Socket(Arc<Mutex<State>>);

impl Socket {
    pub(super) fn new(stream: TcpStream, now: Instant) -> Self {
        Self(Arc::new(Mutex::new(State {
            stream,
            out: Vec::new(),
            sent: 0,
            phase: Phase::New,
            since: now,
            stuck_since: None,
            ended: false,
            broken: false,
            cut: false,
        })))
    }

    /// The connection is in `phase` from now on.
    pub(super) fn enter(&self, phase: Phase) {
        let mut state = self.0.lock();
        state.phase = phase;
        state.since = Instant::now();
    }

    /// The fallback waits for the body no longer. No matter if the connection is further already.
    pub(super) fn body_is_over(&self) {
        let mut state = self.0.lock();
        if state.phase == Phase::Body {
            state.phase = Phase::Elsewhere;
            state.since = Instant::now();
        }
    }

    /// What is awaited, since when, and since when the peer has not read.
    pub(super) fn waiting(&self) -> (Phase, Instant, Option<Instant>) {
        let state = self.0.lock();
        (state.phase, state.since, state.stuck_since)
    }

    /// Whether the peer has said that it will send no more, or is gone.
    pub(super) fn has_ended(&self) -> bool {
        let state = self.0.lock();
        state.ended || state.broken
    }

    /// Whether the peer is gone.
    pub(super) fn is_broken(&self) -> bool {
        self.0.lock().broken
    }

    /// The connection ends while the peer may still be sending.
    pub(super) fn cut(&self) {
        self.0.lock().cut = true;
    }

    /// See [`Socket::cut`].
    pub(super) fn is_cut(&self) -> bool {
        self.0.lock().cut
    }

    /// Adds an answer of our own behind what hyper wrote.
    pub(super) fn append(&self, bytes: &[u8]) {
        self.0.lock().out.extend_from_slice(bytes);
    }

    /// Lets the bytes leave that wait. Ready too once the peer is gone.
    pub(super) fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.0.lock().poll_drain(cx)
    }

    /// Says that we will send no more.
    pub(super) fn poll_finish(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        ready!(state.poll_drain(cx));
        Pin::new(&mut state.stream).poll_shutdown(cx)
    }

    /// Reads and forgets; the number of bytes, 0 at the end.
    pub(super) fn poll_discard(&self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let mut scratch = [std::mem::MaybeUninit::uninit(); 8 << 10];
        let mut buffer = ReadBuf::uninit(&mut scratch);
        let mut state = self.0.lock();
        ready!(Pin::new(&mut state.stream).poll_read(cx, &mut buffer))?;
        state.ended = buffer.filled().is_empty();
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl State {
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.sent < self.out.len() {
            match Pin::new(&mut self.stream).poll_write(cx, &self.out[self.sent..]) {
                Poll::Ready(Ok(written)) if written > 0 => {
                    self.sent += written;
                    self.stuck_since = None;
                }
                Poll::Ready(_) => {
                    self.broken = true;
                    break;
                }
                Poll::Pending => {
                    self.stuck_since.get_or_insert_with(Instant::now);
                    self.out.drain(..self.sent);
                    self.sent = 0;
                    return Poll::Pending;
                }
            }
        }
        self.out.clear();
        self.out.shrink_to(OUT_BYTES_KEPT);
        self.sent = 0;
        Poll::Ready(())
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.0.lock();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut state.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() == before {
            state.ended = true;
        } else if matches!(state.phase, Phase::New | Phase::Idle) {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock();
        if state.out.len() + bytes.len() > OUT_BYTES_MAX {
            ready!(state.poll_drain(cx));
        }
        if state.broken {
            return Poll::Ready(Ok(bytes.len()));
        }
        let taken = bytes.len().min(OUT_BYTES_MAX);
        state.out.extend_from_slice(&bytes[..taken]);
        Poll::Ready(Ok(taken))
    }

    /// Nothing yet: see [`Socket::poll_drain`].
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx)
    }
}

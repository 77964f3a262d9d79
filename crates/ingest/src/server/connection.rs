//! One connection, from accept to close.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use base::Peer;
use bytes::Bytes;
use http::header::CONNECTION;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::answer::{self, Answer};
use crate::endpoint::Endpoint;
use crate::limits::Limits;
use crate::script;
use crate::sink::Sink;

use super::Fallback;
use super::arriving::Arriving;
use super::core::Core;
use super::socket::{Phase, Socket};

/// hyper's buffer, each way: body chunks are at most this long.
const BUFFER_BYTES_MAX: usize = 64 << 10;
/// How long a peer that is still sending may go on after the last answer, so that the answer
/// reaches it: a socket closed with unread bytes resets the connection.
const LINGER: Duration = Duration::from_secs(2);
/// How much it may send meanwhile.
const LINGER_BYTES_MAX: usize = 32 << 20;

/// The last words to a peer that is too slow, waits for a slow log, or is one too many.
#[derive(Clone, Copy)]
enum LastWords {
    TooSlow,
    LogTooSlow,
    TooMany,
}

impl LastWords {
    /// The whole answer as it goes over the wire: hyper is not asked for this one.
    fn bytes(self) -> Vec<u8> {
        let (status, retry, message) = match self {
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "", "the request came too slowly"),
            Self::LogTooSlow => {
                (StatusCode::SERVICE_UNAVAILABLE, "retry-after: 5\r\n", "the log is too slow at the moment")
            }
            Self::TooMany => (StatusCode::SERVICE_UNAVAILABLE, "retry-after: 1\r\n", "too many connections"),
        };
        let body = format!(r#"{{"status":{},"msg":"{message}"}}"#, status.as_u16());
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             {retry}content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }
}

/// Why a connection is over.
enum End {
    /// hyper is done with it.
    Done,
    /// Its peer is gone, or silent as it may be.
    Silent,
    /// It took too long; this is the last answer.
    TooLong(LastWords),
}

/// Serves the requests of a connection until it ends.
pub(super) async fn serve<S: Sink, F: Fallback>(
    core: &Core<S, F>,
    stream: TcpStream,
    peer: SocketAddr,
    closing: CancellationToken,
) {
    let limits = &core.ingest.config().limits;
    // Only a matter of latency: the connection works without.
    let _ = stream.set_nodelay(true);
    let socket = Socket::new(stream, Instant::now());
    let service = service_fn(|request| route(core, &socket, peer, request));
    let mut builder = http1::Builder::new();
    builder
        .half_close(true)
        .header_read_timeout(None)
        .max_header_size(usize::try_from(limits.header.0).unwrap_or(usize::MAX))
        .max_buf_size(BUFFER_BYTES_MAX.max(usize::try_from(limits.header.0).unwrap_or(BUFFER_BYTES_MAX)));
    let end = {
        let mut http = pin!(builder.serve_connection(TokioIo::new(socket.clone()), service));
        let mut closing = pin!(closing.cancelled());
        let mut told = false;
        let mut timer = pin!(tokio::time::sleep(limits.header_time.min(shortest(limits))));
        std::future::poll_fn(|cx| {
            let mut done = http.as_mut().poll(cx);
            if !told && closing.as_mut().poll(cx).is_ready() {
                told = true;
                if done.is_pending() {
                    http.as_mut().graceful_shutdown();
                    done = http.as_mut().poll(cx);
                }
            }
            if let Poll::Ready(result) = done {
                if let Err(error) = result {
                    tracing::debug!(%error, %peer, "a connection ended badly");
                    socket.cut();
                }
                return Poll::Ready(End::Done);
            }
            let _ = socket.poll_drain(cx);
            if socket.is_broken() && socket.waiting().0 == Phase::Elsewhere {
                return Poll::Ready(End::Silent);
            }
            while timer.as_mut().poll(cx).is_ready() {
                match overdue(&socket, limits) {
                    Ok(next) => timer.as_mut().reset(next.into()),
                    Err(end) => {
                        core.metrics.timeouts.inc();
                        return Poll::Ready(end);
                    }
                }
            }
            Poll::Pending
        })
        .await
    };
    match end {
        End::Silent => {}
        End::Done => finish(&socket, limits.write_time).await,
        End::TooLong(last) => {
            socket.append(&last.bytes());
            socket.cut();
            finish(&socket, limits.write_time).await;
        }
    }
}

/// How often a connection looks at what it waits for: no limit is shorter, so none is missed.
fn shortest(limits: &Limits) -> Duration {
    [limits.header_time, limits.body_time, limits.settle_time, limits.write_time, limits.idle_time]
        .into_iter()
        .min()
        .unwrap_or_default()
}

/// When to look again, or what is to be done now.
fn overdue(socket: &Socket, limits: &Limits) -> Result<Instant, End> {
    let now = Instant::now();
    let (phase, since, stuck_since) = socket.waiting();
    let (limit, end) = match phase {
        Phase::New => (limits.header_time, End::Silent),
        Phase::Idle => (limits.idle_time, End::Silent),
        Phase::Head => (limits.header_time, End::TooLong(LastWords::TooSlow)),
        Phase::Body => (limits.body_time, End::TooLong(LastWords::TooSlow)),
        Phase::Settling => (limits.settle_time, End::TooLong(LastWords::LogTooSlow)),
        Phase::Elsewhere => (Duration::MAX, End::Silent),
    };
    if now.duration_since(since) >= limit {
        return Err(end);
    }
    if stuck_since.is_some_and(|stuck| now.duration_since(stuck) >= limits.write_time) {
        return Err(End::Silent);
    }
    let next = now + shortest(limits);
    Ok(since.checked_add(limit).map_or(next, |deadline| deadline.min(next)))
}

/// Sends what is left and closes so that the peer can still read it.
async fn finish(socket: &Socket, patience: Duration) {
    let finished = tokio::time::timeout(patience, std::future::poll_fn(|cx| socket.poll_finish(cx))).await;
    if !matches!(finished, Ok(Ok(()))) || socket.has_ended() {
        return;
    }
    let linger = async {
        let mut left = LINGER_BYTES_MAX;
        let mut patient = socket.is_cut();
        while left > 0 {
            let discarded = std::future::poll_fn(|cx| match socket.poll_discard(cx) {
                Poll::Pending if !patient => Poll::Ready(Ok(0)),
                other => other,
            });
            match discarded.await {
                Ok(bytes @ 1..) => left = left.saturating_sub(bytes),
                _ => return,
            }
            patient = true;
        }
    };
    let _ = tokio::time::timeout(LINGER, linger).await;
}

/// Tells a connection beyond the limit that there are too many.
pub(super) async fn refuse(stream: TcpStream) {
    let socket = Socket::new(stream, Instant::now());
    socket.append(&LastWords::TooMany.bytes());
    socket.cut();
    finish(&socket, LINGER).await;
}

type Reply<B> = Response<Either<Full<Bytes>, Streamed<B>>>;

async fn route<S: Sink, F: Fallback>(
    core: &Core<S, F>,
    socket: &Socket,
    peer: SocketAddr,
    request: Request<Incoming>,
) -> Result<Reply<F::Body>, Infallible> {
    if let Some(endpoint) = Endpoint::of(request.uri().path()) {
        socket.enter(Phase::Body);
        let answer = core.ingest.handle(endpoint, request, || socket.enter(Phase::Settling)).await;
        socket.enter(Phase::Idle);
        if answer.headers().contains_key(CONNECTION) {
            socket.cut();
        }
        return Ok(answer.map(Either::Left));
    }
    if script::is_at(request.uri().path()) {
        socket.enter(Phase::Idle);
        return Ok(script::answer(request.method()).map(Either::Left));
    }
    socket.enter(Phase::Body);
    let mut request = request.map(|body| Arriving::new(body, socket));
    request.extensions_mut().insert(Peer(peer));
    let fallback = core.fallback.clone();
    let response =
        AbortOnDropHandle::new(core.background.spawn(async move { fallback.answer(request).await }));
    Ok(match response.await {
        Ok(response) => {
            socket.body_is_over();
            response.map(|body| Either::Right(Streamed { body: Box::pin(body), socket: socket.clone() }))
        }
        Err(error) => {
            socket.enter(Phase::Idle);
            failed(&error).map(Either::Left)
        }
    })
}

fn failed(error: &tokio::task::JoinError) -> Answer {
    if error.is_panic() {
        tracing::error!(%error, "a request panicked");
        return answer::failure(StatusCode::INTERNAL_SERVER_ERROR, "this request failed inside the server");
    }
    answer::overload("the server is stopping", answer::RETRY_SECONDS)
}

/// A body of the fallback; the connection is idle once it is dropped.
struct Streamed<B> {
    body: Pin<Box<B>>,
    socket: Socket,
}

impl<B> Drop for Streamed<B> {
    fn drop(&mut self) {
        self.socket.enter(Phase::Idle);
    }
}

impl<B: Body> Body for Streamed<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.body.as_mut().poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

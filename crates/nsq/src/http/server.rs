//! Connections: accepting them, serving a router on each, and letting them finish at the stop.

use std::any::Any;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use base::tasks::{Stop, TaskGroup};
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::answer::Failure;
use super::body::Room;
use super::listener::{Listener, canonical};
use super::patience::Patient;

/// How long to wait when the system has no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Every limit of one listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most connections at once: 4,096; further ones wait in the system's queue.
    pub connections: usize,
    /// Largest request head: 64 KiB, beyond it 431.
    pub head_bytes: usize,
    /// How long a connection may be silent, or take to send a head: 90 s, as long as Go's client keeps
    /// an idle connection.
    pub head_time: Duration,
    /// Largest body that a handler may read with axum's own extractors: 5 MiB.
    pub body_bytes: usize,
    /// Memory for bodies that are being received, all requests together: 256 MiB, beyond it 503.
    pub bodies_bytes: usize,
    /// How long a whole request may take, its body included, until the handler's answer: 120 s.
    pub request_time: Duration,
    /// How long a peer may refuse to read our answer: 30 s.
    pub write_time: Duration,
    /// How long a TLS handshake may take: 10 s.
    pub handshake_time: Duration,
    /// How long running requests may go on after the stop: 5 s.
    pub drain_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head_bytes: 64 << 10,
            head_time: Duration::from_secs(90),
            body_bytes: 5 << 20,
            bodies_bytes: 256 << 20,
            request_time: Duration::from_secs(120),
            write_time: Duration::from_secs(30),
            handshake_time: Duration::from_secs(10),
            drain_time: Duration::from_secs(5),
        }
    }
}

/// Who sent a request; an extension of every request.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// Its address; none over a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The certificate it showed, the first of its chain.
    pub certificate: Option<Arc<CertificateDer<'static>>>,
}

/// Serves `router` on `listener` until `stop`: then takes no new connection, lets running requests
/// finish and cuts what is left after [`Limits::drain_time`]. Returns how many had to be cut.
///
/// A panic in a handler is `500 INTERNAL_ERROR` and ends nothing else.
pub async fn serve(listener: Listener, router: Router, stop: Stop, limits: Limits) -> usize {
    let router = router.layer(axum::extract::DefaultBodyLimit::max(limits.body_bytes));
    let connections = TaskGroup::new();
    let room = Arc::new(Semaphore::new(limits.connections));
    let cut = CancellationToken::new();
    let bodies = Room::new(limits.bodies_bytes);
    let server = Server { router, limits, bodies, stop: connections.stop_signal() };
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let Some((socket, place)) = accepted else { continue };
        let (server, cut) = (server.clone(), cut.clone());
        connections.spawn("http connection", async move {
            let _ = cut.run_until_cancelled(server.connection(socket)).await;
            drop(place);
        });
    }
    drop(listener);
    if connections.drain(limits.drain_time).await {
        return 0;
    }
    let late = limits.connections.saturating_sub(room.available_permits());
    cut.cancel();
    late
}

/// An accepted connection.
enum Socket {
    Tcp(tokio::net::TcpStream, SocketAddr),
    Unix(tokio::net::UnixStream),
    Tls(tokio::net::TcpStream, SocketAddr, TlsAcceptor),
}

/// The next connection, once there is room for it.
async fn accept(listener: &Listener, room: &Arc<Semaphore>) -> Option<(Socket, OwnedSemaphorePermit)> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    let accepted = match listener {
        Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, peer)| Socket::Tcp(stream, canonical(peer))),
        Listener::Unix(unix, _) => unix.accept().await.map(|(stream, _)| Socket::Unix(stream)),
        Listener::Tls(tcp, config) => tcp.accept().await.map(|(stream, peer)| {
            Socket::Tls(stream, canonical(peer), TlsAcceptor::from(Arc::clone(config)))
        }),
    };
    match accepted {
        Ok(socket) => Some((socket, place)),
        Err(error) => {
            tracing::warn!("temporary Accept() failure - {error}");
            tokio::time::sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

#[derive(Clone)]
struct Server {
    router: Router,
    limits: Limits,
    bodies: Room,
    stop: Stop,
}

impl Server {
    async fn connection(self, socket: Socket) {
        match socket {
            Socket::Tcp(stream, peer) => {
                // Only a matter of latency: the connection works without.
                let _ = stream.set_nodelay(true);
                self.serve(stream, Peer { address: Some(peer), ..Peer::default() }).await;
            }
            Socket::Unix(stream) => self.serve(stream, Peer::default()).await,
            Socket::Tls(stream, peer, acceptor) => {
                let _ = stream.set_nodelay(true);
                match tokio::time::timeout(self.limits.handshake_time, acceptor.accept(stream)).await {
                    Ok(Ok(stream)) => {
                        let certificate = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
                        let certificate = certificate.map(|der| Arc::new(der.clone().into_owned()));
                        self.serve(stream, Peer { address: Some(peer), tls: true, certificate }).await;
                    }
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
                    Err(_) => tracing::debug!(%peer, "a TLS handshake took too long"),
                }
            }
        }
    }

    async fn serve<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S, peer: Peer) {
        let service = service_fn(|request| self.answer(request, peer.clone()));
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .title_case_headers(true)
            .half_close(true)
            .header_read_timeout(self.limits.head_time)
            .max_header_size(self.limits.head_bytes)
            .max_buf_size(self.limits.head_bytes.max(64 << 10));
        let stream = Patient::new(stream, self.limits.write_time);
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let ended = tokio::select! {
            ended = &mut connection => ended,
            () = self.stop.requested() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = ?peer.address, %error, "an HTTP connection ended badly");
        }
    }

    async fn answer(&self, request: Request<Incoming>, peer: Peer) -> Result<Response, Infallible> {
        let expects = request.headers().contains_key(EXPECT) && !request.body().is_end_stream();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(self.bodies.clone());
        let handled = unpanicked(self.router.clone().oneshot(request));
        let mut response = match tokio::time::timeout(self.limits.request_time, handled).await {
            Ok(Ok(Ok(response))) => response,
            Ok(Ok(Err(never))) => match never {},
            Ok(Err(panic)) => {
                tracing::error!("panic in HTTP handler - {}", words(panic.as_ref()));
                Failure::internal().into_response()
            }
            Err(_) => Failure::new(http::StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT").into_response(),
        };
        if expects && !response.status().is_success() {
            // Nobody knows whether the body comes that was asked about, so nothing can follow it.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// Runs `future` to its end or to its panic.
async fn unpanicked<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no words")
}

//! One thread's share of the server: accept, serve, drain.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use base::tasks::Stop;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::ingest::Ingest;
use crate::sink::Sink;

use super::Fallback;
use super::connection;
use super::metrics::ServerMetrics;

/// How long to leave a listener alone that cannot accept (too many open files, mostly).
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// How long connections are still read after the stop: requests that have arrived by then are served.
const ARRIVED: Duration = Duration::from_millis(50);
/// Most connections at once that are told politely that there are too many; one more is just closed.
pub const REFUSALS_MAX: usize = 256;

/// What the connections of one thread share.
pub(super) struct Core<S, F> {
    pub(super) ingest: Ingest<S>,
    pub(super) fallback: F,
    /// Where the fallback runs.
    pub(super) background: Handle,
    pub(super) metrics: Arc<ServerMetrics>,
    /// Open connections of all threads.
    pub(super) connections: Arc<AtomicUsize>,
    /// Connections of all threads that are being refused.
    pub(super) refusals: Arc<AtomicUsize>,
}

impl<S, F: Clone> Clone for Core<S, F> {
    fn clone(&self) -> Self {
        Self {
            ingest: self.ingest.clone(),
            fallback: self.fallback.clone(),
            background: self.background.clone(),
            metrics: Arc::clone(&self.metrics),
            connections: Arc::clone(&self.connections),
            refusals: Arc::clone(&self.refusals),
        }
    }
}

/// One open connection.
struct Seat<'a> {
    connections: &'a AtomicUsize,
    metrics: &'a ServerMetrics,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.metrics.connections.dec();
    }
}

impl<S: Sink, F: Fallback> Core<S, F> {
    /// Serves until `stop` and drains; the number of connections that had to be cut.
    pub(super) async fn run(self, listeners: Vec<std::net::TcpListener>, stop: Stop) -> usize {
        let patience = self.ingest.config().limits.drain_time;
        let shared = Arc::new(self);
        let (open, closing) = (TaskTracker::new(), CancellationToken::new());
        let doors = TaskTracker::new();
        for listener in listeners {
            match TcpListener::from_std(listener) {
                Ok(listener) => {
                    let door =
                        Arc::clone(&shared).door(listener, stop.clone(), open.clone(), closing.clone());
                    doors.spawn(door);
                }
                Err(error) => tracing::error!(%error, "a listener cannot be served"),
            }
        }
        stop.requested().await;
        doors.close();
        doors.wait().await;
        tokio::time::sleep(ARRIVED).await;
        closing.cancel();
        open.close();
        let drained = tokio::time::timeout(patience, open.wait()).await.is_ok();
        if drained { 0 } else { open.len() }
    }

    /// Accepts until `stop`, and then what is waiting still.
    async fn door(
        self: Arc<Self>,
        listener: TcpListener,
        stop: Stop,
        open: TaskTracker,
        closing: CancellationToken,
    ) {
        let mut stopped = std::pin::pin!(stop.requested());
        loop {
            let next = std::future::poll_fn(|cx| match listener.poll_accept(cx) {
                Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
                Poll::Pending => stopped.as_mut().poll(cx).map(|()| None),
            });
            match next.await {
                None => break,
                Some(Ok((stream, peer))) => self.admit(stream, peer, &open, &closing),
                Some(Err(error)) => {
                    tracing::warn!(%error, "cannot accept connections for now");
                    tokio::time::timeout(ACCEPT_PAUSE, &mut stopped).await.ok();
                    if stop.is_requested() {
                        break;
                    }
                }
            }
        }
        // The runtime may not have heard yet of what waits: ask the socket itself.
        let waiting = match listener.into_std() {
            Ok(listener) => std::iter::from_fn(move || listener.accept().ok()),
            Err(error) => {
                tracing::warn!(%error, "connections that were waiting are lost");
                return;
            }
        };
        for (stream, peer) in waiting {
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.admit(stream, peer, &open, &closing);
            }
        }
    }

    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        open: &TaskTracker,
        closing: &CancellationToken,
    ) {
        let core = Arc::clone(self);
        if self.connections.fetch_add(1, Ordering::Relaxed) >= self.ingest.config().limits.connections {
            self.connections.fetch_sub(1, Ordering::Relaxed);
            self.metrics.refused.inc();
            if self.refusals.fetch_add(1, Ordering::Relaxed) < REFUSALS_MAX {
                open.spawn(async move {
                    connection::refuse(stream).await;
                    core.refusals.fetch_sub(1, Ordering::Relaxed);
                });
            } else {
                self.refusals.fetch_sub(1, Ordering::Relaxed);
            }
            return;
        }
        self.metrics.accepted.inc();
        self.metrics.connections.inc();
        let closing = closing.clone();
        open.spawn(async move {
            let _seat = Seat { connections: &core.connections, metrics: &core.metrics };
            connection::serve(&core, stream, peer, closing).await;
        });
    }
}

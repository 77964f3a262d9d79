//! Listeners and connections: one thread and one current-thread runtime per core, each with its own
//! sockets on the same addresses (SO_REUSEPORT), so that no request crosses a core.
//!
//! The ingest paths are matched first and run where they arrive; everything else is called on the
//! runtime that called [`Server::run`], so that a heavy page does not hold up a point.

mod arriving;
mod connection;
mod core;
mod listener;
mod metrics;
mod socket;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use base::metrics::Metrics;
use base::tasks::Stop;
use bytes::Bytes;
use http::{Request, Response};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tower::Service;

use crate::ingest::Ingest;
use crate::sink::Sink;

pub use self::arriving::Arriving;
pub use self::core::REFUSALS_MAX;

use self::core::Core;
use self::metrics::ServerMetrics;

/// An error of a response body, of whatever type.
pub type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// What serves the paths that are not for ingest: an axum `Router`, for instance.
///
/// Every request has its [`base::Peer`] as an extension.
///
/// The bodies of its requests have `Limits::body_time` to arrive; how large one may be is its own matter.
///
/// A peer may stop sending and still wait for its answer, so its leaving is noticed by the second
/// write after it: an endless answer must send something now and then, and must end at the stop.
pub trait Fallback: Clone + Send + Sync + 'static {
    /// Its response body.
    type Body: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static;

    /// Answers one request.
    fn answer(self, request: Request<Arriving>) -> impl Future<Output = Response<Self::Body>> + Send;
}

impl<S, B> Fallback for S
where
    S: Service<Request<Arriving>, Response = Response<B>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error: Into<BodyError>> + Send + 'static,
{
    type Body = B;

    async fn answer(self, request: Request<Arriving>) -> Response<B> {
        match tower::ServiceExt::oneshot(self, request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }
}

/// Bound addresses that nobody serves yet.
#[derive(Debug)]
pub struct Server {
    /// For each core its own socket of every address.
    listeners: Vec<Vec<std::net::TcpListener>>,
    addresses: Vec<SocketAddr>,
}

impl Server {
    /// Binds every address once per thread; `threads` 0 means one per core. Port 0 takes a free one.
    /// An address that another process listens on is refused.
    pub fn bind(threads: usize, addresses: &[SocketAddr]) -> io::Result<Self> {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let mut listeners: Vec<Vec<_>> = (0..threads).map(|_| Vec::new()).collect();
        let mut bound = Vec::with_capacity(addresses.len());
        for wanted in addresses {
            let (address, sockets) = listener::bind(*wanted, addresses, threads).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot listen on {wanted}: {error}"))
            })?;
            bound.push(address);
            for (core, socket) in listeners.iter_mut().zip(sockets) {
                core.push(socket);
            }
        }
        Ok(Self { listeners, addresses: bound })
    }

    /// The addresses in the order asked for, with their real ports.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Serves until `stop`: then accepts what is waiting, closes the listeners, lets running requests
    /// finish and cuts what is left after [`crate::Limits::drain_time`].
    ///
    /// # Errors
    /// If a thread or its runtime cannot be started.
    ///
    /// # Panics
    /// Outside of a tokio runtime: the fallback runs on the current one.
    pub fn run<S: Sink, F: Fallback>(
        self,
        ingest: Ingest<S>,
        fallback: F,
        metrics: &Metrics,
        stop: Stop,
    ) -> io::Result<Running> {
        let metrics = Arc::new(ServerMetrics::new(metrics));
        let (connections, refusals) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut cores = Vec::with_capacity(self.listeners.len());
        for (number, listeners) in self.listeners.into_iter().enumerate() {
            let core = Core {
                ingest: ingest.clone(),
                fallback: fallback.clone(),
                background: Handle::current(),
                metrics: Arc::clone(&metrics),
                connections: Arc::clone(&connections),
                refusals: Arc::clone(&refusals),
            };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let (done, ended) = oneshot::channel();
            let stop = stop.clone();
            std::thread::Builder::new().name(format!("http-{number}")).spawn(move || {
                let cut = runtime.block_on(core.run(listeners, stop));
                // Whatever still runs here ends with the runtime; nobody waits for blocking work.
                runtime.shutdown_background();
                let _ = done.send(cut);
            })?;
            cores.push(ended);
        }
        Ok(Running { cores })
    }
}

/// A server that is running, until its stop is requested and [`Running::ended`] resolves.
#[derive(Debug)]
pub struct Running {
    cores: Vec<oneshot::Receiver<usize>>,
}

impl Running {
    /// Resolves once every thread has ended; the number of connections that had to be cut.
    pub async fn ended(self) -> usize {
        let mut cut = 0;
        for core in self.cores {
            match core.await {
                Ok(connections) => cut += connections,
                Err(_) => tracing::error!("a server thread panicked"),
            }
        }
        cut
    }
}

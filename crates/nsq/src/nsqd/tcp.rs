//! nsqd's TCP port: who may come in, and what all connections go by.
//!
//! Read [`serve`], then [`super::connection`] (one client).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use tokio::net::TcpStream;

use super::connection::{self, Socket};
use super::identify::Rules;
use super::options::TlsRequired;
use super::topology::Topology;
use super::{Nsqd, tls};
use crate::http::Listener;
use crate::http::listener::canonical;
use crate::wire::Limits;

/// Most connections at a time; more are closed as they come.
pub const CONNECTIONS_MAX: usize = 100_000;
/// How long to wait when the system has no room for another connection.
const NO_ROOM: Duration = Duration::from_millis(50);
/// How long running connections get to say their last word.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// What all connections of an nsqd go by. The options behind it never change while it runs.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) nsqd: Arc<Nsqd>,
    /// What a command may be.
    pub(super) limits: Limits,
    /// What a client may ask for.
    pub(super) rules: Rules,
    /// Whether commands need TLS.
    pub(super) tls_required: bool,
    /// Where this node is.
    pub(super) topology: Topology,
}

impl Service {
    pub(super) fn new(nsqd: Arc<Nsqd>) -> Self {
        let options = nsqd.options();
        Self {
            limits: Limits {
                message_bytes_max: options.max_msg_size,
                body_bytes_max: options.max_body_size,
                defer_max: options.defer_max(),
                requeue_max: options.max_req_timeout,
                rdy_max: options.max_rdy_count,
            },
            rules: Rules {
                heartbeat_max: options.max_heartbeat_interval,
                output_buffer_size_max: options.max_output_buffer_size,
                output_buffer_timeout: options.output_buffer_timeout,
                output_buffer_timeout_min: options.min_output_buffer_timeout,
                output_buffer_timeout_max: options.max_output_buffer_timeout,
                msg_timeout: options.msg_timeout,
                msg_timeout_max: options.max_msg_timeout,
                rdy_max: options.max_rdy_count,
                tls: nsqd.tls.is_some(),
                deflate: options.deflate,
                deflate_level_max: options.max_deflate_level,
                snappy: options.snappy,
                auth: nsqd.authority.is_some(),
                region: options.topology_region.clone(),
                zone: options.topology_zone.clone(),
            },
            tls_required: tls::required(&options) != TlsRequired::No,
            topology: Topology::new(&options),
            nsqd,
        }
    }
}

/// Takes connections in until `stop`, then lets each say its last word. Returns false if some were
/// late.
pub async fn serve(nsqd: Arc<Nsqd>, listener: Listener, stop: Stop) -> bool {
    let address = listener.address();
    tracing::info!("TCP: listening on {address}");
    let service = Arc::new(Service::new(nsqd));
    let connections = TaskGroup::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.requested() => break,
            accepted = accept(&listener) => accepted,
        };
        match accepted {
            Ok((socket, remote)) if service.nsqd.clients.count() < CONNECTIONS_MAX => {
                tracing::info!("TCP: new client({remote})");
                let (service, stop) = (Arc::clone(&service), connections.stop_signal());
                connections.spawn("nsqd connection", connection::run(service, socket, remote, stop));
            }
            Ok((_, remote)) => tracing::warn!("TCP: {remote} is one client too many"),
            Err(error) => {
                tracing::warn!("temporary Accept() failure - {error}");
                tokio::time::sleep(NO_ROOM).await;
            }
        }
    }
    tracing::info!("TCP: closing {address}");
    drop(listener);
    connections.drain(DRAIN_TIME).await
}

async fn accept(listener: &Listener) -> io::Result<(Socket, String)> {
    match listener {
        Listener::Tcp(listener) => {
            let (stream, remote) = listener.accept().await?;
            prepare(&stream)?;
            Ok((stream.into(), canonical(remote).to_string()))
        }
        Listener::Unix(listener, _) => {
            let (stream, _) = listener.accept().await?;
            Ok((stream.into(), "@".to_owned()))
        }
        Listener::Tls(..) => Err(io::Error::other("TLS begins with IDENTIFY here, not at once")),
    }
}

/// Answers leave at once, and a peer that is gone without a word is noticed by the system.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let idle = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(15));
    socket2::SockRef::from(stream).set_tcp_keepalive(&idle)
}

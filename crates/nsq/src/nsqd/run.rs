//! Starting and stopping an nsqd.
//!
//! Start: certificates, the folder's lock, the addresses (so that one that is taken is told at once), then
//! the log and what is in it; served is only what is recovered. Stop goes the other way: no new connections,
//! running ones end, the broker writes down where every channel is, the log is synced.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::tasks::{Stop, TaskGroup};
use log::{Log, Recovery};
use queue::Queue;
use queue::broker::{self, Broker};

use super::auth::Authority;
use super::folder::{Folder, InUse};
use super::lookup::{Introduction, Lookup, Times};
use super::options::TlsRequired;
use super::stats::Filter;
use super::{Nsqd, Options, Parts, Ports, api, statsd, tcp, tls};
use crate::http::{self, Client, Listener, serve};
use crate::logging::Verbosity;
use crate::{host, version};

/// Usual length of a segment of the log.
const SEGMENT_BYTES: u64 = 64 << 20;
/// Segments have lengths that are multiples of this.
const SEGMENT_STEP: u64 = 4 << 10;
/// A quota holds at least so many segments, so that freeing them one by one frees soon enough.
const SEGMENTS_MIN: u64 = 8;
/// Room in a record for what is not the message.
const RECORD_OVERHEAD: usize = 4 << 10;
/// How long connections and requests get to end after the stop.
const DOORS_PATIENCE: Duration = Duration::from_secs(10);
/// How long everything else gets then.
const TASKS_PATIENCE: Duration = Duration::from_secs(5);

/// Why an nsqd does not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] InUse),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// An address.
    #[error(transparent)]
    Listen(#[from] io::Error),
    /// What the folder holds.
    #[error("cannot open the log: {0}")]
    Log(#[from] log::Error),
    /// Topics and channels.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// The client that asks others.
    #[error(transparent)]
    Client(#[from] http::client::Error),
}

/// An nsqd that serves.
#[derive(Debug)]
pub struct Running {
    /// What its parts share.
    pub nsqd: Arc<Nsqd>,
    /// Where TCP clients are served: address and port, or the path of a unix socket.
    pub tcp_address: String,
    /// Where HTTP is served, if at all.
    pub http_address: Option<String>,
    /// Where HTTPS is served, if at all.
    pub https_address: Option<String>,
    doors: TaskGroup,
    others: TaskGroup,
    broker_tasks: TaskGroup,
    log: Log,
    _folder: Folder,
}

/// Addresses that are bound and not yet served.
struct Doors {
    tcp: Listener,
    http: Option<Listener>,
    https: Option<Listener>,
}

/// Serves until `stop`, then ends without losing anything.
///
/// # Errors
/// Why it does not start, or what could not be written at the end.
pub async fn run(options: Options, verbosity: Verbosity, clock: Clock, stop: Stop) -> Result<(), Error> {
    let running = Running::start(options, verbosity, clock).await?;
    stop.requested().await;
    running.close().await
}

impl Running {
    /// Opens the folder, recovers, and serves.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start(options: Options, verbosity: Verbosity, clock: Clock) -> Result<Self, Error> {
        tracing::info!("{}", version::banner("nsqd"));
        tracing::info!("ID: {}", options.node_id);
        let tls = tls::server_config(&options)?;
        let client = Client::new(http::client::Options {
            connect_timeout: options.http_client_connect_timeout,
            request_timeout: options.http_client_request_timeout,
            user_agent: format!("nsqd/{}", version::VERSION),
            ..http::client::Options::default()
        })?;
        let folder = Folder::take(&options.data_path)?;
        let doors = Doors::bind(&options, tls.as_ref()).await?;
        let broker_tasks = TaskGroup::new();
        let (log, broker) = open(&options, &folder, &clock, &broker_tasks).await?;
        folder.take_over(&broker).await?;

        let ports = doors.ports();
        let lookup = Lookup::new(
            introduction(&options, ports),
            options.lookupd_tcp_addresses.clone(),
            broker.clone(),
            client.clone(),
            Times::default(),
        );
        let authority = (!options.auth_http_addresses.is_empty()).then(|| Authority {
            addresses: options.auth_http_addresses.clone(),
            post: options.auth_http_request_method.eq_ignore_ascii_case("post"),
            client,
        });
        let nsqd =
            Arc::new(Nsqd::new(Parts { options, ports, broker, lookup, tls, authority, verbosity, clock }));
        let others = TaskGroup::new();
        others.spawn("lookup", nsqd.lookup.clone().run(others.stop_signal()));
        push_stats(&nsqd, &others);
        let mut running = Self {
            tcp_address: doors.tcp.address(),
            http_address: doors.http.as_ref().map(Listener::address),
            https_address: doors.https.as_ref().map(Listener::address),
            nsqd,
            doors: TaskGroup::new(),
            others,
            broker_tasks,
            log,
            _folder: folder,
        };
        running.serve(doors);
        Ok(running)
    }

    fn serve(&mut self, doors: Doors) {
        let (nsqd, limits) = (&self.nsqd, api::limits(&self.nsqd));
        let router = api::router(nsqd);
        let tcp = tcp::serve(Arc::clone(nsqd), doors.tcp, self.doors.stop_signal());
        self.doors.spawn("tcp", async move {
            if !tcp.await {
                tracing::warn!("TCP: cut connections that did not end in time");
            }
        });
        if let Some(http) = doors.http {
            tracing::info!("HTTP: listening on {}", http.address());
            let router = match tls::required(&nsqd.options()) {
                TlsRequired::Yes => api::tls_required(nsqd.ports.https),
                _ => router.clone(),
            };
            let stop = self.doors.stop_signal();
            self.doors.spawn("http", async move { cut("HTTP", serve(http, router, stop, limits).await) });
        }
        if let Some(https) = doors.https {
            tracing::info!("HTTPS: listening on {}", https.address());
            let stop = self.doors.stop_signal();
            self.doors.spawn("https", async move { cut("HTTPS", serve(https, router, stop, limits).await) });
        }
    }

    /// Ends: connections first, then the broker, then the log. Everything is closed whatever happens to the
    /// rest; the first error is given back.
    ///
    /// # Errors
    /// What could not be written. What was acknowledged is in the log all the same.
    pub async fn close(self) -> Result<(), Error> {
        tracing::info!("NSQ: closing");
        if !self.doors.drain(DOORS_PATIENCE).await {
            tracing::warn!("connections did not end in time");
        }
        if !self.others.drain(TASKS_PATIENCE).await {
            tracing::warn!("lookups or statsd did not end in time");
        }
        let closed = self.nsqd.broker.close().await.map_err(Error::from);
        if !self.broker_tasks.drain(TASKS_PATIENCE).await {
            tracing::warn!("the broker's tasks did not end in time");
        }
        let log = self.log;
        let synced = match tokio::task::spawn_blocking(move || log.close()).await {
            Ok(synced) => synced.map_err(Error::from),
            Err(panic) => Err(Error::Listen(io::Error::other(panic))),
        };
        tracing::info!("bye");
        closed.and(synced)
    }
}

impl Doors {
    async fn bind(options: &Options, tls: Option<&Arc<rustls::ServerConfig>>) -> io::Result<Self> {
        let tcp = Listener::bind(&options.tcp_address).await?;
        let http = match options.http_address.as_str() {
            "" => None,
            address => Some(Listener::bind(address).await?),
        };
        let https = match (tls, options.https_address.as_str()) {
            (Some(config), address) if !address.is_empty() => {
                Some(Listener::bind_tls(address, Arc::clone(config)).await?)
            }
            _ => None,
        };
        Ok(Self { tcp, http, https })
    }

    fn ports(&self) -> Ports {
        let port = |listener: Option<&Listener>| listener.and_then(Listener::port).unwrap_or(0);
        Ports { tcp: port(Some(&self.tcp)), http: port(self.http.as_ref()), https: port(self.https.as_ref()) }
    }
}

/// The log and all that is in it.
async fn open(
    options: &Options,
    folder: &Folder,
    clock: &Clock,
    tasks: &TaskGroup,
) -> Result<(Log, Broker), Error> {
    let dir = folder.log();
    let log_config = log_config(options, folder);
    let config = broker::Config {
        mem_queue_size: options.mem_queue_size,
        mem_bytes_max: usize::try_from(options.mem_bytes_max.0).unwrap_or(usize::MAX),
        durability: options.durability,
        node_id: options.node_id,
        channel_consumers_max: options.max_channel_consumers,
        percentiles: options.e2e_percentiles.clone(),
        percentile_window: options.e2e_window_time,
        ..broker::Config::default()
    };
    let (clock, tasks) = (clock.clone(), tasks.clone());
    let opened = tokio::task::spawn_blocking(move || {
        let (log, recovery) = Log::open(log_config, clock.clone())?;
        report(&recovery);
        let queue = Queue::open(log.clone(), &dir)?;
        let (broker, recovered) = Broker::open(queue, &dir, config, clock, &tasks)?;
        let broker::Recovered { topics, channels, messages, .. } = recovered;
        tracing::info!("NSQ: found {topics} topics, {channels} channels, {messages} messages");
        Ok((log, broker))
    });
    opened.await.unwrap_or_else(|panic| Err(Error::Listen(io::Error::other(panic))))
}

/// A log whose segments hold the largest message and of which the quota holds some.
fn log_config(options: &Options, folder: &Folder) -> log::Config {
    let record_bytes_max = options.max_msg_size + RECORD_OVERHEAD;
    let quota_bytes = options.log_quota.0;
    let usual = SEGMENT_BYTES.min(quota_bytes / SEGMENTS_MIN);
    let needed = 2 * record_bytes_max as u64;
    log::Config {
        segment_bytes: usual.max(needed).next_multiple_of(SEGMENT_STEP),
        quota_bytes,
        record_bytes_max,
        pending_bytes_max: (64 << 20).max(4 * options.max_body_size),
        ..log::Config::new(folder.log())
    }
}

fn report(recovery: &Recovery) {
    for damage in &recovery.damaged {
        tracing::error!("the log is damaged, the rest of it is served: {damage}");
    }
    if recovery.torn_bytes > 0 {
        let bytes = recovery.torn_bytes;
        tracing::warn!(
            "the log ended in an unfinished write that nobody was told was done: {bytes} bytes cut off"
        );
    }
}

fn introduction(options: &Options, ports: Ports) -> Introduction {
    let (tcp_port, http_port) = ports.broadcast(options);
    Introduction {
        version: version::VERSION.to_owned(),
        tcp_port,
        http_port,
        hostname: host::name(),
        broadcast_address: options.broadcast_address.clone(),
        topology_zone: options.topology_zone.clone(),
        topology_region: options.topology_region.clone(),
    }
}

fn push_stats(nsqd: &Arc<Nsqd>, tasks: &TaskGroup) {
    let options = nsqd.options();
    if options.statsd_address.is_empty() || options.statsd_interval.is_zero() {
        return;
    }
    let http_port = nsqd.broadcast_http_port();
    let config = statsd::Config {
        address: options.statsd_address.clone(),
        prefix: statsd::prefix(&options.statsd_prefix, &options.broadcast_address, http_port),
        interval: options.statsd_interval,
        packet_bytes: options.statsd_udp_packet_size,
        memory: options.statsd_mem_stats,
        exclude_ephemeral: options.statsd_exclude_ephemeral,
    };
    let told = Arc::clone(nsqd);
    tasks.spawn("statsd", statsd::run(config, move || told.stats(&Filter::default()), tasks.stop_signal()));
}

fn cut(door: &str, connections: usize) {
    if connections > 0 {
        tracing::warn!("{door}: cut {connections} connections that did not end in time");
    }
}

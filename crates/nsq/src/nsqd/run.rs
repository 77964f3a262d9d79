//! Starting and stopping an nsqd.
//!
//! Start: certificates, the folder's lock, the addresses (so that one that is taken is told at once), then
//! the log and what is in it; served is only what is recovered. Stop goes the other way: no new connections,
//! running ones end, the broker writes down where every channel is, the log is synced.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::tasks::{Stop, TaskGroup};
use log::{Log, Recovery};
use queue::Queue;
use queue::broker::{self, Broker};
use rustls::ServerConfig;

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
/// Room in a record of the log for what is not the message, in bytes.
pub const RECORD_OVERHEAD: usize = 4 << 10;
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
    /// None where it stands on somebody else's.
    own: Option<Own>,
}

/// The log and the folder of an nsqd that has them for itself.
#[derive(Debug)]
struct Own {
    log: Log,
    folder: Folder,
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
        introduce(&options);
        let folder = Folder::take(&options.data_path)?;
        // Before the log, which can take a while: whoever waits hears of an address that is taken at once.
        let (tls, doors) = Doors::open(&options).await?;
        let dir = folder.log();
        let (log, queue) = open_log(log_config(&options, &folder), dir.clone(), clock.clone()).await?;
        let ground = Ground { queue, dir, reserved: Vec::new(), own: Some(Own { log, folder }) };
        Self::start_on(ground, options, tls, doors, verbosity, clock).await
    }

    /// Serves on a queue that belongs to somebody else, who closes its log after this one's
    /// [`close`](Self::close). `dir` is for the broker's snapshot; topics whose names begin with one of
    /// `reserved` do not exist here.
    ///
    /// # Errors
    /// Why it does not start.
    pub async fn start_within(
        queue: Queue,
        dir: &Path,
        reserved: Vec<String>,
        options: Options,
        verbosity: Verbosity,
        clock: Clock,
    ) -> Result<Self, Error> {
        introduce(&options);
        let (tls, doors) = Doors::open(&options).await?;
        let ground = Ground { queue, dir: dir.to_owned(), reserved, own: None };
        Self::start_on(ground, options, tls, doors, verbosity, clock).await
    }

    async fn start_on(
        ground: Ground,
        options: Options,
        tls: Option<Arc<ServerConfig>>,
        doors: Doors,
        verbosity: Verbosity,
        clock: Clock,
    ) -> Result<Self, Error> {
        let client = Client::new(http::client::Options {
            connect_timeout: options.http_client_connect_timeout,
            request_timeout: options.http_client_request_timeout,
            user_agent: format!("nsqd/{}", version::VERSION),
            ..http::client::Options::default()
        })?;
        let broker_tasks = TaskGroup::new();
        let own = ground.own;
        let broker =
            open_broker(&options, ground.queue, ground.dir, ground.reserved, &clock, &broker_tasks).await?;
        if let Some(own) = &own {
            own.folder.take_over(&broker).await?;
        }

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
            own,
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
        self.nsqd.broker.stop_consumers();
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
        let synced = match self.own {
            // The folder is let go of when nothing is written to it any more.
            Some(Own { log, folder: _held }) => tokio::task::spawn_blocking(move || log.close())
                .await
                .map_or_else(|panic| Err(Error::Listen(io::Error::other(panic))), |synced| Ok(synced?)),
            None => Ok(()),
        };
        tracing::info!("bye");
        closed.and(synced)
    }
}

/// What an nsqd stands on.
struct Ground {
    queue: Queue,
    dir: PathBuf,
    reserved: Vec<String>,
    own: Option<Own>,
}

impl Doors {
    /// Reads the certificates and binds the addresses.
    async fn open(options: &Options) -> Result<(Option<Arc<ServerConfig>>, Self), Error> {
        let tls = tls::server_config(options)?;
        let doors = Self::bind(options, tls.as_ref()).await?;
        Ok((tls, doors))
    }

    async fn bind(options: &Options, tls: Option<&Arc<ServerConfig>>) -> io::Result<Self> {
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

/// The log, recovered, and the queue over it.
async fn open_log(config: log::Config, dir: PathBuf, clock: Clock) -> Result<(Log, Queue), Error> {
    blocking(move || {
        let (log, recovery) = Log::open(config, clock)?;
        report(&recovery);
        let queue = Queue::open(log.clone(), &dir)?;
        Ok((log, queue))
    })
    .await
}

/// Topics, channels and what became of messages.
async fn open_broker(
    options: &Options,
    queue: Queue,
    dir: PathBuf,
    reserved: Vec<String>,
    clock: &Clock,
    tasks: &TaskGroup,
) -> Result<Broker, Error> {
    let config = broker::Config {
        mem_queue_size: options.mem_queue_size,
        mem_bytes_max: usize::try_from(options.mem_bytes_max.0).unwrap_or(usize::MAX),
        durability: options.durability,
        node_id: options.node_id,
        channel_consumers_max: options.max_channel_consumers,
        percentiles: options.e2e_percentiles.clone(),
        percentile_window: options.e2e_window_time,
        reserved_prefixes: reserved,
    };
    let (clock, tasks) = (clock.clone(), tasks.clone());
    blocking(move || {
        let (broker, recovered) = Broker::open(queue, &dir, config, clock, &tasks)?;
        let broker::Recovered { topics, channels, messages, .. } = recovered;
        tracing::info!("NSQ: found {topics} topics, {channels} channels, {messages} messages");
        Ok(broker)
    })
    .await
}

/// Does what blocks off the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| Err(Error::Listen(io::Error::other(panic))))
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

fn introduce(options: &Options) {
    tracing::info!("{}", version::banner("nsqd"));
    tracing::info!("ID: {}", options.node_id);
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

//! What nsqd can be told: NSQ's flags with their defaults, and ours.

mod choices;

use std::time::Duration;

use base::size::Bytes;
use md5::{Digest as _, Md5};

pub use choices::TlsRequired;
pub use queue::Durability;

use crate::flag;
use crate::flags::{self, Flag, is_address, is_url, require_addresses};
use crate::nsqd::auth;
use crate::wire::TlsVersion;
use crate::{host, logging::Level};

/// The experiment that hands messages to consumers nearby first.
pub const TOPOLOGY_AWARE: &str = "topology-aware-consumption";

/// Node ids are below this.
const NODE_IDS: u16 = 1024;

/// What nsqd can be told. Fields are flags; sizes are bytes.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub node_id: u16,
    pub log_level: Level,
    pub log_prefix: String,
    pub tcp_address: String,
    pub http_address: String,
    pub https_address: String,
    pub broadcast_address: String,
    pub broadcast_tcp_port: u16,
    pub broadcast_http_port: u16,
    pub lookupd_tcp_addresses: Vec<String>,
    pub auth_http_addresses: Vec<String>,
    pub auth_http_request_method: String,
    pub http_auth: bool,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    pub topology_region: String,
    pub topology_zone: String,
    pub experiments: Vec<String>,

    pub data_path: String,
    pub durability: Durability,
    pub log_quota: Bytes,
    pub mem_queue_size: usize,
    pub mem_bytes_max: Bytes,
    pub max_bytes_per_file: i64,
    pub sync_every: i64,
    pub sync_timeout: Duration,
    pub queue_scan_selection_count: i64,
    pub queue_scan_worker_pool_max: i64,

    pub msg_timeout: Duration,
    pub max_msg_timeout: Duration,
    pub max_msg_size: usize,
    pub max_body_size: usize,
    pub max_req_timeout: Duration,
    pub max_defer_timeout: Duration,
    pub max_heartbeat_interval: Duration,
    pub max_rdy_count: u32,
    pub max_output_buffer_size: usize,
    pub max_output_buffer_timeout: Duration,
    pub min_output_buffer_timeout: Duration,
    pub output_buffer_timeout: Duration,
    pub max_channel_consumers: usize,

    pub statsd_address: String,
    pub statsd_prefix: String,
    pub statsd_interval: Duration,
    pub statsd_mem_stats: bool,
    pub statsd_udp_packet_size: usize,
    pub statsd_exclude_ephemeral: bool,
    pub e2e_percentiles: Vec<f64>,
    pub e2e_window_time: Duration,

    pub tls_cert: String,
    pub tls_key: String,
    pub tls_client_auth_policy: String,
    pub tls_root_ca_file: String,
    pub tls_required: TlsRequired,
    pub tls_min_version: TlsVersion,
    pub deflate: bool,
    pub max_deflate_level: u32,
    pub snappy: bool,
}

impl Default for Options {
    fn default() -> Self {
        let host = host::name();
        Self {
            node_id: node_id(&host),
            log_level: Level::Info,
            log_prefix: "[nsqd] ".to_owned(),
            tcp_address: "0.0.0.0:4150".to_owned(),
            http_address: "0.0.0.0:4151".to_owned(),
            https_address: "0.0.0.0:4152".to_owned(),
            broadcast_address: host,
            broadcast_tcp_port: 0,
            broadcast_http_port: 0,
            lookupd_tcp_addresses: Vec::new(),
            auth_http_addresses: Vec::new(),
            auth_http_request_method: "get".to_owned(),
            http_auth: false,
            http_client_connect_timeout: Duration::from_secs(2),
            http_client_request_timeout: Duration::from_secs(5),
            topology_region: String::new(),
            topology_zone: String::new(),
            experiments: Vec::new(),
            data_path: String::new(),
            durability: Durability::Os,
            log_quota: Bytes::gib(8),
            mem_queue_size: 10_000,
            mem_bytes_max: Bytes::mib(64),
            max_bytes_per_file: 100 << 20,
            sync_every: 2_500,
            sync_timeout: Duration::from_secs(2),
            queue_scan_selection_count: 20,
            queue_scan_worker_pool_max: 4,
            msg_timeout: Duration::from_secs(60),
            max_msg_timeout: Duration::from_secs(15 * 60),
            max_msg_size: 1 << 20,
            max_body_size: 5 << 20,
            max_req_timeout: Duration::from_secs(3600),
            max_defer_timeout: Duration::ZERO,
            max_heartbeat_interval: Duration::from_secs(60),
            max_rdy_count: 2_500,
            max_output_buffer_size: 64 << 10,
            max_output_buffer_timeout: Duration::from_secs(30),
            min_output_buffer_timeout: Duration::from_millis(25),
            output_buffer_timeout: Duration::from_millis(250),
            max_channel_consumers: 0,
            statsd_address: String::new(),
            statsd_prefix: "nsq.%s".to_owned(),
            statsd_interval: Duration::from_secs(60),
            statsd_mem_stats: true,
            statsd_udp_packet_size: 508,
            statsd_exclude_ephemeral: false,
            e2e_percentiles: Vec::new(),
            e2e_window_time: Duration::from_secs(600),
            tls_cert: String::new(),
            tls_key: String::new(),
            tls_client_auth_policy: String::new(),
            tls_root_ca_file: String::new(),
            tls_required: TlsRequired::No,
            tls_min_version: TlsVersion::Tls10,
            deflate: true,
            max_deflate_level: 6,
            snappy: true,
        }
    }
}

/// NSQ's default: a hash of the machine's name.
fn node_id(host: &str) -> u16 {
    let mut crc = flate2::Crc::new();
    crc.update(&Md5::digest(host.as_bytes()));
    u16::try_from(crc.sum() % u32::from(NODE_IDS)).expect("below 1024")
}

impl Options {
    /// Whether an experiment was asked for.
    pub fn has_experiment(&self, name: &str) -> bool {
        self.experiments.iter().any(|given| given == name)
    }

    /// Longest delay of a deferred publication: in nsqd 1.3.0 there is one limit for these and for requeued
    /// messages.
    pub fn defer_max(&self) -> Duration {
        match self.max_defer_timeout {
            Duration::ZERO => self.max_req_timeout,
            own => own,
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsqd";
    const HAS_FILE: bool = true;

    fn logging(&self) -> (Level, &str) {
        (self.log_level, &self.log_prefix)
    }

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        let require = |holds: bool, advice: &str| if holds { Ok(()) } else { Err(advice.to_owned()) };
        require(self.node_id < NODE_IDS, "--node-id must be [0,1024)")?;
        require((1..=9).contains(&self.max_deflate_level), "--max-deflate-level must be [1,9]")?;
        require(
            self.e2e_percentiles.iter().all(|p| *p > 0.0 && *p <= 1.0),
            "--e2e-processing-latency-percentile must be in (0, 1.0]",
        )?;
        require(
            matches!(self.auth_http_request_method.to_ascii_lowercase().as_str(), "get" | "post"),
            "--auth-http-request-method must be get or post",
        )?;
        require(
            matches!(self.tls_client_auth_policy.as_str(), "" | "require" | "require-verify"),
            "--tls-client-auth-policy must be require or require-verify",
        )?;
        require(
            !self.http_auth || !self.auth_http_addresses.is_empty(),
            "--http-auth needs --auth-http-address: whom is it to ask?",
        )?;
        let is_server = |text: &str| is_url(&auth::url(text));
        require_addresses(
            "--lookupd-tcp-address",
            &self.lookupd_tcp_addresses,
            is_address,
            "write <addr>:<port> with the TCP port of a nsqlookupd, such as 127.0.0.1:4160",
        )?;
        require_addresses(
            "--auth-http-address",
            &self.auth_http_addresses,
            is_server,
            "write <addr>:<port>, such as 127.0.0.1:4181, or a whole URL",
        )?;
        let unknown = self.experiments.iter().find(|name| *name != TOPOLOGY_AWARE);
        unknown.map_or(Ok(()), |name| Err(format!("--enable-experiment: there is no `{name}`")))
    }
}

/// Why flags about disk queues mean nothing here.
const ONE_LOG: &str = "messages are in one log of fixed segments; see --log-quota";
const SYNC: &str = "every message is written before its answer; see --durability";
const NO_SCAN: &str = "timeouts are kept by a timer each, not found by scanning";

static FLAGS: &[Flag<Options>] = &[
    flag!(Options.node_id, "node-id", "which of up to 1024 nodes this is: a part of message ids, made from the host's name")
        .in_file("id"),
    flag!(Options.log_level, "log-level", "the least that is logged: debug, info, warn, error or fatal"),
    flag!(Options.log_prefix, "log-prefix", "what every line of the log begins with"),
    Flag::deprecated("verbose", "use --log-level (deprecated)"),
    Flag::deprecated("worker-id", "use --node-id (deprecated)"),
    flag!(Options.tcp_address, "tcp-address", "where to listen for clients over TCP: <addr>:<port>, or the path of a unix socket"),
    flag!(Options.http_address, "http-address", "where to listen for HTTP: <addr>:<port>, the path of a unix socket, or empty for nowhere"),
    flag!(Options.https_address, "https-address", "where to listen for HTTPS once there is a certificate: <addr>:<port>"),
    flag!(Options.broadcast_address, "broadcast-address", "under which name lookupd tells others of this node (the host's own if not given)"),
    flag!(Options.broadcast_tcp_port, "broadcast-tcp-port", "under which TCP port lookupd tells others of this node (the bound one if not given)"),
    flag!(Options.broadcast_http_port, "broadcast-http-port", "under which HTTP port lookupd tells others of this node (the bound one if not given)"),
    flag!(Options.lookupd_tcp_addresses, "lookupd-tcp-address", "a lookupd to register with; may be given many times")
        .in_file("nsqlookupd_tcp_addresses"),
    flag!(Options.auth_http_addresses, "auth-http-address", "an auth server, <addr>:<port> or a URL; may be given many times")
        .in_file("auth_http_addresses")
        .guarding(),
    flag!(Options.auth_http_request_method, "auth-http-request-method", "how auth servers are asked: get or post"),
    flag!(Options.http_auth, "http-auth", "ask the auth servers about HTTP requests too, by the secret they bear (Eyrie's own)"),
    flag!(Options.http_client_connect_timeout, "http-client-connect-timeout", "how long to wait for an HTTP server to accept"),
    flag!(Options.http_client_request_timeout, "http-client-request-timeout", "how long to wait for an HTTP server to answer"),
    flag!(Options.topology_region, "topology-region", "the region this node is in: one or more zones"),
    flag!(Options.topology_zone, "topology-zone", "the zone this node is in: what fails together"),
    flag!(Options.experiments, "enable-experiment", "an experiment to take part in: topology-aware-consumption; may be given many times"),
    flag!(Options.data_path, "data-path", "the folder for messages (the current one if not given)"),
    flag!(Options.durability, "durability", "how sure a message is before its answer: memory, os (survives kill -9) or disk (survives loss of power) (Eyrie's own)"),
    flag!(Options.log_quota, "log-quota", "most bytes of disk for messages; beyond it publishing is refused (Eyrie's own)"),
    flag!(Options.mem_queue_size, "mem-queue-size", "most messages held in memory for each channel; the rest is read from the log when its turn comes"),
    flag!(Options.mem_bytes_max, "mem-bytes-max", "most bytes of messages held in memory for each channel (Eyrie's own)"),
    flag!(Options.max_bytes_per_file, "max-bytes-per-file", "bytes of a disk queue's file").without_effect(ONE_LOG),
    flag!(Options.sync_every, "sync-every", "messages between syncs of a disk queue").without_effect(SYNC),
    flag!(Options.sync_timeout, "sync-timeout", "time between syncs of a disk queue").without_effect(SYNC),
    flag!(Options.queue_scan_selection_count, "queue-scan-selection-count", "channels looked at in each scan for timeouts").without_effect(NO_SCAN),
    flag!(Options.queue_scan_worker_pool_max, "queue-scan-worker-pool-max", "workers that scan for timeouts").without_effect(NO_SCAN),
    flag!(Options.msg_timeout, "msg-timeout", "how long a consumer may hold a message before it is given to another"),
    flag!(Options.max_msg_timeout, "max-msg-timeout", "longest that a consumer may ask to hold a message"),
    flag!(Options.max_msg_size, "max-msg-size", "largest message, in bytes"),
    flag!(Options.max_body_size, "max-body-size", "largest body of one command, in bytes"),
    flag!(Options.max_req_timeout, "max-req-timeout", "longest delay of a requeued message"),
    flag!(Options.max_defer_timeout, "max-defer-timeout", "longest delay of a deferred publication, 0: that of a requeued message (Eyrie's own)"),
    flag!(Options.max_heartbeat_interval, "max-heartbeat-interval", "longest time between heartbeats that a client may ask for"),
    flag!(Options.max_rdy_count, "max-rdy-count", "largest RDY of a client"),
    flag!(Options.max_output_buffer_size, "max-output-buffer-size", "largest output buffer that a client may ask for, in bytes"),
    flag!(Options.max_output_buffer_timeout, "max-output-buffer-timeout", "longest time between flushes that a client may ask for"),
    flag!(Options.min_output_buffer_timeout, "min-output-buffer-timeout", "shortest time between flushes that a client may ask for"),
    flag!(Options.output_buffer_timeout, "output-buffer-timeout", "time between flushes to a client that asks for nothing else"),
    flag!(Options.max_channel_consumers, "max-channel-consumers", "most consumers of a channel on this node; 0 for no limit"),
    flag!(Options.statsd_address, "statsd-address", "a statsd to push figures to, over UDP: <addr>:<port>"),
    flag!(Options.statsd_prefix, "statsd-prefix", "what the figures' names begin with; %s becomes this node"),
    flag!(Options.statsd_interval, "statsd-interval", "time between pushes to statsd"),
    flag!(Options.statsd_mem_stats, "statsd-mem-stats", "push figures about memory too"),
    flag!(Options.statsd_udp_packet_size, "statsd-udp-packet-size", "largest packet to statsd, in bytes"),
    flag!(Options.statsd_exclude_ephemeral, "statsd-exclude-ephemeral", "leave out ephemeral topics and channels"),
    flag!(Options.e2e_percentiles, "e2e-processing-latency-percentile", "a percentile of the time from publication to FIN to keep, above 0 up to 1.0; may be given many times or as '1.0,0.99'")
        .in_file("e2e_processing_latency_percentiles"),
    flag!(Options.e2e_window_time, "e2e-processing-latency-window-time", "over how much of the past those percentiles are taken"),
    flag!(Options.tls_cert, "tls-cert", "file with the certificate"),
    flag!(Options.tls_key, "tls-key", "file with the certificate's key"),
    flag!(Options.tls_client_auth_policy, "tls-client-auth-policy", "what clients' certificates must be: 'require' (there) or 'require-verify' (signed by --tls-root-ca-file)"),
    flag!(Options.tls_root_ca_file, "tls-root-ca-file", "file with the authorities that sign clients' certificates"),
    flag!(Options.tls_required, "tls-required", "refuse clients without TLS: true, false, or tcp-https for TCP only"),
    flag!(Options.tls_min_version, "tls-min-version", "least version of TLS: tls1.2 or tls1.3; tls1.0 and tls1.1 are taken and mean tls1.2"),
    flag!(Options.deflate, "deflate", "let clients ask for deflate"),
    flag!(Options.max_deflate_level, "max-deflate-level", "highest level of deflate that a client may ask for, 1 to 9"),
    flag!(Options.snappy, "snappy", "let clients ask for snappy"),
];

#[cfg(test)]
mod tests;

//! The options of a client: go-nsq's, by its names, because `-consumer-opt` and `-producer-opt` pass them on.

use std::time::Duration;

use crate::flag;
use crate::flags::{self, Flag};
use crate::host;
use crate::http::client::Tls;
use crate::wire::TlsVersion;

/// How a client behaves.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "OPTIONS below says what each is")]
pub struct Config {
    pub dial_timeout: Duration,
    pub local_addr: String,
    pub read_timeout: Duration,
    pub write_timeout: Duration,
    pub lookupd_poll_interval: Duration,
    pub lookupd_poll_jitter: f64,
    pub lookupd_poll_timeout: Duration,
    pub max_requeue_delay: Duration,
    pub default_requeue_delay: Duration,
    pub backoff_strategy: String,
    pub max_backoff_duration: Duration,
    pub backoff_multiplier: Duration,
    pub max_attempts: u16,
    pub low_rdy_idle_timeout: Duration,
    pub low_rdy_timeout: Duration,
    pub rdy_redistribute_interval: Duration,
    pub client_id: String,
    pub hostname: String,
    pub user_agent: String,
    pub heartbeat_interval: Duration,
    pub sample_rate: u32,
    pub tls_v1: bool,
    pub tls_root_ca_file: String,
    pub tls_insecure_skip_verify: bool,
    pub tls_cert: String,
    pub tls_key: String,
    pub tls_min_version: TlsVersion,
    pub deflate: bool,
    pub deflate_level: u32,
    pub snappy: bool,
    pub output_buffer_size: i64,
    pub output_buffer_timeout: Duration,
    pub max_in_flight: u32,
    pub msg_timeout: Duration,
    pub auth_secret: String,
}

impl Default for Config {
    fn default() -> Self {
        let host = host::name();
        Self {
            dial_timeout: Duration::from_secs(1),
            local_addr: String::new(),
            read_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(1),
            lookupd_poll_interval: Duration::from_secs(60),
            lookupd_poll_jitter: 0.3,
            lookupd_poll_timeout: Duration::from_secs(60),
            max_requeue_delay: Duration::from_secs(15 * 60),
            default_requeue_delay: Duration::from_secs(90),
            backoff_strategy: "exponential".to_owned(),
            max_backoff_duration: Duration::from_secs(2 * 60),
            backoff_multiplier: Duration::from_secs(1),
            max_attempts: 5,
            low_rdy_idle_timeout: Duration::from_secs(10),
            low_rdy_timeout: Duration::from_secs(30),
            rdy_redistribute_interval: Duration::from_secs(5),
            client_id: host.split('.').next().unwrap_or_default().to_owned(),
            hostname: host,
            user_agent: format!("eyrie/{}", env!("CARGO_PKG_VERSION")),
            heartbeat_interval: Duration::from_secs(30),
            sample_rate: 0,
            tls_v1: false,
            tls_root_ca_file: String::new(),
            tls_insecure_skip_verify: false,
            tls_cert: String::new(),
            tls_key: String::new(),
            tls_min_version: TlsVersion::Tls12,
            deflate: false,
            deflate_level: 6,
            snappy: false,
            output_buffer_size: 16 << 10,
            output_buffer_timeout: Duration::from_millis(250),
            max_in_flight: 1,
            msg_timeout: Duration::ZERO,
            auth_secret: String::new(),
        }
    }
}

impl Config {
    /// Takes `name,value` as `-consumer-opt` gives it; a name alone is switched on. Dashes may stand for
    /// underscores, and a bare number is a duration in milliseconds.
    ///
    /// # Errors
    /// There is no such option, or the value is not for it.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (name, text) = assignment.split_once(',').unwrap_or((assignment, "true"));
        let name = name.replace('-', "_");
        flags::set(OPTIONS, self, &name, text).or_else(|error| match text.parse::<u64>() {
            Ok(ms) => flags::set(OPTIONS, self, &name, &format!("{ms}ms")).map_err(|_| error),
            Err(_) => Err(error),
        })
    }

    /// Takes many, and checks what came of it.
    ///
    /// # Errors
    /// As [`Config::set`]; or what does not go together.
    pub fn set_all(&mut self, assignments: &[String]) -> Result<(), String> {
        assignments.iter().try_for_each(|assignment| self.set(assignment))?;
        let require = |holds: bool, advice: &str| if holds { Ok(()) } else { Err(advice.to_owned()) };
        require(!(self.deflate && self.snappy), "deflate and snappy: choose one")?;
        require(self.sample_rate <= 99, "sample_rate: make it 0 to 99")?;
        require((1..=9).contains(&self.deflate_level), "deflate_level: make it 1 to 9")?;
        require((0.0..=1.0).contains(&self.lookupd_poll_jitter), "lookupd_poll_jitter: make it 0 to 1")?;
        require(
            matches!(self.backoff_strategy.as_str(), "exponential" | "full_jitter"),
            "backoff_strategy: make it exponential or full_jitter",
        )?;
        require(
            self.read_timeout > self.heartbeat_interval,
            "read_timeout: make it longer than heartbeat_interval",
        )
    }

    /// What of it is for TLS.
    pub(super) fn tls(&self) -> Tls {
        let file = |path: &String| (!path.is_empty()).then(|| path.into());
        Tls {
            root_ca_file: file(&self.tls_root_ca_file),
            cert: file(&self.tls_cert),
            key: file(&self.tls_key),
            insecure_skip_verify: self.tls_insecure_skip_verify,
        }
    }
}

static OPTIONS: &[Flag<Config>] = &[
    flag!(Config.dial_timeout, "dial-timeout", "how long connecting may take"),
    flag!(Config.local_addr, "local-addr", "from which address, <addr>:<port>, to connect"),
    flag!(Config.read_timeout, "read-timeout", "how long an nsqd may be silent"),
    flag!(Config.write_timeout, "write-timeout", "how long an nsqd may refuse to read"),
    flag!(Config.lookupd_poll_interval, "lookupd-poll-interval", "time between questions to a lookupd"),
    flag!(Config.lookupd_poll_jitter, "lookupd-poll-jitter", "by which part of it that time differs"),
    flag!(Config.lookupd_poll_timeout, "lookupd-poll-timeout", "how long a lookupd may take to answer"),
    flag!(Config.max_requeue_delay, "max-requeue-delay", "longest delay of a message that failed"),
    flag!(Config.default_requeue_delay, "default-requeue-delay", "that delay for each attempt"),
    flag!(Config.backoff_strategy, "backoff-strategy", "exponential or full_jitter"),
    flag!(Config.max_backoff_duration, "max-backoff-duration", "longest pause after failures; 0 for none"),
    flag!(Config.backoff_multiplier, "backoff-multiplier", "the first such pause"),
    flag!(Config.max_attempts, "max-attempts", "after how many attempts to give a message up; 0 for never"),
    flag!(Config.low_rdy_idle_timeout, "low-rdy-idle-timeout", "longest turn of an nsqd that sends nothing"),
    flag!(Config.low_rdy_timeout, "low-rdy-timeout", "longest turn of any nsqd"),
    flag!(
        Config.rdy_redistribute_interval,
        "rdy-redistribute-interval",
        "time between looks at whose turn it is, with more nsqds than max_in_flight"
    ),
    flag!(Config.client_id, "client-id", "who this is"),
    flag!(Config.hostname, "hostname", "where this is"),
    flag!(Config.user_agent, "user-agent", "what this is"),
    flag!(Config.heartbeat_interval, "heartbeat-interval", "time between nsqd's heartbeats"),
    flag!(Config.sample_rate, "sample-rate", "how many of a hundred messages to get; 0 for all"),
    flag!(Config.tls_v1, "tls-v1", "encrypt"),
    flag!(Config.tls_root_ca_file, "tls-root-ca-file", "file with the authorities to believe"),
    flag!(Config.tls_insecure_skip_verify, "tls-insecure-skip-verify", "believe every certificate"),
    flag!(Config.tls_cert, "tls-cert", "file with the certificate to show"),
    flag!(Config.tls_key, "tls-key", "file with its key"),
    flag!(Config.tls_min_version, "tls-min-version", "least version of TLS; below 1.2 nothing is spoken"),
    flag!(Config.deflate, "deflate", "compress with deflate"),
    flag!(Config.deflate_level, "deflate-level", "how hard nsqd shall try, 1 to 9"),
    flag!(Config.snappy, "snappy", "compress with snappy"),
    flag!(Config.output_buffer_size, "output-buffer-size", "nsqd's buffer, in bytes; -1 for none"),
    flag!(Config.output_buffer_timeout, "output-buffer-timeout", "longest time in nsqd's buffer"),
    flag!(Config.max_in_flight, "max-in-flight", "most messages at a time"),
    flag!(Config.msg_timeout, "msg-timeout", "how long a message may take; 0 for nsqd's own"),
    flag!(Config.auth_secret, "auth-secret", "what to say where nsqd wants to know who we are"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_taken_as_go_nsq_takes_them() {
        let mut config = Config::default();
        for assignment in
            ["max_attempts,0", "read-timeout,90s", "write_timeout,2500", "snappy", "client_id,7"]
        {
            config.set(assignment).expect(assignment);
        }
        assert_eq!((config.max_attempts, config.snappy), (0, true));
        assert_eq!(config.read_timeout, Duration::from_secs(90));
        assert_eq!(config.write_timeout, Duration::from_millis(2500));
        assert_eq!(config.client_id, "7");
        assert_eq!(config.set("nope,1"), Err("there is no option `nope`".to_owned()));
        assert!(config.set("max_attempts,x").is_err());
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let check = |assignments: &[&str], expected: &str| {
            let given: Vec<String> = assignments.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(Config::default().set_all(&given), Err(expected.to_owned()));
        };
        check(&["snappy", "deflate"], "deflate and snappy: choose one");
        check(&["sample_rate,100"], "sample_rate: make it 0 to 99");
        check(&["backoff_strategy,none"], "backoff_strategy: make it exponential or full_jitter");
        check(&["read_timeout,30s"], "read_timeout: make it longer than heartbeat_interval");
        assert_eq!(Config::default().set_all(&[]), Ok(()));
    }
}

//! `IDENTIFY`: what a client wants of its connection, what it gets, and the JSON that says so.

use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::version::VERSION;
use crate::wire::Refusal;

/// How long between two heartbeats if a client says nothing.
pub const HEARTBEAT_DEFAULT: Duration = Duration::from_secs(30);
/// Bytes of messages that are gathered before a write if a client says nothing.
pub const OUTPUT_BUFFER_DEFAULT: usize = 16 * 1024;

const HEARTBEAT_MS_MIN: i64 = 1_000;
const OUTPUT_BUFFER_MIN: usize = 64;
const MSG_TIMEOUT_MS_MIN: i64 = 1_000;
const SAMPLE_RATE_MAX: i64 = 99;
const DEFLATE_LEVEL_DEFAULT: u32 = 6;

/// What this server grants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rules {
    /// Longest time between heartbeats.
    pub heartbeat_max: Duration,
    /// Largest output buffer.
    pub output_buffer_size_max: usize,
    /// How long messages may wait in the output buffer if a client says nothing.
    pub output_buffer_timeout: Duration,
    /// The shortest such time a client may ask for.
    pub output_buffer_timeout_min: Duration,
    /// And the longest.
    pub output_buffer_timeout_max: Duration,
    /// How long a message is a client's own if it says nothing.
    pub msg_timeout: Duration,
    /// The longest time a client may ask for, and the longest with all its `TOUCH`es.
    pub msg_timeout_max: Duration,
    /// Largest `RDY`.
    pub rdy_max: u32,
    /// Whether there is a certificate.
    pub tls: bool,
    /// Whether deflate may be had.
    pub deflate: bool,
    /// The highest level of it.
    pub deflate_level_max: u32,
    /// Whether snappy may be had.
    pub snappy: bool,
    /// Whether clients must say `AUTH`.
    pub auth: bool,
    /// The server's own region.
    pub region: String,
    /// The server's own zone.
    pub zone: String,
}

/// What holds for one connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// What the client calls itself: its address before it says anything.
    pub client_id: String,
    /// The name of its machine: its address before it says anything.
    pub hostname: String,
    /// Its library.
    pub user_agent: String,
    /// Where it is.
    pub region: String,
    /// Where in there.
    pub zone: String,
    /// How often it is asked whether it lives; `None`: never.
    pub heartbeat: Option<Duration>,
    /// Bytes of messages that are gathered before a write.
    pub output_buffer_size: usize,
    /// How long they may wait for that; `None`: until there is another reason to write.
    pub output_buffer_timeout: Option<Duration>,
    /// How many of a hundred messages it wants; 0: all.
    pub sample_rate: u8,
    /// How long a message is its own.
    pub msg_timeout: Duration,
}

/// What comes after the answer to `IDENTIFY`, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Upgrades {
    /// TLS.
    pub tls: bool,
    /// Snappy.
    pub snappy: bool,
    /// Deflate, with its level.
    pub deflate: Option<u32>,
}

/// The outcome of an `IDENTIFY`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identified {
    /// The data of the frame that answers it.
    pub answer: Vec<u8>,
    /// What to do after that.
    pub upgrades: Upgrades,
}

/// What a client may say; a key that it does not know stays as it is.
#[derive(Debug, Default)]
struct Wishes {
    client_id: String,
    hostname: String,
    user_agent: String,
    topology_region: String,
    topology_zone: String,
    heartbeat_interval: i64,
    output_buffer_size: i64,
    output_buffer_timeout: i64,
    sample_rate: i64,
    msg_timeout: i64,
    deflate_level: i64,
    feature_negotiation: bool,
    tls_v1: bool,
    deflate: bool,
    snappy: bool,
}

/// The answer to a client that negotiates. Clients see the order of the keys.
#[derive(Serialize)]
struct Answer<'a> {
    max_rdy_count: u32,
    version: &'static str,
    max_msg_timeout: u128,
    msg_timeout: u128,
    tls_v1: bool,
    deflate: bool,
    deflate_level: u32,
    max_deflate_level: u32,
    snappy: bool,
    sample_rate: u8,
    auth_required: bool,
    output_buffer_size: usize,
    output_buffer_timeout: u128,
    topology_region: &'a str,
    topology_zone: &'a str,
}

impl Settings {
    /// What holds before a client says anything; `host` is its address without the port.
    pub fn new(rules: &Rules, host: &str) -> Self {
        Self {
            client_id: host.to_owned(),
            hostname: host.to_owned(),
            user_agent: String::new(),
            region: String::new(),
            zone: String::new(),
            heartbeat: Some(HEARTBEAT_DEFAULT),
            output_buffer_size: OUTPUT_BUFFER_DEFAULT,
            output_buffer_timeout: Some(rules.output_buffer_timeout),
            sample_rate: 0,
            msg_timeout: rules.msg_timeout,
        }
    }

    /// Takes over what the client says. `tls_on`: TLS is up already and is not begun again.
    ///
    /// # Errors
    /// The fatal answer; the settings are not used after it.
    pub fn identify(&mut self, json: &[u8], rules: &Rules, tls_on: bool) -> Result<Identified, Refusal> {
        let wishes = Wishes::read(json).ok_or_else(|| Refusal::identify("failed to decode JSON body"))?;
        self.take(&wishes, rules)?;
        if !wishes.feature_negotiation {
            return Ok(Identified { answer: b"OK".to_vec(), upgrades: Upgrades::default() });
        }
        let tls = rules.tls && wishes.tls_v1;
        let deflate = rules.deflate && wishes.deflate;
        let snappy = rules.snappy && wishes.snappy;
        if deflate && snappy {
            return Err(Refusal::identify_failed("cannot enable both deflate and snappy compression"));
        }
        let level = match u32::try_from(wishes.deflate_level) {
            Ok(level) if deflate && level > 0 => level,
            _ => DEFLATE_LEVEL_DEFAULT,
        };
        let level = level.min(rules.deflate_level_max);
        let answer = Answer {
            max_rdy_count: rules.rdy_max,
            version: VERSION,
            max_msg_timeout: rules.msg_timeout_max.as_millis(),
            msg_timeout: self.msg_timeout.as_millis(),
            tls_v1: tls,
            deflate,
            deflate_level: level,
            max_deflate_level: rules.deflate_level_max,
            snappy,
            sample_rate: self.sample_rate,
            auth_required: rules.auth,
            output_buffer_size: self.output_buffer_size,
            output_buffer_timeout: self.output_buffer_timeout.unwrap_or_default().as_millis(),
            topology_region: &rules.region,
            topology_zone: &rules.zone,
        };
        Ok(Identified {
            answer: serde_json::to_vec(&answer).expect("plain fields become JSON"),
            upgrades: Upgrades { tls: tls && !tls_on, snappy, deflate: deflate.then_some(level) },
        })
    }

    fn take(&mut self, wishes: &Wishes, rules: &Rules) -> Result<(), Refusal> {
        self.client_id.clone_from(&wishes.client_id);
        self.hostname.clone_from(&wishes.hostname);
        self.user_agent.clone_from(&wishes.user_agent);
        self.region.clone_from(&wishes.topology_region);
        self.zone.clone_from(&wishes.topology_zone);
        let invalid = |what: &str, value: i64| Refusal::identify(format!("{what} ({value}) is invalid"));
        match wishes.heartbeat_interval {
            0 => {}
            -1 => self.heartbeat = None,
            ms => {
                self.heartbeat = Some(
                    millis(ms, HEARTBEAT_MS_MIN, rules.heartbeat_max)
                        .ok_or_else(|| invalid("heartbeat interval", ms))?,
                );
            }
        }
        match wishes.output_buffer_timeout {
            0 => {}
            -1 => self.output_buffer_timeout = None,
            ms => {
                let least = i64::try_from(rules.output_buffer_timeout_min.as_millis()).unwrap_or(i64::MAX);
                self.output_buffer_timeout = Some(
                    millis(ms, least, rules.output_buffer_timeout_max)
                        .ok_or_else(|| invalid("output buffer timeout", ms))?,
                );
            }
        }
        match wishes.output_buffer_size {
            0 => {}
            -1 => {
                // As nsqd: no buffer at all, so nothing can wait in it.
                self.output_buffer_size = 1;
                self.output_buffer_timeout = None;
            }
            bytes => {
                self.output_buffer_size = usize::try_from(bytes)
                    .ok()
                    .filter(|size| (OUTPUT_BUFFER_MIN..=rules.output_buffer_size_max).contains(size))
                    .ok_or_else(|| invalid("output buffer size", bytes))?;
            }
        }
        self.sample_rate = u8::try_from(wishes.sample_rate)
            .ok()
            .filter(|_| wishes.sample_rate <= SAMPLE_RATE_MAX)
            .ok_or_else(|| invalid("sample rate", wishes.sample_rate))?;
        match wishes.msg_timeout {
            0 => {}
            ms => {
                self.msg_timeout = millis(ms, MSG_TIMEOUT_MS_MIN, rules.msg_timeout_max)
                    .ok_or_else(|| invalid("msg timeout", ms))?;
            }
        }
        Ok(())
    }
}

/// So many milliseconds, if they are within the limits.
fn millis(ms: i64, least: i64, most: Duration) -> Option<Duration> {
    let wanted = Duration::from_millis(u64::try_from(ms).ok()?);
    (ms >= least && wanted <= most).then_some(wanted)
}

impl Wishes {
    /// Reads them as Go does: keys in any case, null as if it were not there, unknown keys ignored,
    /// broken UTF-8 mended; `None` for what is no object or has a value of another type.
    fn read(json: &[u8]) -> Option<Self> {
        let fields = match serde_json::from_str(&String::from_utf8_lossy(json)).ok()? {
            Value::Object(fields) => fields,
            Value::Null => Map::new(),
            _ => return None,
        };
        let mut wishes = Self::default();
        for (key, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
            match key.to_ascii_lowercase().as_str() {
                "client_id" => wishes.client_id = value.as_str()?.to_owned(),
                "hostname" => wishes.hostname = value.as_str()?.to_owned(),
                "user_agent" => wishes.user_agent = value.as_str()?.to_owned(),
                "topology_region" => wishes.topology_region = value.as_str()?.to_owned(),
                "topology_zone" => wishes.topology_zone = value.as_str()?.to_owned(),
                "heartbeat_interval" => wishes.heartbeat_interval = value.as_i64()?,
                "output_buffer_size" => wishes.output_buffer_size = value.as_i64()?,
                "output_buffer_timeout" => wishes.output_buffer_timeout = value.as_i64()?,
                "sample_rate" => {
                    wishes.sample_rate = i32::try_from(value.as_i64()?).ok()?.into();
                }
                "msg_timeout" => wishes.msg_timeout = value.as_i64()?,
                "deflate_level" => wishes.deflate_level = value.as_i64()?,
                "feature_negotiation" => wishes.feature_negotiation = value.as_bool()?,
                "tls_v1" => wishes.tls_v1 = value.as_bool()?,
                "deflate" => wishes.deflate = value.as_bool()?,
                "snappy" => wishes.snappy = value.as_bool()?,
                _ => {}
            }
        }
        Some(wishes)
    }
}

#[cfg(test)]
#[path = "identify/tests.rs"]
mod tests;

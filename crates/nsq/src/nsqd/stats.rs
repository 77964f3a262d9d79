//! What nsqd tells about topics, channels and clients, in NSQ's JSON and text.

mod client;
mod collect;
mod memory;
mod text;

use std::sync::Arc;

use serde::{Serialize, Serializer};

pub(super) use collect::collect;

pub use client::{ClientStats, PubCount};
pub use memory::Memory;
pub use text::Text;

/// What was asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter<'a> {
    /// Only this topic.
    pub topic: Option<&'a str>,
    /// Only channels of this name, and topics that have one.
    pub channel: Option<&'a str>,
    /// Whether clients are shown one by one.
    pub clients: bool,
}

/// Topics and producers. Absent is `null`: no such topic, or nobody asked for clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// By name.
    pub topics: Option<Vec<TopicStats>>,
    /// Those that published.
    pub producers: Option<Vec<ClientStats>>,
}

/// The whole of `GET /stats?format=json`, in its order.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Of NSQ.
    pub version: &'static str,
    /// `OK`, or `NOK - ` and why nothing can be written.
    pub health: String,
    /// Seconds since the epoch.
    pub start_time: i64,
    /// By name; `null` if there is no such topic.
    pub topics: Option<Vec<TopicStats>>,
    /// Of the process, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Those that published; `null` if none did or nobody asked.
    pub producers: Option<Vec<ClientStats>>,
}

/// A topic.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopicStats {
    /// Its name.
    #[serde(serialize_with = "shared")]
    pub topic_name: Arc<str>,
    /// By name.
    pub channels: Vec<ChannelStats>,
    /// Messages that no channel has.
    pub depth: u64,
    /// Those of them that are not in memory.
    pub backend_depth: u64,
    /// Messages taken in.
    pub message_count: u64,
    /// Bytes of their bodies.
    pub message_bytes: u64,
    /// Whether channels are given nothing.
    pub paused: bool,
    /// From publishing to finishing.
    pub e2e_processing_latency: Latency,
}

/// A channel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChannelStats {
    /// Its name.
    #[serde(serialize_with = "shared")]
    pub channel_name: Arc<str>,
    /// Messages that wait for a consumer.
    pub depth: u64,
    /// Those of them that are not in memory.
    pub backend_depth: u64,
    /// Messages that consumers have.
    pub in_flight_count: u64,
    /// Messages that wait for their time.
    pub deferred_count: u64,
    /// Messages taken in.
    pub message_count: u64,
    /// Deliveries within the zone.
    #[serde(skip_serializing_if = "is_zero")]
    pub zone_local_msg_count: u64,
    /// Deliveries within the region, beyond the zone.
    #[serde(skip_serializing_if = "is_zero")]
    pub region_local_msg_count: u64,
    /// All other deliveries.
    #[serde(skip_serializing_if = "is_zero")]
    pub global_msg_count: u64,
    /// Messages that consumers gave back.
    pub requeue_count: u64,
    /// Messages that consumers kept too long.
    pub timeout_count: u64,
    /// Consumers.
    pub client_count: u64,
    /// Them; `null` if nobody asked.
    pub clients: Option<Vec<ClientStats>>,
    /// Whether nothing is delivered.
    pub paused: bool,
    /// From publishing to finishing.
    pub e2e_processing_latency: Latency,
}

/// How long messages took; `percentiles` is `null` where none are configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Messages it speaks of.
    pub count: u64,
    /// Greatest quantile first, as configured.
    pub percentiles: Option<Vec<Quantile>>,
}

/// One quantile.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quantile {
    /// Above 0, up to 1.
    #[serde(serialize_with = "number")]
    pub quantile: f64,
    /// Nanoseconds.
    #[serde(serialize_with = "number")]
    pub value: f64,
}

/// A number as Go writes it: whole ones without a point.
fn number<S: Serializer>(value: &f64, to: S) -> Result<S::Ok, S::Error> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        to.serialize_i64(*value as i64)
    } else {
        to.serialize_f64(*value)
    }
}

fn shared<S: Serializer>(name: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(name)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(value: &u64) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests;

//! What an nsqd tells of its topics, and how the rows of many nsqds add up.

mod latency;

use serde::{Deserialize, Serialize};

pub use latency::{Latency, Percentile};

/// The row that stands for all nodes.
const ALL: &str = "*";

/// A topic: of one nsqd, or of all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TopicStats {
    /// HTTP address of the nsqd; `*`: all; empty: none has it.
    pub node: String,
    /// Name of the nsqd's machine.
    pub hostname: String,
    /// Its name.
    pub topic_name: String,
    /// Messages that wait to be copied to channels.
    pub depth: i64,
    /// Of these, in memory.
    pub memory_depth: i64,
    /// Of these, on disk.
    pub backend_depth: i64,
    /// Published since the nsqd began.
    pub message_count: i64,
    /// As the original writes it.
    pub delivery_msg_count: i64,
    /// Bytes published; for pages only.
    #[serde(skip_serializing)]
    pub message_bytes: i64,
    /// The rows that add up to this one.
    pub nodes: Option<Vec<TopicStats>>,
    /// Its channels.
    pub channels: Option<Vec<ChannelStats>>,
    /// Whether copying to channels is paused, on any node.
    pub paused: bool,
    /// From publishing to finishing.
    pub e2e_processing_latency: Option<Latency>,
}

/// A channel: of one nsqd, or of all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelStats {
    /// HTTP address of the nsqd; `*`: all.
    pub node: String,
    /// Name of the nsqd's machine.
    pub hostname: String,
    /// The topic's name.
    pub topic_name: String,
    /// Its name.
    pub channel_name: String,
    /// Messages that wait for a consumer.
    pub depth: i64,
    /// Of these, in memory.
    pub memory_depth: i64,
    /// Of these, on disk.
    pub backend_depth: i64,
    /// With consumers, not answered yet.
    pub in_flight_count: i64,
    /// Waiting for their time.
    pub deferred_count: i64,
    /// Given back by consumers.
    pub requeue_count: i64,
    /// Taken back because consumers were silent.
    pub timeout_count: i64,
    /// Came in since the nsqd began.
    pub message_count: i64,
    /// Handed out, as far as the three below are counted.
    #[serde(skip_serializing_if = "is_zero")]
    pub delivery_msg_count: i64,
    /// Handed to a consumer of the same zone.
    #[serde(skip_serializing_if = "is_zero")]
    pub zone_local_msg_count: i64,
    /// Handed to a consumer of the same region.
    #[serde(skip_serializing_if = "is_zero")]
    pub region_local_msg_count: i64,
    /// Handed to any other consumer.
    #[serde(skip_serializing_if = "is_zero")]
    pub global_msg_count: i64,
    /// Consumers.
    pub client_count: i64,
    /// The rows that add up to this one.
    pub nodes: Option<Vec<ChannelStats>>,
    /// Its consumers, where they were asked for.
    pub clients: Option<Vec<ClientStats>>,
    /// Whether delivery is paused, on any node.
    pub paused: bool,
    /// From publishing to finishing.
    pub e2e_processing_latency: Option<Latency>,
}

/// A consumer's connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClientStats {
    /// HTTP address of the nsqd.
    pub node: String,
    /// Where it connects from.
    pub remote_address: String,
    /// Of the protocol.
    pub version: String,
    /// What it calls itself.
    pub client_id: String,
    /// Name of its machine.
    pub hostname: String,
    /// The library it is made with.
    pub user_agent: String,
    /// Since when it is connected, seconds since the epoch.
    pub connect_ts: i64,
    /// For how long, nanoseconds.
    pub connected: i64,
    /// Messages it has not answered.
    pub in_flight_count: i64,
    /// Messages it takes at once.
    pub ready_count: i64,
    /// Finished.
    pub finish_count: i64,
    /// Given back.
    pub requeue_count: i64,
    /// Received.
    pub message_count: i64,
    /// Per cent of the messages that it is sent; 0: all.
    pub sample_rate: i64,
    /// Packed with deflate.
    pub deflate: bool,
    /// Packed with snappy.
    pub snappy: bool,
    /// Whether an auth server knows it.
    pub authed: bool,
    /// As whom.
    pub auth_identity: String,
    /// Where to read about that.
    pub auth_identity_url: String,
    /// Of the client.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_region: String,
    /// Of the client.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub topology_zone: String,
    /// Encrypted.
    pub tls: bool,
    /// With which ciphers.
    pub tls_cipher_suite: String,
    /// By which version.
    pub tls_version: String,
    /// ALPN's choice.
    pub tls_negotiated_protocol: String,
    /// Whether both sides had asked for it.
    pub tls_negotiated_protocol_is_mutual: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl TopicStats {
    /// Fills in what an nsqd's answer leaves to the reader: whose it is, and sums.
    pub(super) fn placed(mut self, node: &str, hostname: &str, now_seconds: i64) -> Self {
        self.node = node.to_owned();
        self.hostname = hostname.to_owned();
        self.memory_depth = self.depth - self.backend_depth;
        for channel in self.channels.iter_mut().flatten() {
            channel.node.clone_from(&self.node);
            channel.hostname.clone_from(&self.hostname);
            channel.topic_name.clone_from(&self.topic_name);
            channel.memory_depth = channel.depth - channel.backend_depth;
            channel.delivery_msg_count =
                channel.zone_local_msg_count + channel.region_local_msg_count + channel.global_msg_count;
            for client in channel.clients.iter_mut().flatten() {
                client.node.clone_from(&self.node);
                client.connected = (now_seconds - client.connect_ts).max(0).saturating_mul(1_000_000_000);
            }
        }
        self
    }

    /// One row for the topic on all nodes.
    pub fn total(topic: &str, rows: &[Self]) -> Self {
        let mut total = Self { topic_name: topic.to_owned(), ..Self::default() };
        for row in rows {
            ALL.clone_into(&mut total.node);
            total.depth += row.depth;
            total.memory_depth += row.memory_depth;
            total.backend_depth += row.backend_depth;
            total.message_count += row.message_count;
            total.delivery_msg_count += row.delivery_msg_count;
            total.message_bytes += row.message_bytes;
            total.paused |= row.paused;
            total.nodes.get_or_insert_default().push(row.clone());
            let latency = total.e2e_processing_latency.get_or_insert_with(|| Latency::of(topic, ""));
            latency.add(row.e2e_processing_latency.as_ref());
        }
        let mut names: Vec<&str> = Vec::new();
        for channel in rows.iter().flat_map(|row| row.channels.iter().flatten()) {
            if !names.contains(&channel.channel_name.as_str()) {
                names.push(&channel.channel_name);
            }
        }
        let channels = || rows.iter().flat_map(|row| row.channels.iter().flatten());
        let of = |name: &str| -> ChannelStats {
            let mut rows = channels().filter(|channel| channel.channel_name == name);
            // On one node only, its row is the total.
            match (rows.next(), rows.next()) {
                (Some(only), None) => only.clone(),
                _ => ChannelStats::total(name, channels()).unwrap_or_default(),
            }
        };
        if !names.is_empty() {
            total.channels = Some(names.into_iter().map(of).collect());
        }
        total
    }
}

impl ChannelStats {
    /// One row for the channel on all nodes; none if no node has it.
    pub fn total<'a>(channel: &str, rows: impl Iterator<Item = &'a Self>) -> Option<Self> {
        let mut total: Option<Self> = None;
        for row in rows.filter(|row| row.channel_name == channel) {
            let total = total.get_or_insert_with(|| Self {
                node: ALL.to_owned(),
                topic_name: row.topic_name.clone(),
                channel_name: row.channel_name.clone(),
                e2e_processing_latency: Some(Latency::of(&row.topic_name, &row.channel_name)),
                ..Self::default()
            });
            total.depth += row.depth;
            total.memory_depth += row.memory_depth;
            total.backend_depth += row.backend_depth;
            total.in_flight_count += row.in_flight_count;
            total.deferred_count += row.deferred_count;
            total.requeue_count += row.requeue_count;
            total.timeout_count += row.timeout_count;
            total.message_count += row.message_count;
            total.delivery_msg_count += row.delivery_msg_count;
            total.zone_local_msg_count += row.zone_local_msg_count;
            total.region_local_msg_count += row.region_local_msg_count;
            total.global_msg_count += row.global_msg_count;
            total.client_count += row.client_count;
            total.paused |= row.paused;
            total.nodes.get_or_insert_default().push(row.clone());
            if let Some(latency) = &mut total.e2e_processing_latency {
                latency.add(row.e2e_processing_latency.as_ref());
            }
            if let Some(clients) = row.clients.as_ref().filter(|clients| !clients.is_empty()) {
                total.clients.get_or_insert_default().extend(clients.iter().cloned());
            }
        }
        if let Some(clients) = total.as_mut().and_then(|total| total.clients.as_mut()) {
            clients.sort_by(|a, b| a.hostname.cmp(&b.hostname));
        }
        total
    }
}

#[cfg(test)]
mod tests;

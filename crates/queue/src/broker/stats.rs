//! What the broker tells about itself.

use std::sync::Arc;

use super::quantiles::Percentiles;

/// Something was made or deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A topic is there.
    TopicMade {
        /// Its name.
        topic: Arc<str>,
    },
    /// A topic is gone.
    TopicDeleted {
        /// Its name.
        topic: Arc<str>,
    },
    /// A channel is there.
    ChannelMade {
        /// The topic's name.
        topic: Arc<str>,
        /// Its name.
        channel: Arc<str>,
    },
    /// A channel is gone.
    ChannelDeleted {
        /// The topic's name.
        topic: Arc<str>,
        /// Its name.
        channel: Arc<str>,
    },
}

/// How a topic is.
#[derive(Clone, Debug)]
pub struct TopicStats {
    /// Its name.
    pub name: Arc<str>,
    /// Messages that no channel has been given.
    pub depth: u64,
    /// Those of them beyond `mem_queue_size`: in NSQ the others are in memory only, here all are in the log.
    pub backend_depth: u64,
    /// Messages taken in since the topic was made.
    pub message_count: u64,
    /// Bytes of their bodies.
    pub message_bytes: u64,
    /// Whether channels are given nothing.
    pub paused: bool,
    /// Of the time from publishing to finishing, over all channels; none unless configured, or without
    /// channels.
    pub percentiles: Option<Percentiles>,
    /// By name.
    pub channels: Vec<ChannelStats>,
}

/// How a channel is.
#[derive(Clone, Debug, Default)]
pub struct ChannelStats {
    /// Its name.
    pub name: Arc<str>,
    /// Messages that wait for a consumer.
    pub depth: u64,
    /// Those of them beyond `mem_queue_size`: in NSQ the others are in memory only, here all are in the log.
    pub backend_depth: u64,
    /// Messages that consumers have.
    pub in_flight_count: u64,
    /// Messages that wait for their time.
    pub deferred_count: u64,
    /// Messages given to the channel since it was made.
    pub message_count: u64,
    /// Deliveries to consumers of the node's own zone.
    pub zone_local_count: u64,
    /// Deliveries to other consumers of its region.
    pub region_local_count: u64,
    /// Deliveries to all others.
    pub global_count: u64,
    /// Messages that consumers gave back.
    pub requeue_count: u64,
    /// Messages that consumers kept too long.
    pub timeout_count: u64,
    /// Consumers.
    pub client_count: u64,
    /// Whether nothing is delivered.
    pub paused: bool,
    /// In the order they came.
    pub consumers: Vec<ConsumerStats>,
    /// Of the time from publishing to finishing; none unless configured.
    pub percentiles: Option<Percentiles>,
}

/// How a consumer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConsumerStats {
    /// As given in [`Subscriber`](super::Subscriber).
    pub id: u64,
    /// Most messages it wants at once.
    pub ready_count: u32,
    /// Messages it has.
    pub in_flight: u64,
    /// Messages it was given.
    pub messages: u64,
    /// Messages it finished.
    pub finished: u64,
    /// Messages it gave back.
    pub requeued: u64,
    /// Whether it wants no more.
    pub is_closing: bool,
}

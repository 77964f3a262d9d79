//! NSQ's topics and channels over the log.
//!
//! ```text
//!  Topic::publish ──▶ log (one record a message, its position is the id)
//!        │ in order of the messages' numbers
//!        ▼
//!  Channel: ready ──▶ Consumer::take ──▶ in flight ──▶ finish
//!     ▲  ▲                                │ requeue, timeout, gone
//!     │  └──── deferred ◀─────────────────┘
//!     └─ backlog, read from the log
//! ```
//! Read `message` and `record` (what a message is, and in the log), `channel::core` (what a channel
//! decides, pure), [`Channel`] and [`Consumer`] (its shell), [`Topic`], then [`Broker`]. The mechanism
//! is described in `docs/internals/queue.md`.
//!
//! Seams for rules beyond NSQ: `Topic::publish` admits a message, `Core::failed_attempt` decides what
//! becomes of one that was handed out in vain, `Core::done` ends one.
//!
//! **Invariant**: the core of a channel knows neither clock nor file nor task.
//!
//! **Invariant**: locks are taken topic first, then channel, and neither across an `await`.

#![allow(
    dead_code,
    reason = "the journal and the rules that use the rest of the building blocks land beside them"
)]

mod varint;

mod ranges;
mod wheel;

mod dedup;
mod quantiles;

mod message;
mod record;

mod policy;
mod rules;
mod stats;

mod ground;

mod channel;
mod topic;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use log::Durability;
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

pub use channel::{Channel, Consumer, PEEK_MAX, Proximity, Subscriber};
pub use message::{Delivery, MessageId, NODE_ID_MAX, NewMessage, Origin, Peeked, Place};
pub use policy::{Overflow, Policy};
pub use quantiles::{Percentile, Percentiles};
pub use record::NAME_BYTES_MAX;
pub use rules::dead::dead_letter_topic;
pub use stats::{ChannelStats, ConsumerStats, Event, TopicStats};
pub use topic::{CHANNELS_MAX, Published, Topic};

use crate::{Error, Queue, check_name, is_ephemeral};
use ground::Ground;
use rules::room::sweep;

/// A channel with a log behind it keeps at least so many messages in memory, however small
/// `mem_queue_size` is: they are read in pieces anyway.
const READY_MIN: usize = 256;
/// Events a slow listener may be behind before it misses some.
const EVENTS_MAX: usize = 1_024;

/// How a broker works.
#[derive(Clone, Debug)]
pub struct Config {
    /// Most messages of a channel that wait in memory; an ephemeral one drops what is beyond. Default
    /// 10,000.
    pub mem_queue_size: usize,
    /// Most bytes of bodies of a channel that wait in memory, about. Default 64 MiB.
    pub mem_bytes_max: usize,
    /// How sure a message is before its publisher is told. Default [`Durability::Os`].
    pub durability: Durability,
    /// The node's number in messages' ids, at most [`NODE_ID_MAX`].
    pub node_id: u16,
    /// Most consumers of a channel; 0: any number.
    pub channel_consumers_max: usize,
    /// Quantiles (0 to 1) of the time from publishing to finishing that are kept; none: nothing is.
    pub percentiles: Vec<f64>,
    /// Over how long.
    pub percentile_window: Duration,
    /// Names that begin so belong to Eyrie itself.
    pub reserved_prefixes: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            mem_queue_size: 10_000,
            mem_bytes_max: 64 << 20,
            durability: Durability::Os,
            node_id: 0,
            channel_consumers_max: 0,
            percentiles: Vec::new(),
            percentile_window: Duration::from_secs(600),
            reserved_prefixes: Vec::new(),
        }
    }
}

/// What opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Topics.
    pub topics: usize,
    /// Channels.
    pub channels: usize,
    /// Messages that wait, over all channels and topics without channels.
    pub messages: u64,
}

/// All topics and channels of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    ground: Arc<Ground>,
    queue: Queue,
    topics: RwLock<BTreeMap<Arc<str>, Arc<Topic>>>,
}

impl Broker {
    /// Opens over a queue. Blocking; to be called within a tokio runtime, on which its tasks run.
    ///
    /// So far topics and channels do not outlive the process.
    ///
    /// # Errors
    /// A configuration that makes no sense.
    pub fn open(
        queue: Queue,
        _dir: &Path,
        config: Config,
        clock: Clock,
        tasks: &TaskGroup,
    ) -> Result<(Self, Recovered), Error> {
        if config.node_id > NODE_ID_MAX {
            return Err(Error::Invalid(format!("node {} is beyond {NODE_ID_MAX}", config.node_id)));
        }
        let ground = Arc::new(Ground {
            log: queue.log().clone(),
            config,
            clock,
            tasks: tasks.clone(),
            runtime: Handle::current(),
            events: broadcast::Sender::new(EVENTS_MAX),
            control: tokio::sync::Mutex::new(()),
            is_closing: AtomicBool::new(false),
        });
        let broker = Self(Arc::new(Inner { ground, queue, topics: RwLock::default() }));
        tasks.spawn("expired messages", sweep(Arc::downgrade(&broker.0), tasks.stop_signal()));
        Ok((broker, Recovered::default()))
    }

    /// Finds or makes a topic.
    ///
    /// # Errors
    /// Not a name, one of Eyrie's own, too many topics, [`Error::Exiting`] when the broker closes, or
    /// nothing can be written.
    pub async fn topic(&self, name: &str) -> Result<Arc<Topic>, Error> {
        if let Some(topic) = self.find_topic(name) {
            return Ok(topic);
        }
        check_name(name)?;
        let ground = &self.0.ground;
        if let Some(prefix) =
            ground.config.reserved_prefixes.iter().find(|prefix| name.starts_with(&***prefix))
        {
            return Err(Error::Reserved(prefix.clone()));
        }
        let _control = ground.control.lock().await;
        if ground.is_closing.load(Ordering::Acquire) {
            return Err(Error::Exiting);
        }
        if let Some(topic) = self.find_topic(name) {
            return Ok(topic);
        }
        let stream = if is_ephemeral(name) {
            None
        } else {
            let (queue, name) = (self.0.queue.clone(), name.to_owned());
            let made = tokio::task::spawn_blocking(move || queue.topic(&name)).await;
            Some(made.map_err(|_| Error::Exiting)??.stream())
        };
        let topic = Topic::new(ground, Arc::downgrade(&self.0), name, stream);
        self.0.topics.write().insert(topic.name.clone(), topic.clone());
        ground.tell(Event::TopicMade { topic: topic.name.clone() });
        Ok(topic)
    }

    /// The topic of this name, if there is one.
    pub fn find_topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.0.topics.read().get(name).cloned()
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        self.0.topics.read().values().cloned().collect()
    }

    /// Deletes a topic, its channels and all they keep.
    ///
    /// # Errors
    /// [`Error::TopicNotFound`].
    pub async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        self.0.delete_topic(name).await
    }

    /// What is made and deleted from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.0.ground.events.subscribe()
    }

    /// Whether messages can be taken in; if not, why.
    ///
    /// # Errors
    /// A text for the operator.
    pub fn health(&self) -> Result<(), String> {
        let status = self.0.ground.log.status();
        status.poisoned.or(status.full).map_or(Ok(()), Err)
    }

    /// Ends all topics: consumers are told [`Error::Exiting`], nothing is taken in any more.
    ///
    /// # Errors
    /// None so far.
    pub async fn close(&self) -> Result<(), Error> {
        let ground = &self.0.ground;
        let _control = ground.control.lock().await;
        ground.is_closing.store(true, Ordering::Release);
        self.topics().iter().for_each(|topic| topic.close());
        Ok(())
    }
}

impl Inner {
    pub(crate) async fn delete_topic(&self, name: &str) -> Result<(), Error> {
        let _control = self.ground.control.lock().await;
        let topic = self.topics.write().remove(name).ok_or_else(|| Error::TopicNotFound(name.to_owned()))?;
        topic.close();
        for channel in topic.channels() {
            self.ground
                .tell(Event::ChannelDeleted { topic: topic.name.clone(), channel: channel.name.clone() });
        }
        self.ground.tell(Event::TopicDeleted { topic: topic.name.clone() });
        Ok(())
    }
}

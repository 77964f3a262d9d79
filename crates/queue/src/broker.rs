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
//! decides, pure), [`Channel`] and [`Consumer`] (its shell), [`Topic`], then [`Broker`]; for what
//! outlives the process `journal`, `image` (pure), `snapshot` and `recovery`. The mechanism and the
//! formats are described in `docs/internals/queue.md`.
//!
//! Seams for rules beyond NSQ, each the only place of its kind: `Topic::publish` admits a message,
//! `Core::failed_attempt` decides what becomes of one that was handed out in vain, `Core::done` ends
//! one, `Core::take` passes over what has expired, `Topic::floor` says which records are not needed
//! any more, and `Policy::check` what can be asked for.
//!
//! **Invariant**: the core of a channel knows neither clock nor file nor task.
//!
//! **Invariant**: locks are taken topic first, then channel, and neither across an `await`.

mod varint;

mod chunks;
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
mod takeover;
mod topic;

mod deleted;
mod image;
mod journal;
mod recovery;
mod snapshot;
#[cfg(test)]
mod testkit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use log::{Durability, Lsn, StreamId};
use parking_lot::RwLock;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

pub use channel::{Channel, Consumer, PEEK_MAX, Proximity, Subscriber, TAKE_BYTES_MAX};
pub use message::{Delivery, MessageId, NODE_ID_MAX, NewMessage, Origin, Peeked, Place};
pub use policy::{Overflow, Policy};
pub use quantiles::{Percentile, Percentiles};
pub use record::NAME_BYTES_MAX;
use recovery::Known;
pub use recovery::Recovered;
pub use rules::dead::dead_letter_topic;
pub use rules::seek::SeekTo;
pub use stats::{ChannelStats, ConsumerStats, Event, TopicStats};
pub use takeover::Imported;
pub use topic::{CHANNELS_MAX, Published, Topic};

use crate::{Error, Queue, check_name, is_ephemeral};
use ground::Ground;
use journal::Journal;
use journal::entry::Entry;
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

impl Config {
    /// Whether a topic of this name is the broker's.
    fn is_ours(&self, name: &str) -> bool {
        !self.reserved_prefixes.iter().any(|prefix| name.starts_with(&**prefix))
    }
}

/// All topics and channels of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Broker(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    ground: Arc<Ground>,
    queue: Queue,
    /// Where the snapshot lies, and the position it speaks of.
    dir: PathBuf,
    snapshot_position: AtomicU64,
    topics: RwLock<BTreeMap<Arc<str>, Arc<Topic>>>,
}

impl Broker {
    /// Opens over a queue. Blocking; to be called within a tokio runtime, on which its tasks run.
    ///
    /// # Errors
    /// A configuration that makes no sense; the snapshot or the log cannot be read, or is of a newer
    /// version.
    pub fn open(
        queue: Queue,
        dir: &Path,
        config: Config,
        clock: Clock,
        tasks: &TaskGroup,
    ) -> Result<(Self, Recovered), Error> {
        if config.node_id > NODE_ID_MAX {
            return Err(Error::Invalid(format!("node {} is beyond {NODE_ID_MAX}", config.node_id)));
        }
        let journal = Journal::new(queue.log().clone(), queue.topic(journal::TOPIC)?.stream());
        let known = recovery::recover(&queue, dir, &config, journal.stream)?;
        let ground = Arc::new(Ground {
            log: queue.log().clone(),
            config,
            clock,
            tasks: tasks.clone(),
            runtime: Handle::current(),
            events: broadcast::Sender::new(EVENTS_MAX),
            control: tokio::sync::Mutex::new(()),
            is_stopping: AtomicBool::new(false),
            is_closing: AtomicBool::new(false),
            journal,
            next_channel: AtomicU32::new(known.image.next_channel.max(1)),
        });
        let broker = Self(Arc::new(Inner {
            ground: ground.clone(),
            queue,
            dir: dir.to_owned(),
            snapshot_position: AtomicU64::new(known.image.position),
            topics: RwLock::default(),
        }));
        let recovered = broker.start(known);
        broker.0.release_deleted();
        let _inside = ground.runtime.enter();
        ground.tasks.spawn("queue journal", journal::run(ground.clone()));
        ground.tasks.spawn("expired messages", sweep(Arc::downgrade(&broker.0), ground.tasks.stop_signal()));
        ground.tasks.spawn("queue snapshots", snapshot::run(Arc::downgrade(&broker.0), ground.clone()));
        Ok((broker, recovered))
    }

    /// The topics that a broker has left in a queue on which none is open now; what they keep stays on the disk
    /// until a broker deletes them. Blocking.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn left_behind(
        queue: &Queue,
        dir: &Path,
        reserved_prefixes: &[String],
    ) -> Result<Vec<String>, Error> {
        let journal = queue.topics().into_iter().find(|topic| topic.name() == journal::TOPIC);
        let Some(journal) = journal else { return Ok(Vec::new()) };
        let config = Config { reserved_prefixes: reserved_prefixes.to_vec(), ..Config::default() };
        let image = recovery::recover(queue, dir, &config, journal.stream())?.image;
        Ok(image.topics.into_values().map(|topic| topic.name).collect())
    }

    /// Up to where the snapshot in a folder speaks of the log; none if there is none. For whoever copies both.
    /// Blocking.
    ///
    /// # Errors
    /// It cannot be read, or is damaged or of a newer version.
    pub fn snapshot_position(dir: &Path) -> Result<Option<Lsn>, Error> {
        Ok(snapshot::load(&log::files::Disk, dir)?.map(|image| Lsn(image.position)))
    }

    /// Makes topics and channels from an image.
    fn start(&self, known: Known) -> Recovered {
        let Known { image, records, incomplete } = known;
        let mut recovered = Recovered { records, incomplete, ..Recovered::default() };
        for (stream, of) in image.topics {
            let topic = Topic::recovered(&self.0.ground, Arc::downgrade(&self.0), StreamId(stream), of);
            topic.channels().iter().for_each(|channel| channel.start());
            let stats = topic.stats();
            recovered.topics += 1;
            recovered.channels += stats.channels.len();
            let waiting = stats.channels.iter().map(|channel| channel.depth + channel.deferred_count);
            recovered.messages += stats.depth + waiting.sum::<u64>();
            self.0.topics.write().insert(topic.name.clone(), topic);
        }
        recovered
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
        if name == journal::TOPIC {
            return Err(Error::Reserved(name.to_owned()));
        }
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
        let broker = Arc::downgrade(&self.0);
        let topic = if is_ephemeral(name) {
            Topic::new(ground, broker, name, None, ground.log.end().0)
        } else {
            let (queue, of) = (self.0.queue.clone(), name.to_owned());
            let made = tokio::task::spawn_blocking(move || queue.topic(&of)).await;
            let stream = made.map_err(|_| Error::Exiting)??.stream();
            let entry = Entry::TopicMade { stream: stream.0, name: name.to_owned() };
            let born = ground.journal.append(&entry, Durability::Os)?.await?;
            Topic::new(ground, broker, name, Some(stream), born.0)
        };
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
        self.0.delete_topic(name, |_| true).await
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
        let status = self.log_status();
        status.poisoned.or(status.full).map_or(Ok(()), Err)
    }

    /// To be called before consumers are sent away because this node stops: what they have did not fail,
    /// and is no dead letter for it.
    pub fn stop_consumers(&self) {
        self.0.ground.is_stopping.store(true, Ordering::Release);
    }

    /// How the log is that messages are in.
    pub fn log_status(&self) -> log::Status {
        self.0.ground.log.status()
    }

    /// Ends all topics: consumers are told [`Error::Exiting`], nothing is taken in any more. Then writes
    /// down where everything is; what is in flight will be delivered again.
    ///
    /// # Errors
    /// The snapshot cannot be written. The journal knows all but the last milliseconds.
    pub async fn close(&self) -> Result<(), Error> {
        let ground = &self.0.ground;
        let control = ground.control.lock().await;
        ground.is_closing.store(true, Ordering::Release);
        self.stop_consumers();
        self.topics().iter().for_each(|topic| topic.close());
        // The snapshot knows it as well.
        ground.journal.flush(&mut Vec::new());
        self.0.snapshot(&control).await
    }
}

impl Inner {
    /// Deletes a topic if, once nothing else is made or deleted, it still `may` go.
    pub(crate) async fn delete_topic(&self, name: &str, may: impl Fn(&Topic) -> bool) -> Result<(), Error> {
        let control = self.ground.control.lock().await;
        let topic = self.topics.read().get(name).cloned();
        let topic = topic.ok_or_else(|| Error::TopicNotFound(name.to_owned()))?;
        if !may(&topic) {
            return Ok(());
        }
        self.topics.write().remove(name);
        topic.close();
        for channel in topic.channels() {
            self.ground
                .tell(Event::ChannelDeleted { topic: topic.name.clone(), channel: channel.name.clone() });
        }
        self.ground.tell(Event::TopicDeleted { topic: topic.name.clone() });
        if let Some(stream) = topic.stream {
            let entry = Entry::TopicDeleted { stream: stream.0 };
            self.confirm(self.ground.journal.append(&entry, Durability::Os), &control).await?;
            self.release_all(stream);
        }
        Ok(())
    }
}

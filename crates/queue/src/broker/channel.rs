//! A channel: its core behind a lock, and two tasks that do what its time and its backlog ask for.

mod consumer;
pub(crate) mod consumers;
pub(crate) mod core;
mod in_flight;
mod line;
#[cfg(test)]
mod model;
mod peek;
pub(crate) mod pending;
mod picture;
mod places;
mod reading;
mod ready;
mod timing;
mod waiting;

use std::sync::{Arc, Weak};
use std::task::Waker;

use base::ErrorKind;
use log::{Durability, StreamId};
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use self::core::TAKE_BYTES_MAX;
pub use consumer::Consumer;
pub use consumers::{Proximity, Subscriber};
pub use peek::PEEK_MAX;

use self::core::{Core, Limits};
use self::pending::PENDING_MAX;
use super::ground::Ground;
use super::image::ChannelImage;
use super::journal::entry::{Entry, Mark, Progress};
use super::journal::{Journal, Told};
use super::message::Message;
use super::quantiles::Quantiles;
use super::snapshot::Control;
use super::stats::ChannelStats;
use super::topic::Topic;
use crate::{Error, is_ephemeral};
use waiting::Waiting;

/// Ranges and messages of one entry: some 50 bytes each at most, far below what the log takes at once.
const TOLD_AT_ONCE: usize = 1_024;

/// One queue of a topic's messages. Each message goes to one of its consumers.
#[derive(Debug)]
pub struct Channel {
    pub(crate) ground: Arc<Ground>,
    pub(crate) topic: Weak<Topic>,
    pub(crate) name: Arc<str>,
    /// Where its backlog is; none: in memory only.
    pub(crate) stream: Option<StreamId>,
    /// By which the journal knows it; none: the journal does not, because it is ephemeral.
    pub(crate) number: Option<u32>,
    /// Itself.
    this: Weak<Channel>,
    pub(crate) state: Mutex<State>,
    /// Held while the journal is told, so that it hears of things in their order.
    pub(crate) telling: Mutex<()>,
    timer: Notify,
    reader: Notify,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) core: Core,
    waiting: Waiting,
    /// When the timer looks next.
    armed_ms: i64,
    /// The reader is at work or about to be.
    is_reading: bool,
    /// Dead letters are being moved.
    pub(crate) is_burying: bool,
    /// The journal will ask what there is to tell.
    is_untold: bool,
    /// And was told that it is much.
    is_hurried: bool,
    /// From publishing to finishing; none unless configured.
    pub(crate) latencies: Option<Quantiles>,
}

/// What is to be done once the lock is free.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Effects {
    wake: Option<Waker>,
    timer: bool,
    reader: bool,
    journal: bool,
    hurry: bool,
}

impl State {
    /// Called after every change.
    pub(crate) fn settle(&mut self) -> Effects {
        let earliest_ms = self.core.take_earliest();
        let is_earlier = earliest_ms < self.armed_ms;
        if is_earlier {
            self.armed_ms = earliest_ms;
        }
        let timer = is_earlier || !self.is_burying && !self.core.rules.dead().is_empty();
        let reader = !self.is_reading && self.core.wants_reading();
        self.is_reading |= reader;
        let journal = !self.is_untold && self.core.pending.events > 0;
        let hurry = !self.is_hurried && self.core.pending.len() >= PENDING_MAX;
        self.is_untold |= journal;
        self.is_hurried |= hurry;
        Effects { wake: self.waiting.next(&mut self.core), timer, reader, journal, hurry }
    }
}

impl Channel {
    pub(crate) fn new(
        ground: &Arc<Ground>,
        topic: &Arc<Topic>,
        name: &str,
        number: Option<u32>,
        from: (u64, u64),
    ) -> Arc<Self> {
        let limits = ground.limits(number.is_none());
        let core = Core::new(limits, from.0, from.1, ground.clock.steady().millis());
        Self::with(ground, topic, name, number, core)
    }

    /// As it was before a restart.
    pub(crate) fn recovered(
        ground: &Arc<Ground>,
        topic: &Arc<Topic>,
        number: u32,
        image: ChannelImage,
        given: Mark,
    ) -> Arc<Self> {
        let name = image.name.clone();
        let core = Core::from_image(ground.limits(false), image, given, ground.clock.steady().millis());
        Self::with(ground, topic, &name, Some(number), core)
    }

    fn with(
        ground: &Arc<Ground>,
        topic: &Arc<Topic>,
        name: &str,
        number: Option<u32>,
        core: Core,
    ) -> Arc<Self> {
        let config = &ground.config;
        let latencies = (!config.percentiles.is_empty()).then(|| {
            let now_ms = u64::try_from(ground.clock.steady().millis()).unwrap_or(0);
            Quantiles::new(config.percentiles.as_slice().into(), config.percentile_window, now_ms)
        });
        let state = State {
            core,
            waiting: Waiting::default(),
            armed_ms: i64::MAX,
            is_reading: false,
            is_burying: false,
            is_untold: false,
            is_hurried: false,
            latencies,
        };
        Arc::new_cyclic(|this| Self {
            ground: ground.clone(),
            topic: Arc::downgrade(topic),
            name: name.into(),
            stream: topic.stream,
            number,
            this: this.clone(),
            state: Mutex::new(state),
            telling: Mutex::new(()),
            timer: Notify::new(),
            reader: Notify::new(),
        })
    }

    /// Starts its tasks.
    pub(crate) fn start(self: &Arc<Self>) {
        let _inside = self.ground.runtime.enter();
        self.ground.tasks.spawn("channel timer", timing::run(self.clone()));
        if let Some(stream) = self.stream {
            self.ground.tasks.spawn("channel reader", reading::run(self.clone(), stream));
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ends with its last consumer.
    pub fn is_ephemeral(&self) -> bool {
        is_ephemeral(&self.name)
    }

    /// Whether nothing is delivered.
    pub fn is_paused(&self) -> bool {
        self.state.lock().core.is_paused
    }

    /// Adds a consumer.
    ///
    /// # Errors
    /// [`Error::TooManyConsumers`], or [`Error::Exiting`] when the channel was deleted.
    pub fn subscribe(self: &Arc<Self>, subscriber: Subscriber) -> Result<Consumer, Error> {
        let consumers_max = self.ground.config.channel_consumers_max;
        let mut state = self.state.lock();
        if state.core.is_closed {
            return Err(Error::Exiting);
        }
        if consumers_max > 0 && state.core.consumers.len() >= consumers_max {
            return Err(Error::TooManyConsumers { consumers_max });
        }
        let place = state.core.consumers.insert(&subscriber);
        let effects = state.settle();
        drop(state);
        self.apply(effects);
        Ok(Consumer::new(self.clone(), place))
    }

    /// Stops or resumes delivery.
    ///
    /// # Errors
    /// The topic was deleted, or the log takes nothing.
    pub async fn set_paused(&self, is_paused: bool) -> Result<(), Error> {
        let control = self.ground.control.lock().await;
        self.change(|state| state.core.is_paused = is_paused);
        self.confirm(&control, |stream, channel| Entry::ChannelPaused { stream, channel, is_paused }).await
    }

    /// Everything the channel was given by now counts as finished, what consumers have included.
    ///
    /// # Errors
    /// The log takes nothing.
    pub async fn empty(&self) -> Result<(), Error> {
        let control = self.ground.control.lock().await;
        let end = self.change(|state| {
            let end = state.core.end;
            state.core.empty(0..end);
            end
        });
        self.confirm(&control, |stream, channel| Entry::ChannelEmptied { stream, channel, end }).await
    }

    /// How it is.
    pub fn stats(&self) -> ChannelStats {
        let now_ms = u64::try_from(self.ground.clock.steady().millis()).unwrap_or(0);
        let mut state = self.state.lock();
        let percentiles = state.latencies.as_mut().map(|latencies| latencies.percentiles(now_ms));
        let core = &state.core;
        let depth = core.depth();
        ChannelStats {
            name: self.name.clone(),
            depth,
            backend_depth: match self.stream {
                Some(_) => depth.saturating_sub(self.ground.config.mem_queue_size as u64),
                None => 0,
            },
            in_flight_count: core.in_flight.len() as u64,
            deferred_count: core.deferred.len() as u64,
            message_count: core.counters.messages,
            zone_local_count: core.counters.delivered[Proximity::Zone as usize],
            region_local_count: core.counters.delivered[Proximity::Region as usize],
            global_count: core.counters.delivered[Proximity::Global as usize],
            requeue_count: core.counters.requeued,
            timeout_count: core.counters.timed_out,
            client_count: core.consumers.len() as u64,
            paused: core.is_paused,
            consumers: core.consumers.iter().map(consumers::Consumer::stats).collect(),
            percentiles,
        }
    }

    /// Ends it: consumers are told, tasks stop.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.core.is_closed = true;
        let wakers = state.waiting.drain();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        self.timer.notify_one();
        self.reader.notify_one();
    }

    /// Tells the journal what became of messages. What the log does not take is kept, and told later;
    /// what it has taken in may still be given up, and then [`untell`](Self::untell) keeps it.
    pub(crate) fn tell(self: &Arc<Self>, journal: &Journal, told: &mut Vec<Told>) -> Result<(), Error> {
        let _telling = self.telling.lock();
        let (progress, sought) = {
            let mut state = self.state.lock();
            (state.is_untold, state.is_hurried) = (false, false);
            let delivered = state.core.delivered;
            (state.core.pending.take(delivered), state.core.sought)
        };
        let (Some(progress), Some(stream), Some(channel)) = (progress, self.stream, self.number) else {
            return Ok(());
        };
        let mut pieces = progress.pieces(TOLD_AT_ONCE).into_iter();
        while let Some(progress) = pieces.next() {
            let entry = Entry::ChannelProgress { stream: stream.0, channel, progress };
            let appended = journal.append(&entry, Durability::Os);
            let Entry::ChannelProgress { progress, .. } = entry else { continue };
            match appended {
                Ok(append) => told.push(Told { channel: self.clone(), append, progress, sought }),
                Err(error) => {
                    // A log that has stopped takes nothing ever again.
                    if error.kind() != ErrorKind::Busy {
                        return Err(error);
                    }
                    tracing::debug!(%error, channel = &*self.name, "what became of messages is told later");
                    self.change(|state| {
                        std::iter::once(progress)
                            .chain(pieces)
                            .for_each(|progress| state.core.pending.restore(&progress));
                    });
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// What was told was given up by a full log. Nothing was told since, but perhaps that the channel reads
    /// on elsewhere: then it means nothing any more.
    pub(crate) fn untell(&self, progress: &Progress, sought: u64) {
        let _telling = self.telling.lock();
        self.change(|state| {
            if state.core.sought == sought {
                state.core.pending.restore(progress);
            }
        });
    }

    /// Makes a change that was made in memory known to the journal.
    async fn confirm(
        &self,
        control: &Control<'_>,
        entry: impl FnOnce(u32, u32) -> Entry,
    ) -> Result<(), Error> {
        let (Some(stream), Some(channel)) = (self.stream, self.number) else { return Ok(()) };
        let broker = self.topic.upgrade().and_then(|topic| topic.broker.upgrade()).ok_or(Error::Exiting)?;
        let appended = self.ground.journal.append(&entry(stream.0, channel), Durability::Os);
        broker.confirm(appended, control).await
    }

    /// Takes messages the topic just published, whose records end at these positions.
    pub(crate) fn admit(&self, messages: impl Iterator<Item = (Message, u64)>, now_ms: i64) {
        self.change(|state| {
            for (message, next_position) in messages {
                state.core.admit(message, next_position, now_ms);
            }
        });
    }

    /// Changes the state and does what follows from it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state.lock();
        let outcome = change(&mut state);
        let effects = state.settle();
        drop(state);
        self.apply(effects);
        outcome
    }

    pub(crate) fn apply(&self, effects: Effects) {
        if let Some(waker) = effects.wake {
            waker.wake();
        }
        if effects.timer {
            self.timer.notify_one();
        }
        if effects.reader {
            self.reader.notify_one();
        }
        if effects.journal {
            self.ground.journal.add(self.this.clone());
        }
        if effects.hurry {
            self.ground.journal.hurry();
        }
    }
}

impl super::ground::Ground {
    fn limits(&self, is_ephemeral: bool) -> Limits {
        let least = if is_ephemeral { 1 } else { super::READY_MIN };
        Limits {
            ready_max: self.config.mem_queue_size.max(least),
            bytes_max: self.config.mem_bytes_max.max(1),
            is_ephemeral,
            node_id: self.config.node_id,
        }
    }
}

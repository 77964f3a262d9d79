//! A channel: its core behind a lock, and two tasks that do what its time and its backlog ask for.

mod consumer;
pub(crate) mod consumers;
pub(crate) mod core;
pub(crate) mod pending;
mod reading;
mod timing;
mod waiting;

use std::sync::Arc;
use std::task::Waker;

use base::Timestamp;
use log::StreamId;
use parking_lot::Mutex;
use tokio::sync::Notify;

pub use consumer::Consumer;
pub use consumers::{Proximity, Subscriber};

use self::core::{Core, Limits};
use super::ground::Ground;
use super::message::{Message, MessageId, Peeked, Place};
use super::stats::ChannelStats;
use super::topic::Topic;
use crate::{Error, is_ephemeral};
use waiting::Waiting;

/// Most messages one call of [`Channel::peek`] shows.
pub const PEEK_MAX: usize = 1_000;

/// One queue of a topic's messages. Each message goes to one of its consumers.
#[derive(Debug)]
pub struct Channel {
    pub(crate) ground: Arc<Ground>,
    pub(crate) topic: std::sync::Weak<Topic>,
    pub(crate) name: Arc<str>,
    /// Where its backlog is; none: in memory only.
    pub(crate) stream: Option<StreamId>,
    pub(crate) state: Mutex<State>,
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
}

/// What is to be done once the lock is free.
#[derive(Debug, Default)]
#[must_use]
pub(crate) struct Effects {
    wake: Option<Waker>,
    timer: bool,
    reader: bool,
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
        Effects { wake: self.waiting.next(&self.core), timer, reader }
    }
}

impl Channel {
    pub(crate) fn new(ground: &Arc<Ground>, topic: &Arc<Topic>, name: &str, from: (u64, u64)) -> Arc<Self> {
        let stream = topic.stream;
        let limits = ground.limits(stream.is_none() || is_ephemeral(name));
        let core = Core::new(limits, from.0, from.1);
        let state = State {
            core,
            waiting: Waiting::default(),
            armed_ms: i64::MAX,
            is_reading: false,
            is_burying: false,
        };
        Arc::new(Self {
            ground: ground.clone(),
            topic: Arc::downgrade(topic),
            name: name.into(),
            stream,
            state: Mutex::new(state),
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
        let _control = self.ground.control.lock().await;
        self.change(|state| state.core.is_paused = is_paused);
        Ok(())
    }

    /// Everything the channel was given by now counts as finished, what consumers have included.
    ///
    /// # Errors
    /// The log takes nothing.
    pub async fn empty(&self) -> Result<(), Error> {
        let _control = self.ground.control.lock().await;
        self.change(|state| {
            let end = state.core.end;
            state.core.empty(0..end);
        });
        Ok(())
    }

    /// Shows at most `max` (and at most [`PEEK_MAX`]) of the messages that are ready, in flight or
    /// deferred, without taking them; of the ready ones those in memory, of the deferred ones those
    /// whose bodies are.
    ///
    /// # Errors
    /// None so far.
    pub async fn peek(&self, max: usize) -> Result<Vec<Peeked>, Error> {
        let node_id = self.ground.config.node_id;
        let show = |message: &Message, place| Peeked {
            id: MessageId::new(node_id, message.position),
            place,
            timestamp_ns: message.published_ns,
            attempts: message.attempts,
            body: message.body.clone(),
        };
        let state = self.state.lock();
        let core = &state.core;
        let ready = core.ready.iter().chain(core.rules.parked()).map(|message| show(message, Place::Ready));
        let in_flight = core
            .in_flight
            .values()
            .map(|held| show(&held.message, Place::InFlight(Timestamp::from_millis(held.deadline_ms))));
        let deferred = core.deferred.iter().filter_map(|((deliver_at_ms, _), deferred)| {
            let place = Place::Deferred(Timestamp::from_millis(*deliver_at_ms));
            deferred.message.as_ref().map(|message| show(message, place))
        });
        Ok(ready.chain(in_flight).chain(deferred).take(max.min(PEEK_MAX)).collect())
    }

    /// How it is.
    pub fn stats(&self) -> ChannelStats {
        let state = self.state.lock();
        let core = &state.core;
        let depth = core.depth();
        let waiting = core.ready.len() + core.rules.parked_count();
        let in_memory = waiting.min(self.ground.config.mem_queue_size) as u64;
        ChannelStats {
            name: self.name.clone(),
            depth,
            backend_depth: if self.stream.is_some() { depth - in_memory } else { 0 },
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
            percentiles: None,
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

    /// Takes messages the topic just published, whose records end at these positions.
    pub(crate) fn admit(&self, messages: &[(Message, u64)], now_ms: i64) {
        self.change(|state| {
            for (message, next_position) in messages {
                state.core.admit(message.clone(), *next_position, now_ms);
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

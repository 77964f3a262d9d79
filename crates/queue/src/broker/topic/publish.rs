//! Publishing: numbers, the log, the channels, in one order.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use log::{Durability, Parts, record_bytes};

use super::{State, Topic};
use crate::Error;
use crate::broker::dedup::PublishId;
use crate::broker::message::{Message, NewMessage};
use crate::broker::record::{self, Fields};
use crate::broker::rules::publishes::Waits;

/// Room for a message's fields that is usually enough, in bytes.
const FIELDS_BYTES: usize = 32;
/// Positions of an ephemeral topic's messages are so far apart.
const STEP: u64 = 1;

/// Whether a topic's `max_bytes` is for these messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    /// They are refused, or the oldest are dropped.
    Bounded,
    /// They come in whatever there is: they were accepted long ago, by another nsqd.
    Unbounded,
}

/// Resolves once the messages are as sure as the topic's level says. They are on their way whether or
/// not it is awaited.
#[must_use = "the messages are written either way, but only awaiting it tells when"]
pub struct Published(Way);

/// What there is to wait for.
enum Way {
    Nothing,
    Append(log::Append),
    /// Publishes with an id, and earlier ones with the same.
    Told(Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>),
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published").finish_non_exhaustive()
    }
}

impl Future for Published {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            Way::Append(append) => {
                Pin::new(append).poll(context).map(|done| done.map(drop).map_err(Error::Log))
            }
            Way::Told(told) => told.as_mut().poll(context),
            Way::Nothing => Poll::Ready(Ok(())),
        }
    }
}

impl State {
    /// Keeps messages of an ephemeral topic for its first channel. What does not fit is dropped, as NSQ does.
    fn hold(&mut self, messages: Vec<(Message, u64)>, messages_max: usize, bytes_max: usize) {
        for held in messages {
            let bytes = self.held_bytes + held.0.body.len();
            if self.held.len() < messages_max && bytes <= bytes_max.max(1) {
                self.held_bytes = bytes;
                self.held.push(held);
            }
        }
    }
}

impl Topic {
    /// Takes messages in, side by side and in this order, before it returns; the future only waits for
    /// the level.
    ///
    /// # Errors
    /// [`Error::Exiting`] when the topic was deleted. At once when the log is full (`Busy`) or poisoned
    /// (`Unavailable`), or a message or the call is too large (`Invalid`); the same from awaiting. A
    /// message whose publisher was told of an error may still be delivered.
    pub fn publish(&self, messages: &[NewMessage]) -> Result<Published, Error> {
        self.publish_at(Durability::Memory, messages)
    }

    /// How sure a message of this topic is before its publisher is told.
    pub(crate) fn level(&self) -> Durability {
        self.state.lock().policy.durability.unwrap_or(self.ground.config.durability)
    }

    /// As [`publish`](Self::publish), at this level at least.
    pub(crate) fn publish_at(
        &self,
        at_least: Durability,
        messages: &[NewMessage],
    ) -> Result<Published, Error> {
        self.publish_within(Room::Bounded, at_least, messages)
    }

    /// As [`publish`](Self::publish), but `max_bytes` neither refuses nor drops anything before the next
    /// publish: whose messages are taken over cannot try later, and the channels do not have their share yet.
    pub(crate) fn publish_taken_over(&self, messages: &[NewMessage]) -> Result<Published, Error> {
        self.publish_within(Room::Unbounded, Durability::Memory, messages)
    }

    fn publish_within(
        &self,
        room: Room,
        at_least: Durability,
        messages: &[NewMessage],
    ) -> Result<Published, Error> {
        for message in messages {
            record::check_name("key", message.key.as_deref())?;
            record::check_name("id", message.id.as_deref())?;
        }
        let published_ns = self.ground.clock.now_nanos();
        let now_ms = self.ground.clock.steady().millis();
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::Exiting);
        }
        let repeated = state.policy.dedup_window.and_then(|_| state.publishes.fresh(messages, now_ms as u64));
        let (fresh, waits) = repeated.unzip();
        let messages = fresh.as_deref().unwrap_or(messages);
        if room == Room::Bounded {
            state
                .check_room(&self.name, || messages.iter().map(|message| message.body.len() as u64).sum())?;
        }
        let mut admitted: Vec<(Message, u64)> = messages
            .iter()
            .zip(state.next_seq..)
            .map(|(message, seq)| (new(message, seq, (published_ns, now_ms), state.policy.ttl), 0))
            .collect();
        let append = if messages.is_empty() {
            None
        } else {
            let level = state.policy.durability.unwrap_or(self.ground.config.durability).max(at_least);
            self.append(level, state.next_position, messages, &mut admitted)?
        };
        let published = Published(self.watch(&state, messages, &admitted, append, waits, now_ms));
        state.note(&admitted, now_ms);
        state.next_seq += messages.len() as u64;
        state.message_count += messages.len() as u64;
        state.message_bytes += messages.iter().map(|message| message.body.len() as u64).sum::<u64>();
        if let Some((_, next_position)) = admitted.last() {
            state.next_position = *next_position;
        }
        if state.is_paused || state.channels.is_empty() {
            if self.stream.is_none() {
                state.hold(
                    admitted,
                    self.ground.config.mem_queue_size.max(1),
                    self.ground.config.mem_bytes_max,
                );
            }
            if room == Room::Bounded {
                state.drop_beyond_max();
            }
            return Ok(published);
        }
        if let Some((last, others)) = state.channels.split_last() {
            for channel in others {
                channel.admit(admitted.iter().cloned(), now_ms);
            }
            last.admit(admitted.into_iter(), now_ms);
        }
        state.given = (state.next_seq, state.next_position);
        if room == Room::Bounded {
            state.drop_beyond_max();
        }
        Ok(published)
    }

    /// What the publisher waits for; ids are remembered.
    fn watch(
        &self,
        state: &State,
        messages: &[NewMessage],
        admitted: &[(Message, u64)],
        append: Option<log::Append>,
        waits: Option<Waits>,
        now_ms: i64,
    ) -> Way {
        let ids = || {
            let named = messages.iter().zip(admitted);
            named.filter_map(|(message, (of, _))| Some((PublishId::of(message.id.as_deref()?), of.position)))
        };
        let window = state.policy.dedup_window.filter(|_| ids().next().is_some());
        let told = match (append, window) {
            (append, Some(window)) => {
                let expires_ms = now_ms.saturating_add(i64::try_from(window.as_millis()).unwrap_or(i64::MAX));
                let append = async {
                    match append {
                        Some(append) => append.await.map(drop).map_err(Error::Log),
                        None => Ok(()),
                    }
                };
                let (run, told) = state.publishes.took(ids(), (now_ms as u64, expires_ms as u64), append);
                let _inside = self.ground.runtime.enter();
                self.ground.tasks.spawn("publish with an id", run);
                Some(waits.unwrap_or_default().and(told))
            }
            (Some(append), None) if waits.is_none() => return Way::Append(append),
            (Some(append), None) => {
                let waits = waits.unwrap_or_default();
                return Way::Told(Box::pin(async move {
                    append.await.map_err(Error::Log)?;
                    waits.done().await
                }));
            }
            (None, None) => waits,
        };
        told.map_or(Way::Nothing, |told| Way::Told(Box::pin(told.done())))
    }

    /// Hands the messages to the log and fills in where they lie and end.
    fn append(
        &self,
        level: Durability,
        next_position: u64,
        messages: &[NewMessage],
        admitted: &mut [(Message, u64)],
    ) -> Result<Option<log::Append>, Error> {
        let Some(stream) = self.stream else {
            for (at, (message, next_position)) in (next_position..).step_by(STEP as usize).zip(admitted) {
                (message.position, *next_position) = (at, at + STEP);
            }
            return Ok(None);
        };
        let mut heads = Vec::with_capacity(messages.len() * FIELDS_BYTES);
        let mut ends = Vec::with_capacity(messages.len());
        for (message, (admitted, _)) in messages.iter().zip(&*admitted) {
            let fields = Fields {
                seq: admitted.seq,
                published_ns: admitted.published_ns,
                deliver_at_ms: admitted.deliver_at_ms,
                expires_ms: admitted.expires_ms,
                key: message.key.as_deref(),
                id: message.id.as_deref(),
            };
            fields.encode(&mut heads);
            ends.push(heads.len());
        }
        let mut start = 0;
        let mut records = Vec::with_capacity(messages.len());
        for (message, end) in messages.iter().zip(ends) {
            records.push(Parts { stream, kind: record::KIND, head: &heads[start..end], body: &message.body });
            start = end;
        }
        // Publishers that wait for nothing wait a little before they fill the log's queue.
        let is_pressed = level == Durability::Memory && self.ground.log.is_pressed();
        let level = if is_pressed { Durability::Os } else { level };
        let append = self.ground.log.append_parts(&records, level)?;
        let mut at = append.lsn().0;
        for (record, (message, next_position)) in records.iter().zip(admitted) {
            message.position = at;
            at += record_bytes(record.head.len() + record.body.len());
            *next_position = at;
        }
        Ok(Some(append))
    }
}

fn new(message: &NewMessage, seq: u64, (now_ns, now_ms): (i64, i64), ttl: Option<Duration>) -> Message {
    let later =
        |by: std::time::Duration| now_ms.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
    Message {
        position: 0,
        seq,
        published_ns: message.origin.map_or(now_ns, |origin| origin.published_ns),
        deliver_at_ms: if message.delay.as_millis() == 0 { 0 } else { later(message.delay) },
        expires_ms: message.ttl.into_iter().chain(ttl).min().map_or(0, later),
        key_hash: record::key_hash(message.key.as_deref()),
        attempts: 0,
        in_order: message.delay.as_millis() == 0,
        body: message.body.clone(),
    }
}

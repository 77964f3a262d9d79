//! What a channel knows and decides, without clock, files or tasks: every method is told the time.
//!
//! ```text
//!            seq:  0 ......... floor ....... read up to ............ end (of what the topic gave)
//!                  all finished | finished or in memory | backlog: in the log only
//!                                 = ready + in flight + deferred + due
//! ```
//! `loaded` holds the numbers that are finished or in memory, so its floor is where the backlog
//! begins; deferred messages may be loaded ahead of it. A message that is read from the log and
//! skips numbers says that those were never written: they count as finished.

mod ruled;
mod timed;

use std::collections::BTreeMap;

use hashbrown::HashMap;

use super::consumers::{Consumer, Consumers};
use super::in_flight::{InFlight, InFlights};
use super::pending::Pending;
use super::places::Places;
use super::ready::Ready;
use crate::Error;
use crate::broker::message::{Delivery, Message, MessageId};
use crate::broker::ranges::RangeSet;
use crate::broker::rules::Rules;
use crate::broker::wheel::Wheel;
use timed::tick;

/// Most messages read back at once by position.
const DUE_AT_ONCE: usize = 256;
/// A consumer is given no more at once when the bodies have so many bytes.
pub const TAKE_BYTES_MAX: usize = 1 << 20;

/// How much of a channel is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most messages that wait in memory.
    pub(crate) ready_max: usize,
    /// Most bytes of bodies that wait in memory, about.
    pub(crate) bytes_max: usize,
    /// What does not fit is dropped, and nothing is told to the journal.
    pub(crate) is_ephemeral: bool,
    pub(crate) node_id: u16,
}

/// A deferred message; its time and position are the key.
#[derive(Debug)]
pub(crate) struct Deferred {
    pub(crate) seq: u64,
    pub(crate) attempts: u16,
    /// None: read again from the log when its time has come.
    pub(crate) message: Option<Box<Message>>,
}

/// A message whose time has come and whose body is in the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Due {
    pub(crate) position: u64,
    pub(crate) seq: u64,
    pub(crate) attempts: u16,
}

/// Counted since the channel was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    pub(crate) messages: u64,
    pub(crate) requeued: u64,
    pub(crate) timed_out: u64,
    /// By [`Proximity`](super::Proximity).
    pub(crate) delivered: [u64; 3],
}

#[derive(Debug)]
pub(crate) struct Core {
    limits: Limits,
    pub(crate) finished: RangeSet,
    pub(crate) loaded: RangeSet,
    /// Behind the last number the topic gave.
    pub(crate) end: u64,
    /// No record of what comes behind `end` lies below this position.
    end_position: u64,
    /// No record of the backlog lies below this position.
    pub(crate) next_position: u64,
    /// Where messages lie that are not finished.
    pub(crate) places: Places,
    pub(crate) ready: Ready,
    pub(crate) in_flight: InFlights,
    /// Positions of what is in flight.
    deadlines: Wheel<u64>,
    pub(crate) deferred: BTreeMap<(i64, u64), Deferred>,
    deferred_bytes: usize,
    /// By time and position as well.
    pub(crate) due: BTreeMap<(i64, u64), Due>,
    pub(crate) consumers: Consumers,
    pub(crate) is_paused: bool,
    pub(crate) is_closed: bool,
    pub(crate) counters: Counters,
    /// What the journal does not know yet.
    pub(crate) pending: Pending,
    /// Messages that came in order and lie below this number were handed out at least once.
    pub(crate) delivered: u64,
    /// Attempts of messages of the backlog, known from before a restart.
    pub(crate) recalled: HashMap<u64, u16>,
    /// Beyond NSQ.
    pub(crate) rules: Rules,
    /// How often it was told to read on elsewhere.
    pub(crate) sought: u64,
    /// Below, nothing can be dropped: it is finished, or in flight, or a dead letter.
    dropped: u64,
    /// The backlog is read without consumers too, for what has expired takes others' room.
    reads_ahead: bool,
    earliest_ms: i64,
}

impl Core {
    /// A channel that begins with message `from`, no record of which lies below `position`.
    pub(crate) fn new(limits: Limits, from: u64, position: u64, now_ms: i64) -> Self {
        Self {
            limits,
            finished: RangeSet::below(from),
            loaded: RangeSet::below(from),
            end: from,
            end_position: position,
            next_position: position,
            places: Places::starting(from, position),
            ready: Ready::default(),
            in_flight: InFlights::default(),
            deadlines: Wheel::new(tick(now_ms)),
            deferred: BTreeMap::new(),
            deferred_bytes: 0,
            due: BTreeMap::new(),
            consumers: Consumers::default(),
            is_paused: false,
            is_closed: false,
            counters: Counters::default(),
            pending: Pending::default(),
            delivered: from,
            recalled: HashMap::new(),
            rules: Rules::default(),
            sought: 0,
            dropped: 0,
            reads_ahead: false,
            earliest_ms: i64::MAX,
        }
    }

    /// Takes the topic's next message, whose record ends at `next_position`.
    pub(crate) fn admit(&mut self, message: Message, next_position: u64, now_ms: i64) {
        let seq = message.seq;
        self.end = self.end.max(seq + 1);
        self.end_position = self.end_position.max(next_position);
        self.counters.messages += 1;
        let is_next = self.loaded.floor() == seq;
        if is_next {
            self.places.note(seq, message.position, self.finished.floor());
        }
        let has_room = self.has_room() && self.parks_more();
        if message.deliver_at_ms > now_ms {
            self.loaded.insert(seq);
            self.defer(message.deliver_at_ms, message);
        } else if has_room && is_next {
            self.loaded.insert(seq);
            self.ready.push_back(message);
        } else if self.limits.is_ephemeral && (!has_room || self.depth() > self.limits.ready_max as u64) {
            self.loaded.insert(seq);
            self.done(seq);
        }
        if is_next && self.loaded.floor() > seq {
            self.next_position = next_position;
        }
    }

    /// The topic gave everything below `end`, which is in the log below `position`.
    pub(crate) fn extend(&mut self, (end, position): (u64, u64)) {
        self.counters.messages += end.saturating_sub(self.end);
        self.end = self.end.max(end);
        self.end_position = self.end_position.max(position);
    }

    /// Takes messages read from the log in order, everything below `position` having been read.
    pub(crate) fn load(&mut self, messages: impl Iterator<Item = Message>, position: u64, now_ms: i64) {
        for mut message in messages {
            if message.seq >= self.end {
                // Not given yet: the topic is paused.
                self.next_position = self.next_position.max(message.position);
                return;
            }
            self.missing(message.seq);
            self.places.note(message.seq, message.position, self.finished.floor());
            if !self.loaded.insert(message.seq) {
                continue;
            }
            let before = u16::from(message.in_order && message.seq < self.delivered);
            let attempts = message.attempts.saturating_add(before);
            let recalled = self.recalled.remove(&message.seq);
            let was_out = recalled.map_or(before > 0, |known| known > message.attempts);
            message.attempts = recalled.unwrap_or(attempts);
            // What is known of it alone the mark does not change.
            message.in_order &= recalled.is_none();
            self.rules.holds(&message);
            if was_out {
                // It was handed out, and whoever had it is gone.
                let Some(survivor) = self.rules.survives(message) else { continue };
                message = survivor;
            }
            if message.deliver_at_ms > now_ms && message.attempts == 0 {
                self.defer(message.deliver_at_ms, message);
            } else {
                self.ready.push_back(message);
            }
        }
        self.next_position = self.next_position.max(position);
    }

    /// What was not loaded below `seq` is not in the log.
    pub(crate) fn missing(&mut self, seq: u64) {
        if self.loaded.floor() >= seq {
            return;
        }
        let gaps: Vec<_> = self.loaded.gaps(seq.min(self.end)).collect();
        for gap in gaps {
            tracing::warn!(
                from = gap.start,
                to = gap.end,
                "messages are not in the log; they count as finished"
            );
            self.loaded.insert_range(gap.clone());
            self.finished.insert_range(gap.clone());
            self.pending.finish_range(gap);
        }
    }

    /// Due messages whose bodies are to be read.
    pub(crate) fn due(&self) -> Vec<Due> {
        self.due.values().take(DUE_AT_ONCE).copied().collect()
    }

    /// The message of the first due one, as it was read; none if it is not there.
    pub(crate) fn recall(&mut self, due: Due, message: Option<Message>) {
        let Some(first) = self.due.first_entry().filter(|first| first.get().position == due.position) else {
            // The channel was emptied meanwhile.
            return;
        };
        first.remove();
        match message {
            Some(message) => {
                // It may have been in flight when a node was killed.
                let message = Message { attempts: due.attempts, in_order: false, ..message };
                self.rules.survives(message).into_iter().for_each(|message| self.ready.push_back(message));
            }
            None => {
                tracing::warn!(seq = due.seq, "a deferred message is not in the log; it counts as finished");
                self.done(due.seq);
            }
        }
    }

    /// Whether something should be read from the log, now that a consumer may want it, or it may have
    /// expired where what waits is bounded.
    pub(crate) fn wants_reading(&self) -> bool {
        !self.is_closed
            && (!self.due.is_empty() || self.wants_backlog())
            && (!self.consumers.is_empty() || self.reads_ahead)
            && self.ready.len() * 2 <= self.limits.ready_max
            && self.has_room()
    }

    /// Hands out at most `max` messages to a consumer, and no more once they have [`TAKE_BYTES_MAX`] bytes.
    pub(crate) fn take(&mut self, owner: u32, max: usize, now_ms: i64, out: &mut Vec<Delivery>) -> usize {
        if !self.can_take(owner) {
            return 0;
        }
        let Some(consumer) = self.consumers.get(owner).cloned() else { return 0 };
        let deadline_ms = now_ms.saturating_add(consumer.msg_timeout_ms);
        let max = max.min(usize::try_from(consumer.room()).unwrap_or(usize::MAX));
        let (mut taken, mut bytes) = (0, 0);
        while taken < max && bytes < TAKE_BYTES_MAX {
            let Some(message) = self.ready.pop_front() else { break };
            if consumer.passes_over(message.position) || message.has_expired(now_ms) {
                self.done(message.seq);
                continue;
            }
            let (seq, attempts, position) = (message.seq, message.attempts, message.position);
            let Some(mut message) = self.rules.pass(message) else {
                // Others pass it, and the "delivered" mark with them, which would tell otherwise.
                if !self.limits.is_ephemeral {
                    self.pending.attempt(seq, attempts, position);
                }
                continue;
            };
            message.attempts = message.attempts.saturating_add(1);
            if message.attempts == 1 && message.in_order {
                self.delivered = self.delivered.max(message.seq + 1);
                self.pending.events += usize::from(!self.limits.is_ephemeral);
            } else if !self.limits.is_ephemeral {
                self.pending.attempt(seq, message.attempts, position);
            }
            out.push(Delivery {
                id: MessageId::new(self.limits.node_id, position),
                timestamp_ns: message.published_ns,
                attempts: message.attempts,
                body: message.body.clone(),
            });
            let timer = self.deadlines.insert(tick(deadline_ms), position);
            bytes += message.body.len();
            self.in_flight.insert(InFlight { message, owner, delivered_ms: now_ms, deadline_ms, timer });
            taken += 1;
        }
        if taken > 0 {
            let count = taken as u64;
            self.earliest_ms = self.earliest_ms.min(deadline_ms);
            self.counters.delivered[consumer.proximity as usize] += count;
            self.consumers.change(owner, |consumer| {
                consumer.in_flight += count;
                consumer.messages += count;
            });
        }
        taken
    }

    /// Whether a consumer may be given a message, if there is one.
    pub(crate) fn can_take(&self, owner: u32) -> bool {
        !self.is_paused
            && !self.is_closed
            && self.consumers.get(owner).is_some_and(|consumer| consumer.has_room())
    }

    /// A consumer is done with a message. Returns when the message was published.
    pub(crate) fn finish(&mut self, owner: u32, id: MessageId) -> Result<i64, Error> {
        let message = self.give_back(owner, id, |consumer| consumer.finished += 1)?;
        self.done(message.seq);
        Ok(message.published_ns)
    }

    /// A consumer gives a message back, to be delivered again after a delay.
    pub(crate) fn requeue(
        &mut self,
        owner: u32,
        id: MessageId,
        delay_ms: i64,
        now_ms: i64,
    ) -> Result<(), Error> {
        let message = self.give_back(owner, id, |consumer| consumer.requeued += 1)?;
        self.counters.requeued += 1;
        self.failed_attempt(message, delay_ms, now_ms);
        Ok(())
    }

    /// The same, but it never tried: the delivery does not count as an attempt.
    pub(crate) fn hand_back(
        &mut self,
        owner: u32,
        id: MessageId,
        delay_ms: i64,
        now_ms: i64,
    ) -> Result<(), Error> {
        let mut message = self.give_back(owner, id, |consumer| consumer.requeued += 1)?;
        self.counters.requeued += 1;
        message.attempts = message.attempts.saturating_sub(1);
        self.take_back(message, delay_ms, now_ms);
        Ok(())
    }

    /// A consumer wants more time.
    pub(crate) fn touch(&mut self, owner: u32, id: MessageId, now_ms: i64) -> Result<(), Error> {
        let position = id.position(self.limits.node_id).ok_or(Error::NotInFlight)?;
        let held = self.in_flight.get_mut(position).ok_or(Error::NotInFlight)?;
        if held.owner != owner {
            return Err(Error::NotOwner);
        }
        let Some(consumer) = self.consumers.get(owner) else { return Err(Error::NotOwner) };
        let last_ms = held.delivered_ms.saturating_add(consumer.max_msg_timeout_ms);
        self.deadlines.cancel(held.timer);
        held.deadline_ms = now_ms.saturating_add(consumer.msg_timeout_ms).min(last_ms);
        held.timer = self.deadlines.insert(tick(held.deadline_ms), position);
        self.earliest_ms = self.earliest_ms.min(held.deadline_ms);
        Ok(())
    }

    /// A consumer goes; what it has is delivered again at once. If it was sent away, because this node
    /// stops, none of that failed.
    pub(crate) fn leave(&mut self, owner: u32, is_sent_away: bool, now_ms: i64) {
        for held in self.in_flight.remove_owned(owner) {
            self.deadlines.cancel(held.timer);
            let message = held.message;
            let attempts = self.rules.spared(message.attempts);
            if is_sent_away && attempts < message.attempts {
                self.take_back(Message { attempts, ..message }, 0, now_ms);
            } else if is_sent_away {
                self.put_back(message, 0, now_ms);
            } else {
                self.failed_attempt(message, 0, now_ms);
            }
        }
        self.consumers.remove(owner);
    }

    /// Everything below `upto` counts as finished, what consumers have included.
    pub(crate) fn empty(&mut self, range: std::ops::Range<u64>) {
        self.finished.insert_range(range.clone());
        self.ready.drop_range(&range);
        self.forget_waiting(&range);
        if self.backlog() == 0 {
            self.next_position = self.next_position.max(self.end_position);
        }
        for held in self.in_flight.remove_range(&range) {
            self.deadlines.cancel(held.timer);
            self.consumers.change(held.owner, |consumer| consumer.in_flight -= 1);
        }
        let free = self.rules.forget(&range, &[]);
        self.push_front(free);
    }

    /// Messages that are in the log only, due ones aside.
    pub(crate) fn backlog(&self) -> u64 {
        (self.end - self.loaded.floor().min(self.end)).saturating_sub(self.loaded.count_above_floor())
    }

    /// Messages that wait for a consumer.
    pub(crate) fn depth(&self) -> u64 {
        let held_back = self.rules.parked_count() + self.rules.dead().len();
        (self.ready.len() + self.due.len() + held_back) as u64 + self.backlog()
    }

    /// The one place where it is decided what becomes of a message that was handed out and not
    /// finished: requeued, timed out, or its consumer gone.
    fn failed_attempt(&mut self, message: Message, delay_ms: i64, now_ms: i64) {
        if let Some(message) = self.rules.survives(message) {
            self.put_back(message, delay_ms, now_ms);
        }
    }

    /// Attempts were taken back: the journal, which knows more, is told so. It takes the lower number
    /// with a later time.
    fn take_back(&mut self, message: Message, delay_ms: i64, now_ms: i64) {
        if delay_ms <= 0 && !self.limits.is_ephemeral {
            self.pending.defer(message.seq, message.attempts, now_ms, message.position);
        }
        // The "delivered" mark has passed it.
        self.put_back(Message { in_order: false, ..message }, delay_ms, now_ms);
    }

    fn put_back(&mut self, message: Message, delay_ms: i64, now_ms: i64) {
        // It came back: it may be dropped like those that were never handed out.
        self.dropped = self.dropped.min(message.seq);
        if delay_ms <= 0 {
            self.ready.push_back(message);
            return;
        }
        let deliver_at_ms = now_ms.saturating_add(delay_ms);
        if !self.limits.is_ephemeral {
            self.pending.defer(message.seq, message.attempts, deliver_at_ms, message.position);
        }
        self.defer(deliver_at_ms, message);
    }

    /// The one place where a message is over for this channel.
    fn done(&mut self, seq: u64) {
        self.finished.insert(seq);
        if self.limits.is_ephemeral {
            self.pending.forget(&(seq..seq + 1));
        } else {
            self.pending.finish(seq);
        }
        let next = self.rules.done(seq);
        self.push_front(next);
    }

    /// A consumer has a message no more, which is counted.
    fn give_back(
        &mut self,
        owner: u32,
        id: MessageId,
        count: impl FnOnce(&mut Consumer),
    ) -> Result<Message, Error> {
        let position = id.position(self.limits.node_id).ok_or(Error::NotInFlight)?;
        let held = self.in_flight.remove_of(owner, position)?;
        self.deadlines.cancel(held.timer);
        self.consumers.change(owner, |consumer| {
            consumer.in_flight -= 1;
            count(consumer);
        });
        Ok(held.message)
    }

    fn has_room(&self) -> bool {
        self.ready.len() < self.limits.ready_max && self.ready.bytes() < self.limits.bytes_max
    }
}

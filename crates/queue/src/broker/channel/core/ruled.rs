//! What the topic's rules add to the core; see [`Rules`](crate::broker::rules::Rules).

use std::ops::Range;

use super::Core;
use crate::broker::channel::pending::Pending;
use crate::broker::message::Message;
use crate::broker::policy::Policy;
use crate::broker::ranges::RangeSet;

impl Core {
    /// Takes over the topic's rules.
    pub(crate) fn set_rules(&mut self, policy: &Policy) {
        let free = self.rules.set(policy);
        self.push_front(free);
    }

    /// Whether the backlog should be read on, if anything is read.
    pub(crate) fn wants_backlog(&self) -> bool {
        self.backlog() > 0 && self.parks_more()
    }

    /// A dead letter was moved.
    pub(crate) fn buried(&mut self, seq: u64) {
        if self.rules.buried(seq) {
            self.done(seq);
        }
    }

    /// Everything begins anew at this mark, which lies in what the topic gave.
    pub(crate) fn seek(&mut self, (seq, position): (u64, u64)) {
        let held: Vec<_> = self.in_flight.drain().map(|(_, held)| held).collect();
        for held in held {
            self.deadlines.cancel(held.timer);
            if let Some(consumer) = self.consumers.get_mut(held.owner) {
                consumer.in_flight -= 1;
            }
        }
        self.ready.clear();
        self.deferred.clear();
        self.due.clear();
        self.recalled.clear();
        (self.ready_bytes, self.deferred_bytes) = (0, 0);
        self.rules.restart();
        self.pending = Pending::default();
        self.finished = RangeSet::below(seq);
        self.loaded = RangeSet::below(seq);
        (self.delivered, self.next_position) = (seq, position);
        self.sought += 1;
    }

    /// Of what comes next, `others` were never for this channel, and some were tried before.
    pub(crate) fn take_over(&mut self, others: &RangeSet, attempts: Vec<(u64, u16)>) {
        for set in [&mut self.finished, &mut self.loaded, &mut self.pending.finished] {
            set.insert_all(others);
        }
        self.pending.events += 1;
        for (seq, attempts) in attempts {
            self.recalled.insert(seq, attempts);
            self.pending.attempt(seq, attempts);
        }
    }

    /// Messages that failed and are deferred, but for their keys, which are in the log: number, position.
    pub(crate) fn failed_and_deferred(&self) -> Vec<(u64, u64)> {
        let failed = self.deferred.iter().filter(|(_, of)| of.attempts > 0 && of.message.is_none());
        failed.map(|((_, position), of)| (of.seq, *position)).collect()
    }

    /// Puts messages before all others, in this order.
    pub(super) fn push_front(
        &mut self,
        messages: impl IntoIterator<Item = Message, IntoIter: DoubleEndedIterator>,
    ) {
        for message in messages.into_iter().rev() {
            self.ready_bytes += message.body.len();
            self.ready.push_front(message);
        }
    }

    /// Whether there is room for more messages that wait for their keys.
    pub(super) fn parks_more(&self) -> bool {
        self.rules.parked_count() < self.limits.ready_max && self.rules.parked_bytes() < self.limits.bytes_max
    }

    /// Messages of these numbers wait no more, in memory or out of it.
    pub(super) fn forget_waiting(&mut self, range: &Range<u64>) {
        self.loaded.insert_range(range.clone());
        let ready_bytes = &mut self.ready_bytes;
        self.ready.retain(|message| {
            let stays = !range.contains(&message.seq);
            *ready_bytes -= if stays { 0 } else { message.body.len() };
            stays
        });
        let deferred_bytes = &mut self.deferred_bytes;
        self.deferred.retain(|_, deferred| {
            let stays = !range.contains(&deferred.seq);
            if !stays && let Some(message) = &deferred.message {
                *deferred_bytes -= message.body.len();
            }
            stays
        });
        self.due.retain(|due| !range.contains(&due.seq));
        self.recalled.retain(|seq, _| !range.contains(seq));
    }

    /// Everything below the mark's number counts as finished, but what consumers have and dead letters; no
    /// record of what is left lies below its position.
    pub(crate) fn drop_below(&mut self, (upto, position): (u64, u64)) {
        let dead = self.rules.dead().iter().map(|message| message.seq);
        let mut stay: Vec<u64> = self.in_flight.values().map(|held| held.message.seq).chain(dead).collect();
        stay.sort_unstable();
        let mut at = self.finished.floor();
        for end in stay.iter().copied().filter(|seq| *seq < upto).chain([upto]) {
            let gone = at..end;
            at = end + 1;
            if !self.limits.is_ephemeral {
                self.pending.events += usize::from(self.finished.insert_range(gone.clone()) > 0);
                self.pending.finished.insert_range(gone.clone());
                self.pending.forget(&gone);
            }
            self.finished.insert_range(gone);
        }
        self.forget_waiting(&(0..upto));
        self.end = self.end.max(upto);
        self.next_position = self.next_position.max(position);
        let free = self.rules.forget(&(0..upto), &stay);
        self.push_front(free);
    }
}

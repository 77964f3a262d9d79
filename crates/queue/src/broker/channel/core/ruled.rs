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

    /// Whether there is room for more messages that wait for their keys, or to be moved as dead letters.
    pub(super) fn parks_more(&self) -> bool {
        let count = self.rules.parked_count() + self.rules.dead().len();
        let bytes = self.rules.parked_bytes() + self.rules.dead_bytes();
        count < self.limits.ready_max && bytes < self.limits.bytes_max
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::broker::channel::consumers::{Proximity, Subscriber};
    use crate::broker::channel::core::Limits;
    use crate::broker::message::MessageId;

    const LIMITS: Limits = Limits { ready_max: 4, bytes_max: 1_000, is_ephemeral: false, node_id: 1 };

    fn message(seq: u64, key_hash: u64) -> Message {
        Message {
            position: seq * 8,
            seq,
            published_ns: 0,
            deliver_at_ms: 0,
            expires_ms: 0,
            key_hash,
            attempts: 0,
            in_order: true,
            body: Bytes::from_static(b"body"),
        }
    }

    /// A channel with one consumer, its handle, and the rules.
    fn ruled(policy: &Policy) -> (Core, u32) {
        let mut core = Core::new(LIMITS, 0, 0, 0);
        core.set_rules(policy);
        let minute = Duration::from_secs(60);
        let proximity = Proximity::Global;
        let subscriber =
            Subscriber { id: 1, msg_timeout: minute, max_msg_timeout: minute, sample_rate: 0, proximity };
        let owner = core.consumers.insert(&subscriber);
        core.consumers.get_mut(owner).expect("it is there").ready_count = 100;
        (core, owner)
    }

    #[test]
    fn a_message_that_waits_for_its_key_was_not_handed_out_though_later_ones_were() {
        let (mut core, owner) = ruled(&Policy { ordered: true, ..Policy::default() });
        (0..2).for_each(|seq| core.admit(message(seq, 7), seq * 8 + 8, 0));
        // The second one is parked, and nothing behind it was handed out yet.
        assert_eq!((core.take(owner, 9, 0, &mut Vec::new()), core.rules.parked_count()), (1, 1));
        assert_eq!(core.image("c").special.get(&1).map(|special| special.attempts), Some(0));
    }

    #[test]
    fn dead_letters_that_cannot_be_moved_keep_the_backlog_in_the_log() {
        let (mut core, owner) = ruled(&Policy { dead_letter_after: Some(1), ..Policy::default() });
        for seq in 0..4 {
            core.admit(message(seq, 0), seq * 8 + 8, 0);
            assert_eq!(core.take(owner, 1, 0, &mut Vec::new()), 1);
            core.requeue(owner, MessageId::new(1, seq * 8), 0, 0).expect("it has the message");
        }
        assert_eq!(core.rules.dead().len(), 4);
        core.admit(message(4, 0), 40, 0);
        assert!(core.ready.is_empty() && !core.wants_reading(), "memory is bounded");
        (0..4).for_each(|seq| core.buried(seq));
        assert!(core.wants_reading(), "they were moved");
    }
}

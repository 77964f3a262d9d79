//! What the topic's rules add to the core; see [`Rules`](crate::broker::rules::Rules).

use std::ops::Range;

use super::{Core, Due};
use crate::broker::channel::pending::{Pending, Special};
use crate::broker::channel::places::Places;
use crate::broker::channel::ready::Ready;
use crate::broker::message::Message;
use crate::broker::policy::{Overflow, Policy};
use crate::broker::ranges::RangeSet;

/// Messages that are looked at for whether they have expired, without letting others have their turn: a
/// fraction of a millisecond.
const EXPIRED_AT_ONCE: usize = 10_000;

impl Core {
    /// Takes over the topic's rules.
    pub(crate) fn set_rules(&mut self, policy: &Policy) {
        let drops =
            policy.ttl.is_some() || policy.max_bytes.is_some() && policy.overflow == Overflow::DropOldest;
        self.in_flight.keep_numbers(drops);
        self.reads_ahead = policy.max_bytes.is_some() && policy.overflow == Overflow::Reject;
        let free = self.rules.set(policy);
        self.push_front(free);
    }

    /// Whether there may be something for [`pass_over_expired`](Self::pass_over_expired).
    pub(crate) fn may_pass_over(&self, now_ms: i64) -> bool {
        !self.is_closed && (self.ready.may_have_expired(now_ms) || self.reads_ahead && self.wants_reading())
    }

    /// What waits in memory and has expired is over, though nobody takes it: so many at once at most.
    pub(crate) fn pass_over_expired(&mut self, now_ms: i64) {
        for seq in self.ready.take_expired(now_ms, EXPIRED_AT_ONCE) {
            self.done(seq);
        }
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
        for held in self.in_flight.remove_range(&(0..u64::MAX)) {
            self.deadlines.cancel(held.timer);
            self.consumers.change(held.owner, |consumer| consumer.in_flight -= 1);
        }
        self.ready = Ready::default();
        self.deferred.clear();
        self.due.clear();
        self.recalled.clear();
        (self.deferred_bytes, self.dropped) = (0, 0);
        self.rules.restart();
        self.pending = Pending::default();
        self.finished = RangeSet::below(seq);
        self.loaded = RangeSet::below(seq);
        self.places = Places::starting(seq, position);
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
            self.pending.attempt(seq, attempts, 0);
        }
    }

    /// Messages that are known one by one to have been handed out before the core was made: number, and
    /// position in the log, where their keys are. What waits for no time is read before the backlog, so
    /// that none that waits for its key keeps it from being read. Those that were handed out once and in
    /// their order are not known so, but come first in the backlog.
    pub(crate) fn tried_before(&mut self) -> Vec<(u64, u64)> {
        let is_tried = |(seq, of): &(u64, Special)| of.attempts > 0 && of.position > 0 && *seq < self.end;
        let tried: Vec<_> = self.pending.known().iter().filter(is_tried).collect();
        for (seq, Special { deliver_at_ms, position, .. }) in tried.iter().copied() {
            if let Some(attempts) = self.recalled.remove(&seq) {
                self.loaded.insert(seq);
                self.due.insert((deliver_at_ms, position), Due { position, seq, attempts });
            }
        }
        tried.into_iter().map(|(seq, of)| (seq, of.position)).collect()
    }

    /// Puts messages before all others, in this order.
    pub(super) fn push_front(
        &mut self,
        messages: impl IntoIterator<Item = Message, IntoIter: DoubleEndedIterator>,
    ) {
        for message in messages.into_iter().rev() {
            self.ready.push_front(message);
        }
    }

    /// Whether there is room for more messages that wait for their keys, or to be moved as dead letters.
    pub(super) fn parks_more(&self) -> bool {
        let count = self.rules.parked_count() + self.rules.dead().len();
        let bytes = self.rules.parked_bytes() + self.rules.dead_bytes();
        count < self.limits.ready_max && bytes < self.limits.bytes_max
    }

    /// Messages of these numbers wait no more, in the log, for their time, or to be read again.
    pub(super) fn forget_waiting(&mut self, range: &Range<u64>) {
        self.loaded.insert_range(range.clone());
        for (seq, special) in self.pending.forget(range) {
            self.recalled.remove(&seq);
            let time = (special.deliver_at_ms, special.position);
            if let Some(deferred) = self.deferred.remove(&time) {
                self.deferred_bytes -= deferred.message.map_or(0, |message| message.body.len());
            } else {
                self.due.remove(&time);
            }
        }
    }

    /// What can be dropped below a number: it is neither finished, nor with a consumer, nor was it dropped.
    /// The first so many pieces, in order.
    pub(crate) fn droppable(&self, upto: u64, pieces_max: usize) -> Vec<Range<u64>> {
        let mut pieces = Vec::new();
        for gap in self.finished.gaps_in(self.dropped..upto) {
            let mut at = gap.start;
            for end in self.in_flight.numbers_in(gap.clone()).chain([gap.end]) {
                if at < end {
                    pieces.push(at..end);
                    if pieces.len() == pieces_max {
                        return pieces;
                    }
                }
                at = end + 1;
            }
        }
        pieces
    }

    /// Everything below the mark's number counts as finished, but what consumers have and dead letters; no
    /// record of what is left lies below its position. Costs what is dropped, not what there is.
    pub(crate) fn drop_below(&mut self, (upto, position): (u64, u64)) {
        let from = self.dropped.max(self.finished.floor());
        let dead =
            self.rules.dead().iter().map(|message| message.seq).filter(|seq| (from..upto).contains(seq));
        let mut stay: Vec<u64> = self.in_flight.numbers_in(from..upto).chain(dead).collect();
        stay.sort_unstable();
        let mut at = from;
        for end in stay.iter().copied().chain([upto]) {
            let gone = at..end;
            at = end + 1;
            let is_new = self.finished.insert_range(gone.clone()) > 0;
            if is_new && !self.limits.is_ephemeral {
                self.pending.finished.insert_range(gone.clone());
                self.pending.events += 1;
            }
            self.forget_waiting(&gone);
        }
        self.ready.drop_below(upto);
        self.loaded.insert_range(0..upto);
        self.dropped = self.dropped.max(upto);
        self.end = self.end.max(upto);
        self.end_position = self.end_position.max(position);
        self.next_position = self.next_position.max(position);
        self.places.note(upto, position, self.finished.floor());
        let free = self.rules.forget(&(from..upto), &stay);
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
        let owner = join(&mut core);
        (core, owner)
    }

    fn join(core: &mut Core) -> u32 {
        let minute = Duration::from_secs(60);
        let proximity = Proximity::Global;
        let subscriber =
            Subscriber { id: 1, msg_timeout: minute, max_msg_timeout: minute, sample_rate: 0, proximity };
        let owner = core.consumers.insert(&subscriber);
        core.consumers.change(owner, |consumer| consumer.ready_count = 100);
        owner
    }

    #[test]
    fn a_message_that_waits_for_its_key_was_not_handed_out_though_later_ones_were() {
        let (mut core, owner) = ruled(&Policy { ordered: true, ..Policy::default() });
        (0..2).for_each(|seq| core.admit(message(seq, 7), seq * 8 + 8, 0));
        // The second one is parked, and nothing behind it was handed out yet.
        assert_eq!((core.take(owner, 9, 0, &mut Vec::new()), core.rules.parked_count()), (1, 1));
        assert_eq!(core.image("c").special.get(1).map(|special| special.attempts), Some(0));
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

    /// Everything in the log that the core wants is read.
    fn read(core: &mut Core, log: &[Message], now_ms: i64) {
        while core.wants_reading() {
            for due in core.due() {
                core.recall(due, Some(log[due.seq as usize].clone()));
            }
            let from = core.next_position as usize / 8;
            let upto = log.len().min(from + 2);
            core.load(log[from..upto].iter().cloned(), upto as u64 * 8, now_ms);
        }
    }

    #[test]
    fn a_failed_message_holds_its_key_over_a_kill_though_its_time_came_and_much_of_its_key_lies_before_it() {
        let policy = Policy { ordered: true, ..Policy::default() };
        let (mut core, owner) = ruled(&policy);
        // Four fill the memory, more than that of one key are in the log only, the last of it comes by itself.
        let mut log: Vec<_> = (0..10).map(|seq| message(seq, if seq < 4 { 0 } else { 7 })).collect();
        log.push(Message { deliver_at_ms: 10, in_order: false, ..message(10, 7) });
        log.iter().for_each(|of| core.admit(of.clone(), of.position + 8, 0));
        core.fire(10);
        let mut out = Vec::new();
        assert_eq!(core.take(owner, 5, 10, &mut out), 5);
        assert_eq!(out[4].id, MessageId::new(1, 80), "its key was free");
        core.requeue(owner, out[4].id, 10, 10).expect("it has the message");
        // A kill, and it is down for longer than the message was to wait.
        let mut core = Core::from_image(LIMITS, core.image("c"), (11, 88), 30);
        core.set_rules(&policy);
        core.tried_before().into_iter().for_each(|(seq, _)| core.rules.hold(log[seq as usize].key_hash, seq));
        let owner = join(&mut core);
        let mut order = Vec::new();
        for _ in 0..20 {
            read(&mut core, &log, 30);
            let mut out = Vec::new();
            core.take(owner, 9, 30, &mut out);
            let positions: Vec<_> = out.iter().map(|of| of.id.position(1).expect("it is ours")).collect();
            let keyed = positions.iter().filter(|position| **position >= 32).count();
            assert!(keyed <= 1, "one of a key at a time: {positions:?}");
            order.extend(positions.into_iter().map(|position| position / 8).filter(|seq| *seq >= 4));
            for of in out {
                core.finish(owner, of.id).expect("it has the message");
            }
        }
        assert_eq!(order, [10, 4, 5, 6, 7, 8, 9]);
    }
}

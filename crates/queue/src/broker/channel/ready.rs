//! Messages in memory that wait for a consumer, in the order in which they are handed out: mostly that of
//! their numbers, but what comes back stands behind what came meanwhile.

use std::collections::VecDeque;
use std::ops::Range;

use crate::broker::message::Message;

/// A queue that knows where it is in order, so that old messages are dropped from its front without looking
/// at all others.
#[derive(Debug)]
pub(crate) struct Ready {
    queue: VecDeque<Message>,
    bytes: usize,
    /// All numbers lie below.
    end: u64,
    /// A message that stands behind one with a greater number has at least this one.
    late_from: u64,
    /// None expires before.
    expires_ms: i64,
    /// The first so many were looked at for whether they have expired, and the look goes on behind them.
    looked: usize,
    /// None of those expires before.
    looked_ms: i64,
}

impl Default for Ready {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
            bytes: 0,
            end: 0,
            late_from: u64::MAX,
            expires_ms: i64::MAX,
            looked: 0,
            looked_ms: i64::MAX,
        }
    }
}

impl Ready {
    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Of their bodies.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Message> {
        self.queue.iter()
    }

    /// Puts one behind all others.
    pub(crate) fn push_back(&mut self, message: Message) {
        if message.seq < self.end {
            self.late_from = self.late_from.min(message.seq);
        }
        self.note(&message);
        self.queue.push_back(message);
    }

    /// Puts one before all others.
    pub(crate) fn push_front(&mut self, message: Message) {
        if self.queue.front().is_some_and(|front| front.seq < message.seq) {
            // Of the others nobody knows which are smaller.
            self.late_from = 0;
        }
        self.note(&message);
        if self.looked > 0 {
            // The look does not come back to it.
            self.looked += 1;
            self.looked_ms = self.looked_ms.min(expiry_ms(&message));
        }
        self.queue.push_front(message);
    }

    fn note(&mut self, message: &Message) {
        self.end = self.end.max(message.seq + 1);
        self.bytes += message.body.len();
        self.expires_ms = self.expires_ms.min(expiry_ms(message));
    }

    /// Takes the first one.
    pub(crate) fn pop_front(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.body.len();
        self.looked = self.looked.saturating_sub(1);
        if self.queue.is_empty() {
            *self = Self { queue: std::mem::take(&mut self.queue), ..Self::default() };
        }
        Some(message)
    }

    /// Whether one may have expired by now.
    pub(crate) fn may_have_expired(&self, now_ms: i64) -> bool {
        self.expires_ms <= now_ms
    }

    /// Looks at so many at most, goes on there next time, and takes those out that have expired. Returns
    /// their numbers. Once it has looked at all it knows when the next one expires.
    pub(crate) fn take_expired(&mut self, now_ms: i64, count_max: usize) -> Vec<u64> {
        let mut expired = Vec::new();
        if !self.may_have_expired(now_ms) {
            return expired;
        }
        let from = self.looked;
        let end = from.saturating_add(count_max).min(self.queue.len());
        let mut stay = from;
        for at in from..end {
            let message = &self.queue[at];
            if message.has_expired(now_ms) {
                self.bytes -= message.body.len();
                expired.push(message.seq);
                continue;
            }
            self.looked_ms = self.looked_ms.min(expiry_ms(message));
            if stay < at {
                self.queue.swap(stay, at);
            }
            stay += 1;
        }
        self.queue.drain(stay..end);
        self.looked = stay;
        if stay == self.queue.len() {
            self.expires_ms = self.looked_ms;
            self.look_anew();
        }
        expired
    }

    fn look_anew(&mut self) {
        (self.looked, self.looked_ms) = (0, i64::MAX);
    }

    /// Drops the messages below a number. Looks at all others only if one of them may have come back.
    pub(crate) fn drop_below(&mut self, upto: u64) {
        while self.queue.front().is_some_and(|front| front.seq < upto) {
            self.pop_front();
        }
        if self.late_from < upto {
            self.drop_range(&(0..upto));
        }
    }

    /// Drops the messages of these numbers.
    pub(crate) fn drop_range(&mut self, range: &Range<u64>) {
        self.look_anew();
        (self.end, self.late_from) = (0, u64::MAX);
        self.queue.retain(|message| {
            let stays = !range.contains(&message.seq);
            if !stays {
                self.bytes -= message.body.len();
            } else if message.seq < self.end {
                self.late_from = self.late_from.min(message.seq);
            } else {
                self.end = message.seq + 1;
            }
            stays
        });
    }
}

/// When the message expires, at the end of time if never.
fn expiry_ms(message: &Message) -> i64 {
    if message.expires_ms == 0 { i64::MAX } else { message.expires_ms }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn message(seq: u64) -> Message {
        Message {
            position: seq * 8,
            seq,
            published_ns: 0,
            deliver_at_ms: 0,
            expires_ms: 0,
            key_hash: 0,
            attempts: 0,
            in_order: true,
            body: Bytes::from_static(b"body"),
        }
    }

    #[test]
    fn what_did_not_come_back_is_dropped_without_a_look_at_the_others() {
        let mut ready = Ready::default();
        (0..100).for_each(|seq| ready.push_back(message(seq)));
        let first = ready.pop_front().expect("there are some");
        ready.push_back(first);
        ready.drop_below(5);
        // It looked at all, because one had come back; from now on it need not.
        assert_eq!((ready.len(), ready.late_from), (95, u64::MAX));
    }

    fn expiring(seq: u64, expires_ms: i64) -> Message {
        Message { expires_ms, ..message(seq) }
    }

    #[test]
    fn a_look_for_what_has_expired_goes_on_where_it_ended_and_is_not_repeated_for_nothing() {
        let mut ready = Ready::default();
        (0..25).for_each(|seq| ready.push_back(expiring(seq, if seq == 20 { 100 } else { 1_000 })));
        assert!(!ready.may_have_expired(99) && ready.may_have_expired(100));
        assert!(ready.take_expired(100, 10).is_empty());
        ready.push_front(expiring(30, 500));
        ready.pop_front();
        ready.push_front(expiring(31, 600));
        assert!(ready.take_expired(100, 10).is_empty());
        assert_eq!(ready.take_expired(100, 10), [20]);
        assert!(!ready.may_have_expired(499), "there is nothing to look for");
        let found: Vec<_> = (0..6).flat_map(|_| ready.take_expired(600, 10)).collect();
        assert_eq!(found, [31]);
        assert!(!ready.may_have_expired(999) && ready.may_have_expired(1_000));
        assert_eq!((ready.len(), ready.bytes()), (24, 96));
    }

    proptest! {
        #[test]
        fn what_has_expired_is_found_wherever_it_stands(
            steps in proptest::collection::vec((0u8..9, 0i64..30), 1..120),
        ) {
            let (mut ready, mut model) = (Ready::default(), VecDeque::<(u64, i64)>::new());
            let has_expired = |of: &(u64, i64), now_ms| of.1 != 0 && of.1 <= now_ms;
            let mut now_ms = 0;
            for ((what, number), seq) in steps.into_iter().zip(1_000..) {
                let expires_ms = if number == 0 { 0 } else { now_ms + number };
                match what {
                    0..=3 => {
                        ready.push_back(expiring(seq, expires_ms));
                        model.push_back((seq, expires_ms));
                    }
                    4 => {
                        ready.push_front(expiring(seq, expires_ms));
                        model.push_front((seq, expires_ms));
                    }
                    5 => prop_assert_eq!(ready.pop_front().map(|of| of.seq), model.pop_front().map(|of| of.0)),
                    6 => {
                        let upto = 1_000 + number as u64;
                        ready.drop_below(upto);
                        model.retain(|of| of.0 >= upto);
                    }
                    _ => {
                        now_ms += number / 3;
                        for seq in ready.take_expired(now_ms, 4) {
                            let at = model.iter().position(|of| of.0 == seq);
                            let taken = at.and_then(|at| model.remove(at));
                            prop_assert!(taken.is_some_and(|of| has_expired(&of, now_ms)));
                        }
                    }
                }
                let may_have_expired = ready.may_have_expired(now_ms);
                prop_assert!(may_have_expired || !model.iter().any(|of| has_expired(of, now_ms)));
                prop_assert!(ready.iter().map(|message| message.seq).eq(model.iter().map(|of| of.0)));
                prop_assert_eq!(ready.bytes(), model.len() * 4);
            }
            // What was under way, and once more.
            for _ in 0..2 * (model.len() / 4 + 1) {
                ready.take_expired(now_ms, 4);
            }
            prop_assert!(!ready.may_have_expired(now_ms));
            prop_assert!(!ready.iter().any(|message| message.has_expired(now_ms)));
        }

        #[test]
        fn it_is_a_queue(steps in proptest::collection::vec((0u8..8, 0u64..60), 1..120)) {
            let (mut ready, mut model) = (Ready::default(), VecDeque::new());
            let mut next = 10;
            for (what, seq) in steps {
                match what {
                    0..=2 => {
                        ready.push_back(message(next));
                        model.push_back(next);
                        next += 1;
                    }
                    3 if !model.contains(&seq) => {
                        ready.push_back(message(seq));
                        model.push_back(seq);
                    }
                    4 if !model.contains(&seq) => {
                        ready.push_front(message(seq));
                        model.push_front(seq);
                    }
                    5 => prop_assert_eq!(ready.pop_front().map(|message| message.seq), model.pop_front()),
                    6 => {
                        ready.drop_below(seq);
                        model.retain(|of| *of >= seq);
                    }
                    7 => {
                        ready.drop_range(&(seq..seq + 3));
                        model.retain(|of| !(seq..seq + 3).contains(of));
                    }
                    _ => {}
                }
                prop_assert!(ready.iter().map(|message| message.seq).eq(model.iter().copied()));
                prop_assert_eq!(ready.bytes(), model.len() * 4);
            }
        }
    }
}

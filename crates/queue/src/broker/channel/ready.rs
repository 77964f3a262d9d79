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
}

impl Default for Ready {
    fn default() -> Self {
        Self { queue: VecDeque::new(), bytes: 0, end: 0, late_from: u64::MAX, expires_ms: i64::MAX }
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
        self.queue.push_front(message);
    }

    fn note(&mut self, message: &Message) {
        self.end = self.end.max(message.seq + 1);
        self.bytes += message.body.len();
        if message.expires_ms != 0 {
            self.expires_ms = self.expires_ms.min(message.expires_ms);
        }
    }

    /// Takes the first one.
    pub(crate) fn pop_front(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.body.len();
        if self.queue.is_empty() {
            (self.end, self.late_from, self.expires_ms) = (0, u64::MAX, i64::MAX);
        }
        Some(message)
    }

    /// Whether one may have expired by now.
    pub(crate) fn may_have_expired(&self, now_ms: i64) -> bool {
        self.expires_ms <= now_ms
    }

    /// Takes those out that have expired, of the first so many. Returns their numbers.
    pub(crate) fn take_expired(&mut self, now_ms: i64, count_max: usize) -> Vec<u64> {
        let mut expired = Vec::new();
        if !self.may_have_expired(now_ms) {
            return expired;
        }
        if self.queue.len() <= count_max {
            self.expires_ms = i64::MAX;
        }
        let first: Vec<_> = self.queue.drain(..count_max.min(self.queue.len())).collect();
        for message in first.into_iter().rev() {
            if message.has_expired(now_ms) {
                self.bytes -= message.body.len();
                expired.push(message.seq);
                continue;
            }
            if message.expires_ms != 0 {
                self.expires_ms = self.expires_ms.min(message.expires_ms);
            }
            self.queue.push_front(message);
        }
        expired.reverse();
        expired
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

    proptest! {
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

//! What a channel does when its time has come.

use super::{Core, DEFERRED_PART, Deferred, Due};
use crate::broker::message::Message;

impl Core {
    /// Does what its time has come for: messages kept too long, deferred ones.
    pub(crate) fn fire(&mut self, now_ms: i64) {
        while let Some((_, position)) = self.deadlines.pop(tick(now_ms)) {
            let Some(held) = self.in_flight.remove(&position) else { continue };
            if let Some(consumer) = self.consumers.get_mut(held.owner) {
                consumer.in_flight -= 1;
            }
            self.counters.timed_out += 1;
            self.failed_attempt(held.message, 0, now_ms);
        }
        while let Some(entry) = self.deferred.first_entry() {
            let (deliver_at_ms, position) = *entry.key();
            if deliver_at_ms > now_ms {
                break;
            }
            let Deferred { seq, attempts, message } = entry.remove();
            match message {
                Some(message) => {
                    self.deferred_bytes -= message.body.len();
                    self.push(Message { in_order: false, ..*message });
                }
                None => self.due.push_back(Due { position, seq, attempts }),
            }
        }
    }

    /// When [`fire`](Self::fire) has something to do next.
    pub(crate) fn next_deadline(&mut self) -> Option<i64> {
        let timeout = self.deadlines.next_deadline().map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
        let deferred = self.deferred.keys().next().map(|(ms, _)| *ms);
        timeout.into_iter().chain(deferred).min()
    }

    /// The earliest deadline that came up since this was last asked.
    pub(crate) fn take_earliest(&mut self) -> i64 {
        std::mem::replace(&mut self.earliest_ms, i64::MAX)
    }

    /// Puts a message aside until its time; its number is loaded already.
    pub(crate) fn defer(&mut self, deliver_at_ms: i64, message: Message) {
        let bytes = message.body.len();
        let fits = self.deferred_bytes + bytes <= self.limits.bytes_max / DEFERRED_PART;
        let (seq, attempts, position) = (message.seq, message.attempts, message.position);
        let keep = fits || self.limits.is_ephemeral;
        self.deferred_bytes += if keep { bytes } else { 0 };
        let message = keep.then(|| Box::new(message));
        self.deferred.insert((deliver_at_ms, position), Deferred { seq, attempts, message });
        self.earliest_ms = self.earliest_ms.min(deliver_at_ms);
    }
}

/// As the wheel counts.
pub(super) fn tick(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0)
}

//! What a channel does when its time has come.

use super::{Core, Deferred, Due};
use crate::broker::channel::pending::Special;
use crate::broker::message::Message;

/// A part of the memory bound that bodies of deferred messages may take.
const DEFERRED_PART: usize = 4;
/// What a deferred message costs in memory beside its body, about: where it is in memory only, so much of
/// the memory bound counts for each.
const DEFERRED_ENTRY_BYTES: usize = 256;
/// Messages that time out, and deferred ones that come due, without letting others have their turn: about
/// a millisecond's worth.
const FIRED_AT_ONCE: usize = 2_048;

impl Core {
    /// Does what its time has come for: messages kept too long, deferred ones. So many at most of each that
    /// nobody waits for long: who has called it asks [`next_deadline`](Self::next_deadline).
    pub(crate) fn fire(&mut self, now_ms: i64) {
        for _ in 0..FIRED_AT_ONCE {
            let Some((_, position)) = self.deadlines.pop(tick(now_ms)) else { break };
            let Some(held) = self.in_flight.remove(position) else { continue };
            self.consumers.change(held.owner, |consumer| consumer.in_flight -= 1);
            self.counters.timed_out += 1;
            self.failed_attempt(held.message, 0, now_ms);
        }
        for _ in 0..FIRED_AT_ONCE {
            let Some(entry) = self.deferred.first_entry().filter(|entry| entry.key().0 <= now_ms) else {
                break;
            };
            let (time, Deferred { seq, attempts, message }) = entry.remove_entry();
            match message {
                Some(message) => {
                    self.deferred_bytes -= message.body.len();
                    self.ready.push_back(Message { in_order: false, ..*message });
                }
                None => {
                    self.due.insert(time, Due { position: time.1, seq, attempts });
                }
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

    /// Puts a message aside until its time; its number is loaded already. One that is in memory only is
    /// dropped where there is no room.
    pub(crate) fn defer(&mut self, deliver_at_ms: i64, message: Message) {
        let bytes = message.body.len();
        let (seq, attempts, position) = (message.seq, message.attempts, message.position);
        let keep = if self.limits.is_ephemeral {
            let entries = (self.deferred.len() + 1) * DEFERRED_ENTRY_BYTES;
            self.deferred_bytes + bytes + entries <= self.limits.bytes_max
        } else {
            self.deferred_bytes + bytes <= self.limits.bytes_max / DEFERRED_PART
        };
        if !keep && self.limits.is_ephemeral {
            self.done(seq);
            return;
        }
        self.pending.note(seq, Special { attempts, deliver_at_ms, position });
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

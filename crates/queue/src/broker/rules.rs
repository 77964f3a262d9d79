//! What a topic's owner may ask for beyond NSQ.
//!
//! When messages are taken in: publishing twice has effect once ([`publishes`]), a topic keeps so many
//! bytes or for so long ([`room`], by [`milestones`], which [`survey`] makes for what was there before). In
//! a channel: messages of a key one after the other ([`keys`]), letters that failed too often ([`dead`]),
//! and going back to what was kept ([`seek`]).
//!
//! A channel's core asks at three places: before a message is handed out, when it came back in vain,
//! and when it is over. Without rules each of these is one look at an empty table.

pub(crate) mod dead;
pub(crate) mod keys;
pub(crate) mod milestones;
pub(crate) mod publishes;
mod recall;
pub(crate) mod room;
pub(crate) mod seek;
mod survey;

use std::collections::VecDeque;
use std::ops::Range;

use super::message::Message;
use super::policy::Policy;
use keys::Keys;

/// The rules of a channel and the messages they hold back.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    dead_letter_after: Option<u16>,
    is_ordered: bool,
    keys: Keys<Message>,
    parked_bytes: usize,
    /// To be moved to the topic for dead letters, first in first out.
    dead: VecDeque<Message>,
    dead_bytes: usize,
}

impl Rules {
    /// Takes over the topic's rules. Returns what nothing holds back any more, in order.
    pub(crate) fn set(&mut self, policy: &Policy) -> Vec<Message> {
        self.dead_letter_after = policy.dead_letter_after;
        self.is_ordered = policy.ordered;
        if self.is_ordered {
            return Vec::new();
        }
        self.parked_bytes = 0;
        self.keys.clear().into_iter().map(out_of_order).collect()
    }

    /// The message is about to be handed out: it is given back, or has to wait for its key.
    pub(crate) fn pass(&mut self, message: Message) -> Option<Message> {
        if !self.is_ordered || message.key_hash == 0 {
            return Some(message);
        }
        let bytes = message.body.len();
        let passed = self.keys.pass(message.key_hash, message.seq, message);
        self.parked_bytes += if passed.is_none() { bytes } else { 0 };
        passed
    }

    /// The message was handed out before the core was made and is not over, so that it holds its key.
    pub(crate) fn holds(&mut self, message: &Message) {
        if message.attempts > 0 {
            self.hold(message.key_hash, message.seq);
        }
    }

    /// The same, of a message that is not in memory.
    pub(crate) fn hold(&mut self, key_hash: u64, seq: u64) {
        if self.is_ordered && key_hash != 0 {
            self.keys.hold(key_hash, seq);
        }
    }

    /// Whether messages of a key come one after the other.
    pub(crate) fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    /// Everything begins anew, but dead letters are moved all the same.
    pub(crate) fn restart(&mut self) {
        self.keys.clear();
        self.parked_bytes = 0;
    }

    /// The message was handed out so often in vain: it is given back, or is dead.
    pub(crate) fn survives(&mut self, message: Message) -> Option<Message> {
        if self.dead_letter_after.is_some_and(|after| message.attempts >= after) {
            self.dead_bytes += message.body.len();
            self.dead.push_back(message);
            return None;
        }
        Some(message)
    }

    /// Attempts of a message whose consumer was sent away, because this node stops: the last one is not
    /// used up by that.
    pub(crate) fn spared(&self, attempts: u16) -> u16 {
        self.dead_letter_after.map_or(attempts, |after| attempts.min(after.saturating_sub(1)))
    }

    /// A message is over; the next of its key may go.
    pub(crate) fn done(&mut self, seq: u64) -> Option<Message> {
        let next = self.keys.done(seq)?;
        self.parked_bytes -= next.body.len();
        Some(out_of_order(next))
    }

    /// Messages of these numbers are over, but those that `stay` (sorted). Returns what may go now.
    pub(crate) fn forget(&mut self, range: &Range<u64>, stay: &[u64]) -> Vec<Message> {
        if self.dead.is_empty() && self.keys.is_idle() {
            return Vec::new();
        }
        let stays = |seq: &u64| !range.contains(seq) || stay.binary_search(seq).is_ok();
        self.dead.retain(|message| stays(&message.seq));
        self.dead_bytes = self.dead.iter().map(|message| message.body.len()).sum();
        let keys::Forgotten { gone, free } = self.keys.forget(range, stay);
        self.parked_bytes -= gone.iter().chain(&free).map(|message| message.body.len()).sum::<usize>();
        free.into_iter().map(out_of_order).collect()
    }

    /// The dead letters.
    pub(crate) fn dead(&self) -> &VecDeque<Message> {
        &self.dead
    }

    /// This dead letter was moved. False if it is none of the channel's any more.
    pub(crate) fn buried(&mut self, seq: u64) -> bool {
        let at = self.dead.iter().position(|message| message.seq == seq);
        let Some(message) = at.and_then(|at| self.dead.remove(at)) else { return false };
        self.dead_bytes -= message.body.len();
        true
    }

    /// Bytes of the bodies of dead letters.
    pub(crate) fn dead_bytes(&self) -> usize {
        self.dead_bytes
    }

    /// Messages that wait for their key.
    pub(crate) fn parked(&self) -> impl Iterator<Item = &Message> {
        self.keys.iter()
    }

    /// How many wait for their key.
    pub(crate) fn parked_count(&self) -> usize {
        self.keys.len()
    }

    /// Bytes of the bodies of those.
    pub(crate) fn parked_bytes(&self) -> usize {
        self.parked_bytes
    }
}

/// Others have passed a message that was parked.
fn out_of_order(message: Message) -> Message {
    Message { in_order: false, ..message }
}

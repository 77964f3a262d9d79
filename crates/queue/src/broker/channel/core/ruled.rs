//! What the topic's rules add to the core; see [`Rules`](crate::broker::rules::Rules).

use super::Core;
use crate::broker::message::Message;
use crate::broker::policy::Policy;

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
}

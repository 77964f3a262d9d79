//! A channel's core to and from an image.

use hashbrown::HashMap;

use super::core::{Core, Deferred, Limits};
use super::pending::Special;
use crate::broker::image::ChannelImage;
use crate::broker::message::Message;

impl Core {
    /// As it was, having been given everything below `end`.
    pub(crate) fn from_image(limits: Limits, image: ChannelImage, end: u64, now_ms: i64) -> Self {
        let mut core = Self::new(limits, 0, image.position, now_ms);
        core.end = end.max(image.finished.end());
        core.loaded = image.finished.clone();
        core.finished = image.finished;
        core.delivered = image.delivered;
        core.is_paused = image.is_paused;
        core.counters = image.counters;
        core.recalled = HashMap::with_capacity(image.special.len());
        for (seq, special) in image.special {
            let Special { attempts, deliver_at_ms, position } = special;
            if deliver_at_ms > now_ms && seq < core.end && !limits.is_ephemeral {
                core.loaded.insert(seq);
                core.deferred.insert((deliver_at_ms, position), Deferred { seq, attempts, message: None });
            } else {
                core.recalled.insert(seq, attempts);
            }
        }
        core
    }

    /// What must be known to go on with it.
    pub(crate) fn image(&self, name: &str) -> ChannelImage {
        let plain = |attempts| Special { attempts, deliver_at_ms: 0, position: 0 };
        // What the mark tells by itself is left out.
        let is_told = |message: &&Message| {
            message.in_order && message.attempts == u16::from(message.seq < self.delivered)
        };
        let in_flight = self.in_flight.values().map(|held| &held.message);
        let in_memory = self.ready.iter().chain(in_flight).chain(self.rules.dead());
        // Others pass those that are parked, and then the mark speaks of them, wrongly.
        let special = in_memory.filter(|message| !is_told(message)).chain(self.rules.parked());
        let special = special.map(|message| (message.seq, plain(message.attempts)));
        // A node that stops takes from no message its last attempt.
        let closed = self.in_flight.values().filter(|_| self.is_closed).map(|held| &held.message);
        let spared = closed.filter_map(|message| {
            let attempts = self.rules.spared(message.attempts);
            (attempts < message.attempts).then(|| (message.seq, plain(attempts)))
        });
        let special = special.chain(spared);
        let deferred = self.deferred.iter().map(|((deliver_at_ms, position), deferred)| {
            let special =
                Special { attempts: deferred.attempts, deliver_at_ms: *deliver_at_ms, position: *position };
            (deferred.seq, special)
        });
        let due = self.due.iter().map(|due| (due.seq, plain(due.attempts)));
        let recalled = self.recalled.iter().map(|(seq, attempts)| (*seq, plain(*attempts)));
        ChannelImage {
            name: name.to_owned(),
            is_paused: self.is_paused,
            finished: self.finished.clone(),
            position: self.floor_position(),
            delivered: self.delivered,
            special: special.chain(deferred).chain(due).chain(recalled).collect(),
            counters: self.counters,
        }
    }

    /// No record of a message that is not finished lies below this position.
    pub(crate) fn floor_position(&self) -> u64 {
        let ready = self.ready.iter().map(|message| message.position);
        let deferred = self.deferred.keys().map(|(_, position)| *position);
        let due = self.due.iter().map(|due| due.position);
        let held_back = self.rules.parked().chain(self.rules.dead()).map(|message| message.position);
        let in_memory =
            ready.chain(held_back).chain(self.in_flight.keys().copied()).chain(deferred).chain(due).min();
        self.next_position.min(in_memory.unwrap_or(u64::MAX))
    }
}

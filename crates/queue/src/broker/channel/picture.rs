//! A channel's core to and from an image.

use hashbrown::HashMap;

use super::core::{Core, Deferred, Limits};
use super::pending::{Pending, Special};
use super::places::Places;
use crate::broker::image::ChannelImage;
use crate::broker::journal::entry::Mark;

impl Core {
    /// As it was, having been given everything below `given`.
    pub(crate) fn from_image(limits: Limits, image: ChannelImage, given: Mark, now_ms: i64) -> Self {
        let mut core = Self::new(limits, 0, image.position, now_ms);
        core.extend(given);
        core.end = core.end.max(image.finished.end());
        core.places = Places::starting(image.finished.floor(), image.position);
        core.loaded = image.finished.clone();
        core.finished = image.finished;
        core.delivered = image.delivered;
        core.is_paused = image.is_paused;
        core.counters = image.counters;
        core.recalled = HashMap::with_capacity(image.special.len());
        for (seq, special) in image.special.iter() {
            let Special { attempts, deliver_at_ms, position } = special;
            if deliver_at_ms > now_ms && seq < core.end && !limits.is_ephemeral {
                core.loaded.insert(seq);
                core.deferred.insert((deliver_at_ms, position), Deferred { seq, attempts, message: None });
            } else {
                core.recalled.insert(seq, attempts);
            }
        }
        core.pending = Pending::knowing(image.special);
        core
    }

    /// What must be known to go on with it. Takes the same time however much there is, nearly.
    pub(crate) fn image(&self, name: &str) -> ChannelImage {
        let mut special = self.pending.known().clone();
        if self.is_closed {
            // A node that stops takes from no message its last attempt.
            for held in self.in_flight.iter() {
                let attempts = self.rules.spared(held.message.attempts);
                if attempts < held.message.attempts {
                    special.insert(
                        held.message.seq,
                        Special { attempts, deliver_at_ms: 0, position: held.message.position },
                    );
                }
            }
        }
        ChannelImage {
            name: name.to_owned(),
            is_paused: self.is_paused,
            finished: self.finished.clone(),
            position: self.floor_position(),
            delivered: self.delivered,
            special,
            counters: self.counters,
        }
    }

    /// No record of a message that is not finished lies below this position.
    pub(crate) fn floor_position(&self) -> u64 {
        let floor = self.finished.floor();
        let is_in_memory = floor < self.loaded.floor();
        self.next_position.min(if is_in_memory { self.places.below(floor) } else { u64::MAX })
    }
}

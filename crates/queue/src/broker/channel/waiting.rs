//! Consumers that wait for messages: who is woken next.
//!
//! A woken one takes its share and wakes the next if there is more (the baton); if it goes away before
//! it came to take anything, it passes the baton on.

use std::collections::VecDeque;
use std::task::Waker;

use super::core::Core;

/// In the order they came.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    queue: VecDeque<Waits>,
}

#[derive(Debug)]
struct Waits {
    place: u32,
    /// None: it was woken and has not come yet.
    waker: Option<Waker>,
}

impl Waiting {
    /// A consumer waits, behind those that do already.
    pub(crate) fn enter(&mut self, place: u32, waker: &Waker) {
        self.leave(place);
        self.queue.push_back(Waits { place, waker: Some(waker.clone()) });
    }

    /// A consumer does not wait any more.
    pub(crate) fn leave(&mut self, place: u32) {
        if let Some(at) = self.queue.iter().position(|waits| waits.place == place) {
            self.queue.remove(at);
        }
    }

    /// Whom to wake: of the nearest that can be given a message the one that has waited longest.
    pub(crate) fn next(&mut self, core: &Core) -> Option<Waker> {
        if core.ready.is_empty() {
            return None;
        }
        let able = self.queue.iter_mut().filter(|it| it.waker.is_some() && core.can_take(it.place));
        able.min_by_key(|it| core.consumers.get(it.place).map(|it| it.proximity))?.waker.take()
    }

    /// Whether a nearer consumer than this one waits and can be given a message.
    pub(crate) fn is_behind(&self, place: u32, core: &Core) -> bool {
        let Some(own) = core.consumers.get(place).map(|it| it.proximity) else { return false };
        self.queue.iter().any(|it| {
            core.can_take(it.place) && core.consumers.get(it.place).is_some_and(|it| it.proximity < own)
        })
    }

    /// How many of them can be given a message.
    pub(crate) fn able(&self, core: &Core) -> usize {
        self.queue.iter().filter(|it| core.can_take(it.place)).count()
    }

    /// Everybody, because the channel ends.
    pub(crate) fn drain(&mut self) -> Vec<Waker> {
        self.queue.drain(..).filter_map(|it| it.waker).collect()
    }
}

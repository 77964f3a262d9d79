//! Consumers that wait for messages, and how they are woken.
//!
//! A woken one takes its share and wakes the next if there is more (the baton); if it goes away before
//! it came to take anything, it passes the baton on. Who is next the core knows, see
//! [`Consumers::wake_next`](super::consumers::Consumers::wake_next).

use std::task::Waker;

use super::core::Core;

/// Wakers of those that wait, by their places.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    wakers: Vec<Option<Waker>>,
}

impl Waiting {
    /// A consumer waits, behind those that do already.
    pub(crate) fn enter(&mut self, place: u32, waker: &Waker, core: &mut Core) {
        core.consumers.wait(place);
        if self.wakers.len() <= place as usize {
            self.wakers.resize(place as usize + 1, None);
        }
        self.wakers[place as usize] = Some(waker.clone());
    }

    /// A consumer does not wait any more.
    pub(crate) fn leave(&mut self, place: u32, core: &mut Core) {
        core.consumers.stop_waiting(place);
        self.waker(place);
    }

    /// Whom to wake, if there is a message for somebody.
    pub(crate) fn next(&mut self, core: &mut Core) -> Option<Waker> {
        if core.ready.is_empty() || core.is_paused || core.is_closed {
            return None;
        }
        let place = core.consumers.wake_next()?;
        self.waker(place)
    }

    /// Everybody, because the channel ends.
    pub(crate) fn drain(&mut self) -> Vec<Waker> {
        self.wakers.drain(..).flatten().collect()
    }

    fn waker(&mut self, place: u32) -> Option<Waker> {
        self.wakers.get_mut(place as usize)?.take()
    }
}

//! What topics and channels of one broker have in common.

use std::sync::atomic::{AtomicBool, AtomicU32};

use base::Clock;
use base::tasks::TaskGroup;
use log::Log;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use super::Config;
use super::journal::Journal;
use super::stats::Event;

#[derive(Debug)]
pub(crate) struct Ground {
    pub(crate) log: Log,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) tasks: TaskGroup,
    pub(crate) runtime: Handle,
    pub(crate) events: broadcast::Sender<Event>,
    /// Held by whoever makes, deletes, pauses or empties something: one at a time.
    pub(crate) control: tokio::sync::Mutex<()>,
    /// Consumers that go were sent away.
    pub(crate) is_stopping: AtomicBool,
    pub(crate) is_closing: AtomicBool,
    pub(crate) journal: Journal,
    /// Number of the next channel; never zero, and never given out twice.
    pub(crate) next_channel: AtomicU32,
}

impl Ground {
    pub(crate) fn tell(&self, event: Event) {
        // Nobody need listen.
        let _ = self.events.send(event);
    }
}

//! The journal: what happened to topics, channels and messages, in one stream of the log.
//!
//! Control operations are awaited. What becomes of messages rides lazily: it gathers in each channel
//! and is appended a few milliseconds later. Losing the last of it means that messages come again.

pub(crate) mod entry;

use std::sync::{Arc, Weak};
use std::time::Duration;

use base::ErrorKind;
use bytes::Bytes;
use log::{Append, Durability, Log, NewRecord, StreamId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::channel::Channel;
use super::ground::Ground;
use crate::Error;
use entry::{Entry, Progress};

/// Name of its stream in the list of topics; no topic of the broker can be called so.
pub(crate) const TOPIC: &str = "nsq.journal";
/// What becomes of messages is told at most so much later.
const DELAY: Duration = Duration::from_millis(5);
/// How long it waits when the log takes nothing.
const AGAIN: Duration = Duration::from_millis(100);

#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) stream: StreamId,
    log: Log,
    /// Channels with something to tell.
    untold: Mutex<Vec<Weak<Channel>>>,
    wake: Notify,
    /// Some channel has much to tell.
    hurry: Notify,
    /// The log takes nothing, but a snapshot may make room.
    pub(crate) wants_snapshot: Notify,
}

impl Journal {
    pub(crate) fn new(log: Log, stream: StreamId) -> Self {
        Self {
            stream,
            log,
            untold: Mutex::default(),
            wake: Notify::new(),
            hurry: Notify::new(),
            wants_snapshot: Notify::new(),
        }
    }

    /// Appends an entry.
    pub(crate) fn append(&self, entry: &Entry, level: Durability) -> Result<Append, Error> {
        let payload = Bytes::from(entry.encode());
        let record = NewRecord { stream: self.stream, kind: entry::KIND, payload };
        Ok(self.log.append(&[record], level)?)
    }

    /// A channel has something to tell that it had not before.
    pub(crate) fn add(&self, channel: Weak<Channel>) {
        let mut untold = self.untold.lock();
        let is_first = untold.is_empty();
        untold.push(channel);
        drop(untold);
        if is_first {
            self.wake.notify_one();
        }
    }

    /// A channel has much to tell.
    pub(crate) fn hurry(&self) {
        self.hurry.notify_one();
    }

    /// Tells what channels have to tell. What the log does not take they keep; false if a snapshot may
    /// help. What it takes in is to be waited for before more is told.
    pub(crate) fn flush(&self, told: &mut Vec<Told>) -> bool {
        let untold = std::mem::take(&mut *self.untold.lock());
        let mut is_taken = true;
        for channel in untold.iter().filter_map(Weak::upgrade) {
            is_taken &= may_go_on(channel.tell(self, told));
        }
        is_taken
    }
}

/// What a channel has told, on its way to the log.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) channel: Arc<Channel>,
    pub(crate) append: Append,
    pub(crate) progress: Progress,
    /// As it was then.
    pub(crate) sought: u64,
}

impl Told {
    /// Waits until it was written; false if a snapshot may help.
    async fn arrives(self) -> bool {
        let is_taken = may_go_on(self.append.await.map(drop).map_err(Error::Log));
        if !is_taken {
            self.channel.untell(&self.progress, self.sought);
        }
        is_taken
    }
}

/// A log that has stopped takes nothing ever again; one that is full may.
fn may_go_on(outcome: Result<(), Error>) -> bool {
    outcome.map_or_else(|error| error.kind() != ErrorKind::Busy, |()| true)
}

/// The task that tells.
pub(crate) async fn run(ground: Arc<Ground>) {
    let stop = ground.tasks.stop_signal();
    let journal = &ground.journal;
    loop {
        tokio::select! {
            () = journal.wake.notified() => {}
            () = stop.requested() => return,
        }
        let mut wait = DELAY;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = journal.hurry.notified(), if wait == DELAY => {}
                () = stop.requested() => return,
            }
            let mut told = Vec::new();
            let mut is_taken = journal.flush(&mut told);
            for told in told {
                is_taken &= tokio::select! {
                    is_taken = told.arrives() => is_taken,
                    () = stop.requested() => return,
                };
            }
            if is_taken {
                break;
            }
            journal.wants_snapshot.notify_one();
            wait = AGAIN;
        }
    }
}

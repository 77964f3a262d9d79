//! The thread that keeps house: lays out files ahead of need, frees what nobody needs, saves cursors.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::Error;
use crate::room::{Call, Spare};
use crate::shared::Shared;

/// Cursors are saved when they have changed for this long.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// How often a full disk is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(100);
/// How long after a failed rewrite the next is tried.
const REWRITE_AGAIN: Duration = Duration::from_secs(30);
/// How often it looks around unasked.
const IDLE: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    saved: Instant,
    /// When a rewrite last failed.
    unwritable: Option<Instant>,
    /// Why cursors could not be saved the last time: said once, until it is another reason or none.
    unsaved: Option<String>,
}

/// Names of spares; the numbers mean nothing.
static SPARE: AtomicU64 = AtomicU64::new(0);

/// A name for a spare that nothing has yet.
pub(crate) fn spare_name() -> String {
    format!("{:x}-{}.spare", std::process::id(), SPARE.fetch_add(1, Relaxed))
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, saved: Instant::now(), unwritable: None, unsaved: None }
    }

    /// Works until told to stop.
    pub(crate) fn run(mut self) {
        loop {
            let call = self.shared.room.wait(self.patience());
            let shared = self.shared.clone();
            let pass = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.pass(call)));
            if pass.is_err() {
                // A committer that waits for a file must not wait for ever.
                shared.poison("keeping the log's files", &"the keeper panicked");
                shared.room.stop();
                return;
            }
            if call.stop {
                return;
            }
        }
    }

    fn patience(&self) -> Duration {
        if self.shared.gather.full_error().is_some() {
            RETRY_EVERY
        } else if self.shared.marks_changed.load(Relaxed) {
            SAVE_EVERY
        } else {
            IDLE
        }
    }

    fn pass(&mut self, call: Call) {
        let shared = self.shared.clone();
        crate::reclaim::free(&shared);
        if !call.stop {
            self.make_ready(call);
            self.rewrite();
            shared.plan_next();
        }
        if shared.marks_changed.load(Relaxed) && (call.stop || self.saved.elapsed() >= SAVE_EVERY) {
            self.saved = Instant::now();
            shared.marks_changed.store(false, Relaxed);
            let marks = shared.marks.lock().clone();
            let outcome = marks.save(&*shared.files, &shared.config.dir).map_err(|error| error.to_string());
            let failed = outcome.err();
            if failed.is_some() {
                shared.marks_changed.store(true, Relaxed);
            }
            self.tell_unsaved(failed);
        }
    }

    fn tell_unsaved(&mut self, now: Option<String>) {
        match (&self.unsaved, &now) {
            (before, Some(error)) if before.as_ref() != Some(error) => {
                tracing::warn!(error, "cursors cannot be saved; it is tried again every second");
            }
            (Some(_), None) => tracing::info!("cursors are saved again"),
            _ => {}
        }
        self.unsaved = now;
    }

    fn rewrite(&mut self) {
        if self.unwritable.is_some_and(|failed| failed.elapsed() < REWRITE_AGAIN) {
            return;
        }
        self.unwritable = None;
        match crate::rewrite::rewrite(&self.shared) {
            // One run at a time: the committer may wait for a file meanwhile.
            Ok(true) => self.shared.room.look(),
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, "segments were not rewritten; tried again later");
                self.unwritable = Some(Instant::now());
            }
        }
    }

    /// Lays out a file if one is waited for, will be soon, or was not to be had the last time.
    fn make_ready(&self, call: Call) {
        let shared = &self.shared;
        let full = shared.gather.full_error().is_some();
        if call.wanted.is_none() && !(call.low || full) {
            return;
        }
        if call.wanted.is_none() && shared.room.spares() > 0 {
            shared.plan_next();
            shared.gather.reopen();
            return;
        }
        match self.lay_out(call.wanted) {
            Ok(spare) => {
                shared.room.put(spare);
                shared.plan_next();
                if full {
                    tracing::info!("the log has room again");
                }
                shared.gather.reopen();
            }
            Err(error) => {
                if !full {
                    tracing::warn!(%error, "there is no next segment");
                }
                shared.gather.full(&error);
                shared.room.refuse(&error);
            }
        }
    }

    /// A file of the length that is waited for, else as there is room for.
    fn lay_out(&self, wanted: Option<u64>) -> Result<Spare, Error> {
        let shared = &self.shared;
        let bytes = shared.room_for(wanted)?;
        let name = spare_name();
        let half = shared.path(&format!("{name}.tmp"));
        let made = (|| -> io::Result<Spare> {
            let file = shared.files.create(&half)?;
            file.preallocate(bytes)?;
            file.sync_data()?;
            shared.files.rename(&half, &shared.path(&name))?;
            Ok(Spare { name: name.clone(), file, bytes })
        })();
        made.map_err(|error| {
            // Half a file would take the very space that is missing; if it cannot be removed either,
            // opening does.
            let _ = shared.files.remove(&half);
            Error::NoSpace(error.to_string())
        })
    }
}

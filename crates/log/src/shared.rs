//! What the door, the two threads and the readers have in common.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use base::Clock;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::cursors::Marks;
use crate::files::Files;
use crate::gather::Gather;
use crate::room::Room;
use crate::segment::Segment;
use crate::{Config, Error};

/// Most damaged ranges kept to be shown; all are counted.
const DAMAGE_SHOWN_MAX: usize = 100;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) files: Arc<dyn Files>,
    pub(crate) gather: Gather,
    /// In order of their bases; their ranges do not overlap. Appends go to the last.
    pub(crate) segments: RwLock<Vec<Arc<Segment>>>,
    pub(crate) progress: watch::Sender<Progress>,
    pub(crate) room: Room,
    pub(crate) marks: Mutex<Marks>,
    pub(crate) marks_changed: AtomicBool,
    pub(crate) damage: Mutex<Damage>,
    pub(crate) counters: Counters,
}

/// How far the committer has come.
#[derive(Debug, Clone, Default)]
pub(crate) struct Progress {
    pub(crate) written: u64,
    pub(crate) durable: u64,
    pub(crate) stopped: Option<Error>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) records: AtomicU64,
    pub(crate) commits: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) sync_us: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) given_up: AtomicU64,
    pub(crate) freed: AtomicU64,
    pub(crate) rewritten: AtomicU64,
}

/// Damaged ranges that were met, each once.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    known: BTreeSet<(String, u64)>,
    pub(crate) shown: Vec<String>,
    pub(crate) ranges: u64,
}

impl Damage {
    /// Bytes `from` up to but not including `to` of a file.
    pub(crate) fn note(&mut self, name: &str, from: u64, to: u64, what: &str) {
        if !self.known.insert((name.to_owned(), from)) {
            return;
        }
        let text = format!("{name}: bytes {from} to {}: {what}", to.saturating_sub(1).max(from));
        tracing::error!(file = name, from, to, what, "the log is damaged; the rest is served");
        self.note_text(text);
    }

    /// Damage that is not a range.
    pub(crate) fn note_text(&mut self, text: String) {
        self.ranges += 1;
        if self.shown.len() < DAMAGE_SHOWN_MAX {
            self.shown.push(text);
        }
    }
}

impl Shared {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.config.dir.join(name)
    }

    pub(crate) fn written(&self) -> u64 {
        self.progress.borrow().written
    }

    /// Bytes of all segments and spares.
    pub(crate) fn disk_bytes(&self) -> u64 {
        let segments: u64 = self.segments.read().iter().map(|segment| segment.file_bytes).sum();
        segments + self.room.spare_bytes()
    }

    /// Nothing is taken any more.
    pub(crate) fn poison(&self, doing: &str, error: &dyn std::fmt::Display) {
        let error = Error::Poisoned(format!("{doing}: {error}"));
        tracing::error!(%error, "the log takes nothing any more");
        self.gather.poison(&error);
        self.progress.send_modify(|progress| progress.stopped = Some(error));
    }
}

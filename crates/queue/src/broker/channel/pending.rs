//! What happened in a channel since the journal was last told. Bounded by what it speaks of: ranges
//! that merge, and one entry for each message with something special.

use std::ops::Range;

use hashbrown::HashMap;

use crate::broker::journal::entry::Progress;
use crate::broker::ranges::RangeSet;

/// So many ranges and messages are told without waiting for the time to come round.
pub(crate) const PENDING_MAX: usize = 1_024;

/// What must be known of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) attempts: u16,
    /// Zero: at once.
    pub(crate) deliver_at_ms: i64,
    /// Known where it is deferred.
    pub(crate) position: u64,
}

/// Gathered for the journal. That a message was handed out for the first time is an event too, though
/// only the "delivered" mark tells of it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Numbers that are finished.
    pub(crate) finished: RangeSet,
    pub(crate) special: HashMap<u64, Special>,
    /// Events since the journal was told.
    pub(crate) events: usize,
}

impl Pending {
    pub(crate) fn finish(&mut self, seq: u64) {
        self.finished.insert(seq);
        self.special.remove(&seq);
        self.events += 1;
    }

    pub(crate) fn attempt(&mut self, seq: u64, attempts: u16) {
        self.special.insert(seq, Special { attempts, deliver_at_ms: 0, position: 0 });
        self.events += 1;
    }

    pub(crate) fn defer(&mut self, seq: u64, attempts: u16, deliver_at_ms: i64, position: u64) {
        self.special.insert(seq, Special { attempts, deliver_at_ms, position });
        self.events += 1;
    }

    /// What it takes to tell it: ranges and messages.
    pub(crate) fn len(&self) -> usize {
        self.finished.ranges_above_floor() + self.special.len()
    }

    /// What there is to tell, if there is something.
    pub(crate) fn take(&mut self, delivered: u64) -> Option<Progress> {
        if self.events == 0 {
            return None;
        }
        let special = self.special.drain().collect();
        self.events = 0;
        Some(Progress { delivered, finished: std::mem::take(&mut self.finished), special })
    }

    /// It could not be told. What has happened since is newer.
    pub(crate) fn restore(&mut self, progress: &Progress) {
        self.finished.insert_all(&progress.finished);
        for (seq, special) in &progress.special {
            if !self.finished.contains(*seq) {
                self.special.entry(*seq).or_insert(*special);
            }
        }
        self.events += 1;
    }

    /// Nothing needs be said of these any more.
    pub(crate) fn forget(&mut self, range: &Range<u64>) {
        self.special.retain(|seq, _| !range.contains(seq));
    }
}

//! What happened in a channel since the journal was last told. Bounded by what it speaks of: ranges
//! that merge, and one entry for each message with something special.

use std::ops::Range;

use hashbrown::HashMap;

use crate::broker::chunks::ChunkMap;
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
    /// Of its record; zero where it is not known, which it is where it is deferred.
    pub(crate) position: u64,
}

/// Gathered for the journal. That a message was handed out for the first time is an event too, though
/// only the "delivered" mark tells of it.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// Numbers that are finished.
    pub(crate) finished: RangeSet,
    pub(crate) special: HashMap<u64, Special>,
    /// What an image must say of messages that are not finished, whether or not the journal was told.
    known: ChunkMap<Special>,
    /// Events since the journal was told.
    pub(crate) events: usize,
}

impl Pending {
    /// What was known before a restart.
    pub(crate) fn knowing(known: ChunkMap<Special>) -> Self {
        Self { known, ..Self::default() }
    }

    pub(crate) fn finish(&mut self, seq: u64) {
        self.finished.insert(seq);
        self.special.remove(&seq);
        self.known.remove(seq);
        self.events += 1;
    }

    /// Finishes those, and returns what was special of them.
    pub(crate) fn finish_range(&mut self, range: Range<u64>) -> Vec<(u64, Special)> {
        self.finished.insert_range(range.clone());
        self.events += 1;
        self.forget(&range)
    }

    pub(crate) fn attempt(&mut self, seq: u64, attempts: u16, position: u64) {
        self.special(seq, Special { attempts, deliver_at_ms: 0, position });
    }

    pub(crate) fn defer(&mut self, seq: u64, attempts: u16, deliver_at_ms: i64, position: u64) {
        self.special(seq, Special { attempts, deliver_at_ms, position });
    }

    /// The journal need not be told, because the message's record says the same.
    pub(crate) fn note(&mut self, seq: u64, special: Special) {
        self.known.insert(seq, special);
    }

    fn special(&mut self, seq: u64, special: Special) {
        self.special.insert(seq, special);
        self.known.insert(seq, special);
        self.events += 1;
    }

    /// What an image must say of messages that are not finished. A copy costs little.
    pub(crate) fn known(&self) -> &ChunkMap<Special> {
        &self.known
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
            // Of what was finished or emptied meanwhile nothing is known any more.
            if self.known.get(*seq).is_some() {
                self.special.entry(*seq).or_insert(*special);
            }
        }
        self.events += 1;
    }

    /// Nothing needs be said of these any more. Returns what was special of them.
    pub(crate) fn forget(&mut self, range: &Range<u64>) -> Vec<(u64, Special)> {
        let known = self.known.take_range(range.clone());
        for (seq, _) in &known {
            self.special.remove(seq);
        }
        known
    }
}

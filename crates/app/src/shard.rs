//! One shard: its writer, its head, and the locks between them.

use parking_lot::RwLock;
use stats::{ShardId, StatId};
use store::{BlockKey, BlockKind};

use crate::head::{Head, Marks};
use crate::ledger::Ledger;
use crate::writer::Writer;

/// One shard. Locks are taken in the order `writer`, `moving`, `head`.
pub(crate) struct Shard {
    pub id: ShardId,
    /// Whoever writes to the store holds it: the checkpoint, the closing, retention.
    pub writer: tokio::sync::Mutex<Writer>,
    /// Held for reading by whoever needs head and blocks to fit together, for writing while numbers
    /// move from the one to the other.
    pub moving: tokio::sync::RwLock<()>,
    pub head: RwLock<Head>,
}

impl Shard {
    pub(crate) fn stat(&self, number: u32) -> StatId {
        StatId::new(self.id, number)
    }

    pub(crate) fn block(&self, kind: BlockKind, stat: u32, number: u32) -> BlockKey {
        BlockKey { kind, stat: self.stat(stat).0, number }
    }

    /// Tells readers about the marks of a ledger.
    pub(crate) fn publish_marks(&self, ledger: &Ledger) {
        self.head.write().marks = Marks {
            days_closed_before: ledger.days_closed_before,
            minutes_from: ledger.minutes_from,
            hours_from: ledger.hours_from,
        };
    }
}

//! What all parts of the recorder share.

use std::sync::Arc;
use std::time::Instant;

use base::tasks::Stop;
use base::{Clock, Timestamp};
use parking_lot::Mutex;
use stats::ShardId;
use store::{BlockKey, Store};
use tokio::sync::watch;

use crate::app::Config;
use crate::catalog::Catalog;
use crate::meters::Meters;
use crate::shard::Shard;
use crate::trust::Trust;

/// Shared by recorder, closing, retention and charts.
pub(crate) struct State {
    pub config: Config,
    pub clock: Clock,
    /// What day roll-up and retention go by.
    pub trust: Mutex<Trust>,
    pub store: Arc<dyn Store>,
    pub queue: queue::Queue,
    pub catalog: Catalog,
    pub shards: Vec<Shard>,
    pub meters: Meters,
    pub health: Health,
    pub stop: Stop,
    /// One pass of the closing at a time.
    pub closing: tokio::sync::Mutex<()>,
    /// The end of the log when this process opened it.
    pub opened_at: u64,
    /// How far the recorder is, and whether it still runs.
    pub folded: watch::Sender<Folded>,
}

/// How far the recorder is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Folded {
    /// Everything below is in the head. Starts at the lowest position of the shards.
    pub position: u64,
    /// What the log held at the start is in the head.
    pub replayed: bool,
    pub stopped: bool,
}

/// Why it is not well, if so.
#[derive(Default)]
pub(crate) struct Health {
    /// For good.
    pub halted: Mutex<Option<String>>,
    /// Until it works again.
    pub store: Mutex<Option<String>>,
}

impl Health {
    /// Says for good why the recorder stopped; the first reason stays.
    pub(crate) fn halt(&self, reason: String) {
        tracing::error!(reason, "the recorder stops");
        self.halted.lock().get_or_insert(reason);
    }

    pub(crate) fn is_halted(&self) -> bool {
        self.halted.lock().is_some()
    }
}

impl State {
    pub(crate) fn shard(&self, id: ShardId) -> &Shard {
        &self.shards[usize::from(id.0)]
    }

    /// What time it is, for what cannot be undone.
    pub(crate) fn trusted_now(&self) -> Timestamp {
        self.trust.lock().look(self.clock.now(), Instant::now())
    }

    /// The first day whose minutes are to be kept.
    pub(crate) fn minutes_from(&self, now: Timestamp) -> u32 {
        crate::calendar::day(now - self.config.keep_minutes)
    }

    /// The first day whose hours are to be kept: the first of a month.
    pub(crate) fn hours_from(&self, now: Timestamp) -> u32 {
        crate::calendar::month_start(crate::calendar::day(now - self.config.keep_hours))
    }

    /// Unpacks a block. One that cannot be read is logged by name and counted: readers leave it out, and nobody
    /// writes over it or removes it.
    pub(crate) fn unpack(&self, key: BlockKey, bytes: &[u8]) -> Option<stats::rollup::Run> {
        let unpacked = stats::block::decode(bytes).map_err(|error| error.to_string()).and_then(|run| {
            let slots = crate::calendar::slots(key);
            let fits = run.last().is_none_or(|(slot, _)| *slot < slots);
            if fits { Ok(run) } else { Err(format!("it has slots beyond its {slots}")) }
        });
        if let Err(error) = &unpacked {
            self.meters.damaged_blocks.inc();
            tracing::error!(
                kind = ?key.kind, stat = key.stat, number = key.number, error,
                "a block cannot be read and is left out: restore it from a backup"
            );
        }
        unpacked.ok()
    }
}

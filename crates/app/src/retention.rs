//! What is too old goes: minutes and hours of long ago, stats that were long in the trash.
//!
//! The mark in the ledger moves first, in a transaction of its own, and readers and late points obey it from
//! then on; the blocks below it go afterwards, in small transactions. What a crash leaves behind is below
//! the next mark too. All of it goes by the trusted time (`trust`).

use std::sync::Arc;

use store::BlockKind;

use crate::calendar;
use crate::patience::patiently;
use crate::shard::Shard;
use crate::state::State;
use crate::writer::{Halted, Part, commit_moving};

/// Stats whose blocks are removed by one call.
const STATS_AT_ONCE: usize = 256;
/// Stats that leave the trash while the shard's writer waits.
const PURGED_AT_ONCE: usize = 100;

pub(crate) async fn run(state: &Arc<State>, shard: &Shard) -> Result<(), Halted> {
    expire(state, shard).await?;
    purge(state, shard).await
}

async fn expire(state: &Arc<State>, shard: &Shard) -> Result<(), Halted> {
    let now = state.trusted_now();
    let (minutes, hours) = {
        let mut writer = shard.writer.lock().await;
        if writer.position.is_none() {
            return Ok(());
        }
        let mut part = Part::new(shard, &mut writer);
        let was = part.ledger.clone();
        // Only closed days have blocks that may go as a whole.
        let oldest_open = was.days_closed_before;
        part.ledger.minutes_from = was.minutes_from.max(state.minutes_from(now).min(oldest_open));
        part.ledger.hours_from =
            was.hours_from.max(state.hours_from(now).min(calendar::month_start(part.ledger.minutes_from)));
        let ledger = part.ledger.clone();
        if ledger == was {
            return Ok(());
        }
        let _moving = commit_moving(state, part).await?;
        shard.publish_marks(&ledger);
        (ledger.minutes_from, ledger.hours_from)
    };
    let stats: Vec<u32> =
        state.catalog.names(shard.id).iter().map(|(number, _)| shard.stat(number).0).collect();
    for some in stats.chunks(STATS_AT_ONCE) {
        for (kind, below) in
            [(BlockKind::MinutesOfDay, minutes), (BlockKind::HoursOfMonth, calendar::month(hours).0)]
        {
            let gone = patiently(state, || state.store.delete_blocks(kind, some, below)).await?;
            state.meters.blocks_expired.inc_by(gone);
        }
    }
    Ok(())
}

async fn purge(state: &Arc<State>, shard: &Shard) -> Result<(), Halted> {
    let before = state.trusted_now() - state.config.keep_trash;
    loop {
        // A new stat of the same name may only be written once the old one is gone: the writer waits for us.
        let _writer = shard.writer.lock().await;
        let gone = state.catalog.take_expired(shard.id, before, PURGED_AT_ONCE);
        if gone.is_empty() {
            return Ok(());
        }
        {
            let mut head = shard.head.write();
            gone.iter().for_each(|stat| head.forget_stat(*stat));
        }
        let ids: Vec<u32> = gone.iter().map(|stat| shard.stat(*stat).0).collect();
        tracing::info!(stats = ids.len(), shard = shard.id.0, "stats leave the trash for ever");
        patiently(state, || state.store.purge_stats(&ids)).await?;
    }
}

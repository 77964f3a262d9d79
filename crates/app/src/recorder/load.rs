//! A shard's segments become its head again, at the start.

use std::sync::atomic::Ordering;

use base::Timestamp;

use crate::shard::Shard;
use crate::state::State;

/// Loads a shard's segments into its head. Of a close that was interrupted, what is in blocks already is left out.
pub(crate) async fn load(state: &State, shard: &Shard) -> Result<(), store::Error> {
    let segments = state.store.segments(shard.id.0).await?;
    let mut writer = shard.writer.lock().await;
    let names = state.catalog.names(shard.id);
    let mut head = shard.head.write();
    head.admit(names.next());
    for (key, bytes) in segments {
        let done_upto = match &writer.ledger.closing {
            Some(closing) if closing.hours.contains(&key.hour) => closing.upto,
            _ => 0,
        };
        let partials = match stats::segment::decode(&bytes) {
            Ok(partials) => partials,
            Err(error) => {
                state.meters.damaged_blocks.inc();
                tracing::error!(?key, %error, "a segment cannot be read and is left out: restore it from a backup");
                writer.unreadable_segments.push(key);
                continue;
            }
        };
        head.open_hour(key.hour);
        for one in partials {
            let number = one.stat.sequence();
            let Some(entry) = names.get(number) else { continue };
            if number > done_upto && one.stat.shard() == shard.id {
                head.add_cell(key.hour, number, one.minute, one.bucket);
            }
            let at = Timestamp::from_minutes(i64::from(key.hour) * 60 + i64::from(one.minute)).millis();
            entry.received_at.fetch_max(at.min(state.clock.now().millis()), Ordering::Relaxed);
        }
    }
    Ok(())
}

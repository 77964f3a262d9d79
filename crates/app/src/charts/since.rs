//! When a stat began: its first point came then, or it brought numbers of earlier times with it.

use base::Timestamp;
use stats::StatId;
use stats::resolution::Shelf;
use store::{BlockKey, BlockKind};

use super::{Charts, PATIENCE};
use crate::Error;
use crate::catalog::StatInfo;
use crate::shard::Shard;

impl Charts {
    /// When its first point came, or the time of its earliest number, whichever is earlier; of a day that is rolled up,
    /// that day. The store is asked once for each stat of this process; after that, the head knows.
    ///
    /// # Errors
    /// What the store says.
    pub async fn since(&self, stat: &StatInfo) -> Result<Timestamp, Error> {
        let shard = self.0.shards.get(usize::from(stat.id.shard().0)).ok_or(Error::NotFound("stat"))?;
        let known = shard.head.read().began(stat.id.sequence());
        if known.is_none() {
            self.look_up(shard, stat.id).await?;
        }
        Ok(self.known_since(stat))
    }

    /// As [`since`](Self::since), without asking the store: when its first point came, where nobody has asked before.
    pub(super) fn known_since(&self, stat: &StatInfo) -> Timestamp {
        let shard = self.0.shards.get(usize::from(stat.id.shard().0));
        let began = shard.and_then(|shard| shard.head.read().began(stat.id.sequence()));
        let began = began.map(|minute| Timestamp::from_minutes(i64::from(minute)));
        began.map_or(stat.created_at, |began| began.min(stat.created_at))
    }

    async fn look_up(&self, shard: &Shard, stat: StatId) -> Result<(), Error> {
        // What leaves the head meanwhile would be seen in neither.
        let Ok(_still) = tokio::time::timeout(PATIENCE, shard.moving.read()).await else {
            return Err(Error::Unavailable(
                "the store does not answer; numbers are safe in the log".to_owned(),
            ));
        };
        let mut first: Option<u32> = None;
        // All closed days stand in the blocks of years, all others in those of hours.
        for (kind, shelf) in
            [(BlockKind::DaysOfYear, Shelf::DaysOfYear), (BlockKind::MinutesOfHour, Shelf::MinutesOfHour)]
        {
            let number = |number| BlockKey { kind, stat: stat.0, number };
            let blocks = self.0.store.blocks(number(1), number(BlockKey::NUMBER_MAX)).await?;
            for (key, bytes) in blocks {
                // Who reads a damaged one for its numbers says so.
                let first_slot = stats::block::decode(&bytes).ok().and_then(|run| Some(run.first()?.0));
                let Some(slot) = first_slot else { continue };
                let at = shelf.time(stats::resolution::Place { number: key.number, slot });
                let minute = crate::calendar::minute(at);
                first = Some(first.map_or(minute, |first| first.min(minute)));
                break;
            }
        }
        shard.head.write().begin(stat.sequence(), first);
        Ok(())
    }
}

//! What a shard's recorder has to remember besides its position, kept as one small block that is
//! rewritten in every transaction of the shard.
//!
//! It makes two things simple: after an error that leaves open whether a transaction was committed,
//! the ledger in the store is compared with the one that was sent; and marks that must move together
//! with blocks do.

use base::Timestamp;
use serde::{Deserialize, Serialize};
use stats::{ShardId, StatId};
use store::{BlockKey, BlockKind};

use crate::app::Config;
use crate::calendar;

/// The ledger of one shard. Days and hours are counted since the epoch.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// Which start of which process wrote it last: random.
    pub writer: String,
    /// Rises with every transaction.
    pub revision: u64,
    /// The next stat's number within the shard: ids are not used again after a purge.
    pub next_stat: u32,
    /// The next segment's number.
    pub next_segment: u32,
    /// Days before it have day blocks and roll-ups and no hour blocks.
    pub days_closed_before: u32,
    /// Minutes of days before it are gone; what comes late for them goes into hours.
    pub minutes_from: u32,
    /// Hours of days before it are gone; always the first day of a month.
    pub hours_from: u32,
    /// The trusted time when it was written, in seconds since the epoch.
    #[serde(default)]
    pub seen: i64,
    /// A close that takes several transactions, and how far it has come.
    pub closing: Option<Closing>,
}

/// The numbers of `hours` are in blocks already for stats up to `upto`, and still in segments for the rest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Closing {
    pub hours: Vec<u32>,
    /// Number of a stat within the shard.
    pub upto: u32,
}

impl Ledger {
    /// The ledger of a shard that has none. A wrong `clock` only makes closes take another way; what is kept
    /// goes by the `trusted` time.
    pub(crate) fn new(config: &Config, clock: Timestamp, trusted: Timestamp) -> Self {
        let today = calendar::day(clock);
        let minutes_from = calendar::day(trusted - config.keep_minutes).min(today);
        let hours_from = calendar::day(trusted - config.keep_hours).min(minutes_from);
        Self {
            writer: String::new(),
            revision: 0,
            next_stat: 1,
            next_segment: 1,
            days_closed_before: today,
            minutes_from,
            hours_from: calendar::month_start(hours_from),
            seen: trusted.seconds(),
            closing: None,
        }
    }

    /// Where the ledger is kept: stat number 0 of a shard is nobody's, and so is the year 0.
    pub(crate) fn key(shard: ShardId) -> BlockKey {
        BlockKey { kind: BlockKind::DaysOfYear, stat: StatId::new(shard, 0).0, number: 0 }
    }

    /// As it is kept: JSON, so that a person can read it.
    pub(crate) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("numbers and strings have a JSON form")
    }

    /// Reads what [`encode`](Self::encode) wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

//! The trait (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Account, BlockKey, Checkpoint, Error, SegmentKey, Session, Stat, StatUpdate};

/// What every method returns.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A place where things are kept.
pub trait Store: Send + Sync + 'static {
    /// Settings of the whole data folder, such as the number of shards.
    fn setting<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>>;
    fn set_setting<'a>(&'a self, name: &'a str, value: &'a str) -> Answer<'a, ()>;

    fn accounts(&self) -> Answer<'_, Vec<Account>>;
    /// `Taken` if email, EZ key, user key or token exists.
    fn insert_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()>;
    /// Overwrites by id.
    fn update_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()>;

    fn insert_session<'a>(&'a self, session: &'a Session) -> Answer<'a, ()>;
    fn session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, Option<Session>>;
    /// Removes it and says whether it was there: whoever gets `true` has used it up.
    fn take_session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, bool>;
    /// Removes what expired before `now`.
    fn expire_sessions(&self, now: i64) -> Answer<'_, u64>;
    /// Removes all of an account's sessions and links.
    fn clear_sessions(&self, account: u32) -> Answer<'_, u64>;

    /// All stats, trash included, ordered by id, of one shard or of all.
    fn stats(&self, shard: Option<u8>) -> Answer<'_, Vec<Stat>>;
    fn update_stat(&self, stat: u32, update: StatUpdate) -> Answer<'_, ()>;
    /// Removes stats and all their blocks for ever.
    fn purge_stats<'a>(&'a self, stats: &'a [u32]) -> Answer<'a, ()>;

    /// Blocks `from..=to` of one stat and kind, in order of number.
    fn blocks(&self, from: BlockKey, to: BlockKey) -> Answer<'_, Vec<(BlockKey, Vec<u8>)>>;
    /// Many single blocks (any order, missing ones left out).
    fn blocks_of<'a>(&'a self, keys: &'a [BlockKey]) -> Answer<'a, Vec<(BlockKey, Vec<u8>)>>;
    /// Removes up to `limit` blocks of `kind` of `stats` with a number below `below`; how many went.
    fn delete_blocks<'a>(&'a self, kind: crate::BlockKind, stats: &'a [u32], below: u32) -> Answer<'a, u64>;

    /// All positions: `(shard, position)`.
    fn positions(&self) -> Answer<'_, Vec<(u8, u64)>>;
    /// All segments of a shard, in order of hour and sequence.
    fn segments(&self, shard: u8) -> Answer<'_, Vec<(SegmentKey, Vec<u8>)>>;
    /// Writes checkpoints, each whole or not at all; those of shards that share a database in one transaction.
    fn checkpoint<'a>(&'a self, checkpoints: &'a [Checkpoint]) -> Answer<'a, ()>;

    /// A consistent copy of everything while running.
    fn backup<'a>(&'a self, to: &'a Path) -> Answer<'a, ()>;
    /// Finishes what runs and closes.
    fn close(&self) -> Answer<'_, ()>;
}

/// Opens or makes the database file, applies migrations, refuses one of a newer version.
pub async fn open_sqlite(path: &Path) -> Result<Arc<dyn Store>, Error> {
    todo!()
}

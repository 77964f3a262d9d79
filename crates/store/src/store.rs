//! The trait: everything the rooms above may ask.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;

use crate::{Account, BlockKey, BlockKind, Checkpoint, Error, SegmentKey, Session, Stat, StatUpdate};

/// What every method returns. Dropping it early leaves the store whole: a transaction that was not
/// committed is rolled back.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A place where things are kept.
///
/// Any method can fail with `Busy`, `Timeout`, `Damaged`, `Closed` or `Database`, any that writes with
/// `Full`. Reads see whole transactions and never wait for writes.
pub trait Store: Send + Sync + 'static {
    /// A setting of the whole data folder, such as the number of shards.
    fn setting<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>>;
    /// Sets one; names have at most 64 characters.
    fn set_setting<'a>(&'a self, name: &'a str, value: &'a str) -> Answer<'a, ()>;

    /// All accounts in order of id.
    fn accounts(&self) -> Answer<'_, Vec<Account>>;
    /// `Taken` if email, EZ key, user key, token or id exists.
    fn insert_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()>;
    /// Overwrites by id; `Taken` as above, `Missing` if there is none.
    fn update_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()>;

    /// Keeps a session or a link; `Taken` if there is one of this hash.
    fn insert_session<'a>(&'a self, session: &'a Session) -> Answer<'a, ()>;
    /// The session or link of this hash, expired ones included.
    fn session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, Option<Session>>;
    /// Removes it and says whether it was there: whoever gets `true` has used it up.
    fn take_session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, bool>;
    /// Removes what expired before `now` (milliseconds since the epoch); how many went.
    fn expire_sessions(&self, now: i64) -> Answer<'_, u64>;
    /// Removes all of an account's sessions and links; how many went.
    fn clear_sessions(&self, account: u32) -> Answer<'_, u64>;

    /// All stats, trash included, ordered by id, of one shard (the low 8 bits of the id) or of all.
    fn stats(&self, shard: Option<u8>) -> Answer<'_, Vec<Stat>>;
    /// Changes one stat; `Missing` if there is none.
    fn update_stat(&self, stat: u32, update: StatUpdate) -> Answer<'_, ()>;
    /// Removes stats and all their blocks for ever, blocks first and in several transactions: after a
    /// failure call it again. Unknown ids are fine.
    fn purge_stats<'a>(&'a self, stats: &'a [u32]) -> Answer<'a, ()>;

    /// Blocks `from..=to` of one stat and kind, in order of number.
    fn blocks(&self, from: BlockKey, to: BlockKey) -> Answer<'_, Vec<(BlockKey, Vec<u8>)>>;
    /// Many single blocks as of one moment, each once, in no particular order, missing ones left out.
    fn blocks_of<'a>(&'a self, keys: &'a [BlockKey]) -> Answer<'a, Vec<(BlockKey, Vec<u8>)>>;
    /// Removes the blocks of `kind` of `stats` with a number below `below`; how many went. In several
    /// transactions, so that checkpoints get in between: after a failure call it again.
    fn delete_blocks<'a>(&'a self, kind: BlockKind, stats: &'a [u32], below: u32) -> Answer<'a, u64>;

    /// All positions: `(shard, position)`, in order of shard. A position is below 2^63.
    fn positions(&self) -> Answer<'_, Vec<(u8, u64)>>;
    /// All segments of a shard, in order of hour and sequence.
    fn segments(&self, shard: u8) -> Answer<'_, Vec<(SegmentKey, Vec<u8>)>>;
    /// Writes checkpoints in one transaction, all or none, each for a different shard. In each, in
    /// this order: the position moves `from` → `to` (or the whole is `Moved`), stats are inserted
    /// (`Taken` if name, id or public id exists), receive times set, stats revived, segments and blocks
    /// overwritten, deletions done. Durable when it returns. After `Timeout` or `Database` it may or may not have
    /// happened: the positions tell.
    fn checkpoint<'a>(&'a self, checkpoints: &'a [Checkpoint]) -> Answer<'a, ()>;

    /// Writes a consistent copy of everything to the file `to` while running; replaces an older one
    /// only when the new one is complete and durable.
    fn backup<'a>(&'a self, to: &'a Path) -> Answer<'a, ()>;
    /// Finishes what runs and closes. Everything afterwards is `Closed`.
    fn close(&self) -> Answer<'_, ()>;
}

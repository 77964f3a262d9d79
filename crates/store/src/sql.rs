//! The trait on sqlx's `Any`: one writer connection, a few readers, the same SQL for every dialect.

pub(crate) mod accounts;
pub(crate) mod batch;
pub(crate) mod blocks;
pub(crate) mod checkpoint;
pub(crate) mod dialect;
pub(crate) mod failure;
pub(crate) mod sqlite;
pub(crate) mod stats;

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyPool, Transaction};

use crate::store::Answer;
use crate::{Account, BlockKey, BlockKind, Checkpoint, Error, SegmentKey, Session, Stat, StatUpdate, Store};
use dialect::Dialect;
use failure::failed;

/// How long a read may take, waiting for a connection included.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one write transaction may take, waiting for its turn included.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long the reads of everything at start may take.
pub(crate) const LOAD_TIMEOUT: Duration = Duration::from_secs(120);
/// How long a backup may take.
pub(crate) const BACKUP_TIMEOUT: Duration = Duration::from_secs(3_600);
/// How long a call waits for a connection before it is told that the store is busy.
pub(crate) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// A store in one SQL database.
pub(crate) struct Sql {
    pub(crate) dialect: Dialect,
    /// One connection: writes take turns here instead of failing in the database.
    pub(crate) writer: AnyPool,
    pub(crate) readers: AnyPool,
    /// Where a backup connects.
    pub(crate) options: sqlx::any::AnyConnectOptions,
}

impl Sql {
    pub(crate) async fn reader(&self, what: &'static str) -> Result<PoolConnection<Any>, Error> {
        self.readers.acquire().await.map_err(failed(what))
    }

    pub(crate) async fn writer(&self, what: &'static str) -> Result<PoolConnection<Any>, Error> {
        self.writer.acquire().await.map_err(failed(what))
    }

    /// A transaction that holds the write lock.
    pub(crate) async fn write(&self, what: &'static str) -> Result<Transaction<'static, Any>, Error> {
        self.writer.begin_with(self.dialect.begin_write()).await.map_err(failed(what))
    }
}

/// `work` with its limit.
pub(crate) fn within<'a, T, F>(limit: Duration, what: &'static str, work: F) -> Answer<'a, T>
where
    F: Future<Output = Result<T, Error>> + Send + 'a,
{
    Box::pin(async move {
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { what, limit_seconds: limit.as_secs() }),
        }
    })
}

impl Store for Sql {
    fn setting<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        within(READ_TIMEOUT, "reading a setting", accounts::setting(self, name))
    }

    fn set_setting<'a>(&'a self, name: &'a str, value: &'a str) -> Answer<'a, ()> {
        within(WRITE_TIMEOUT, "writing a setting", accounts::set_setting(self, name, value))
    }

    fn accounts(&self) -> Answer<'_, Vec<Account>> {
        within(READ_TIMEOUT, "reading accounts", accounts::all(self))
    }

    fn insert_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()> {
        within(WRITE_TIMEOUT, "writing an account", accounts::insert(self, account))
    }

    fn update_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()> {
        within(WRITE_TIMEOUT, "writing an account", accounts::update(self, account))
    }

    fn insert_session<'a>(&'a self, session: &'a Session) -> Answer<'a, ()> {
        within(WRITE_TIMEOUT, "writing a session", accounts::insert_session(self, session))
    }

    fn session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, Option<Session>> {
        within(READ_TIMEOUT, "reading a session", accounts::session(self, token_hash))
    }

    fn take_session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, bool> {
        within(WRITE_TIMEOUT, "removing a session", accounts::take_session(self, token_hash))
    }

    fn expire_sessions(&self, now: i64) -> Answer<'_, u64> {
        within(WRITE_TIMEOUT, "removing sessions", accounts::expire_sessions(self, now))
    }

    fn clear_sessions(&self, account: u32) -> Answer<'_, u64> {
        within(WRITE_TIMEOUT, "removing sessions", accounts::clear_sessions(self, account))
    }

    fn stats(&self, shard: Option<u8>) -> Answer<'_, Vec<Stat>> {
        within(LOAD_TIMEOUT, "reading stats", stats::all(self, shard))
    }

    fn update_stat(&self, stat: u32, update: StatUpdate) -> Answer<'_, ()> {
        within(WRITE_TIMEOUT, "writing a stat", stats::update(self, stat, update))
    }

    fn purge_stats<'a>(&'a self, stats: &'a [u32]) -> Answer<'a, ()> {
        Box::pin(stats::purge(self, stats))
    }

    fn blocks(&self, from: BlockKey, to: BlockKey) -> Answer<'_, Vec<(BlockKey, Vec<u8>)>> {
        within(READ_TIMEOUT, "reading blocks", blocks::range(self, from, to))
    }

    fn blocks_of<'a>(&'a self, keys: &'a [BlockKey]) -> Answer<'a, Vec<(BlockKey, Vec<u8>)>> {
        within(READ_TIMEOUT, "reading blocks", blocks::of(self, keys))
    }

    fn delete_blocks<'a>(&'a self, kind: BlockKind, stats: &'a [u32], below: u32) -> Answer<'a, u64> {
        Box::pin(blocks::delete(self, kind, stats, below))
    }

    fn positions(&self) -> Answer<'_, Vec<(u8, u64)>> {
        within(READ_TIMEOUT, "reading positions", checkpoint::positions(self))
    }

    fn segments(&self, shard: u8) -> Answer<'_, Vec<(SegmentKey, Vec<u8>)>> {
        within(LOAD_TIMEOUT, "reading segments", blocks::segments(self, shard))
    }

    fn checkpoint<'a>(&'a self, checkpoints: &'a [Checkpoint]) -> Answer<'a, ()> {
        within(WRITE_TIMEOUT, "writing a checkpoint", checkpoint::write(self, checkpoints))
    }

    fn backup<'a>(&'a self, to: &'a Path) -> Answer<'a, ()> {
        within(BACKUP_TIMEOUT, "writing a backup", sqlite::backup(self, to))
    }

    fn close(&self) -> Answer<'_, ()> {
        within(WRITE_TIMEOUT, "closing the database", sqlite::close(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_that_takes_too_long_is_given_up_by_name() {
        let never = within::<(), _>(Duration::from_millis(1), "waiting", std::future::pending());
        let error = never.await.unwrap_err();
        assert!(matches!(error, Error::Timeout { what: "waiting", .. }), "{error}");
        assert_eq!(error.kind(), base::ErrorKind::Unavailable);
    }
}

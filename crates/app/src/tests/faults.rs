//! A store that fails when told to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use parking_lot::Mutex;
use store::{
    Account, Answer, BlockKey, BlockKind, Checkpoint, Error, SegmentKey, Session, Stat, StatUpdate, Store,
};

/// Passes everything on to a real store, but for what it is told to fail.
pub(super) struct Faulty {
    inner: Arc<dyn Store>,
    /// What happens to the next checkpoints, last first.
    plan: Mutex<Vec<Fault>>,
    /// So many reads fail.
    reads: AtomicU32,
    /// Reads of blocks panic.
    panics: AtomicBool,
    /// The most new stats that came at once.
    new_stats: AtomicUsize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fault {
    /// It is written.
    None,
    /// Nothing is written.
    Before,
    /// It is written, and yet an error comes back.
    After,
}

fn broken() -> Error {
    Error::Database { what: "a test", said: "on purpose".into() }
}

impl Faulty {
    pub(super) fn new(inner: Arc<dyn Store>) -> Self {
        Self {
            inner,
            plan: Mutex::default(),
            reads: AtomicU32::new(0),
            panics: AtomicBool::new(false),
            new_stats: AtomicUsize::new(0),
        }
    }

    /// The next checkpoints end like this, in this order; those after them well.
    pub(super) fn plan(&self, faults: &[Fault]) {
        *self.plan.lock() = faults.iter().rev().copied().collect();
    }

    pub(super) fn fail_reads(&self, count: u32) {
        self.reads.store(count, Ordering::SeqCst);
    }

    /// Reads of blocks panic, as code with a mistake in it would.
    pub(super) fn panic_in_reads(&self, panic: bool) {
        self.panics.store(panic, Ordering::SeqCst);
    }

    /// The most new stats that came at once.
    pub(super) fn new_stats(&self) -> usize {
        self.new_stats.load(Ordering::SeqCst)
    }

    pub(super) fn heal(&self) {
        self.plan(&[]);
        self.fail_reads(0);
        self.panic_in_reads(false);
    }

    fn read<'a, T>(&'a self, answer: Answer<'a, T>) -> Answer<'a, T> {
        assert!(!self.panics.load(Ordering::SeqCst), "a panic that a test asked for");
        let fails = self.reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if fails { Box::pin(async { Err(broken()) }) } else { answer }
    }
}

impl Store for Faulty {
    fn checkpoint<'a>(&'a self, checkpoints: &'a [Checkpoint]) -> Answer<'a, ()> {
        let new_stats = checkpoints.iter().map(|one| one.new_stats.len()).sum();
        self.new_stats.fetch_max(new_stats, Ordering::SeqCst);
        let fault = self.plan.lock().pop().unwrap_or(Fault::None);
        Box::pin(async move {
            if fault == Fault::Before {
                return Err(broken());
            }
            self.inner.checkpoint(checkpoints).await?;
            if fault == Fault::After { Err(broken()) } else { Ok(()) }
        })
    }
    fn blocks(&self, from: BlockKey, to: BlockKey) -> Answer<'_, Vec<(BlockKey, Vec<u8>)>> {
        self.read(self.inner.blocks(from, to))
    }
    fn blocks_of<'a>(&'a self, keys: &'a [BlockKey]) -> Answer<'a, Vec<(BlockKey, Vec<u8>)>> {
        self.read(self.inner.blocks_of(keys))
    }
    fn positions(&self) -> Answer<'_, Vec<(u8, u64)>> {
        self.read(self.inner.positions())
    }
    fn segments(&self, shard: u8) -> Answer<'_, Vec<(SegmentKey, Vec<u8>)>> {
        self.inner.segments(shard)
    }
    fn setting<'a>(&'a self, name: &'a str) -> Answer<'a, Option<String>> {
        self.inner.setting(name)
    }
    fn set_setting<'a>(&'a self, name: &'a str, value: &'a str) -> Answer<'a, ()> {
        self.inner.set_setting(name, value)
    }
    fn accounts(&self) -> Answer<'_, Vec<Account>> {
        self.inner.accounts()
    }
    fn insert_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()> {
        self.inner.insert_account(account)
    }
    fn update_account<'a>(&'a self, account: &'a Account) -> Answer<'a, ()> {
        self.inner.update_account(account)
    }
    fn insert_session<'a>(&'a self, session: &'a Session) -> Answer<'a, ()> {
        self.inner.insert_session(session)
    }
    fn session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, Option<Session>> {
        self.inner.session(token_hash)
    }
    fn take_session<'a>(&'a self, token_hash: &'a str) -> Answer<'a, bool> {
        self.inner.take_session(token_hash)
    }
    fn expire_sessions(&self, now: i64) -> Answer<'_, u64> {
        self.inner.expire_sessions(now)
    }
    fn clear_sessions(&self, account: u32) -> Answer<'_, u64> {
        self.inner.clear_sessions(account)
    }
    fn stats(&self, shard: Option<u8>) -> Answer<'_, Vec<Stat>> {
        self.inner.stats(shard)
    }
    fn update_stat(&self, stat: u32, update: StatUpdate) -> Answer<'_, ()> {
        self.inner.update_stat(stat, update)
    }
    fn purge_stats<'a>(&'a self, stats: &'a [u32]) -> Answer<'a, ()> {
        self.inner.purge_stats(stats)
    }
    fn delete_blocks<'a>(&'a self, kind: BlockKind, stats: &'a [u32], below: u32) -> Answer<'a, u64> {
        self.inner.delete_blocks(kind, stats, below)
    }
    fn backup<'a>(&'a self, to: &'a Path) -> Answer<'a, ()> {
        self.inner.backup(to)
    }
    fn close(&self) -> Answer<'_, ()> {
        self.inner.close()
    }
}

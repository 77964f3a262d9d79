//! Stats that are on their way: the intake has taken their first number and the recorder has not made them yet.
//!
//! Their kind is promised to whoever was told that a number was taken, so that a later number of the other kind is
//! refused where its sender hears of it. A promise ends when the recorder makes the stat (or finds it in the
//! trash), or when all calls that rely on it failed, whether or not their senders still listened.

use hashbrown::{HashMap, HashTable};
use parking_lot::Mutex;
use stats::{AccountId, Kind, ShardId, StatId};

use super::Catalog;

/// Most promises at once: about 50 MB. The recorder keeps hundreds of thousands a second; only while the store is
/// down for long do so many new names gather.
const PROMISES_MAX: usize = 250_000;

/// What a number of a name that has no stat yet meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Promised {
    /// It may go to the log; [`Catalog::withdraw`] if it does not get there.
    Yes,
    /// The stat is, or will be, of the other kind.
    Other(Kind),
    /// The account, or a shard of this folder, has all the stats it may have.
    TooMany,
    /// So many new names are on their way that this one has to wait.
    Busy,
}

struct Promise {
    account: AccountId,
    name: Box<str>,
    kind: Kind,
    /// Numbers that rely on it.
    numbers: u64,
}

#[derive(Default)]
struct Counts {
    all: usize,
    of: HashMap<AccountId, usize>,
}

/// Locks: a shard's promises, then its names or the counts.
pub(super) struct Promises {
    shards: Vec<Mutex<HashTable<Promise>>>,
    counts: Mutex<Counts>,
}

impl Promises {
    pub(super) fn new(shards: u8) -> Self {
        Self { shards: (0..shards).map(|_| Mutex::default()).collect(), counts: Mutex::default() }
    }
}

impl Catalog {
    /// Promises that the first number of a name that is not known, or is in the trash, decides its kind.
    pub(crate) fn promise(
        &self,
        shard: ShardId,
        account: AccountId,
        name: &str,
        kind: Kind,
        stats_max: usize,
    ) -> Promised {
        let hash = self.hash(account, name);
        let mut promises = self.0.promises.shards[usize::from(shard.0)].lock();
        // The recorder makes a stat first and then ends its promise: look again.
        let (known, next) = {
            let names = self.names(shard);
            (names.find(hash, account, name).map(|(_, entry)| entry.kind), names.next())
        };
        if let Some(is) = known.filter(|is| *is != kind) {
            return Promised::Other(is);
        }
        if let Some(made) = promises.find_mut(hash, |promise| promise.is(account, name)) {
            if made.kind != kind {
                return Promised::Other(made.kind);
            }
            made.numbers += 1;
            return Promised::Yes;
        }
        let mut counts = self.0.promises.counts.lock();
        if counts.all >= PROMISES_MAX {
            return Promised::Busy;
        }
        let on_their_way = counts.of.get(&account).copied().unwrap_or(0);
        let shard_is_full = next as usize + promises.len() > StatId::SEQUENCE_MAX as usize;
        if known.is_none() && (shard_is_full || self.count_of(account) + on_their_way >= stats_max) {
            return Promised::TooMany;
        }
        counts.all += 1;
        *counts.of.entry(account).or_default() += 1;
        drop(counts);
        let promise = Promise { account, name: name.into(), kind, numbers: 1 };
        promises.insert_unique(hash, promise, |promise| self.hash(promise.account, &promise.name));
        Promised::Yes
    }

    /// A number for which [`promise`](Self::promise) said yes did not get into the log.
    pub(crate) fn withdraw(&self, shard: ShardId, account: AccountId, name: &str) {
        self.end_promise(shard, account, name, |promise| {
            promise.numbers -= 1;
            promise.numbers == 0
        });
    }

    /// The stat is there.
    pub(crate) fn keep_promise(&self, shard: ShardId, account: AccountId, name: &str) {
        self.end_promise(shard, account, name, |_| true);
    }

    fn end_promise(
        &self,
        shard: ShardId,
        account: AccountId,
        name: &str,
        is_over: impl FnOnce(&mut Promise) -> bool,
    ) {
        let hash = self.hash(account, name);
        let mut promises = self.0.promises.shards[usize::from(shard.0)].lock();
        let Ok(mut found) = promises.find_entry(hash, |promise| promise.is(account, name)) else { return };
        if !is_over(found.get_mut()) {
            return;
        }
        found.remove();
        let mut counts = self.0.promises.counts.lock();
        counts.all -= 1;
        if let Some(of) = counts.of.get_mut(&account) {
            *of -= 1;
            if *of == 0 {
                counts.of.remove(&account);
            }
        }
    }

    /// How many stats are on their way.
    #[cfg(test)]
    pub(crate) fn promised(&self) -> usize {
        self.0.promises.counts.lock().all
    }
}

impl Promise {
    fn is(&self, account: AccountId, name: &str) -> bool {
        self.account == account && *self.name == *name
    }
}

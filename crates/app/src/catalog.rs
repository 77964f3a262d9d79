//! Which stats exist: one index in memory, shared by the recorder (which makes stats), the intake
//! (which checks kinds) and everybody who reads.
//!
//! A stat is made by its first point, in the head, and is in the store with the next checkpoint, which
//! a new stat brings forward to 200 ms. A crash in between makes it again from the log, with another
//! public id: a link copied within that time is the only thing that can break.
//!
//! **Invariants**: only a shard's recorder adds to its shard, so numbers are given without asking
//! anybody; of the locks here, one is held at a time, but that the indexes, the trash, the revisions and the
//! promises (`promised`), which look at the names, may be taken by who holds a shard's names.

mod names;
mod promised;
mod revisions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use base::{Clock, Timestamp};
use hashbrown::{DefaultHashBuilder, HashMap};
use parking_lot::{Mutex, RwLock, RwLockReadGuard, RwLockUpgradableReadGuard};
use stats::{AccountId, Kind, ShardId, StatId};
use store::{NewStat, StatUpdate, Store};

use crate::Error;
use crate::accounts::OWNER;
pub(crate) use names::{Entry, Names};
pub(crate) use promised::Promised;
use promised::Promises;
use revisions::Revisions;

/// Length of a public id: 46 bits.
const PUBLIC_ID_CHARS: usize = 8;
/// Length of a classic stat key, as StatHat's.
const CLASSIC_KEY_CHARS: usize = 28;
/// [`Entry::deleted_at`] of a stat that is not in the trash.
pub(crate) const KEPT: i64 = i64::MIN;
/// [`Entry::deleted_at`] of a stat that is to go at once, whatever time the trash gives and whether the clock is
/// trusted yet: 1906.
const LONG_AGO: i64 = -2_000_000_000_000;

/// A stat as pages and exports see it.
#[derive(Clone, PartialEq, Debug)]
pub struct StatInfo {
    /// Names it inside.
    pub id: StatId,
    /// Whose.
    pub account: AccountId,
    /// As its owner sends it.
    pub name: Arc<str>,
    /// Fixed by the first point.
    pub kind: Kind,
    /// Short opaque name for URLs and exports.
    pub public_id: Arc<str>,
    /// The classic API's stat key.
    pub classic_key: Arc<str>,
    /// Whether pages and images by public link answer.
    pub public: bool,
    /// When its first point came.
    pub created_at: Timestamp,
    /// When its latest point came.
    pub received_at: Timestamp,
    /// Set: in the trash since then.
    pub deleted_at: Option<Timestamp>,
}

impl StatInfo {
    /// Whether `account` may look at it, public or not: its own, and the owner at Eyrie's.
    pub fn is_seen_by(&self, account: AccountId) -> bool {
        self.account == account || (self.account == AccountId::EYRIE && account == OWNER)
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Catalog(Arc<Inner>);

struct Inner {
    shards: Vec<RwLock<Names>>,
    hasher: DefaultHashBuilder,
    by_public_id: RwLock<HashMap<Arc<str>, StatId>>,
    by_classic_key: RwLock<HashMap<Arc<str>, StatId>>,
    by_account: RwLock<HashMap<AccountId, BTreeMap<Arc<str>, StatId>>>,
    promises: Promises,
    revisions: Revisions,
    store: Arc<dyn Store>,
    clock: Clock,
    /// Held by whoever changes a stat in the store and then here.
    edits: tokio::sync::Mutex<()>,
    /// By shard, what is in the trash: since when, and the stat's number. Says the same as `deleted_at` of the
    /// entries, which change while this is held.
    trash: Vec<Mutex<BTreeSet<(i64, u32)>>>,
}

impl Catalog {
    /// Loads all stats.
    pub(crate) async fn load(store: Arc<dyn Store>, clock: Clock, shards: u8) -> Result<Self, Error> {
        let rows = store.stats(None).await?;
        let catalog = Self(Arc::new(Inner {
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            hasher: DefaultHashBuilder::default(),
            by_public_id: RwLock::default(),
            by_classic_key: RwLock::default(),
            by_account: RwLock::default(),
            promises: Promises::new(shards),
            revisions: Revisions::new(&clock),
            store,
            clock,
            edits: tokio::sync::Mutex::default(),
            trash: (0..shards).map(|_| Mutex::default()).collect(),
        }));
        for row in rows {
            let id = StatId(row.id);
            if id.shard().0 >= shards {
                tracing::error!(
                    stat = row.id,
                    name = row.name,
                    "a stat of a shard that does not exist is left out"
                );
                continue;
            }
            let entry = Entry {
                account: AccountId(row.account),
                name: row.name.into(),
                kind: if row.counter { Kind::Counter } else { Kind::Value },
                public_id: row.public_id.into(),
                classic_key: row.classic_key.into(),
                created_at: row.created_at,
                public: AtomicBool::new(row.public),
                received_at: AtomicI64::new(row.received_at),
                received_saved: AtomicI64::new(row.received_at),
                deleted_at: AtomicI64::new(KEPT),
            };
            catalog.mark(id, &entry, |_| row.deleted_at.unwrap_or(KEPT));
            catalog.index(id, &entry);
            let hash = catalog.hash(entry.account, &entry.name);
            let mut names = catalog.0.shards[usize::from(id.shard().0)].write();
            names.insert(&catalog.0.hasher, hash, id.sequence(), entry);
        }
        Ok(catalog)
    }

    fn index(&self, id: StatId, entry: &Entry) {
        self.0.by_public_id.write().insert(Arc::clone(&entry.public_id), id);
        self.0.by_classic_key.write().insert(Arc::clone(&entry.classic_key), id);
        self.0.by_account.write().entry(entry.account).or_default().insert(Arc::clone(&entry.name), id);
    }

    /// The hash that [`Names::find`] wants.
    #[inline]
    pub(crate) fn hash(&self, account: AccountId, name: &str) -> u64 {
        names::hash(&self.0.hasher, account, name)
    }

    /// Never makes a stat of this shard with a number below `next`.
    pub(crate) fn reserve(&self, shard: ShardId, next: u32) {
        self.0.shards[usize::from(shard.0)].write().reserve(next);
    }

    /// A shard's stats, for reading.
    pub(crate) fn names(&self, shard: ShardId) -> RwLockReadGuard<'_, Names> {
        self.0.shards[usize::from(shard.0)].read()
    }

    /// A shard's stats, for its recorder, which may add to them.
    pub(crate) fn recorder_names(&self, shard: ShardId) -> RwLockUpgradableReadGuard<'_, Names> {
        self.0.shards[usize::from(shard.0)].upgradable_read()
    }

    /// Makes the stat of a first point that came `at`. `None` if the shard is full.
    pub(crate) fn create(
        &self,
        names: &mut RwLockUpgradableReadGuard<'_, Names>,
        shard: ShardId,
        point: &stats::Point<'_>,
        at: Timestamp,
    ) -> Option<(u32, NewStat)> {
        let number = names.next();
        if number > StatId::SEQUENCE_MAX {
            self.keep_promise(shard, point.account, point.name);
            return None;
        }
        let id = StatId::new(shard, number);
        let row = NewStat {
            id: id.0,
            account: point.account.0,
            name: point.name.to_owned(),
            counter: point.kind == Kind::Counter,
            public_id: self.unused_public_id(),
            classic_key: base::id::random(CLASSIC_KEY_CHARS),
            public: false,
            created_at: at.millis(),
            received_at: at.millis(),
            deleted_at: None,
        };
        let entry = Entry {
            account: point.account,
            name: point.name.into(),
            kind: point.kind,
            public_id: row.public_id.as_str().into(),
            classic_key: row.classic_key.as_str().into(),
            created_at: row.created_at,
            public: AtomicBool::new(false),
            received_at: AtomicI64::new(row.received_at),
            received_saved: AtomicI64::new(row.received_at),
            deleted_at: AtomicI64::new(KEPT),
        };
        self.index(id, &entry);
        let hash = self.hash(point.account, point.name);
        names.with_upgraded(|names| names.insert(&self.0.hasher, hash, number, entry));
        self.0.revisions.change(point.account);
        self.keep_promise(shard, point.account, point.name);
        Some((number, row))
    }

    fn unused_public_id(&self) -> String {
        loop {
            let id = base::id::random(PUBLIC_ID_CHARS);
            if !self.0.by_public_id.read().contains_key(id.as_str()) {
                return id;
            }
        }
    }

    fn info(&self, id: StatId) -> Option<StatInfo> {
        let names = self.0.shards.get(usize::from(id.shard().0))?.read();
        names.get(id.sequence()).map(|entry| entry.info(id))
    }

    fn change<T>(&self, id: StatId, change: impl FnOnce(&Entry) -> T) -> Result<T, Error> {
        let names = self.0.shards.get(usize::from(id.shard().0)).ok_or(Error::NotFound("stat"))?.read();
        names.get(id.sequence()).map(change).ok_or(Error::NotFound("stat"))
    }

    /// Kind of the stat; `None` if it does not exist or is in the trash, from where it may go at any moment: then
    /// [`promise`](Self::promise) says more.
    #[inline]
    pub(crate) fn kind(&self, shard: ShardId, account: AccountId, name: &str) -> Option<Kind> {
        let hash = self.hash(account, name);
        let names = self.names(shard);
        let (_, entry) = names.find(hash, account, name)?;
        (!entry.is_deleted()).then_some(entry.kind)
    }

    /// How many stats an account has, trash included.
    pub(crate) fn count_of(&self, account: AccountId) -> usize {
        self.0.by_account.read().get(&account).map_or(0, BTreeMap::len)
    }

    /// Another number whenever a stat of the account is made, goes into the trash or comes out of it: what a list
    /// that was shown with one number lacks if it is another now. Numbers of other processes are other ones.
    pub fn revision(&self, account: AccountId) -> u64 {
        self.0.revisions.of(account)
    }

    /// How many stats there are, trash included.
    pub fn len(&self) -> usize {
        self.0.by_public_id.read().len()
    }

    /// Whether there are no stats at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// By id, trash included.
    pub fn by_id(&self, id: StatId) -> Option<StatInfo> {
        self.info(id)
    }

    /// By public id, trash included; callers check account and `deleted_at`.
    pub fn by_public_id(&self, public_id: &str) -> Option<StatInfo> {
        let id = *self.0.by_public_id.read().get(public_id)?;
        self.info(id)
    }

    /// By classic stat key, trash included.
    pub fn by_classic_key(&self, key: &str) -> Option<StatInfo> {
        let id = *self.0.by_classic_key.read().get(key)?;
        self.info(id)
    }

    /// By name within an account, trash included.
    pub fn by_name(&self, account: AccountId, name: &str) -> Option<StatInfo> {
        let id = *self.0.by_account.read().get(&account)?.get(name)?;
        self.info(id)
    }

    fn all_of(&self, account: AccountId) -> Vec<StatInfo> {
        let ids: Vec<StatId> = match self.0.by_account.read().get(&account) {
            Some(names) => names.values().copied().collect(),
            None => return Vec::new(),
        };
        ids.into_iter().filter_map(|id| self.info(id)).collect()
    }

    /// An account's stats ordered by name, trash left out.
    pub fn of_account(&self, account: AccountId) -> Vec<StatInfo> {
        let mut all = self.all_of(account);
        all.retain(|stat| stat.deleted_at.is_none());
        all
    }

    /// An account's trash, ordered by name.
    pub fn trash(&self, account: AccountId) -> Vec<StatInfo> {
        let mut all = self.all_of(account);
        all.retain(|stat| stat.deleted_at.is_some());
        all
    }

    /// Opens or closes a stat's public link.
    pub async fn set_public(&self, id: StatId, public: bool) -> Result<(), Error> {
        let _edit = self.0.edits.lock().await;
        self.change(id, |_| ())?;
        self.update(id, StatUpdate::Public(public)).await?;
        self.change(id, |entry| entry.public.store(public, Ordering::Relaxed))
    }

    /// Into the trash for 48 h. A later point of the same name takes it out again.
    pub async fn delete(&self, id: StatId) -> Result<(), Error> {
        self.set_deleted(id, Some(self.0.clock.now().millis())).await
    }

    /// Out of the trash.
    pub async fn restore(&self, id: StatId) -> Result<(), Error> {
        self.set_deleted(id, None).await
    }

    /// Out of the trash for ever, within a second: the name is free for a stat of either kind. A number that
    /// comes before that takes it out of the trash after all.
    ///
    /// # Errors
    /// `Conflict` unless it is in the trash.
    pub async fn purge(&self, id: StatId) -> Result<(), Error> {
        let _edit = self.0.edits.lock().await;
        if !self.change(id, Entry::is_deleted)? {
            return Err(Error::Conflict("only what is in the trash can be deleted for good".to_owned()));
        }
        self.update(id, StatUpdate::Deleted(Some(LONG_AGO))).await?;
        // Retention looks for what has been there too long four times a second.
        self.change(id, |entry| {
            self.mark(id, entry, |was| if was == KEPT { KEPT } else { LONG_AGO });
        })
    }

    async fn set_deleted(&self, id: StatId, at: Option<i64>) -> Result<(), Error> {
        let _edit = self.0.edits.lock().await;
        if self.change(id, Entry::is_deleted)? == at.is_some() {
            return Ok(());
        }
        self.update(id, StatUpdate::Deleted(at)).await?;
        let name = self.change(id, |entry| {
            self.mark(id, entry, |_| at.unwrap_or(KEPT));
            (entry.account, Arc::clone(&entry.name))
        })?;
        if at.is_none() {
            self.keep_promise(id.shard(), name.0, &name.1);
        }
        Ok(())
    }

    /// Puts a stat into the trash, or takes it out: `to` makes the new `deleted_at` of the old.
    fn mark(&self, id: StatId, entry: &Entry, to: impl FnOnce(i64) -> i64) {
        let (was, at) = {
            let mut trash = self.0.trash[usize::from(id.shard().0)].lock();
            let was = entry.deleted_at.load(Ordering::Relaxed);
            let at = to(was);
            entry.deleted_at.store(at, Ordering::Relaxed);
            trash.remove(&(was, id.sequence()));
            if at != KEPT {
                trash.insert((at, id.sequence()));
            }
            (was, at)
        };
        if (was == KEPT) != (at == KEPT) {
            self.0.revisions.change(entry.account);
        }
    }

    /// A stat of the last 200 ms is not in the store yet: the caller is told to come back.
    async fn update(&self, id: StatId, update: StatUpdate) -> Result<(), Error> {
        match self.0.store.update_stat(id.0, update).await {
            Err(store::Error::Missing(_)) => Err(Error::Busy {
                message: "this stat was made a moment ago and is not written down yet".to_owned(),
                retry_after_seconds: 1,
            }),
            other => Ok(other?),
        }
    }

    /// Takes out of the index up to `most` stats that have been in the trash since before `before`; the caller then
    /// removes them from the store, holding the shard's writer until it has. From here on a point makes a new stat.
    pub(crate) fn take_expired(&self, shard: ShardId, before: Timestamp, most: usize) -> Vec<u32> {
        let trash = &self.0.trash[usize::from(shard.0)];
        let is_due = || trash.lock().first().is_some_and(|(at, _)| *at < before.millis());
        if !is_due() {
            return Vec::new();
        }
        // No point can revive a stat from here on.
        let mut names = self.0.shards[usize::from(shard.0)].write();
        let due: Vec<u32> = {
            let mut trash = trash.lock();
            let due: Vec<_> = trash.range(..(before.millis(), 0)).take(most).copied().collect();
            for one in &due {
                trash.remove(one);
            }
            due.into_iter().map(|(_, number)| number).collect()
        };
        let removed: Vec<Entry> =
            due.iter().filter_map(|number| names.remove(&self.0.hasher, *number)).collect();
        drop(names);
        for entry in removed {
            self.0.by_public_id.write().remove(&entry.public_id);
            self.0.by_classic_key.write().remove(&entry.classic_key);
            if let Some(names) = self.0.by_account.write().get_mut(&entry.account) {
                names.remove(&entry.name);
            }
        }
        due
    }

    /// Takes a stat out of the trash because a point came; the checkpoint that holds the point writes it down.
    pub(crate) fn revive(&self, id: StatId, entry: &Entry) {
        self.mark(id, entry, |_| KEPT);
        self.keep_promise(id.shard(), entry.account, &entry.name);
    }
}

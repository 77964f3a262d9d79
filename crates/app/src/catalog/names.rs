//! One shard's stats: found by account and name without allocating, or by number.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use base::Timestamp;
use hashbrown::{DefaultHashBuilder, HashTable};
use stats::{AccountId, Kind, StatId};

use super::{KEPT, StatInfo};

/// A stat. What changes is atomic, so that readers and the recorder share it without a lock of its own.
pub(crate) struct Entry {
    pub account: AccountId,
    pub name: Arc<str>,
    pub kind: Kind,
    pub public_id: Arc<str>,
    pub classic_key: Arc<str>,
    pub created_at: i64,
    pub public: AtomicBool,
    pub received_at: AtomicI64,
    /// The `received_at` that is in the store.
    pub received_saved: AtomicI64,
    /// [`KEPT`], or in the trash since then.
    pub deleted_at: AtomicI64,
}

impl Entry {
    pub(crate) fn is_deleted(&self) -> bool {
        self.deleted_at.load(Ordering::Relaxed) != KEPT
    }

    pub(crate) fn info(&self, id: StatId) -> StatInfo {
        let deleted_at = self.deleted_at.load(Ordering::Relaxed);
        StatInfo {
            id,
            account: self.account,
            name: Arc::clone(&self.name),
            kind: self.kind,
            public_id: Arc::clone(&self.public_id),
            classic_key: Arc::clone(&self.classic_key),
            public: self.public.load(Ordering::Relaxed),
            created_at: Timestamp::from_millis(self.created_at),
            received_at: Timestamp::from_millis(self.received_at.load(Ordering::Relaxed)),
            deleted_at: (deleted_at != KEPT).then(|| Timestamp::from_millis(deleted_at)),
        }
    }
}

/// See the module. Numbers begin at 1; a purged number stays empty.
#[derive(Default)]
pub(crate) struct Names {
    table: HashTable<u32>,
    entries: Vec<Option<Entry>>,
}

#[inline]
pub(crate) fn hash(hasher: &DefaultHashBuilder, account: AccountId, name: &str) -> u64 {
    let mut state = hasher.build_hasher();
    account.hash(&mut state);
    state.write(name.as_bytes());
    state.finish()
}

impl Names {
    /// Finds a stat by what [`hash`] made of account and name.
    #[inline]
    pub(crate) fn find(&self, hash: u64, account: AccountId, name: &str) -> Option<(u32, &Entry)> {
        let number = *self.table.find(hash, |number| {
            self.get(*number).is_some_and(|entry| entry.account == account && *entry.name == *name)
        })?;
        self.get(number).map(|entry| (number, entry))
    }

    #[inline]
    pub(crate) fn get(&self, number: u32) -> Option<&Entry> {
        self.entries.get(number as usize)?.as_ref()
    }

    /// The number for the next stat.
    pub(crate) fn next(&self) -> u32 {
        self.entries.len().max(1) as u32
    }

    /// Never gives a number below `next`.
    pub(crate) fn reserve(&mut self, next: u32) {
        if self.entries.len() < next as usize {
            self.entries.resize_with(next as usize, || None);
        }
    }

    /// All stats with their numbers, in order of number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &Entry)> {
        self.entries.iter().enumerate().filter_map(|(number, entry)| Some((number as u32, entry.as_ref()?)))
    }

    pub(super) fn insert(&mut self, hasher: &DefaultHashBuilder, hashed: u64, number: u32, entry: Entry) {
        self.reserve(number + 1);
        self.entries[number as usize] = Some(entry);
        let Self { table, entries } = self;
        table.insert_unique(hashed, number, |number| {
            let entry = entries[*number as usize].as_ref().expect("what is in the table has an entry");
            hash(hasher, entry.account, &entry.name)
        });
    }

    pub(super) fn remove(&mut self, hasher: &DefaultHashBuilder, number: u32) -> Option<Entry> {
        let entry = self.entries.get_mut(number as usize)?.take()?;
        let hashed = hash(hasher, entry.account, &entry.name);
        if let Ok(found) = self.table.find_entry(hashed, |other| *other == number) {
            found.remove();
        }
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_name_is_free_and_its_number_is_not() {
        let hasher = DefaultHashBuilder::default();
        let mut names = Names::default();
        for (number, name) in [(1, "a"), (2, "b")] {
            let entry = Entry {
                account: AccountId(2),
                name: name.into(),
                kind: Kind::Counter,
                public_id: name.into(),
                classic_key: name.into(),
                created_at: 0,
                public: AtomicBool::new(false),
                received_at: AtomicI64::new(0),
                received_saved: AtomicI64::new(0),
                deleted_at: AtomicI64::new(KEPT),
            };
            names.insert(&hasher, hash(&hasher, AccountId(2), name), number, entry);
        }
        let find = |names: &Names, account, name: &str| {
            names
                .find(hash(&hasher, AccountId(account), name), AccountId(account), name)
                .map(|(number, _)| number)
        };
        assert_eq!(
            (find(&names, 2, "a"), find(&names, 2, "b"), find(&names, 3, "a")),
            (Some(1), Some(2), None)
        );
        names.remove(&hasher, 2);
        assert_eq!((find(&names, 2, "b"), names.next()), (None, 3));
    }
}

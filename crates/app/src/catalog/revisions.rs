//! Which accounts' lists of stats have changed: a number each, so that an open list need not be compared.

use std::sync::atomic::{AtomicU64, Ordering};

use base::Clock;
use hashbrown::HashMap;
use parking_lot::RwLock;
use stats::AccountId;

/// One number an account, greater with every change.
pub(super) struct Revisions {
    /// The number of accounts of which nothing has changed: when the process started, in milliseconds, so that a
    /// page of an earlier process is out of date.
    first: u64,
    last: AtomicU64,
    of: RwLock<HashMap<AccountId, u64>>,
}

impl Revisions {
    pub(super) fn new(clock: &Clock) -> Self {
        let first = clock.now().millis().unsigned_abs();
        Self { first, last: AtomicU64::new(first), of: RwLock::default() }
    }

    pub(super) fn of(&self, account: AccountId) -> u64 {
        self.of.read().get(&account).copied().unwrap_or(self.first)
    }

    pub(super) fn change(&self, account: AccountId) {
        let mut of = self.of.write();
        of.insert(account, self.last.fetch_add(1, Ordering::Relaxed) + 1);
    }
}

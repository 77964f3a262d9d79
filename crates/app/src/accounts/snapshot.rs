//! All accounts in memory, never changed: a new one takes its place.

use std::sync::Arc;

use hashbrown::HashMap;
use stats::AccountId;
use store::Account;

/// Accounts by everything they are looked up by.
#[derive(Default)]
pub(super) struct Snapshot {
    accounts: Vec<Arc<Account>>,
    by_id: HashMap<u32, Arc<Account>>,
    by_ez_key: HashMap<String, Arc<Account>>,
    /// Lower case; without the built-in account, so that nobody posts to it by a known address.
    by_email: HashMap<String, Arc<Account>>,
    by_user_key: HashMap<String, Arc<Account>>,
    by_access_token: HashMap<String, Arc<Account>>,
}

impl Snapshot {
    pub(super) fn new(accounts: Vec<Account>) -> Self {
        let accounts: Vec<Arc<Account>> = accounts.into_iter().map(Arc::new).collect();
        let by = |key: fn(&Account) -> String| -> HashMap<String, Arc<Account>> {
            accounts.iter().map(|account| (key(account), Arc::clone(account))).collect()
        };
        Self {
            by_id: accounts.iter().map(|account| (account.id, Arc::clone(account))).collect(),
            by_ez_key: by(|account| account.ez_key.clone()),
            by_email: people(&accounts)
                .map(|account| (account.email.to_lowercase(), Arc::clone(account)))
                .collect(),
            by_user_key: by(|account| account.user_key.clone()),
            by_access_token: by(|account| account.access_token.clone()),
            accounts,
        }
    }

    /// Everyone but Eyrie itself, in order of id.
    pub(super) fn people(&self) -> impl Iterator<Item = &Arc<Account>> {
        people(&self.accounts)
    }

    /// Whether these are the accounts in it.
    pub(super) fn holds(&self, accounts: &[Account]) -> bool {
        self.accounts.len() == accounts.len()
            && self.accounts.iter().zip(accounts).all(|(have, other)| **have == *other)
    }

    pub(super) fn id_max(&self) -> u32 {
        self.accounts.iter().map(|account| account.id).max().unwrap_or(0)
    }

    pub(super) fn by_id(&self, id: u32) -> Option<&Arc<Account>> {
        self.by_id.get(&id)
    }

    /// Upper and lower case are the same.
    pub(super) fn by_email(&self, email: &str) -> Option<&Arc<Account>> {
        self.by_email.get(&email.trim().to_lowercase())
    }

    /// The key itself, else the email of an account.
    pub(super) fn by_ez_key(&self, key: &str) -> Option<&Arc<Account>> {
        if let Some(account) = self.by_ez_key.get(key) {
            return Some(account);
        }
        if key.contains('@') { self.by_email(key) } else { None }
    }

    /// Exactly this key, not an email.
    pub(super) fn by_exact_ez_key(&self, key: &str) -> Option<&Arc<Account>> {
        self.by_ez_key.get(key)
    }

    pub(super) fn by_user_key(&self, key: &str) -> Option<&Arc<Account>> {
        self.by_user_key.get(key)
    }

    pub(super) fn by_access_token(&self, token: &str) -> Option<&Arc<Account>> {
        self.by_access_token.get(token)
    }
}

fn people(accounts: &[Arc<Account>]) -> impl Iterator<Item = &Arc<Account>> {
    accounts.iter().filter(|account| account.id != AccountId::EYRIE.0)
}

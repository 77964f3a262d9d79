//! Accounts, their keys, signing in.
//!
//! Lookups that every request makes (EZ key, user key, access token) are answered from an immutable
//! snapshot in memory. It is replaced after every change made here, and re-read every
//! [`REFRESH_INTERVAL`] for changes made by another process, such as `eyrie account create`.
//!
//! **Invariants**: no secret of a session or link is kept, only its SHA-256; whoever takes a link out
//! of the store has used it up; the built-in account is never found by an email.

mod guesses;
mod password;
mod rules;
mod snapshot;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use sha2::{Digest, Sha256};
use stats::AccountId;
use store::{Account, Session, Store};
use tokio::sync::Mutex;

use crate::Error;
use guesses::Guesses;
pub use guesses::{FORGOTTEN_AFTER, FREE_TRIES, REMEMBERED_MAX, WAIT_MAX};
pub use password::HASHINGS_QUEUED_MAX;
use password::Hashing;
pub use rules::{EMAIL_MAX, EZ_KEY_MAX, EZ_KEY_REFUSED, PASSWORD_BYTES_MAX, PASSWORD_MIN, is_email};
use snapshot::Snapshot;

/// The first person's account, whether `ensure_owner` or `create` made it. Only it sees Eyrie's own numbers.
pub const OWNER: AccountId = AccountId(AccountId::EYRIE.0 + 1);
/// How often changes by other processes are looked for.
pub const REFRESH_INTERVAL: Duration = Duration::from_secs(2);
/// How long a sign-in link is good for.
pub const LINK_LIFETIME: Duration = Duration::from_secs(24 * 3_600);
/// How long a session is good for, used or not.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How often expired sessions and links are removed.
const EXPIRE_INTERVAL: Duration = Duration::from_secs(3_600);
/// The email of the built-in account. Nothing is found by it.
const EYRIE_EMAIL: &str = "eyrie@built-in";
/// Characters of an EZ key made here: 94 bits.
const EZ_KEY_LENGTH: usize = 16;
/// Characters of a secret of a session or link.
const SECRET_LENGTH: usize = 32;
/// How often a new account's id is tried when another process takes it at the same moment.
const ID_TRIES: u32 = 20;
/// The pause before the second try; it grows by as much with each, so that who makes many lets others through.
const ID_PAUSE: Duration = Duration::from_millis(5);

const LINK_REFUSED: Error = Error::Denied("this sign-in link was used or has expired: ask for a new one");
const CURRENT_REFUSED: Error = Error::Denied("the current password is wrong");
const PASSWORD_REFUSED: Error = Error::Denied("email or password is wrong");

/// An account as its owner sees it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct AccountInfo {
    /// Its number.
    pub id: AccountId,
    /// In lower case.
    pub email: String,
    /// The key that EZ clients send; the email works too.
    pub ez_key: String,
    /// False: the EZ API is off for this account.
    pub ez_enabled: bool,
    /// The classic API's user key.
    pub user_key: String,
    /// Token of the export API.
    pub access_token: String,
    /// False: sign in by link only.
    pub has_password: bool,
}

impl From<&Account> for AccountInfo {
    fn from(account: &Account) -> Self {
        Self {
            id: AccountId(account.id),
            email: account.email.clone(),
            ez_key: account.ez_key.clone(),
            ez_enabled: account.ez_enabled,
            user_key: account.user_key.clone(),
            access_token: account.access_token.clone(),
            has_password: account.password_hash.is_some(),
        }
    }
}

/// An account and a one-time sign-in secret for `/signin/<secret>`, good for 24 hours.
#[derive(Clone, Debug, serde::Serialize)]
pub struct WithLink {
    /// Whose.
    #[serde(flatten)]
    pub account: AccountInfo,
    /// What comes after `/signin/`.
    pub signin_secret: String,
}

/// Accounts and their sessions. Cheap to clone.
#[derive(Clone)]
pub struct Accounts(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Clock,
    snapshot: ArcSwap<Snapshot>,
    /// Held by whoever changes accounts or replaces the snapshot: an older one never follows a newer.
    changing: Mutex<()>,
    hashing: Hashing,
    guesses: Guesses,
}

impl Accounts {
    /// Works without a running [`crate::App`], for the command line. Another process may be
    /// serving the same store: it sees new accounts within 2 s (it re-reads them).
    pub async fn open(store: Arc<dyn Store>, clock: Clock) -> Result<Self, Error> {
        let accounts = Self(Arc::new(Inner {
            store,
            clock,
            snapshot: ArcSwap::default(),
            changing: Mutex::new(()),
            hashing: Hashing::new(),
            guesses: Guesses::default(),
        }));
        accounts.refresh().await?;
        Ok(accounts)
    }

    /// Reads all accounts again.
    pub async fn refresh(&self) -> Result<(), Error> {
        let _changing = self.0.changing.lock().await;
        self.reload().await
    }

    /// Keeps the accounts fresh and removes expired sessions, as a task of `tasks`.
    pub fn spawn_refresh(&self, tasks: &TaskGroup) {
        let accounts = self.clone();
        let stop = tasks.stop_signal();
        tasks.spawn("accounts", async move {
            let mut refresh = tokio::time::interval(REFRESH_INTERVAL);
            let mut expire = tokio::time::interval(EXPIRE_INTERVAL);
            refresh.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                let done = tokio::select! {
                    () = stop.requested() => return,
                    _ = refresh.tick() => accounts.refresh().await,
                    _ = expire.tick() => accounts.expire_sessions().await,
                };
                if let Err(error) = done {
                    tracing::warn!(%error, "accounts cannot be read again; those read before are used");
                }
            }
        });
    }

    /// Makes the built-in account and, in an empty store, the owner's; `None` if it was there.
    pub async fn ensure_owner(&self, email: &str) -> Result<Option<WithLink>, Error> {
        if self.account(AccountId::EYRIE).is_none() {
            let built_in = self.fresh(AccountId::EYRIE.0, EYRIE_EMAIL.to_owned(), None);
            match self.0.store.insert_account(&built_in).await {
                Ok(()) | Err(store::Error::Taken(_)) => self.refresh().await?,
                Err(error) => return Err(error.into()),
            }
        }
        if self.0.snapshot.load().people().next().is_some() {
            return Ok(None);
        }
        self.create(email, None).await.map(Some)
    }

    /// Makes an account. `ez_key` `None`: a random one.
    pub async fn create(&self, email: &str, ez_key: Option<&str>) -> Result<WithLink, Error> {
        let email = rules::email(email)?;
        if let Some(key) = ez_key {
            rules::ez_key(key)?;
        }
        let _changing = self.0.changing.lock().await;
        for tried in 0..ID_TRIES {
            tokio::time::sleep(ID_PAUSE * tried).await;
            self.reload().await?;
            let snapshot = self.0.snapshot.load_full();
            if snapshot.by_email(&email).is_some() || snapshot.by_exact_ez_key(&email).is_some() {
                return Err(store::Error::Taken("email").into());
            }
            if let Some(key) = ez_key {
                refuse_foreign_key(&snapshot, key, None)?;
            }
            let id = snapshot.id_max().max(AccountId::EYRIE.0) + 1;
            let account = self.fresh(id, email.clone(), ez_key);
            match self.0.store.insert_account(&account).await {
                Ok(()) => {
                    self.reload().await?;
                    return self.with_link(&account).await;
                }
                Err(store::Error::Taken("id")) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::Busy {
            message: "other accounts are being made at this moment".to_owned(),
            retry_after_seconds: 1,
        })
    }

    /// Without the built-in one, in order of id.
    pub async fn list(&self) -> Result<Vec<AccountInfo>, Error> {
        self.refresh().await?;
        Ok(self.0.snapshot.load().people().map(|account| AccountInfo::from(&**account)).collect())
    }

    /// A new sign-in link; the password, all sessions and older links are gone. `ez_key`: sets it.
    pub async fn reset(&self, email: &str, ez_key: Option<&str>) -> Result<WithLink, Error> {
        if let Some(key) = ez_key {
            rules::ez_key(key)?;
        }
        self.refresh().await?;
        let id = self.0.snapshot.load().by_email(email).map(|account| AccountId(account.id));
        let id = id.ok_or(Error::NotFound("account"))?;
        let account = self
            .change(id, |account, snapshot| {
                if let Some(key) = ez_key {
                    refuse_foreign_key(snapshot, key, Some(account))?;
                    account.ez_key = key.to_owned();
                }
                account.password_hash = None;
                Ok(())
            })
            .await?;
        self.0.store.clear_sessions(id.0).await?;
        self.with_link(&account).await
    }

    /// Shuts an account: its EZ key is off, its user key and access token are new and told to nobody, its password,
    /// sessions and links are gone. What it has stays; [`reset`](Self::reset) lets its owner in again.
    pub async fn close(&self, email: &str) -> Result<AccountInfo, Error> {
        self.refresh().await?;
        let id = self.0.snapshot.load().by_email(email).map(|account| AccountId(account.id));
        let id = id.ok_or(Error::NotFound("account"))?;
        let account = self
            .change(id, |account, _| {
                account.ez_enabled = false;
                account.user_key = base::id::secret();
                account.access_token = base::id::secret();
                account.password_hash = None;
                Ok(())
            })
            .await?;
        self.0.store.clear_sessions(id.0).await?;
        Ok(AccountInfo::from(&account))
    }

    /// Whom a link signs in, without using it up.
    ///
    /// # Errors
    /// Denied for a link that was used, has expired or never was.
    pub async fn of_link(&self, secret: &str) -> Result<AccountInfo, Error> {
        let Some(hash) = hash_of(secret) else { return Err(LINK_REFUSED) };
        let link = self.0.store.session(&hash).await?;
        let link = link.filter(|link| link.link && self.is_valid(link)).ok_or(LINK_REFUSED)?;
        let id = AccountId(link.account);
        if self.account(id).is_none() {
            // Made by another process a moment ago.
            self.refresh().await?;
        }
        self.account(id).map(|account| AccountInfo::from(&*account)).ok_or(LINK_REFUSED)
    }

    /// Answers a session secret; the link is used up.
    pub async fn sign_in_by_link(&self, secret: &str) -> Result<String, Error> {
        let Some(hash) = hash_of(secret) else { return Err(LINK_REFUSED) };
        let link = self.0.store.session(&hash).await?;
        let Some(link) = link.filter(|link| link.link && self.is_valid(link)) else {
            return Err(LINK_REFUSED);
        };
        // The session first: a failure in between leaves the link as it was.
        let session = self.keep(link.account, false).await?;
        if !self.0.store.take_session(&hash).await? {
            self.sign_out(&session).await?;
            return Err(LINK_REFUSED);
        }
        Ok(session)
    }

    /// Answers a session secret. Denied in the same words whatever was wrong; slow by design and
    /// limited in how many run at once.
    ///
    /// # Errors
    /// [`Error::Guessing`] after [`FREE_TRIES`] wrong ones for this email from this address: then even a right one
    /// waits, from there.
    pub async fn sign_in_by_password(
        &self,
        email: &str,
        password: &str,
        from: IpAddr,
    ) -> Result<String, Error> {
        let guess = self.0.guesses.begin(email, from, self.0.clock.steady())?;
        let outcome = self.session_by_password(email, password).await;
        match &outcome {
            Ok(_) => guess.right(),
            Err(Error::Denied(_)) => {}
            Err(_) => guess.unseen(),
        }
        outcome
    }

    async fn session_by_password(&self, email: &str, password: &str) -> Result<String, Error> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(PASSWORD_REFUSED);
        }
        let account = self.0.snapshot.load().by_email(email).cloned();
        let hash = account.as_ref().and_then(|account| account.password_hash.clone());
        let right = self.0.hashing.verify(password, hash.clone()).await?;
        let Some(account) = account.filter(|_| right) else { return Err(PASSWORD_REFUSED) };
        let session = self.keep(account.id, false).await?;
        // Whoever changes a password changes it and then ends all sessions. So if it was changed meanwhile, here or
        // by another process, this session has ended with the others or the change is seen now.
        self.refresh().await?;
        if self.account(AccountId(account.id)).is_none_or(|now| now.password_hash != hash) {
            self.sign_out(&session).await?;
            return Err(PASSWORD_REFUSED);
        }
        Ok(session)
    }

    /// Who is signed in with this session.
    pub async fn by_session(&self, secret: &str) -> Result<Option<AccountInfo>, Error> {
        let Some(hash) = hash_of(secret) else { return Ok(None) };
        let session = self.0.store.session(&hash).await?;
        let Some(session) = session.filter(|session| !session.link && self.is_valid(session)) else {
            return Ok(None);
        };
        let id = AccountId(session.account);
        if self.account(id).is_none() {
            // Made by another process a moment ago.
            self.refresh().await?;
        }
        Ok(self.account(id).map(|account| AccountInfo::from(&*account)))
    }

    /// Ends a session; fine if there is none.
    pub async fn sign_out(&self, secret: &str) -> Result<(), Error> {
        if let Some(hash) = hash_of(secret) {
            self.0.store.take_session(&hash).await?;
        }
        Ok(())
    }

    /// Quick, from memory: whose EZ key, and whether the EZ API is on for it. Exactly the key, or the
    /// account's email in any case.
    pub fn by_ez_key(&self, key: &str) -> Option<(AccountId, bool)> {
        let snapshot = self.0.snapshot.load();
        snapshot.by_ez_key(key).map(|account| (AccountId(account.id), account.ez_enabled))
    }

    /// Quick, from memory: whose classic user key.
    pub fn by_user_key(&self, key: &str) -> Option<AccountId> {
        self.0.snapshot.load().by_user_key(key).map(|account| AccountId(account.id))
    }

    /// Quick, from memory: whose export token.
    pub fn by_access_token(&self, token: &str) -> Option<AccountInfo> {
        self.0.snapshot.load().by_access_token(token).map(|account| AccountInfo::from(&**account))
    }

    /// Sets or replaces the password, 8 characters at least. All sessions and links but the session
    /// `keep_session` (a secret) end.
    ///
    /// # Errors
    /// `Denied` if there is a password and `current` is not it; `Invalid` for a new one that is too short.
    pub async fn set_password(
        &self,
        id: AccountId,
        current: Option<&str>,
        new: &str,
        keep_session: Option<&str>,
    ) -> Result<(), Error> {
        rules::password(new)?;
        let set = self.account(id).ok_or(Error::NotFound("account"))?.password_hash.clone();
        if set.is_some() {
            let current =
                current.filter(|current| current.len() <= PASSWORD_BYTES_MAX).ok_or(CURRENT_REFUSED)?;
            if !self.0.hashing.verify(current, set.clone()).await? {
                return Err(CURRENT_REFUSED);
            }
        }
        let hash = self.0.hashing.hash(new).await?;
        self.change(id, |account, _| {
            if account.password_hash != set {
                return Err(CURRENT_REFUSED);
            }
            account.password_hash = Some(hash);
            Ok(())
        })
        .await?;
        let kept = match keep_session.and_then(hash_of) {
            Some(hash) => self.0.store.session(&hash).await?,
            None => None,
        };
        self.0.store.clear_sessions(id.0).await?;
        match kept.filter(|session| !session.link && session.account == id.0) {
            Some(session) => Ok(self.0.store.insert_session(&session).await?),
            None => Ok(()),
        }
    }

    /// Sets the EZ key (1 to 64 printable ASCII characters but [`EZ_KEY_REFUSED`]) and whether the EZ
    /// API is on.
    pub async fn set_ez(&self, id: AccountId, ez_key: &str, enabled: bool) -> Result<(), Error> {
        rules::ez_key(ez_key)?;
        self.change(id, |account, snapshot| {
            refuse_foreign_key(snapshot, ez_key, Some(account))?;
            account.ez_key = ez_key.to_owned();
            account.ez_enabled = enabled;
            Ok(())
        })
        .await?;
        Ok(())
    }

    /// Replaces the access token.
    pub async fn renew_token(&self, id: AccountId) -> Result<AccountInfo, Error> {
        let change = self.change(id, |account, _| {
            account.access_token = base::id::secret();
            Ok(())
        });
        Ok(AccountInfo::from(&change.await?))
    }

    fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.0.snapshot.load().by_id(id.0).cloned()
    }

    /// An account as it starts.
    fn fresh(&self, id: u32, email: String, ez_key: Option<&str>) -> Account {
        Account {
            id,
            email,
            password_hash: None,
            ez_key: ez_key.map_or_else(|| base::id::random(EZ_KEY_LENGTH), str::to_owned),
            ez_enabled: true,
            user_key: base::id::secret(),
            access_token: base::id::secret(),
            created_at: self.0.clock.now().millis(),
        }
    }

    /// The caller holds `changing`.
    async fn reload(&self) -> Result<(), Error> {
        let accounts = self.0.store.accounts().await?;
        if !self.0.snapshot.load().holds(&accounts) {
            self.0.snapshot.store(Arc::new(Snapshot::new(accounts)));
        }
        Ok(())
    }

    /// Changes the account as it is in the store now.
    async fn change(
        &self,
        id: AccountId,
        change: impl FnOnce(&mut Account, &Snapshot) -> Result<(), Error>,
    ) -> Result<Account, Error> {
        let _changing = self.0.changing.lock().await;
        self.reload().await?;
        let mut account = (*self.account(id).ok_or(Error::NotFound("account"))?).clone();
        change(&mut account, &self.0.snapshot.load())?;
        self.0.store.update_account(&account).await?;
        self.reload().await?;
        Ok(account)
    }

    async fn with_link(&self, account: &Account) -> Result<WithLink, Error> {
        Ok(WithLink { account: account.into(), signin_secret: self.keep(account.id, true).await? })
    }

    /// Keeps a new link or session; answers its secret.
    async fn keep(&self, account: u32, link: bool) -> Result<String, Error> {
        let secret = base::id::random(SECRET_LENGTH);
        let lifetime = if link { LINK_LIFETIME } else { SESSION_LIFETIME };
        let expires_at: Timestamp = self.0.clock.now() + lifetime;
        let token_hash = hash_of(&secret).expect("a secret made here is well formed");
        let session = Session { token_hash, account, link, expires_at: expires_at.millis() };
        self.0.store.insert_session(&session).await?;
        Ok(secret)
    }

    fn is_valid(&self, session: &Session) -> bool {
        self.0.clock.now().millis() < session.expires_at
    }

    async fn expire_sessions(&self) -> Result<(), Error> {
        self.0.store.expire_sessions(self.0.clock.now().millis()).await?;
        Ok(())
    }
}

/// SHA-256 in hex; `None` if no secret of ours looks like this.
fn hash_of(secret: &str) -> Option<String> {
    if secret.len() != SECRET_LENGTH || !secret.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let digest = Sha256::digest(secret.as_bytes());
    Some(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A key that is another account's key or email would take its numbers.
fn refuse_foreign_key(snapshot: &Snapshot, key: &str, own: Option<&Account>) -> Result<(), Error> {
    let is_own = |other: &&Arc<Account>| own.is_some_and(|own| own.id == other.id);
    match snapshot.by_ez_key(key) {
        Some(other) if !is_own(&other) => Err(store::Error::Taken("EZ key").into()),
        _ => Ok(()),
    }
}

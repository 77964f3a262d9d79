//! Accounts, their keys, signing in (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use std::sync::Arc;

use stats::AccountId;

use crate::Error;

/// An account as its owner sees it.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct AccountInfo {
    pub id: AccountId,
    pub email: String,
    pub ez_key: String,
    pub ez_enabled: bool,
    pub user_key: String,
    pub access_token: String,
    pub has_password: bool,
}

/// An account and a one-time sign-in secret for `/signin/<secret>`, good for 24 hours.
#[derive(Clone, Debug, serde::Serialize)]
pub struct WithLink {
    #[serde(flatten)]
    pub account: AccountInfo,
    pub signin_secret: String,
}

/// Cheap to clone. Secrets of links and sessions are kept as SHA-256.
#[derive(Clone)]
pub struct Accounts;

impl Accounts {
    /// Works without a running [`crate::App`], for the command line. Another process may be
    /// serving the same store: it sees new accounts within 2 s (it re-reads them).
    pub async fn open(store: Arc<dyn store::Store>, clock: base::Clock) -> Result<Self, Error> {
        todo!()
    }

    /// Makes the built-in account and, in an empty store, the owner's; `None` if it was there.
    pub async fn ensure_owner(&self, email: &str) -> Result<Option<WithLink>, Error> {
        todo!()
    }

    /// `ez_key` `None`: a random one.
    pub async fn create(&self, email: &str, ez_key: Option<&str>) -> Result<WithLink, Error> {
        todo!()
    }

    /// Without the built-in one, in order of id.
    pub async fn list(&self) -> Result<Vec<AccountInfo>, Error> {
        todo!()
    }

    /// A new sign-in link; the password, all sessions and older links are gone. `ez_key`: sets it.
    pub async fn reset(&self, email: &str, ez_key: Option<&str>) -> Result<WithLink, Error> {
        todo!()
    }

    pub async fn sign_in_by_link(&self, secret: &str) -> Result<String, Error> {
        todo!()
    }

    /// Answers a session secret. Denied in the same words whatever was wrong; slow by design and
    /// limited in how many run at once.
    pub async fn sign_in_by_password(&self, email: &str, password: &str) -> Result<String, Error> {
        todo!()
    }

    pub async fn by_session(&self, secret: &str) -> Result<Option<AccountInfo>, Error> {
        todo!()
    }

    pub async fn sign_out(&self, secret: &str) -> Result<(), Error> {
        todo!()
    }

    /// Quick, from memory: whose export token.
    pub fn by_access_token(&self, token: &str) -> Option<AccountInfo> {
        todo!()
    }

    pub async fn set_password(&self, id: AccountId, password: &str) -> Result<(), Error> {
        todo!()
    }

    pub async fn set_ez(&self, id: AccountId, ez_key: &str, enabled: bool) -> Result<(), Error> {
        todo!()
    }

    /// Replaces the access token.
    pub async fn renew_token(&self, id: AccountId) -> Result<AccountInfo, Error> {
        todo!()
    }
}

//! Which stats exist, in memory (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use std::sync::Arc;

use base::Timestamp;
use stats::{AccountId, Kind, StatId};

use crate::Error;

/// A stat as pages and exports see it.
#[derive(Clone, PartialEq, Debug)]
pub struct StatInfo {
    pub id: StatId,
    pub account: AccountId,
    pub name: Arc<str>,
    pub kind: Kind,
    /// Short opaque name for URLs and exports.
    pub public_id: Arc<str>,
    pub classic_key: Arc<str>,
    pub public: bool,
    pub created_at: Timestamp,
    pub received_at: Timestamp,
    /// Set: in the trash since then.
    pub deleted_at: Option<Timestamp>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Catalog;

impl Catalog {
    /// By public id, trash included; callers check account and `deleted_at`.
    pub fn by_public_id(&self, public_id: &str) -> Option<StatInfo> {
        todo!()
    }

    pub fn by_name(&self, account: AccountId, name: &str) -> Option<StatInfo> {
        todo!()
    }

    /// An account's stats ordered by name, trash left out.
    pub fn of_account(&self, account: AccountId) -> Vec<StatInfo> {
        todo!()
    }

    pub fn trash(&self, account: AccountId) -> Vec<StatInfo> {
        todo!()
    }

    pub async fn set_public(&self, id: StatId, public: bool) -> Result<(), Error> {
        todo!()
    }

    /// Into the trash for 48 h. A later point of the same name takes it out again.
    pub async fn delete(&self, id: StatId) -> Result<(), Error> {
        todo!()
    }

    pub async fn restore(&self, id: StatId) -> Result<(), Error> {
        todo!()
    }
}

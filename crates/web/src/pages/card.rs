//! A stat as every page names it, and who may see it.

use app::catalog::StatInfo;
use serde::Serialize;
use stats::{AccountId, Kind};

use crate::ask::Ask;
use crate::chart;
use crate::failure::Failure;

/// A stat.
#[derive(Clone, Serialize, Debug)]
pub struct Card {
    /// For URLs.
    pub id: String,
    /// As its sender calls it.
    pub name: String,
    /// `counter` or `value`.
    pub kind: Kind,
    /// Whether everybody may see it by its link.
    pub public: bool,
    /// Whether it is one of Eyrie's own.
    pub builtin: bool,
    /// The colour it has everywhere.
    pub slot: usize,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch; when the last number came.
    pub received_at: i64,
    /// Milliseconds since the epoch; in the trash since then.
    pub deleted_at: Option<i64>,
}

impl From<&StatInfo> for Card {
    fn from(stat: &StatInfo) -> Self {
        Self {
            id: stat.public_id.to_string(),
            name: stat.name.to_string(),
            kind: stat.kind,
            public: stat.public,
            builtin: stat.account == AccountId::EYRIE,
            slot: chart::slot(&stat.name),
            created_at: stat.created_at.millis(),
            received_at: stat.received_at.millis(),
            deleted_at: stat.deleted_at.map(|at| at.millis()),
        }
    }
}

/// The stat of that id if the visitor owns it (trash included) or, Eyrie's own, may look at it.
pub fn visible(ask: &Ask, id: &str) -> Result<StatInfo, Failure> {
    let me = ask.me()?;
    let stat = ask.app().catalog.by_public_id(id).filter(|stat| stat.is_seen_by(me.id));
    stat.ok_or(Failure::NotFound("stat"))
}

/// The stat of that id if it is the visitor's own to change.
pub fn owned(ask: &Ask, id: &str) -> Result<StatInfo, Failure> {
    let me = ask.me()?.id;
    let stat = ask.app().catalog.by_public_id(id).filter(|stat| stat.account == me);
    stat.ok_or(Failure::NotFound("stat"))
}

//! Numbers come in: whoever speaks a protocol turns it into [`Sent`] numbers and submits them
//! (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use base::Timestamp;
use stats::{AccountId, Kind, StatName};

use crate::Error;

/// One number as a client sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    pub account: AccountId,
    pub name: StatName,
    pub kind: Kind,
    /// Finite: the edge has refused the rest.
    pub number: f64,
    /// When; already replaced by the receive time where implausible.
    pub time: Timestamp,
}

/// What became of one [`Sent`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It goes to the log.
    Taken,
    /// The stat is of the other kind; counted, not taken.
    Mismatch {
        /// What the stat is.
        is: Kind,
    },
}

/// Whose EZ key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EzAccount {
    pub id: AccountId,
    pub enabled: bool,
}

/// The stat named by a pair of classic keys.
#[derive(Clone, Debug)]
pub struct ClassicStat {
    pub account: AccountId,
    pub name: StatName,
    pub kind: Kind,
}

/// Cheap to clone; every method but [`Accepted::settle`] is quick and never waits.
#[derive(Clone)]
pub struct Intake;

/// The numbers are on their way to the log; await [`Accepted::settle`] before answering.
#[must_use = "an answer before `settle` promises what is not yet true"]
pub struct Accepted {
    /// In the order given.
    pub fates: Vec<Fate>,
}

impl Accepted {
    /// Resolves once they are as durable as configured. Kind Busy or Unavailable: not acknowledged.
    pub async fn settle(self) -> Result<(), Error> {
        todo!()
    }
}

impl Intake {
    /// Case-sensitive, also by the account's email. Unknown keys are counted by
    /// [`Intake::count_unknown_key`], not here.
    pub fn by_ez_key(&self, key: &str) -> Option<EzAccount> {
        todo!()
    }

    pub fn by_classic_keys(&self, stat_key: &str, user_key: &str) -> Option<ClassicStat> {
        todo!()
    }

    /// Remembers an unknown key (the 100 latest, with count and time) for the owner's page.
    pub fn count_unknown_key(&self, key: &str) {
        todo!()
    }

    pub fn unknown_keys(&self) -> Vec<UnknownKey> {
        todo!()
    }

    /// Hands numbers to the log before it returns. Err (Busy, Unavailable): nothing was taken.
    pub fn submit(&self, sent: &[Sent]) -> Result<Accepted, Error> {
        todo!()
    }
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownKey {
    pub key: String,
    pub count: u64,
    pub last_at: Timestamp,
}

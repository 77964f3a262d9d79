//! Numbers come in: whoever speaks a protocol turns it into [`Sent`] numbers and submits them.
//!
//! **Invariant**: [`Intake::submit`] has handed everything to the log when it returns, without waiting: a
//! client that hangs up at once has been heard.

mod unknown;

use std::sync::Arc;

use base::{ErrorKind, Timestamp};
use bytes::Bytes;
use queue::{NewMessage, Publish, Topic};
use stats::{AccountId, Kind, Point, ShardId, StatName};

use crate::Error;
use crate::accounts::Accounts;
use crate::state::State;
pub use unknown::UnknownKey;
use unknown::UnknownKeys;

/// One payload holds at most about this much, in bytes: well below the log's largest record.
const PAYLOAD_BYTES: usize = 1 << 20;
/// When to come back if the log is full, in seconds.
const RETRY_AFTER_SECONDS: u32 = 5;

/// One number as a client sent it.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Whose stat.
    pub account: AccountId,
    /// Which.
    pub name: StatName,
    /// What the client takes it for.
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
    /// Whose.
    pub id: AccountId,
    /// False: the EZ API is off for this account.
    pub enabled: bool,
}

/// The stat named by a pair of classic keys.
#[derive(Clone, Debug)]
pub struct ClassicStat {
    /// Whose.
    pub account: AccountId,
    /// Its name.
    pub name: StatName,
    /// What it is.
    pub kind: Kind,
}

/// Cheap to clone; every method but [`Accepted::settle`] is quick and never waits.
#[derive(Clone)]
pub struct Intake(Arc<Inner>);

struct Inner {
    state: Arc<State>,
    accounts: Accounts,
    topics: Vec<Topic>,
    unknown: UnknownKeys,
}

/// The numbers are on their way to the log; await [`Accepted::settle`] before answering.
#[must_use = "an answer before `settle` promises what is not yet true"]
pub struct Accepted {
    /// In the order given.
    pub fates: Vec<Fate>,
    publish: Option<Publish>,
}

impl Accepted {
    /// Resolves once they are as durable as configured. Kind Busy or Unavailable: not acknowledged.
    pub async fn settle(self) -> Result<(), Error> {
        match self.publish {
            Some(publish) => publish.await.map(|_| ()).map_err(refused),
            None => Ok(()),
        }
    }
}

/// A log that is full says when to come back.
fn refused(error: queue::Error) -> Error {
    match error.kind() {
        ErrorKind::Busy => {
            Error::Busy { message: error.to_string(), retry_after_seconds: RETRY_AFTER_SECONDS }
        }
        _ => Error::Queue(error),
    }
}

impl Intake {
    pub(crate) fn new(state: Arc<State>, accounts: Accounts, topics: Vec<Topic>) -> Self {
        Self(Arc::new(Inner { state, accounts, topics, unknown: UnknownKeys::default() }))
    }

    /// Case-sensitive, also by the account's email. Unknown keys are counted by
    /// [`Intake::count_unknown_key`], not here.
    pub fn by_ez_key(&self, key: &str) -> Option<EzAccount> {
        let (id, enabled) = self.0.accounts.by_ez_key(key)?;
        Some(EzAccount { id, enabled })
    }

    /// `None` unless both keys belong to the same account. A stat in the trash is still found: a number sent
    /// to it takes it out.
    pub fn by_classic_keys(&self, stat_key: &str, user_key: &str) -> Option<ClassicStat> {
        let account = self.0.accounts.by_user_key(user_key)?;
        let stat = self.0.state.catalog.by_classic_key(stat_key).filter(|stat| stat.account == account)?;
        Some(ClassicStat { account, name: StatName::new(&stat.name).ok()?, kind: stat.kind })
    }

    /// Remembers an unknown key (the 100 latest, with count and time) for the owner's page.
    pub fn count_unknown_key(&self, key: &str) {
        self.0.state.meters.unknown_keys.inc();
        self.0.unknown.count(key, self.0.state.clock.now());
    }

    /// The unknown keys, latest first.
    pub fn unknown_keys(&self) -> Vec<UnknownKey> {
        self.0.unknown.list()
    }

    /// Hands numbers to the log before it returns. Err (Busy, Unavailable): nothing was taken.
    pub fn submit(&self, sent: &[Sent]) -> Result<Accepted, Error> {
        let state = &self.0.state;
        let shards = self.0.topics.len() as u8;
        let mut fates = Vec::with_capacity(sent.len());
        // Few shards are touched by most calls: a short list beats a table of all.
        let mut payloads: Vec<(ShardId, Vec<u8>)> = Vec::new();
        let mut taken = 0;
        for one in sent {
            let name = one.name.as_str();
            let shard = ShardId::of(one.account, name, shards);
            match state.catalog.kind(shard, one.account, name) {
                Some(is) if is != one.kind => {
                    fates.push(Fate::Mismatch { is });
                    continue;
                }
                _ => fates.push(Fate::Taken),
            }
            let point =
                Point { account: one.account, name, kind: one.kind, number: one.number, time: one.time };
            let open = payloads.iter_mut().rev().find(|(of, _)| *of == shard);
            let payload = match open {
                Some((_, payload)) if payload.len() < PAYLOAD_BYTES => payload,
                _ => {
                    payloads.push((shard, Vec::with_capacity(name.len() + 32)));
                    &mut payloads.last_mut().expect("one was pushed").1
                }
            };
            stats::point::encode(&point, payload);
            taken += 1;
        }
        state.meters.mismatched.inc_by(sent.len() as u64 - taken);
        if payloads.is_empty() {
            return Ok(Accepted { fates, publish: None });
        }
        let messages: Vec<NewMessage<'_>> = payloads
            .into_iter()
            .map(|(shard, payload)| NewMessage {
                topic: &self.0.topics[usize::from(shard.0)],
                payload: Bytes::from(payload),
            })
            .collect();
        match state.queue.publish(&messages, state.config.durability) {
            Ok(publish) => {
                state.meters.taken.inc_by(taken);
                Ok(Accepted { fates, publish: Some(publish) })
            }
            Err(error) => {
                state.meters.refused.inc_by(taken);
                Err(refused(error))
            }
        }
    }
}

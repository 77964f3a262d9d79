//! Numbers come in: whoever speaks a protocol turns it into [`Sent`] numbers and submits them.
//!
//! **Invariant**: [`Intake::submit`] has handed everything to the log when it returns, without waiting: a
//! client that hangs up at once has been heard.
//!
//! **Invariant**: what is answered as taken is counted. So the kind of a stat that the recorder has not made yet is
//! promised to its first number, and numbers of unknown names are Busy until what the log held at the start is
//! in the catalog; a start waits for that before anybody can ask, unless it takes more than a second.

mod promises;
mod unknown;

use std::sync::Arc;

use base::tasks::TaskGroup;
use base::{ErrorKind, Timestamp};
use bytes::Bytes;
use queue::{NewMessage, Publish, Topic};
use stats::{AccountId, Kind, Point, ShardId, StatName};

use crate::Error;
use crate::accounts::Accounts;
use crate::catalog::Promised;
use crate::state::State;
use promises::{HungUp, Promises};
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
    /// There is no stat of this name and there can be no more of them; not taken.
    TooManyStats,
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
    hung_up: HungUp,
}

/// The numbers are on their way to the log; await [`Accepted::settle`] before answering.
#[must_use = "an answer before `settle` promises what is not yet true"]
pub struct Accepted {
    /// In the order given.
    pub fates: Vec<Fate>,
    publish: Option<Publish>,
    promises: Promises,
    intake: Intake,
}

impl Accepted {
    /// Resolves once they are as durable as configured. Kind Busy or Unavailable: not acknowledged.
    pub async fn settle(mut self) -> Result<(), Error> {
        let Some(publish) = &mut self.publish else { return Ok(()) };
        let done = publish.await;
        self.publish = None;
        done.map(drop).map_err(|error| {
            std::mem::take(&mut self.promises).withdraw(&self.intake.0.state.catalog);
            refused(error)
        })
    }
}

impl Drop for Accepted {
    /// Its sender has hung up: what it was promised still hangs on what the log says.
    fn drop(&mut self) {
        if let Some(publish) = self.publish.take().filter(|_| !self.promises.is_empty()) {
            self.intake.0.hung_up.leave(publish, std::mem::take(&mut self.promises));
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
    /// Waits for those who hang up as a task of `tasks`.
    pub(crate) fn new(state: Arc<State>, accounts: Accounts, topics: Vec<Topic>, tasks: &TaskGroup) -> Self {
        let (hung_up, waiting) = HungUp::new(Arc::clone(&state));
        tasks.spawn("those who hung up", waiting);
        Self(Arc::new(Inner { state, accounts, topics, unknown: UnknownKeys::default(), hung_up }))
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
        let mut taken: u64 = 0;
        let mut promises = Promises::default();
        for one in sent {
            let name = one.name.as_str();
            let shard = ShardId::of(one.account, name, shards);
            let fate = match state.catalog.kind(shard, one.account, name) {
                Some(is) if is == one.kind => Fate::Taken,
                Some(is) => Fate::Mismatch { is },
                None => match self.first(shard, one, &mut promises) {
                    Ok(fate) => fate,
                    Err(error) => {
                        promises.withdraw(&state.catalog);
                        state.meters.refused.inc_by(sent.len() as u64);
                        return Err(error);
                    }
                },
            };
            fates.push(fate);
            if fate != Fate::Taken {
                continue;
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
        if payloads.is_empty() {
            return Ok(self.accepted(fates, None, promises));
        }
        let messages: Vec<NewMessage<'_>> = payloads
            .into_iter()
            .map(|(shard, payload)| NewMessage {
                topic: &self.0.topics[usize::from(shard.0)],
                payload: Bytes::from(payload),
            })
            .collect();
        match state.queue.publish(&messages, state.config.durability) {
            Ok(publish) => Ok(self.accepted(fates, Some(publish), promises)),
            Err(error) => {
                promises.withdraw(&state.catalog);
                state.meters.refused.inc_by(taken);
                Err(refused(error))
            }
        }
    }

    fn accepted(&self, fates: Vec<Fate>, publish: Option<Publish>, promises: Promises) -> Accepted {
        Accepted { fates, publish, promises, intake: self.clone() }
    }

    /// A number of a name that has no stat yet, or one in the trash.
    fn first(&self, shard: ShardId, sent: &Sent, promises: &mut Promises) -> Result<Fate, Error> {
        let state = &self.0.state;
        let busy = |message: &str| {
            Err(Error::Busy { message: message.to_owned(), retry_after_seconds: RETRY_AFTER_SECONDS })
        };
        if !state.folded.borrow().replayed {
            return busy(
                "what came before the restart is still being read: until then only known stats are taken",
            );
        }
        let name = sent.name.as_str();
        match state.catalog.promise(shard, sent.account, name, sent.kind, state.config.stats_per_account_max)
        {
            Promised::Yes => {
                promises.add(shard, sent.account, sent.name.clone());
                Ok(Fate::Taken)
            }
            Promised::Other(is) => Ok(Fate::Mismatch { is }),
            Promised::TooMany => Ok(Fate::TooManyStats),
            Promised::Busy => busy("too many new stats at once"),
        }
    }
}

//! The one way into the store for a shard's numbers: a transaction that moves its ledger, tried until
//! it is known what became of it.
//!
//! **Invariant**: after an error, nobody guesses. The ledger in the store says whether the transaction was
//! committed (it is ours), was not (it is the one before), or somebody else records this shard (neither).

use store::Checkpoint;
use tokio::sync::{RwLock, RwLockWriteGuard};

use crate::ledger::Ledger;
use crate::patience::Patience;
use crate::shard::Shard;
use crate::state::State;

/// What a shard's recorder has written.
pub(crate) struct Writer {
    pub position: Option<u64>,
    pub ledger: Ledger,
    /// The ledger as it is in the store; `None` before the first write.
    pub stored: Option<Vec<u8>>,
    /// The closing looks for hours that are due from here on, so that all have their turn.
    pub close_from: u32,
    /// Met at the start: they stay when their hours go.
    pub unreadable_segments: Vec<store::SegmentKey>,
    /// What is in memory is ahead of the store for good: nothing may be written any more.
    pub halted: bool,
}

/// Writing has ended: the process stops, or another recorder has taken over.
#[derive(Debug)]
pub(crate) struct Halted;

/// One shard's part of a transaction.
pub(crate) struct Part<'a> {
    pub shard: &'a Shard,
    pub writer: &'a mut Writer,
    pub checkpoint: Checkpoint,
    /// The ledger afterwards; revision and writer are filled in here.
    pub ledger: Ledger,
}

impl<'a> Part<'a> {
    /// A transaction that leaves the position where it is.
    pub(crate) fn new(shard: &'a Shard, writer: &'a mut Writer) -> Self {
        let at = writer.position.unwrap_or(0);
        let ledger = writer.ledger.clone();
        let checkpoint =
            Checkpoint { shard: shard.id.0, from: writer.position, to: at, ..Default::default() };
        Self { shard, writer, checkpoint, ledger }
    }
}

/// Writes all parts in one go and returns once they are known to be durable. For what moves nothing that
/// readers see.
pub(crate) async fn commit(state: &State, parts: &mut [Part<'_>]) -> Result<(), Halted> {
    settle(state, parts, None).await.map(|_| ())
}

/// As [`commit`], for numbers that leave the head, and marks that say where they are. Readers of the shard
/// wait from before the transaction until the caller, done with the head, drops what this returns; but not
/// during the pauses between attempts.
pub(crate) async fn commit_moving<'a>(
    state: &State,
    part: Part<'a>,
) -> Result<Option<RwLockWriteGuard<'a, ()>>, Halted> {
    let moving = &part.shard.moving;
    settle(state, &mut [part], Some(moving)).await
}

type Moving<'a> = Option<RwLockWriteGuard<'a, ()>>;

async fn settle<'a>(
    state: &State,
    parts: &mut [Part<'_>],
    moving: Option<&'a RwLock<()>>,
) -> Result<Moving<'a>, Halted> {
    // Whoever halted may have left a close half done: nothing must be written on top of that.
    if parts.iter().any(|part| part.writer.halted) || state.health.is_halted() {
        return Err(Halted);
    }
    let mut checkpoints = Vec::with_capacity(parts.len());
    for part in parts.iter_mut() {
        part.ledger.writer.clone_from(&part.writer.ledger.writer);
        part.ledger.revision = part.writer.ledger.revision + 1;
        part.ledger.seen = state.trust.lock().time().seconds();
        part.checkpoint.blocks.push((Ledger::key(part.shard.id), part.ledger.encode()));
        checkpoints.push(std::mem::take(&mut part.checkpoint));
    }
    let targets: Vec<u64> = checkpoints.iter().map(|one| one.to).collect();
    let done = until_known(state, parts, &mut checkpoints, moving).await;
    for (part, to) in parts.iter_mut().zip(targets) {
        if done.is_ok() {
            part.writer.position = Some(to);
            part.writer.stored = Some(part.ledger.encode());
            part.writer.ledger = part.ledger.clone();
        } else {
            part.writer.halted = true;
        }
    }
    done
}

async fn until_known<'a>(
    state: &State,
    parts: &[Part<'_>],
    checkpoints: &mut Vec<Checkpoint>,
    moving: Option<&'a RwLock<()>>,
) -> Result<Moving<'a>, Halted> {
    let mut patience = Patience::new();
    loop {
        let still = match moving {
            Some(moving) => Some(moving.write().await),
            None => None,
        };
        match state.store.checkpoint(checkpoints).await {
            Ok(()) => checkpoints.clear(),
            Err(error) => {
                patience.failed(state, &error);
                // Until it is known where the numbers are, readers wait.
                find_out(state, parts, checkpoints, &mut patience).await?;
            }
        }
        if checkpoints.is_empty() {
            *state.health.store.lock() = None;
            return Ok(still);
        }
        drop(still);
        patience.pause(state).await?;
    }
}

/// Keeps of `checkpoints` those that were not committed.
async fn find_out(
    state: &State,
    parts: &[Part<'_>],
    checkpoints: &mut Vec<Checkpoint>,
    patience: &mut Patience,
) -> Result<(), Halted> {
    loop {
        match outcome(state, parts, checkpoints).await {
            Ok(()) => return Ok(()),
            Err(Outcome::Unknown(error)) => patience.failed(state, &error),
            Err(Outcome::Taken(shard)) => {
                state.health.halt(format!("another recorder writes shard {shard}: stop one of the two"));
                return Err(Halted);
            }
        }
        patience.pause(state).await?;
    }
}

enum Outcome {
    Unknown(store::Error),
    Taken(u8),
}

async fn outcome(
    state: &State,
    parts: &[Part<'_>],
    checkpoints: &mut Vec<Checkpoint>,
) -> Result<(), Outcome> {
    let keys: Vec<_> = parts.iter().map(|part| Ledger::key(part.shard.id)).collect();
    let ledgers = state.store.blocks_of(&keys).await.map_err(Outcome::Unknown)?;
    let positions = state.store.positions().await.map_err(Outcome::Unknown)?;
    let mut taken = None;
    checkpoints.retain(|one| {
        let Some(part) = parts.iter().find(|part| part.shard.id.0 == one.shard) else { return false };
        let key = Ledger::key(part.shard.id);
        let found = ledgers.iter().find(|(at, _)| *at == key).map(|(_, bytes)| bytes);
        let position = positions.iter().find(|(shard, _)| *shard == one.shard).map(|(_, position)| *position);
        if found == Some(&part.ledger.encode()) {
            return false;
        }
        if found != part.writer.stored.as_ref() || position != one.from {
            taken = Some(one.shard);
        }
        true
    });
    taken.map_or(Ok(()), |shard| Err(Outcome::Taken(shard)))
}

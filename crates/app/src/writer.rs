//! The one way into the store for a shard's numbers: a transaction that moves its ledger, tried until
//! it is known what became of it.
//!
//! **Invariant**: after an error, nobody guesses. The ledger in the store says whether the transaction was
//! committed (it is ours), was not (it is the one before), or somebody else records this shard (neither).

use std::time::Duration;

use store::Checkpoint;

use crate::ledger::Ledger;
use crate::shard::{Shard, State};

/// First pause after an error of the store; it doubles.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// Longest pause.
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// What a shard's recorder has written.
pub(crate) struct Writer {
    pub position: Option<u64>,
    pub ledger: Ledger,
    /// The ledger as it is in the store; `None` before the first write.
    pub stored: Option<Vec<u8>>,
    /// Days before it are being closed: their hours go straight into the day.
    pub closing_days_before: u32,
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

/// Writes all parts in one go and returns once they are known to be durable.
pub(crate) async fn commit(state: &State, parts: &mut [Part<'_>]) -> Result<(), Halted> {
    if parts.iter().any(|part| part.writer.halted) {
        return Err(Halted);
    }
    let mut checkpoints = Vec::with_capacity(parts.len());
    for part in parts.iter_mut() {
        part.ledger.writer.clone_from(&part.writer.ledger.writer);
        part.ledger.revision = part.writer.ledger.revision + 1;
        part.checkpoint.blocks.push((Ledger::key(part.shard.id), part.ledger.encode()));
        checkpoints.push(std::mem::take(&mut part.checkpoint));
    }
    let done = until_known(state, parts, &mut checkpoints).await;
    for part in parts.iter_mut() {
        match done {
            Ok(()) => {
                part.writer.stored = Some(part.ledger.encode());
                part.writer.ledger = part.ledger.clone();
            }
            Err(Halted) => part.writer.halted = true,
        }
    }
    done
}

async fn until_known(
    state: &State,
    parts: &mut [Part<'_>],
    checkpoints: &mut Vec<Checkpoint>,
) -> Result<(), Halted> {
    let targets: Vec<u64> = checkpoints.iter().map(|one| one.to).collect();
    let mut pause = BACKOFF_MIN;
    while !checkpoints.is_empty() {
        let Err(error) = state.store.checkpoint(checkpoints).await else { break };
        failing(state, &error);
        loop {
            tokio::select! {
                () = state.stop.requested() => return Err(Halted),
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(BACKOFF_MAX);
            match outcome(state, parts, checkpoints).await {
                Ok(()) => break,
                Err(Outcome::Unknown(error)) => failing(state, &error),
                Err(Outcome::Taken(shard)) => {
                    state.health.halt(format!("another recorder writes shard {shard}: stop one of the two"));
                    return Err(Halted);
                }
            }
        }
    }
    *state.health.store.lock() = None;
    for (part, to) in parts.iter_mut().zip(targets) {
        part.writer.position = Some(to);
    }
    Ok(())
}

fn failing(state: &State, error: &store::Error) {
    state.meters.store_errors.inc();
    tracing::warn!(%error, "the store did not take a checkpoint; it is tried again");
    *state.health.store.lock() = Some(error.to_string());
}

enum Outcome {
    Unknown(store::Error),
    Taken(u8),
}

/// Keeps of `checkpoints` those that were not committed.
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

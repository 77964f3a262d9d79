//! A round of the group commit, and the future that waits for it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::Error;
use crate::commits::Commits;
use crate::record::{Durability, Lsn};

const GATHERED: u8 = 0;
const WRITTEN: u8 = 1;
const DURABLE: u8 = 2;
/// Some or all of it failed; the failure says from where.
const FAILED: u8 = 3;

/// What gathers while the committer is busy, and all who wait for it. One lock and one allocation
/// for all of them.
#[derive(Debug, Default)]
pub(crate) struct Round {
    stage: AtomicU8,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    os: Vec<Waker>,
    disk: Vec<Waker>,
    failure: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Failure {
    error: Error,
    /// Records below this position had reached this stage before.
    below: u64,
    reached: u8,
}

impl Round {
    /// Everything in it was handed to the system.
    pub(crate) fn written(&self) {
        let wakers = {
            let mut waiting = self.waiting.lock();
            self.stage.store(WRITTEN, Ordering::Release);
            std::mem::take(&mut waiting.os)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Everything in it is on the device.
    pub(crate) fn durable(&self) {
        let (os, disk) = {
            let mut waiting = self.waiting.lock();
            self.stage.store(DURABLE, Ordering::Release);
            (std::mem::take(&mut waiting.os), std::mem::take(&mut waiting.disk))
        };
        os.into_iter().chain(disk).for_each(Waker::wake);
    }

    /// Records at and behind `from` fail. Those below it have reached `reached`.
    pub(crate) fn fail(&self, error: &Error, from: u64, reached: Option<Durability>) {
        let (os, disk) = {
            let mut waiting = self.waiting.lock();
            let before = self.stage.swap(FAILED, Ordering::AcqRel);
            let reached = match reached {
                Some(Durability::Disk) => DURABLE,
                Some(Durability::Os) => WRITTEN,
                Some(Durability::Memory) | None => before,
            };
            waiting.failure = Some(Failure { error: error.clone(), below: from, reached });
            (std::mem::take(&mut waiting.os), std::mem::take(&mut waiting.disk))
        };
        os.into_iter().chain(disk).for_each(Waker::wake);
    }
}

/// Resolves with the position of the first record once the level is reached. The records are
/// written whether it is awaited or dropped; at the level `Os`, awaiting it may be what writes them.
#[derive(Debug)]
#[must_use = "the records are written either way, but only awaiting it tells when"]
pub struct Append {
    lsn: u64,
    level: Durability,
    /// `None`: sure already.
    round: Option<Arc<Round>>,
    /// Where in the round's list the waker is.
    slot: Option<usize>,
    /// Whom to ask for the write; none once that was done, or if nobody has to.
    commits: Option<Arc<Commits>>,
    /// Others that are ready to run had their turn, and are in the same write.
    has_yielded: bool,
}

impl Append {
    pub(crate) fn new(lsn: u64, level: Durability, round: Option<Arc<Round>>) -> Self {
        let round = round.filter(|_| level != Durability::Memory);
        Self { lsn, level, round, slot: None, commits: None, has_yielded: false }
    }

    /// Awaiting it, or dropping it, sees to the write.
    pub(crate) fn seen_to_by(mut self, commits: &Arc<Commits>) -> Self {
        if self.level == Durability::Os && self.round.is_some() {
            self.commits = Some(commits.clone());
        }
        self
    }

    /// The position of the first record, which is fixed before it is written.
    pub fn lsn(&self) -> Lsn {
        Lsn(self.lsn)
    }

    fn state(&self, stage: u8, failure: Option<&Failure>) -> Poll<Result<Lsn, Error>> {
        let wanted = if self.level == Durability::Disk { DURABLE } else { WRITTEN };
        match failure {
            Some(failure) if self.lsn >= failure.below || failure.reached < wanted => {
                Poll::Ready(Err(failure.error.clone()))
            }
            Some(_) => Poll::Ready(Ok(Lsn(self.lsn))),
            None if stage >= wanted => Poll::Ready(Ok(Lsn(self.lsn))),
            None => Poll::Pending,
        }
    }
}

impl Drop for Append {
    fn drop(&mut self) {
        if let Some(commits) = &self.commits {
            commits.leave();
        }
    }
}

impl Future for Append {
    type Output = Result<Lsn, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(round) = self.round.clone() else { return Poll::Ready(Ok(Lsn(self.lsn))) };
        let stage = round.stage.load(Ordering::Acquire);
        if stage != FAILED
            && let Poll::Ready(done) = self.state(stage, None)
        {
            self.commits = None;
            return Poll::Ready(done);
        }
        if self.commits.is_some() && !std::mem::replace(&mut self.has_yielded, true) {
            let _ = pin!(tokio::task::yield_now()).poll(context);
        } else if let Some(commits) = self.commits.take() {
            commits.lead();
        }
        let mut waiting = round.waiting.lock();
        let stage = round.stage.load(Ordering::Acquire);
        debug_assert!(stage != GATHERED || waiting.failure.is_none(), "a failure sets the stage");
        if let Poll::Ready(done) = self.state(stage, waiting.failure.as_ref()) {
            return Poll::Ready(done);
        }
        let list = if self.level == Durability::Disk { &mut waiting.disk } else { &mut waiting.os };
        match self.slot.and_then(|slot| list.get_mut(slot)) {
            Some(waker) => waker.clone_from(context.waker()),
            None => {
                list.push(context.waker().clone());
                self.slot = Some(list.len() - 1);
            }
        }
        Poll::Pending
    }
}

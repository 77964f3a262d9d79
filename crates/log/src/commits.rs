//! Who commits: a thread, or whoever waits for a quick write.
//!
//! A sync, a new segment and much at once are left to the thread. What only has to be handed to the system
//! is a write of microseconds into the page cache, less than it takes to wake a thread and be woken by it:
//! whoever awaits such an append first commits all that has gathered, as the leader of the group, once the
//! other tasks that were ready beside it had their turn: with many writers a write carries many. Where
//! the system makes writers wait because it has too much that is not on the device yet, he waits too, once;
//! then writes are the thread's for a while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::committer::Committer;
use crate::gather::Work;
use crate::shared::Shared;

/// Most bytes that a leader writes at once.
const QUICK_BYTES_MAX: usize = 1 << 20;
/// Most commits of one leader in a row; what others have gathered then is the thread's.
const LEAD_MAX: usize = 4;
/// A write that takes longer is none to do in somebody's task,
const SLOW: Duration = Duration::from_millis(20);
/// and so long none is.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// The committer, whose turn it is with its lock.
#[derive(Debug)]
pub(crate) struct Commits {
    shared: Arc<Shared>,
    /// Appends are taken out of the gather under it, so that they are written in their order.
    turn: Mutex<Turn>,
}

#[derive(Debug)]
struct Turn {
    committer: Committer,
    /// Until then nobody leads, because writes were slow.
    left_alone: Option<Instant>,
}

impl Turn {
    fn may_lead(&mut self) -> bool {
        self.left_alone.take_if(|until| *until <= Instant::now());
        self.left_alone.is_none()
    }

    fn lead(&mut self, work: Work) {
        let begun = Instant::now();
        self.committer.round(work);
        if begun.elapsed() > SLOW {
            self.left_alone = Some(Instant::now() + LEFT_ALONE);
        }
    }
}

impl Commits {
    pub(crate) fn new(shared: Arc<Shared>, committer: Committer) -> Self {
        Self { shared, turn: Mutex::new(Turn { committer, left_alone: None }) }
    }

    /// What the thread does until the log is closed or poisoned.
    pub(crate) fn run(&self) {
        let (mut company, mut linger) = (1, Duration::ZERO);
        loop {
            self.shared.gather.wait(company, linger);
            let committer = &mut self.turn.lock().committer;
            // A leader may have been quicker.
            if let Some(work) = self.shared.gather.take()
                && !committer.is_over()
            {
                committer.round(work);
            }
            if committer.is_over() {
                return;
            }
            (company, linger) = committer.expects();
        }
    }

    /// Commits what has gathered if that is a quick write and nobody is at it; who is looks again.
    pub(crate) fn lead(&self) {
        for _ in 0..LEAD_MAX {
            {
                let Some(mut turn) = self.turn.try_lock() else { return };
                if turn.committer.is_over() {
                    return;
                }
                if !turn.may_lead() {
                    break;
                }
                let base = turn.committer.base();
                let Some(work) = self.shared.gather.take_quick(base, QUICK_BYTES_MAX) else { break };
                turn.lead(work);
            }
            // Who came while it was locked left it to us.
            if !self.shared.gather.is_awaited() {
                return;
            }
        }
        self.shared.gather.nudge();
    }

    /// Nobody waits for an append: it is the thread's.
    pub(crate) fn leave(&self) {
        self.shared.gather.nudge();
    }
}

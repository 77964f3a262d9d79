//! Promises that calls of the intake rely on, and what becomes of them when a caller hangs up.

use std::sync::Arc;

use queue::Publish;
use stats::{AccountId, ShardId, StatName};
use tokio::sync::mpsc;

use crate::state::State;

/// Calls at once whose senders hung up before it was known whether the log has their new stats. The promises of
/// one more stay until the next start, if its numbers do not get there.
const HUNG_UP_MAX: usize = 4_096;

/// What is taken back if the numbers do not get into the log.
pub(super) struct Promises {
    state: Arc<State>,
    made: Vec<(ShardId, AccountId, StatName)>,
}

impl Promises {
    pub(super) fn none(state: &Arc<State>) -> Self {
        Self { state: Arc::clone(state), made: Vec::new() }
    }

    pub(super) fn add(&mut self, shard: ShardId, account: AccountId, name: StatName) {
        self.made.push((shard, account, name));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Moves them out.
    pub(super) fn take(&mut self) -> Self {
        Self { state: Arc::clone(&self.state), made: std::mem::take(&mut self.made) }
    }

    pub(super) fn withdraw(&mut self) {
        for (shard, account, name) in self.made.drain(..) {
            self.state.catalog.withdraw(shard, account, name.as_str());
        }
    }
}

/// Where calls go whose senders have hung up. Cheap to clone.
#[derive(Clone)]
pub(super) struct HungUp(mpsc::Sender<(Publish, Promises)>);

impl HungUp {
    /// And the task that waits in their place.
    pub(super) fn new(state: Arc<State>) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (calls, waiting) = mpsc::channel(HUNG_UP_MAX);
        (Self(calls), wait(state, waiting))
    }

    /// Waits for what becomes of a call, in another task.
    pub(super) fn leave(&self, publish: Publish, promises: Promises) {
        if self.0.try_send((publish, promises)).is_err() {
            tracing::warn!("too many senders of new stats hung up at once: some promises may stay");
        }
    }
}

/// The log decides in the order in which it was asked, so one after the other is soon enough.
async fn wait(state: Arc<State>, mut waiting: mpsc::Receiver<(Publish, Promises)>) {
    loop {
        let next = async {
            let (publish, mut promises) = waiting.recv().await?;
            if publish.await.is_err() {
                promises.withdraw();
            }
            Some(())
        };
        tokio::select! {
            () = state.stop.requested() => return,
            next = next => if next.is_none() { return },
        }
    }
}

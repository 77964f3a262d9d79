//! Promises that calls of the intake rely on, and what becomes of them when a caller hangs up.

use std::sync::Arc;

use queue::Publish;
use stats::{AccountId, ShardId, StatName};
use tokio::sync::mpsc;

use crate::catalog::Catalog;
use crate::state::State;

/// Calls at once whose senders hung up before it was known whether the log has their new stats. The promises of
/// one more stay until the next start, if its numbers do not get there.
const HUNG_UP_MAX: usize = 4_096;

/// What is taken back if the numbers do not get into the log.
#[derive(Default)]
pub(super) struct Promises(Vec<(ShardId, AccountId, StatName)>);

impl Promises {
    pub(super) fn add(&mut self, shard: ShardId, account: AccountId, name: StatName) {
        self.0.push((shard, account, name));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn withdraw(self, catalog: &Catalog) {
        for (shard, account, name) in self.0 {
            catalog.withdraw(shard, account, name.as_str());
        }
    }
}

/// Where calls go whose senders have hung up.
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
            let (publish, promises) = waiting.recv().await?;
            if publish.await.is_err() {
                promises.withdraw(&state.catalog);
            }
            Some(())
        };
        tokio::select! {
            () = state.stop.requested() => return,
            next = next => if next.is_none() { return },
        }
    }
}

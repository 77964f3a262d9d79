//! Groups of tasks that stop together: tell them, wait for them, know which are late.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::TaskTracker;

/// A group of tasks that drains at shutdown. Cheap to clone; every clone is the same group.
///
/// A task that must end takes a [`Stop`] and selects on [`Stop::requested`].
#[derive(Clone, Debug, Default)]
pub struct TaskGroup {
    tracker: TaskTracker,
    stop: CancellationToken,
}

/// Tells one task that its group is to stop.
#[derive(Clone, Debug)]
pub struct Stop(CancellationToken);

impl Stop {
    /// Resolves once the group is told to stop.
    pub fn requested(&self) -> WaitForCancellationFutureOwned {
        self.0.clone().cancelled_owned()
    }

    /// Whether the group was told to stop.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl TaskGroup {
    /// An empty group.
    pub fn new() -> Self {
        Self::default()
    }

    /// A group within this one: stopping the outer stops it too, stopping it leaves the outer
    /// alone. Waiting is each group's own.
    pub fn child(&self) -> Self {
        Self { tracker: TaskTracker::new(), stop: self.stop.child_token() }
    }

    /// What a task of this group watches.
    pub fn stop_signal(&self) -> Stop {
        Stop(self.stop.clone())
    }

    /// Runs `task` in this group on the current runtime. A panic in it is logged under `name` and
    /// ends only that task.
    pub fn spawn<F>(&self, name: &'static str, task: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(async move {
            if let Err(error) = tokio::spawn(task).await
                && error.is_panic()
            {
                tracing::error!(task = name, "a task panicked");
            }
        })
    }

    /// Asks every task to stop.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// Asks every task to stop and waits for them, at most `patience`. False if some were late.
    pub async fn drain(&self, patience: Duration) -> bool {
        self.request_stop();
        self.tracker.close();
        tokio::time::timeout(patience, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn drain_waits_for_what_it_told_to_stop() {
        let group = TaskGroup::new();
        let stop = group.stop_signal();
        group.spawn("polite", async move { stop.requested().await });
        group.spawn("faulty", async { panic!("on purpose") });
        assert!(group.drain(Duration::from_secs(5)).await);
    }

    #[tokio::test]
    async fn drain_says_who_is_late() {
        let group = TaskGroup::new();
        group.spawn("deaf", std::future::pending());
        assert!(!group.drain(Duration::from_millis(10)).await);
    }
}

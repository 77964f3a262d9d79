//! Which topics are being made: nobody may see one before it is complete.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// The topics that are being made, each with the turn of whoever makes it.
#[derive(Debug, Default)]
pub(super) struct Making {
    /// As many as there are in `turns`: the common look-up takes no lock.
    count: AtomicUsize,
    turns: Mutex<BTreeMap<Box<str>, Arc<Turn<()>>>>,
}

/// The turn to make one topic; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Alone<'a> {
    making: &'a Making,
    name: Box<str>,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Making {
    /// Waits for the turn to make the topic.
    pub(super) async fn begin(&self, name: &str) -> Alone<'_> {
        let turn = {
            let mut turns = self.turns.lock();
            let turn = Arc::clone(turns.entry(name.into()).or_default());
            self.count.store(turns.len(), Ordering::Release);
            turn
        };
        // From here on, so that one who gives up waiting cleans up too.
        let mut alone = Alone { making: self, name: name.into(), guard: None };
        alone.guard = Some(turn.lock_owned().await);
        alone
    }

    /// Whether somebody makes it right now.
    pub(super) fn is_making(&self, name: &str) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.turns.lock().contains_key(name)
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let mut turns = self.making.turns.lock();
        self.guard = None;
        // One reference is the map's; whoever else waits holds another.
        if turns.get(&self.name).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.name);
        }
        self.making.count.store(turns.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_topic_is_made_by_one_at_a_time() {
        let making = Making::default();
        assert!(!making.is_making("t"));
        let first = making.begin("t").await;
        assert!(making.is_making("t") && !making.is_making("u"));
        let other = making.begin("u").await;
        tokio::time::timeout(Duration::from_millis(20), making.begin("t")).await.expect_err("not its turn");
        drop(other);
        let (second, ()) = tokio::join!(making.begin("t"), async {
            tokio::task::yield_now().await;
            drop(first);
        });
        assert!(making.is_making("t"));
        drop(second);
        assert!(!making.is_making("t"));
        assert_eq!(making.count.load(Ordering::Relaxed), 0);
    }
}

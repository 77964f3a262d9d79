//! Who waits for a change of which topic: a change wakes those who wait for its topic, and nobody else.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

/// Those who wait, by topic. Cheap to clone; every clone is the same.
#[derive(Clone, Default)]
pub(super) struct Waiting(Arc<Mutex<HashMap<Arc<str>, Waiters>>>);

struct Waiters {
    count: usize,
    told: watch::Sender<()>,
}

/// One who waits, until it is dropped.
pub(super) struct Place {
    waiting: Waiting,
    topic: Arc<str>,
    told: watch::Receiver<()>,
}

impl Waiting {
    /// A place among those who wait for a change of `topic`, from this moment on.
    pub(super) fn join(&self, topic: &str) -> Place {
        let topic: Arc<str> = topic.into();
        let mut all = self.0.lock();
        let waiters = all
            .entry(Arc::clone(&topic))
            .or_insert_with(|| Waiters { count: 0, told: watch::Sender::new(()) });
        waiters.count += 1;
        let told = waiters.told.subscribe();
        drop(all);
        Place { waiting: self.clone(), topic, told }
    }

    /// These topics have changed.
    pub(super) fn tell<'a>(&self, topics: impl IntoIterator<Item = &'a Arc<str>>) {
        let all = self.0.lock();
        if all.is_empty() {
            return;
        }
        for waiters in topics.into_iter().filter_map(|topic| all.get(topic)) {
            waiters.told.send_replace(());
        }
    }
}

impl Place {
    /// Waits for the next change.
    pub(super) async fn changed(&mut self) {
        // Its sender stays as long as somebody waits, and this one does.
        let _ = self.told.changed().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.waiting.0.lock();
        if let Some(waiters) = all.get_mut(&self.topic) {
            waiters.count -= 1;
            if waiters.count == 0 {
                all.remove(&self.topic);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_wakes_those_who_wait_for_it_and_nobody_else() {
        let waiting = Waiting::default();
        let (mut one, mut two, other) = (waiting.join("t"), waiting.join("t"), waiting.join("u"));
        waiting.tell([&"t".into(), &"v".into()]);
        one.changed().await;
        two.changed().await;
        assert!(!other.told.has_changed().expect("its sender is there"), "another topic changed");
        drop((one, two));
        assert_eq!(waiting.0.lock().keys().map(|topic| &**topic).collect::<Vec<_>>(), ["u"]);
        drop(other);
        assert!(waiting.0.lock().is_empty(), "who waits no more is not kept");
    }
}

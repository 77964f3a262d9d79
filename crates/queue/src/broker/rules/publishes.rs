//! Publishing the same thing twice has effect once, where the topic's policy has a window for it.
//!
//! A publish whose id was seen is answered as the first one is: while that is on its way to the log,
//! with it; later, at once. If the first one failed its ids are forgotten, and publishing again works.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Error;
use crate::broker::dedup::{Dedup, PublishId};
use crate::broker::message::NewMessage;

/// How an append ended; none: not yet.
type Outcome = Option<Result<(), Error>>;

/// The publishes a topic has seen. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Publishes(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    ids: Dedup,
    /// By position: messages on their way to the log.
    unsure: HashMap<u64, (PublishId, watch::Receiver<Outcome>)>,
}

/// Publishes among those an image knows that were still on their way to the log.
#[derive(Debug, Default)]
pub(crate) struct Unsettled(Vec<(PublishId, u64, watch::Receiver<Outcome>)>);

/// Publishes on their way that were published again.
#[derive(Debug, Default)]
pub(crate) struct Waits(Vec<watch::Receiver<Outcome>>);

impl Publishes {
    /// The messages of a call that were not seen before, and what to wait for of the others. None if all
    /// are new.
    pub(crate) fn fresh(&self, messages: &[NewMessage], now_ms: u64) -> Option<(Vec<NewMessage>, Waits)> {
        if messages.iter().all(|message| message.id.is_none()) {
            return None;
        }
        let seen = self.0.lock();
        let (mut fresh, mut waits, mut here) = (Vec::new(), Vec::new(), HashSet::new());
        for message in messages {
            let Some(id) = message.id.as_deref() else {
                fresh.push(message.clone());
                continue;
            };
            if let Some(position) = seen.ids.find(PublishId::of(id), now_ms) {
                waits.extend(seen.unsure.get(&position).map(|(_, told)| told.clone()));
            } else if here.insert(id) {
                fresh.push(message.clone());
            }
        }
        (fresh.len() < messages.len()).then_some((fresh, Waits(waits)))
    }

    /// These ids were appended with the messages at these positions. Returns what must run until the
    /// append has ended, and what to wait for.
    pub(crate) fn took<I, A>(
        &self,
        ids: I,
        (now_ms, expires_ms): (u64, u64),
        append: A,
    ) -> (impl Future<Output = ()> + Send + 'static + use<I, A>, Waits)
    where
        I: Iterator<Item = (PublishId, u64)>,
        A: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (tell, told) = watch::channel(None);
        let ids: Vec<_> = ids.collect();
        {
            let mut seen = self.0.lock();
            for (id, position) in &ids {
                seen.ids.insert(*id, *position, expires_ms, now_ms);
                seen.unsure.insert(*position, (*id, told.clone()));
            }
        }
        let publishes = self.clone();
        let run = async move {
            let outcome = append.await;
            {
                let mut seen = publishes.0.lock();
                for (id, position) in &ids {
                    seen.unsure.remove(position);
                    if outcome.is_err() {
                        seen.ids.forget(*id, *position);
                    }
                }
            }
            tell.send_replace(Some(outcome));
        };
        (run, Waits(vec![told]))
    }

    /// As it was found.
    pub(crate) fn set(&self, ids: Dedup) {
        self.0.lock().ids = ids;
    }

    /// What is known now, and what of it is not sure yet.
    pub(crate) fn ids(&self, now_ms: u64) -> (Dedup, Unsettled) {
        let mut seen = self.0.lock();
        seen.ids.drop_expired(now_ms);
        let unsure = seen.unsure.iter();
        let unsure = unsure.map(|(position, (id, told))| (*id, *position, told.clone()));
        (seen.ids.clone(), Unsettled(unsure.collect()))
    }
}

impl Unsettled {
    /// Waits until the log has taken them or given them up, and forgets those it gave up: whoever publishes
    /// them again must not be told that they are there.
    pub(crate) async fn settle(self, ids: &mut Dedup) {
        for (id, position, mut told) in self.0 {
            let outcome = told.wait_for(Option::is_some).await;
            if !matches!(outcome.as_deref(), Ok(Some(Ok(())))) {
                ids.forget(id, position);
            }
        }
    }
}

impl Waits {
    /// Waits for those as well.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Resolves when all have ended, with the first error if there was one.
    pub(crate) async fn done(self) -> Result<(), Error> {
        for mut told in self.0 {
            match told.wait_for(Option::is_some).await.as_deref() {
                Ok(Some(outcome)) => outcome.clone()?,
                // Whoever would tell is gone: the runtime goes down.
                _ => return Err(Error::Exiting),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    fn message(id: &str) -> NewMessage {
        NewMessage { id: Some(id.into()), ..NewMessage::default() }
    }

    fn took(
        publishes: &Publishes,
        id: &str,
    ) -> (impl Future<Output = ()> + use<>, Waits, oneshot::Sender<bool>) {
        let (end, ended) = oneshot::channel();
        let append = async move { if ended.await.unwrap() { Ok(()) } else { Err(Error::Exiting) } };
        let (run, waits) = publishes.took([(PublishId::of(id), 64)].into_iter(), (0, 1_000), append);
        (Box::pin(run), waits, end)
    }

    #[tokio::test]
    async fn a_repetition_ends_as_the_first_one_does() {
        let publishes = Publishes::default();
        for good in [true, false] {
            let id = if good { "good" } else { "bad" };
            assert!(publishes.fresh(&[message(id)], 5).is_none());
            let (run, first, end) = took(&publishes, id);
            let (fresh, again) = publishes.fresh(&[message("new"), message(id), message("new")], 5).unwrap();
            assert_eq!(fresh.len(), 1, "once in a call is enough");
            end.send(good).unwrap();
            run.await;
            assert_eq!((first.done().await.is_ok(), again.done().await.is_ok()), (good, good));
        }
        let (fresh, waits) = publishes.fresh(&[message("good")], 5).unwrap();
        assert!(fresh.is_empty());
        waits.done().await.unwrap();
        assert!(publishes.fresh(&[message("bad")], 5).is_none(), "what failed may be published again");
        assert!(publishes.fresh(&[message("good")], 1_000).is_none(), "the window is over");
    }
}

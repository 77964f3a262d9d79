//! Finding out where a topic's messages lie, when its policy begins to need that.

use log::{Log, Lsn, StreamId};

use super::milestones::{Milestone, Milestones};
use crate::Error;
use crate::broker::record::{self, Fields};
use crate::broker::topic::Topic;

/// Bytes of records read at once.
const PIECE_BYTES: usize = 1 << 20;

impl Topic {
    /// Adds the milestones of what was published before the topic had any. Until then, and if it fails,
    /// only what came since is counted. It goes on though nobody waits for it.
    pub(crate) async fn survey(&self, upto: Milestone) {
        let Some(broker) = self.broker.upgrade() else { return };
        let this =
            broker.topics.read().get(&self.name).filter(|found| std::ptr::eq(&***found, self)).cloned();
        // It may have been deleted.
        let Some(topic) = this else { return };
        let stop = self.ground.tasks.stop_signal();
        let surveying = async move {
            tokio::select! {
                () = topic.read_past(upto) => {}
                () = stop.requested() => {}
            }
        };
        let inside = self.ground.runtime.enter();
        let done = self.ground.tasks.spawn("milestones", surveying);
        drop(inside);
        // It does not fail.
        let _ = done.await;
    }

    async fn read_past(&self, upto: Milestone) {
        let (log, from) = (self.ground.log.clone(), self.released());
        log.written().await;
        // An ephemeral topic has kept nothing to read.
        let reading = move |stream| survey(&log, stream, from, upto);
        let found = match self.stream {
            Some(stream) => tokio::task::spawn_blocking(move || reading(stream)).await,
            None => Ok(Ok(Milestones::default())),
        };
        let mut state = self.state.lock();
        if state.surveyed_upto != Some(upto) {
            // The policy was changed meanwhile, and changed back: another one reads what there is now.
            return;
        }
        state.surveyed_upto = None;
        match found {
            Ok(Ok(before)) => {
                state.milestones = state.milestones.take().map(|since| before.followed_by(since));
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, topic = self.name(), "older messages do not count for the topic's policy");
            }
            // The runtime goes down.
            Err(_) => {}
        }
    }

    /// The milestones of what was published before. Blocking; for a topic that nobody uses yet.
    pub(crate) fn survey_now(&self, upto: Milestone) -> Milestones {
        let Some(stream) = self.stream else { return Milestones::starting(upto) };
        survey(&self.ground.log, stream, self.released(), upto).unwrap_or_else(|error| {
            tracing::warn!(%error, topic = self.name(), "older messages do not count for the topic's policy");
            Milestones::starting(upto)
        })
    }
}

fn survey(log: &Log, stream: StreamId, from: u64, upto: Milestone) -> Result<Milestones, Error> {
    let mut found = Milestones::default();
    let mut reader = log.reader(&[stream], Lsn(from));
    loop {
        let piece = reader.try_next_batch(PIECE_BYTES)?;
        for one in piece.iter().filter(|one| one.kind == record::KIND) {
            let mut rest = &one.payload[..];
            let Some(fields) = Fields::decode(&mut rest) else { continue };
            if fields.seq >= upto.seq {
                return Ok(found);
            }
            found.add(fields.seq, one.lsn.0, one.time.millis(), rest.len() as u64, one.next.0);
        }
        if piece.is_empty() {
            return Ok(found);
        }
    }
}

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
    /// only what came since is counted.
    pub(crate) async fn survey(&self, upto: Milestone) {
        let Some(stream) = self.stream else { return };
        let (log, from) = (self.ground.log.clone(), self.released());
        log.written().await;
        let found = tokio::task::spawn_blocking(move || survey(&log, stream, from, upto)).await;
        match found {
            Ok(Ok(before)) => {
                let mut state = self.state.lock();
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

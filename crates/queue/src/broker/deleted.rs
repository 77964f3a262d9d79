//! What deleted topics have left in the log, where a kill came before the log was told, or it was full.

use std::collections::HashSet;

use log::{Log, Lsn, StreamId};

use super::{Inner, record, snapshot};
use crate::Error;

/// Bytes of records read at once.
const PIECE_BYTES: usize = 1 << 20;

impl Inner {
    /// Frees the messages of topics that are no more. Blocking.
    ///
    /// A name that no topic here has may be somebody else's, who uses the same log: then nothing was ever
    /// released in the broker's name, and its records are not messages of a broker.
    pub(super) fn release_deleted(&self) {
        let log = &self.ground.log;
        let known: HashSet<_> = self.topics.read().values().filter_map(|topic| topic.stream).collect();
        let named = self.queue.topics().into_iter();
        let named = named.filter(|topic| self.ground.config.is_ours(topic.name()));
        let gone = named.map(|topic| topic.stream());
        let gone = gone.filter(|stream| *stream != self.ground.journal.stream && !known.contains(stream));
        let (ours, mut unsure): (Vec<_>, Vec<_>) =
            gone.partition(|stream| log.released(snapshot::OWNER, &[*stream]) > Lsn(0));
        match others(log, &unsure) {
            Ok(others) => unsure.retain(|stream| !others.contains(stream)),
            Err(error) => {
                tracing::warn!(%error, "whose some topics are cannot be read; they stay on the disk");
                unsure.clear();
            }
        }
        ours.into_iter().chain(unsure).for_each(|stream| self.release_all(stream));
    }
}

/// Those of some streams that hold anything but messages of a broker, by their first records.
fn others(log: &Log, streams: &[StreamId]) -> Result<HashSet<StreamId>, Error> {
    let mut others = HashSet::new();
    let mut unseen: HashSet<_> = streams.iter().copied().collect();
    let mut from = Lsn(0);
    while !unseen.is_empty() {
        // Without those that were seen: there may be much of them.
        let mut reader = log.reader(&unseen.iter().copied().collect::<Vec<_>>(), from);
        let piece = reader.try_next_batch(PIECE_BYTES)?;
        if piece.is_empty() {
            break;
        }
        for found in piece {
            if unseen.remove(&found.stream) && found.kind != record::KIND {
                others.insert(found.stream);
            }
        }
        from = reader.position();
    }
    Ok(others)
}

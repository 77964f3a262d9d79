//! What deleted topics have left in the log, where a kill came before the log was told, or it was full.

use std::collections::{HashMap, HashSet};

use log::{Log, Lsn, StreamId};

use super::{Inner, record, snapshot};
use crate::Error;

/// Bytes of records read at once.
const PIECE_BYTES: usize = 1 << 20;

impl Inner {
    /// Frees the messages of topics that are no more. Blocking.
    ///
    /// A name that no topic here has may be somebody else's, who uses the same log: only a stream whose first
    /// record is a broker's message is ever released. That a topic is unknown says that it was deleted, because
    /// recovery refuses a snapshot that lacks one.
    pub(super) fn release_deleted(&self) {
        let log = &self.ground.log;
        let known: HashSet<_> = self.topics.read().values().filter_map(|topic| topic.stream).collect();
        let named = self.queue.topics().into_iter();
        let named = named.filter(|topic| self.ground.config.is_ours(topic.name()));
        let gone = named.map(|topic| topic.stream());
        let gone = gone.filter(|stream| *stream != self.ground.journal.stream && !known.contains(stream));
        match left(log, &gone.collect::<Vec<_>>()) {
            Ok(left) => left.into_iter().for_each(|stream| self.release_all(stream)),
            Err(error) => {
                tracing::warn!(%error, "what deleted topics have left cannot be read; it stays on the disk");
            }
        }
    }
}

/// Those of some streams of which something is left to release: messages of a broker, by their first records.
/// Streams that were released before and of which there is nothing behind that, too, so that the next start
/// need not look so far back.
fn left(log: &Log, streams: &[StreamId]) -> Result<Vec<StreamId>, Error> {
    let released = |stream: &StreamId| (*stream, log.released(snapshot::OWNER, &[*stream]));
    let mut unseen: HashMap<_, _> = streams.iter().map(released).collect();
    let mut left = Vec::new();
    let mut from = unseen.values().copied().min().unwrap_or_default();
    while !unseen.is_empty() {
        // Without those that were seen: there may be much of them.
        let mut reader = log.reader(&unseen.keys().copied().collect::<Vec<_>>(), from);
        let piece = reader.try_next_batch(PIECE_BYTES)?;
        if piece.is_empty() {
            break;
        }
        for found in piece {
            if unseen.get(&found.stream).is_some_and(|released| *released <= found.lsn) {
                unseen.remove(&found.stream);
                left.extend((found.kind == record::KIND).then_some(found.stream));
            }
        }
        from = reader.position();
    }
    left.extend(unseen.into_iter().filter(|(_, released)| *released > Lsn(0)).map(|(stream, _)| stream));
    Ok(left)
}

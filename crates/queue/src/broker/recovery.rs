//! What opening does: the snapshot, then one pass over the records behind it.

use std::path::Path;

use log::{Lsn, StreamId};

use super::image::Image;
use super::journal::TOPIC;
use super::journal::entry::{self, Entry};
use super::record::{self, Fields};
use super::{Config, snapshot};
use crate::{Error, Queue};

/// Bytes of records read at once.
const PIECE_BYTES: usize = 1 << 20;

/// What opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Topics.
    pub topics: usize,
    /// Channels.
    pub channels: usize,
    /// Messages that wait, over all channels and topics without channels.
    pub messages: u64,
    /// Records of the log that were read behind the snapshot.
    pub records: u64,
}

/// Everything that is known, and how many records had to be read for it.
pub(crate) fn recover(
    queue: &Queue,
    dir: &Path,
    config: &Config,
    journal: StreamId,
) -> Result<(Image, u64), Error> {
    let log = queue.log();
    let mut image = snapshot::load(&**log.files(), dir)?;
    // What the snapshot speaks of and the device has lost is not written again at the same place.
    log.advance_to(Lsn(image.position));
    let topics = queue.topics();
    let streams: Vec<_> = topics
        .iter()
        .filter(|topic| config.is_ours(topic.name()))
        .map(crate::Topic::stream)
        .chain([journal])
        .collect();
    let mut reader = log.reader(&streams, Lsn(image.position));
    let (mut records, mut odd) = (0, 0_u64);
    loop {
        let piece = reader.try_next_batch(PIECE_BYTES)?;
        if piece.is_empty() {
            break;
        }
        records += piece.len() as u64;
        for found in piece {
            let known = match found.kind {
                record::KIND => {
                    let mut rest = &found.payload[..];
                    Fields::decode(&mut rest).map(|fields| {
                        let bytes = rest.len() as u64;
                        let place = (found.lsn.0, found.next.0);
                        image.message(found.stream.0, place, found.time.millis(), &fields, bytes);
                    })
                }
                entry::KIND if found.stream == journal => {
                    Entry::decode(&found.payload).map(|entry| image.apply(found.lsn.0, entry))
                }
                _ => Some(()),
            };
            odd += u64::from(known.is_none());
        }
    }
    if odd > 0 {
        return Err(Error::Snapshot(format!(
            "{odd} records of the log are in a format that is not known here; use a newer program"
        )));
    }
    debug_assert!(topics.iter().any(|topic| topic.name() == TOPIC), "the journal's stream was made before");
    Ok((image, records))
}

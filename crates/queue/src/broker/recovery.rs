//! What opening does: the snapshot, then one pass over the records behind it.
//!
//! A snapshot that is missing, or is an older one, is refused. What it said was freed of the log, so without
//! it topics would look as if they had been deleted, and their messages would be freed.

use std::collections::BTreeMap;
use std::path::Path;

use log::{Log, Lsn, StreamId};

use super::image::{Image, TopicImage};
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
    /// Topics some of whose waiting messages are not in the log any more.
    pub incomplete: usize,
}

/// What is known of a folder.
pub(crate) struct Known {
    pub(crate) image: Image,
    /// How many records had to be read for it.
    pub(crate) records: u64,
    /// As [`Recovered::incomplete`].
    pub(crate) incomplete: usize,
}

/// Most topics named in an error.
const SHOWN_MAX: usize = 5;

/// Everything that is known.
pub(crate) fn recover(queue: &Queue, dir: &Path, config: &Config, journal: StreamId) -> Result<Known, Error> {
    let log = queue.log();
    let loaded = snapshot::load(&**log.files(), dir)?;
    let is_missing = loaded.is_none();
    let mut image = loaded.unwrap_or_default();
    let released = log.released(snapshot::OWNER, &[journal]);
    if released.0 > image.position && log.end().0 > image.position {
        let why = format!("the log was freed up to {}, and this speaks of {}", released.0, image.position);
        return Err(unfit(is_missing, &why));
    }
    let incomplete = tell_lost(&image, log)?;
    // What the snapshot speaks of and the log gave up, or the device lost, is not written again at the same place.
    let known = image.topics.values().map(|topic| topic.next.1).fold(image.position, u64::max);
    log.advance_to(released.max(Lsn(known)));
    let topics = queue.topics();
    let streams: Vec<_> = topics
        .iter()
        .filter(|topic| config.is_ours(topic.name()))
        .map(crate::Topic::stream)
        .chain([journal])
        .collect();
    let names: BTreeMap<_, _> = topics.iter().map(|topic| (topic.stream().0, topic.name())).collect();
    let mut reader = log.reader(&streams, Lsn(image.position));
    let (mut records, mut odd) = (0, 0_u64);
    let mut unmade = BTreeMap::new();
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
                        let name = names.get(&found.stream.0);
                        if let Some(name) = name.filter(|_| !image.topics.contains_key(&found.stream.0)) {
                            // Until it turns out to be of a topic that was deleted later.
                            unmade.insert(found.stream.0, place.0);
                            let (stream, name) = (found.stream.0, (*name).to_owned());
                            image.apply(place.0, Entry::TopicMade { stream, name });
                        }
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
    unmade.retain(|stream, born| image.topics.get(stream).is_some_and(|topic| topic.born == *born));
    if !unmade.is_empty() {
        let shown: Vec<_> =
            unmade.keys().take(SHOWN_MAX).filter_map(|stream| names.get(stream)).copied().collect();
        let why = format!(
            "messages of {} topics ({}) are in the log, and nothing says how these were made",
            unmade.len(),
            shown.join(", ")
        );
        if log.status().damaged_ranges == 0 {
            return Err(unfit(is_missing, &why));
        }
        tracing::error!("the log is damaged: {why}; they are kept, without the channels they had");
    }
    debug_assert!(topics.iter().any(|topic| topic.name() == TOPIC), "the journal's stream was made before");
    Ok(Known { image, records, incomplete })
}

/// Says which topics wait for messages that the log, as it was found, does not hold; how many these are.
fn tell_lost(image: &Image, log: &Log) -> Result<usize, Error> {
    let mut lost = Vec::new();
    for (stream, topic) in image.topics.iter().filter(|(_, topic)| topic.waits()) {
        if topic.next.1 > log.end().0 || begins_late(StreamId(*stream), topic, log)? {
            lost.push(topic.name.as_str());
        }
    }
    if !lost.is_empty() {
        tracing::error!(
            topics = lost.len(),
            names = lost[..lost.len().min(SHOWN_MAX)].join(", "),
            "messages that wait are not in the log, which holds positions {} to {}. Were files of it removed, is \
             another disk mounted? Stop now and put them back: what is not there counts as finished as soon as it \
             is read. (A full disk may have refused the last ones.)",
            log.status().whole_from.0,
            log.end().0
        );
    }
    Ok(lost.len())
}

/// Whether the first message that waits is no more in the log.
fn begins_late(stream: StreamId, topic: &TopicImage, log: &Log) -> Result<bool, Error> {
    // Mostly this says enough: everything behind it is kept.
    if topic.floor() >= log.status().whole_from.0 {
        return Ok(false);
    }
    let mut reader = log.reader(&[stream], Lsn(topic.floor()));
    loop {
        let piece = reader.try_next_batch(PIECE_BYTES)?;
        if piece.is_empty() {
            return Ok(true);
        }
        let messages = piece.iter().filter(|found| found.kind == record::KIND);
        let first = messages.filter_map(|found| Fields::decode(&mut &found.payload[..])).next();
        if let Some(first) = first {
            return Ok(first.seq > topic.first_waiting());
        }
    }
}

/// The snapshot does not fit the log.
fn unfit(is_missing: bool, why: &str) -> Error {
    let what = if is_missing { "it is missing" } else { "it is too old" };
    Error::Snapshot(format!(
        "{what} ({why}); put back the newest one, beside topics.json, or restore a backup of the whole folder; \
         until then nothing is served and nothing is freed"
    ))
}

//! Reading topics and releasing what was read.

use base::Timestamp;
use bytes::Bytes;
use log::{Log, Lsn, Reader, StreamId};

use crate::{Error, Topic};

/// A message that was read.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its position.
    pub position: Lsn,
    /// Index into the topics given to `subscribe`.
    pub topic: usize,
    /// When it was published.
    pub time: Timestamp,
    /// A slice of what was read from the log: keeping one keeps up to 256 KiB alive.
    pub payload: Bytes,
}

/// Messages in log order, and where to go on reading.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// In the order they were published.
    pub messages: Vec<Message>,
    /// Behind all of them: what to commit, and later to subscribe from.
    pub next: Lsn,
}

/// One reader of some topics. What it has released may be reclaimed.
#[derive(Debug)]
pub struct Subscription {
    log: Log,
    name: String,
    /// As given.
    streams: Vec<StreamId>,
    /// Streams and their index, sorted by stream.
    indices: Vec<(StreamId, usize)>,
    /// None for a subscription to no topics, which would else read all of them.
    reader: Option<Reader>,
}

impl Subscription {
    pub(crate) fn new(log: Log, name: &str, topics: &[Topic], from: Lsn) -> Self {
        let streams: Vec<_> = topics.iter().map(Topic::stream).collect();
        let mut indices: Vec<_> = streams.iter().enumerate().map(|(at, stream)| (*stream, at)).collect();
        indices.sort_unstable_by_key(|(stream, _)| stream.0);
        let reader = (!streams.is_empty()).then(|| log.reader(&streams, from));
        // A name that cannot be an owner is refused at the first release; it is a constant of ours.
        let _ = log.release_streams(name, &streams, from);
        Self { log, name: name.to_owned(), streams, indices, reader }
    }

    /// Waits for at least one message; at most about `bytes_max` of payload (one message may be
    /// more). Without topics it waits for ever.
    ///
    /// # Errors
    /// The log was closed or poisoned and everything was read, or a file cannot be read.
    pub async fn next_batch(&mut self, bytes_max: usize) -> Result<Batch, Error> {
        let Some(reader) = &mut self.reader else { return std::future::pending().await };
        let records = reader.next_batch(bytes_max).await?;
        Ok(self.batch(records))
    }

    /// As [`next_batch`](Self::next_batch), empty at once at the end.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn try_next_batch(&mut self, bytes_max: usize) -> Result<Batch, Error> {
        let Some(reader) = &mut self.reader else { return Ok(Batch::default()) };
        let records = reader.try_next_batch(bytes_max)?;
        Ok(self.batch(records))
    }

    fn batch(&self, records: Vec<log::Record>) -> Batch {
        let message = |record: log::Record| {
            let at = self.indices.binary_search_by_key(&record.stream.0, |(stream, _)| stream.0).ok()?;
            let topic = self.indices[at].1;
            Some(Message { position: record.lsn, topic, time: record.time, payload: record.payload })
        };
        Batch { messages: records.into_iter().filter_map(message).collect(), next: self.position() }
    }

    /// Nothing below `position` will be asked for again.
    ///
    /// # Errors
    /// The name cannot be that of an owner, or there are too many of them.
    pub fn release(&mut self, position: Lsn) -> Result<(), Error> {
        Ok(self.log.release_streams(&self.name, &self.streams, position)?)
    }

    /// Everything below has been handed out or is of other topics.
    pub fn position(&self) -> Lsn {
        self.reader.as_ref().map_or(Lsn::default(), Reader::position)
    }
}

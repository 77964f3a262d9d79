//! Topics, and publishing to them.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use log::{Durability, Log, Lsn, NewRecord, StreamId};
use parking_lot::RwLock;

use crate::topics::Topics;
use crate::{Error, Subscription};

/// Kind of the log's records that hold a message.
const KIND_MESSAGE: u8 = 1;

/// All topics of a node. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Queue {
    log: Log,
    topics: Arc<RwLock<Topics>>,
}

/// A named stream of messages. Cheap to clone, remembers its name and its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    name: Arc<str>,
    stream: StreamId,
}

impl Topic {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its stream in the log.
    pub fn stream(&self) -> StreamId {
        self.stream
    }
}

/// A message to be published.
#[derive(Clone, Debug)]
pub struct NewMessage<'a> {
    /// Where to.
    pub topic: &'a Topic,
    /// Any bytes, at most what the log takes in one record.
    pub payload: Bytes,
}

/// Resolves with the position of the first message once all are as sure as was asked for. They are
/// on their way whether or not it is awaited.
#[derive(Debug)]
#[must_use = "the messages are written either way, but only awaiting it tells when"]
pub struct Publish(log::Append);

impl Future for Publish {
    type Output = Result<Lsn, Error>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(Error::Log)
    }
}

impl Queue {
    /// Topics keep their numbers in `topics.json` in `dir`, on the log's file system. Blocking.
    ///
    /// # Errors
    /// [`Error::List`] if that file cannot be read: without it nobody knows whose a record is.
    pub fn open(log: Log, dir: &Path) -> Result<Self, Error> {
        let topics = Topics::load(log.files().clone(), dir)?;
        Ok(Self { log, topics: Arc::new(RwLock::new(topics)) })
    }

    /// Finds or makes a topic. Making one writes a small file, blocking.
    ///
    /// # Errors
    /// Not a name ([`check_name`](crate::check_name)), too many topics, or the file cannot be written.
    pub fn topic(&self, name: &str) -> Result<Topic, Error> {
        let mut found = self.topics_named(&[name])?;
        Ok(found.remove(0))
    }

    /// As [`topic`](Self::topic) for several at once, in the order given: however many are new, it is one
    /// small file that is written.
    ///
    /// # Errors
    /// The same; then none is made.
    pub fn topics_named(&self, names: &[&str]) -> Result<Vec<Topic>, Error> {
        let known: Option<Vec<_>> = {
            let topics = self.topics.read();
            names.iter().map(|name| topics.find(name)).collect()
        };
        let streams = match known {
            Some(streams) => streams,
            None => self.topics.write().find_or_make(names)?,
        };
        Ok(names.iter().zip(streams).map(|(name, stream)| Topic { name: (*name).into(), stream }).collect())
    }

    /// All topics, by name.
    pub fn topics(&self) -> Vec<Topic> {
        let topics = self.topics.read();
        topics.all().map(|(name, stream)| Topic { name: name.into(), stream }).collect()
    }

    /// Hands messages to the log before returning; the future only waits for the level. Messages of
    /// one call lie side by side in the order given.
    ///
    /// # Errors
    /// At once when the log is full (`Busy`), poisoned (`Unavailable`), or a message or the call is
    /// too large (`Invalid`).
    pub fn publish(&self, messages: &[NewMessage<'_>], durability: Durability) -> Result<Publish, Error> {
        let record = |message: &NewMessage<'_>| NewRecord {
            stream: message.topic.stream,
            kind: KIND_MESSAGE,
            payload: message.payload.clone(),
        };
        let append = match messages {
            // The common call needs no list on the heap.
            [one] => self.log.append(&[record(one)], durability)?,
            many => self.log.append(&many.iter().map(record).collect::<Vec<_>>(), durability)?,
        };
        Ok(Publish(append))
    }

    /// Reads `topics` merged in log order, from `from`. From now on, what `name` has not released of
    /// these topics is kept.
    pub fn subscribe(&self, name: &str, topics: &[Topic], from: Lsn) -> Subscription {
        Subscription::new(self.log.clone(), name, topics, from)
    }

    /// Up to where messages of `topics` at or behind `from` may be gone because `name` has released them; `None` if
    /// all of them are kept. It goes by what the last run released: ask before [`subscribe`](Self::subscribe).
    pub fn released_behind(&self, name: &str, topics: &[Topic], from: Lsn) -> Option<Lsn> {
        let streams: Vec<StreamId> = topics.iter().map(Topic::stream).collect();
        self.log.released_behind(name, &streams, from)
    }

    /// Up to where `name` has released any of `topics` in the last run; 0 if it never has. Ask before
    /// [`subscribe`](Self::subscribe).
    pub fn released(&self, name: &str, topics: &[Topic]) -> Lsn {
        let streams: Vec<StreamId> = topics.iter().map(Topic::stream).collect();
        self.log.released(name, &streams)
    }

    /// Resolves once everything below `upto` is on the device.
    ///
    /// # Errors
    /// The log is poisoned or closed.
    pub async fn sync(&self, upto: Lsn) -> Result<(), Error> {
        Ok(self.log.sync(upto).await?)
    }

    /// The log below.
    pub fn log(&self) -> &Log {
        &self.log
    }
}

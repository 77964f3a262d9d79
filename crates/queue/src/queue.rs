//! Topics, publishing and reading (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use base::{ErrorKind, Timestamp};
use bytes::Bytes;
use log::{Durability, Log, Lsn};

#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Log(#[from] log::Error),
}

impl Error {
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Log(error) => error.kind(),
        }
    }
}

/// All topics of a node. Cheap to clone.
#[derive(Clone)]
pub struct Queue;

/// A named stream of messages. Cheap to clone, remembers its name and its stream.
#[derive(Clone)]
pub struct Topic;

pub struct NewMessage<'a> {
    pub topic: &'a Topic,
    pub payload: Bytes,
}

/// Resolves once the messages are as sure as was asked for.
pub struct Publish;

impl std::future::Future for Publish {
    type Output = Result<Lsn, Error>;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        todo!()
    }
}

#[derive(Clone, Debug)]
pub struct Message {
    pub position: Lsn,
    /// Index into the topics given to `subscribe`.
    pub topic: usize,
    pub time: Timestamp,
    pub payload: Bytes,
}

/// Messages in log order, and where to go on reading.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub messages: Vec<Message>,
    pub next: Lsn,
}

impl Queue {
    /// Topics keep their numbers in `topics.json` beside the log.
    pub fn open(log: Log, dir: &std::path::Path) -> Result<Self, Error> {
        todo!()
    }

    /// Finds or makes a topic.
    pub fn topic(&self, name: &str) -> Result<Topic, Error> {
        todo!()
    }

    /// Hands messages to the log before returning; the future only waits for the level.
    pub fn publish(&self, messages: &[NewMessage<'_>], durability: Durability) -> Result<Publish, Error> {
        todo!()
    }

    /// Reads `topics` merged in log order, from `from`.
    pub fn subscribe(&self, name: &str, topics: &[Topic], from: Lsn) -> Subscription {
        todo!()
    }

    pub async fn sync(&self, upto: Lsn) -> Result<(), Error> {
        todo!()
    }

    pub fn log(&self) -> &Log {
        todo!()
    }
}

/// One reader of some topics. What it has released may be reclaimed.
pub struct Subscription;

impl Subscription {
    /// Waits for at least one message; at most about `bytes_max` of payload.
    pub async fn next_batch(&mut self, bytes_max: usize) -> Result<Batch, Error> {
        todo!()
    }

    /// Nothing below `position` will be asked for again.
    pub fn release(&mut self, position: Lsn) -> Result<(), Error> {
        todo!()
    }

    pub fn position(&self) -> Lsn {
        todo!()
    }
}

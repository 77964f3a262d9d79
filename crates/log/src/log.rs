//! The log's door (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use std::path::PathBuf;

use base::Timestamp;
use bytes::Bytes;

use crate::Error;

/// A position: the byte offset of a record in the whole history of the log. Never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lsn(pub u64);

/// Which stream a record belongs to; names are given by the crate above.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u32);

/// How sure an append is before it resolves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Durability {
    /// At once; written soon after.
    Memory,
    /// Handed to the operating system: survives `kill -9`.
    Os,
    /// On the device: survives loss of power.
    Disk,
}

pub struct NewRecord {
    pub stream: StreamId,
    /// Meaning belongs to the crate above; 0 to 127.
    pub kind: u8,
    pub payload: Bytes,
}

#[derive(Clone, Debug)]
pub struct Record {
    /// Position of this record.
    pub lsn: Lsn,
    /// Position behind it: where to go on reading.
    pub next: Lsn,
    pub stream: StreamId,
    pub kind: u8,
    /// When it was appended.
    pub time: Timestamp,
    pub payload: Bytes,
}

#[derive(Clone, Debug)]
pub struct Config {
    pub dir: PathBuf,
    /// Default 64 MiB.
    pub segment_bytes: u64,
    /// Disk quota; appends beyond it fail with kind `Busy`. Default 8 GiB.
    pub quota_bytes: u64,
    /// Largest payload. Default 4 MiB.
    pub record_bytes_max: usize,
    /// Most bytes waiting for the committer; beyond it `append` fails with kind `Busy`. Default 64 MiB.
    pub pending_bytes_max: usize,
}

/// What opening found.
#[derive(Clone, Debug, Default)]
pub struct Recovery {
    pub records: u64,
    /// Torn bytes cut from the tail.
    pub torn_bytes: u64,
    /// Damaged ranges that were skipped: file name, first and last byte, what was wrong.
    pub damaged: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct Status {
    pub first: Lsn,
    pub written: Lsn,
    pub durable: Lsn,
    pub segments: usize,
    pub disk_bytes: u64,
    pub quota_bytes: u64,
    pub pending_bytes: usize,
    pub poisoned: Option<String>,
    pub fsyncs: u64,
    pub commits: u64,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Log;

/// Resolves with the position of the first record once the level is reached. The records are on
/// their way whether or not it is awaited.
pub struct Append;

impl std::future::Future for Append {
    type Output = Result<Lsn, Error>;
    fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        todo!()
    }
}

impl Log {
    /// Opens or creates; `clock` stamps records. Blocking.
    pub fn open(config: Config, clock: base::Clock) -> Result<(Self, Recovery), Error> {
        todo!()
    }

    /// Hands over records, contiguous and in order, without waiting. Err at once when poisoned
    /// (Unavailable), over a limit (Busy) or too large (Invalid).
    pub fn append(&self, records: &[NewRecord], durability: Durability) -> Result<Append, Error> {
        todo!()
    }

    /// Resolves once everything below `upto` is on the device.
    pub async fn sync(&self, upto: Lsn) -> Result<(), Error> {
        todo!()
    }

    /// Reads the records of `streams` (empty: all) in order from `from` (or the first kept one).
    pub fn reader(&self, streams: &[StreamId], from: Lsn) -> Reader {
        todo!()
    }

    /// Nothing below `keep` is needed by `owner` any more; persisted lazily. Whole segments below
    /// every owner's mark are recycled.
    pub fn release(&self, owner: &str, keep: Lsn) -> Result<(), Error> {
        todo!()
    }

    pub fn status(&self) -> Status {
        todo!()
    }

    /// Writes and syncs what is pending, stops the committer. Blocking.
    pub fn close(&self) -> Result<(), Error> {
        todo!()
    }
}

/// Reads forward; sees what is written (`Status::written`), durable or not.
pub struct Reader;

impl Reader {
    /// The next records, at least one, at most about `bytes_max` of payload; waits for them.
    pub async fn next_batch(&mut self, bytes_max: usize) -> Result<Vec<Record>, Error> {
        todo!()
    }

    /// As `next_batch`, empty at once at the end. Blocking reads of the file.
    pub fn try_next_batch(&mut self, bytes_max: usize) -> Result<Vec<Record>, Error> {
        todo!()
    }

    /// Everything below has been seen or skipped.
    pub fn position(&self) -> Lsn {
        todo!()
    }
}

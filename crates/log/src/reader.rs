//! Reading forward from a position.

use std::sync::Arc;

use base::Timestamp;
use bytes::Bytes;
use tokio::sync::watch;

use crate::Error;
use crate::record::{Head, Lsn, Record, StreamId};
use crate::segment::{Form, SEGMENT_HEAD_BYTES, Segment, Step, Walk};
use crate::shared::{Progress, Shared};

/// A waiting reader lets other tasks run after looking at this many bytes of other streams.
const SCAN_BYTES: u64 = 1 << 20;

/// Reads forward; sees what is written ([`Status::written`](crate::Status::written)), durable or not.
///
/// A damaged range is skipped, counted and named once in [`Status::damaged`](crate::Status::damaged).
/// Files are read through the page cache in pieces of 256 KiB (or of one record, if larger).
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    progress: watch::Receiver<Progress>,
    /// Sorted; empty: all.
    streams: Vec<u32>,
    position: u64,
    walk: Option<Walk>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, streams: &[StreamId], from: Lsn) -> Self {
        let mut streams: Vec<u32> = streams.iter().map(|stream| stream.0).collect();
        streams.sort_unstable();
        let progress = shared.progress.subscribe();
        Self { shared, progress, streams, position: from.0, walk: None }
    }

    /// The next records, at least one, at most about `bytes_max` of payload (one record may be more);
    /// waits for them.
    ///
    /// # Errors
    /// When everything written was read and the log is closed or poisoned, or a file cannot be read.
    pub async fn next_batch(&mut self, bytes_max: usize) -> Result<Vec<Record>, Error> {
        loop {
            let stopped = self.progress.borrow_and_update().stopped.clone();
            let (records, at_end) = self.collect(bytes_max, SCAN_BYTES)?;
            if !records.is_empty() {
                return Ok(records);
            }
            if !at_end {
                tokio::task::yield_now().await;
                continue;
            }
            if let Some(error) = stopped {
                return Err(error);
            }
            if self.progress.changed().await.is_err() {
                return Err(Error::Closed);
            }
        }
    }

    /// As [`next_batch`](Self::next_batch), empty at once at the end. Blocking reads of the file.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn try_next_batch(&mut self, bytes_max: usize) -> Result<Vec<Record>, Error> {
        Ok(self.collect(bytes_max, u64::MAX)?.0)
    }

    /// Some records, at most about `bytes_max` of payload, after looking at about `scan_max` bytes;
    /// and whether that was all there is.
    fn collect(&mut self, bytes_max: usize, scan_max: u64) -> Result<(Vec<Record>, bool), Error> {
        let mut records = Vec::new();
        let (mut bytes, mut scanned) = (0, 0);
        let written = self.shared.written();
        while bytes < bytes_max.max(1) && scanned < scan_max {
            self.find();
            let Some(walk) = &mut self.walk else { return Ok((records, true)) };
            walk.stop = walk.segment.stop(written);
            let before = walk.offset;
            let step = walk.step().map_err(|error| unreadable(walk, &error))?;
            match step {
                Step::Record { head, lsn } => {
                    let next = lsn + head.record_bytes();
                    scanned += head.record_bytes();
                    if lsn < self.position {
                        continue;
                    }
                    let wanted = !head.is_own()
                        && (self.streams.is_empty() || self.streams.binary_search(&head.stream).is_ok());
                    if wanted {
                        let payload = walk.payload();
                        bytes += payload.len().max(1);
                        records.push(record(&head, lsn, payload));
                    }
                    self.position = next;
                }
                Step::Bad => {
                    walk.resync().map_err(|error| unreadable(walk, &error))?;
                    let (from, to) = (before, walk.offset);
                    scanned += to - from;
                    if walk.segment.header.form == Form::Whole {
                        self.position = walk.segment.header.base + to;
                    }
                    self.shared.damage.lock().note(&walk.segment.name, from, to, NO_RECORD);
                }
                Step::End if !self.leave() => return Ok((records, true)),
                Step::End => {}
            }
        }
        Ok((records, false))
    }

    /// The record that begins exactly at the position.
    pub(crate) fn at_position(&mut self) -> Result<Option<Record>, Error> {
        let lsn = self.position;
        self.find();
        let Some(walk) = &mut self.walk else { return Ok(None) };
        walk.stop = walk.segment.stop(self.shared.written());
        if self.position != lsn
            || walk.segment.header.form == Form::Whole && walk.offset != lsn - walk.segment.header.base
        {
            // Before the records of the file, or before the file.
            return Ok(None);
        }
        walk.offset = walk
            .segment
            .offset_before(lsn)
            .map_err(|error| Error::io(format!("reading `{}`", walk.segment.name), &error))?;
        // One record needs no piece of 256 KiB around it.
        walk.short_sighted();
        loop {
            let step = walk.step().map_err(|error| unreadable(walk, &error))?;
            match step {
                Step::Record { head, lsn: at } if at == lsn && !head.is_own() => {
                    return Ok(Some(record(&head, at, walk.payload())));
                }
                Step::Record { lsn: at, .. } if at < lsn => {}
                Step::Record { .. } | Step::End => return Ok(None),
                Step::Bad if walk.segment.header.form == Form::Whole => return Ok(None),
                Step::Bad => walk.resync().map_err(|error| unreadable(walk, &error))?,
            }
        }
    }

    /// Everything below has been seen or skipped.
    pub fn position(&self) -> Lsn {
        Lsn(self.position)
    }

    /// Begins a walk through the file in which the position lies, or the next one.
    fn find(&mut self) {
        if self.walk.is_some() {
            return;
        }
        let segments = self.shared.segments.read();
        let Some(segment) =
            segments.iter().find(|segment| segment.limit() > self.position && !self.skips(segment))
        else {
            return;
        };
        let base = segment.header.base;
        self.position = self.position.max(base);
        let offset = match segment.header.form {
            Form::Whole => SEGMENT_HEAD_BYTES.max(self.position - base),
            Form::Kept => SEGMENT_HEAD_BYTES,
        };
        self.walk = Some(Walk::new(segment.clone(), offset, 0));
    }

    /// Whether a file is known to hold nothing of this reader's streams. That is known of sealed ones
    /// that reclaim has looked through.
    fn skips(&self, segment: &Segment) -> bool {
        !self.streams.is_empty()
            && segment.end().is_some()
            && segment.streams.get().is_some_and(|held| {
                !held
                    .iter()
                    .any(|of| of.last >= self.position && self.streams.binary_search(&of.stream).is_ok())
            })
    }

    /// At the end of a file: true if there is more behind it.
    fn leave(&mut self) -> bool {
        let Some(walk) = &self.walk else { return false };
        let segment = &walk.segment;
        let done = match segment.header.form {
            Form::Whole => segment.end().is_some_and(|end| segment.header.base + walk.offset >= end),
            Form::Kept => true,
        };
        let limit = segment.limit();
        let more = done && self.shared.segments.read().iter().any(|segment| segment.limit() > limit);
        if more {
            self.position = self.position.max(limit);
            self.walk = None;
        }
        more
    }
}

fn record(head: &Head, lsn: u64, payload: Bytes) -> Record {
    Record {
        lsn: Lsn(lsn),
        next: Lsn(lsn + head.record_bytes()),
        stream: StreamId(head.stream),
        kind: head.kind,
        time: Timestamp::from_millis(head.time_ms),
        payload,
    }
}

/// What is said of a damaged range.
pub(crate) const NO_RECORD: &str = "no record with a good checksum";

fn unreadable(walk: &Walk, error: &std::io::Error) -> Error {
    Error::io(format!("reading `{}` at byte {}", walk.segment.name, walk.offset), error)
}

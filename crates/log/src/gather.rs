//! Where appends gather until the committer takes them, and where positions are given out.
//!
//! One lock, held for a copy of the record (about 100 ns for 300 bytes): positions must be handed
//! out in one order anyway, and so even a `Memory` append knows its own at once. Payload checksums
//! are made before the lock is taken. Payloads from [`SHARE_BYTES`] on are not copied.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use crate::Error;
use crate::record::{
    ALIGN, Appendable, Durability, HEAD_BYTES, Head, KIND_COMMIT, KIND_OWN, Parts, STREAM_OWN, StreamId,
    record_bytes,
};
use crate::round::{Append, Round};
use crate::segment::{SEGMENT_HEAD_BYTES, Uses};

/// `Memory` records are written when they are this old.
const MEMORY_DELAY: Duration = Duration::from_millis(10);
/// Payloads of at least this many bytes are handed to the system where they are.
const SHARE_BYTES: usize = 32 << 10;
/// Bytes of the record that opens a commit.
pub(crate) const COMMIT_BYTES: u64 = record_bytes(8);
/// New bases are multiples of this many bytes.
const BASE_ALIGN: u64 = 4_096;

/// What one append may be at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) record_bytes_max: usize,
    pub(crate) pending_bytes_max: usize,
    pub(crate) segment_bytes: u64,
    pub(crate) first_segment_bytes: u64,
}

impl Limits {
    /// Most bytes, heads included, that one append can have: it lies in one segment.
    fn append_bytes_max(&self) -> u64 {
        (self.segment_bytes - SEGMENT_HEAD_BYTES - COMMIT_BYTES) / ALIGN * ALIGN
    }
}

/// Bytes for one segment, contiguous.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) base: u64,
    pub(crate) length: u64,
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) records: u64,
    pub(crate) uses: Uses,
    pub(crate) parts: Vec<Part>,
}

#[derive(Debug)]
pub(crate) enum Part {
    Copied(Vec<u8>),
    Shared(Bytes),
}

impl Part {
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }
}

/// What is written in one go.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) pieces: Vec<Piece>,
    pub(crate) round: Arc<Round>,
    pub(crate) bytes: usize,
    pub(crate) appends: usize,
    /// The highest level asked for.
    pub(crate) level: Option<Durability>,
    since: Option<Instant>,
}

/// Whether appends are taken.
#[derive(Debug, Clone)]
pub(crate) enum Gate {
    Open,
    /// Only what fits into the current segment: there is no other.
    Full(Error),
    /// Never again.
    Shut(Error),
}

/// What the committer is to do next.
#[derive(Debug)]
pub(crate) struct Work {
    pub(crate) batch: Batch,
    pub(crate) sync: bool,
    pub(crate) last: bool,
}

/// Appends on their way to the committer.
#[derive(Debug)]
pub(crate) struct Gather {
    limits: Limits,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug)]
struct State {
    /// Position of the next record.
    next: u64,
    /// Behind the last record that was taken in and not given up.
    end: u64,
    base: u64,
    /// Where the segment of `next` ends.
    limit: u64,
    /// Whether the very first segment is still to come.
    virgin: bool,
    /// How long the next segment is to be, and may be if an append needs more.
    planned: u64,
    planned_max: u64,
    batch: Batch,
    gate: Gate,
    in_flight: usize,
    sync: bool,
    closing: bool,
    waiting: bool,
    /// So many appends are expected to come together.
    expected: usize,
    spare: Vec<u8>,
}

impl Gather {
    /// `next`: where the next record goes, in the segment from `base` to `limit`; all alike if there
    /// is no segment to go on with.
    pub(crate) fn new(limits: Limits, next: u64, base: u64, limit: u64) -> Self {
        let state = State {
            next,
            end: next,
            base,
            limit,
            virgin: limit == 0,
            planned: limits.segment_bytes,
            planned_max: u64::MAX,
            batch: Batch::default(),
            gate: Gate::Open,
            in_flight: 0,
            sync: false,
            closing: false,
            waiting: false,
            expected: 1,
            spare: Vec::new(),
        };
        Self { limits, state: Mutex::new(state), wake: Condvar::new() }
    }

    /// Takes records in, contiguous and in order.
    pub(crate) fn push(
        &self,
        records: &[impl Appendable],
        level: Durability,
        time_ms: i64,
    ) -> Result<Append, Error> {
        let mut total = 0;
        let mut heads = Vec::with_capacity(records.len());
        for record in records {
            let record = record.parts();
            let length = record.head.len() + record.body.len();
            if length > self.limits.record_bytes_max {
                return Err(Error::TooLarge {
                    what: "record",
                    bytes: length,
                    bytes_max: self.limits.record_bytes_max,
                });
            }
            if record.kind >= KIND_OWN || record.stream.0 == STREAM_OWN {
                return Err(Error::Invalid(format!(
                    "kind {} of stream {} belongs to the log itself; use kinds below {KIND_OWN} and other streams",
                    record.kind, record.stream.0
                )));
            }
            total += record_bytes(length);
            // The limit fits: it was checked to be below the length of a segment at opening.
            let head = Head::new(record.kind, level, record.stream.0, time_ms, length as u32);
            let crc = match record.head {
                [] => crc32c::crc32c(record.body),
                first => crc32c::crc32c_append(crc32c::crc32c(first), record.body),
            };
            heads.push((head, crc));
        }
        let append_bytes_max = self.limits.append_bytes_max().min(self.limits.pending_bytes_max as u64);
        if total > append_bytes_max {
            return Err(Error::TooLarge {
                what: "append",
                bytes: total as usize,
                bytes_max: append_bytes_max as usize,
            });
        }
        let mut state = self.state.lock();
        if let Gate::Shut(error) = &state.gate {
            return Err(error.clone());
        }
        if records.is_empty() {
            return Ok(Append::new(state.next, Durability::Memory, None));
        }
        let pending = state.batch.bytes + state.in_flight;
        if pending > 0 && pending + total as usize > self.limits.pending_bytes_max {
            return Err(Error::Backlog { pending_bytes: pending });
        }
        let opening = if state.batch.pieces.is_empty() { COMMIT_BYTES } else { 0 };
        if let Gate::Full(error) = &state.gate
            && state.next + opening + total > state.limit
        {
            return Err(error.clone());
        }
        if state.next + opening + total > state.limit {
            let length = self.next_length(&state, opening + total);
            if length > state.planned_max {
                // Others may fit: they are not given up for this one.
                return Err(Error::NoSpace(format!("there is no room for a segment of {length} bytes")));
            }
        }
        if opening > 0 {
            self.open_commit(&mut state, total);
        }
        self.make_room(&mut state, total);
        let lsn = state.next;
        // Mostly all are of one stream.
        let (mut stream, mut bytes, mut last) = (heads[0].0.stream, 0, lsn);
        for (record, (head, crc)) in records.iter().zip(&heads) {
            if head.stream != stream {
                state.note(stream, bytes, last);
                (stream, bytes) = (head.stream, 0);
            }
            bytes += head.record_bytes();
            last = state.next;
            state.put(head, *crc, record.parts());
        }
        state.note(stream, bytes, last);
        state.batch.bytes += total as usize;
        state.batch.appends += 1;
        if let Some(piece) = state.batch.pieces.last_mut() {
            piece.records += records.len() as u64;
        }
        let first_of_level = state.batch.level < Some(level);
        state.batch.level = state.batch.level.max(Some(level));
        let append = Append::new(lsn, level, Some(state.batch.round.clone()));
        // Who waits for a write commits himself, or leaves it to the thread then.
        let is_led = state.batch.level == Some(Durability::Os);
        if state.waiting && !is_led && (first_of_level || state.batch.appends == state.expected) {
            state.waiting = false;
            drop(state);
            self.wake.notify_one();
        }
        Ok(append)
    }

    /// The record that opens a commit; the committer fills in what was durable by then.
    fn open_commit(&self, state: &mut State, total: u64) {
        // Beside the first append if that needs a new segment anyway.
        self.make_room(state, COMMIT_BYTES + total);
        let head = Head::new(KIND_COMMIT, Durability::Memory, STREAM_OWN, 0, 8);
        let durable = Bytes::from_static(&[0; 8]);
        let parts = Parts { stream: StreamId(STREAM_OWN), kind: KIND_COMMIT, head: &[], body: &durable };
        state.put(&head, crc32c::crc32c(&durable), parts);
        state.batch.bytes += COMMIT_BYTES as usize;
        state.batch.since = Some(Instant::now());
    }

    /// How long a segment is that begins with an append of so many bytes.
    fn next_length(&self, state: &State, bytes: u64) -> u64 {
        let first = if state.virgin { self.limits.first_segment_bytes } else { u64::MAX };
        let mut length = state.planned.min(first);
        while length < self.limits.segment_bytes && SEGMENT_HEAD_BYTES + COMMIT_BYTES + bytes > length {
            length = (2 * length).min(self.limits.segment_bytes);
        }
        length
    }

    /// Goes to the next segment if `bytes` do not fit into this one.
    fn make_room(&self, state: &mut State, bytes: u64) {
        let mut roll = state.next + bytes > state.limit;
        if roll {
            state.base = state.limit.next_multiple_of(BASE_ALIGN);
            state.limit = state.base + self.next_length(state, bytes);
            state.virgin = false;
            state.next = state.base + SEGMENT_HEAD_BYTES;
        }
        roll |= state.batch.pieces.is_empty();
        if roll {
            let buffer = std::mem::take(&mut state.spare);
            let (base, start) = (state.base, state.next);
            let length = state.limit - base;
            let parts = vec![Part::Copied(buffer)];
            state.batch.pieces.push(Piece {
                base,
                length,
                start,
                end: start,
                records: 0,
                uses: Uses::default(),
                parts,
            });
        }
    }

    /// Waits for something to do. `linger` is how long it may wait for company, up to `company`
    /// appends.
    pub(crate) fn wait(&self, company: usize, linger: Duration) {
        let mut state = self.state.lock();
        state.expected = company.max(1);
        let patience = Instant::now() + linger;
        loop {
            let deadline = match state.batch.level {
                _ if state.closing || state.sync => break,
                None => None,
                Some(Durability::Memory) => state.batch.since.map(|since| since + MEMORY_DELAY),
                Some(_) if state.batch.appends >= company => break,
                Some(_) => Some(patience),
            };
            state.waiting = true;
            match deadline {
                None => self.wake.wait(&mut state),
                Some(deadline) if Instant::now() >= deadline => break,
                Some(deadline) => {
                    self.wake.wait_until(&mut state, deadline);
                }
            }
        }
        state.waiting = false;
    }

    /// Takes what there is to do.
    pub(crate) fn take(&self) -> Option<Work> {
        let mut state = self.state.lock();
        let is_idle = state.batch.pieces.is_empty() && !state.sync && !state.closing;
        (!is_idle).then(|| state.take())
    }

    /// Takes what there is to do if that is a write of at most `bytes_max` bytes to the segment that begins at `base`.
    pub(crate) fn take_quick(&self, base: Option<u64>, bytes_max: usize) -> Option<Work> {
        let mut state = self.state.lock();
        let [piece] = state.batch.pieces.as_slice() else { return None };
        let is_quick = state.batch.level == Some(Durability::Os)
            && Some(piece.base) == base
            && state.batch.bytes <= bytes_max
            && !state.sync
            && !state.closing;
        is_quick.then(|| state.take())
    }

    /// Whether somebody waits for what has gathered, or will.
    pub(crate) fn is_awaited(&self) -> bool {
        self.state.lock().batch.level >= Some(Durability::Os)
    }

    /// Wakes the thread if somebody waits for what has gathered.
    pub(crate) fn nudge(&self) {
        let mut state = self.state.lock();
        if state.waiting && state.batch.level >= Some(Durability::Os) {
            state.waiting = false;
            drop(state);
            self.wake.notify_one();
        }
    }

    /// What was taken last was committed. Its buffer comes back, so that the next batch need not grow one.
    pub(crate) fn done(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut state = self.state.lock();
        state.in_flight = 0;
        if state.spare.capacity() < buffer.capacity() {
            state.spare = buffer;
        }
    }

    /// Asks for a sync.
    pub(crate) fn ask_sync(&self) {
        let mut state = self.state.lock();
        state.sync = true;
        state.waiting = false;
        drop(state);
        self.wake.notify_one();
    }

    /// Position behind the last record that was taken in.
    pub(crate) fn end(&self) -> u64 {
        self.state.lock().end
    }

    /// Takes no more appends and lets the committer finish.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if !matches!(state.gate, Gate::Shut(_)) {
            state.gate = Gate::Shut(Error::Closed);
        }
        state.closing = true;
        drop(state);
        self.wake.notify_one();
    }

    /// Takes no more appends, ever; fails what has gathered.
    pub(crate) fn poison(&self, error: &Error) {
        let mut state = self.state.lock();
        state.gate = Gate::Shut(error.clone());
        let batch = std::mem::take(&mut state.batch);
        drop(state);
        batch.round.fail(error, 0, None);
    }

    /// There is no other segment: until [`reopen`](Self::reopen) only what fits is taken.
    pub(crate) fn full(&self, error: &Error) {
        let mut state = self.state.lock();
        if matches!(state.gate, Gate::Open | Gate::Full(_)) {
            state.gate = Gate::Full(error.clone());
        }
    }

    /// Segments that are begun from now on are so long if their first append fits, else at most `bytes_max`.
    pub(crate) fn plan(&self, bytes: u64, bytes_max: u64) {
        let mut state = self.state.lock();
        (state.planned, state.planned_max) = (bytes, bytes_max);
    }

    /// How long the next segment is to be.
    pub(crate) fn planned(&self) -> u64 {
        self.state.lock().planned
    }

    /// There is room again.
    pub(crate) fn reopen(&self) {
        let mut state = self.state.lock();
        if matches!(state.gate, Gate::Full(_)) {
            state.gate = Gate::Open;
        }
    }

    /// Gives up everything that has gathered, because there is no segment for it; the log ends at
    /// `end`. The positions are not given out again. Returns how many records that were.
    pub(crate) fn give_up(&self, error: &Error, end: u64) -> u64 {
        let mut state = self.state.lock();
        state.end = end;
        let batch = std::mem::take(&mut state.batch);
        state.limit = state.next.next_multiple_of(BASE_ALIGN);
        state.next = state.limit;
        if matches!(state.gate, Gate::Open) {
            state.gate = Gate::Full(error.clone());
        }
        drop(state);
        batch.round.fail(error, 0, None);
        batch.pieces.iter().map(|piece| piece.records).sum()
    }

    /// The next record goes to `lsn` or beyond.
    pub(crate) fn advance_to(&self, lsn: u64) {
        let mut state = self.state.lock();
        if state.next < lsn {
            // Behind the file of the current segment, so that ranges never overlap.
            state.limit = lsn.max(state.limit).next_multiple_of(BASE_ALIGN);
            state.next = state.limit;
        }
    }

    /// Bytes that wait.
    pub(crate) fn pending_bytes(&self) -> usize {
        let state = self.state.lock();
        state.batch.bytes + state.in_flight
    }

    /// Why nothing that needs a new segment is taken, if so.
    pub(crate) fn full_error(&self) -> Option<Error> {
        match &self.state.lock().gate {
            Gate::Full(error) => Some(error.clone()),
            Gate::Open | Gate::Shut(_) => None,
        }
    }
}

impl State {
    fn take(&mut self) -> Work {
        let batch = std::mem::take(&mut self.batch);
        self.in_flight = batch.bytes;
        Work { batch, sync: std::mem::take(&mut self.sync), last: self.closing }
    }

    /// What a stream has in the last piece.
    fn note(&mut self, stream: u32, bytes: u64, last: u64) {
        if let Some(piece) = self.batch.pieces.last_mut() {
            piece.uses.add(stream, bytes, last);
        }
    }

    fn put(&mut self, head: &Head, crc: u32, record: Parts<'_>) {
        let lsn = self.next;
        self.next += head.record_bytes();
        self.end = self.next;
        let payload = record.body;
        let padding = head.record_bytes() as usize - HEAD_BYTES - record.head.len() - payload.len();
        let piece = self.batch.pieces.last_mut().expect("room was made before");
        piece.end = self.next;
        if !matches!(piece.parts.last(), Some(Part::Copied(_))) {
            piece.parts.push(Part::Copied(Vec::new()));
        }
        let Some(Part::Copied(buffer)) = piece.parts.last_mut() else {
            unreachable!("the last part was just made a copied one")
        };
        buffer.extend_from_slice(&head.encode(crc, lsn));
        buffer.extend_from_slice(record.head);
        if payload.len() < SHARE_BYTES {
            buffer.extend_from_slice(payload);
            buffer.extend_from_slice(&[0; ALIGN as usize][..padding]);
        } else {
            piece.parts.push(Part::Shared(payload.clone()));
            piece.parts.push(Part::Copied(vec![0; padding]));
        }
    }
}

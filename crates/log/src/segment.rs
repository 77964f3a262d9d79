//! Segment files (drawn in `docs/internals/log.md`): their names, their first 64 bytes, and a walk through their records.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};

use crate::Error;
use crate::files::{File, read_full, write_full};
use crate::record::{ALIGN, FLAG_RECORD, FLAGS_AT, HEAD_BYTES, Head};

/// Bytes before the first record of a segment.
pub(crate) const SEGMENT_HEAD_BYTES: u64 = 64;
/// Version of the format of segments.
const VERSION: u32 = 1;
/// `previous` of the first segment of a log.
pub(crate) const NO_PREVIOUS: u64 = u64::MAX;
/// Files are read in pieces of this many bytes, or of one record if that is larger.
const CHUNK_BYTES: u64 = 256 << 10;
/// Known places of a rewritten file are so far apart.
const PLACES_APART_BYTES: u64 = 16 << 10;
/// And in such pieces where one record is wanted.
const SHORT_CHUNK_BYTES: u64 = 4 << 10;

/// How records lie in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// At their position minus the base: `<base>.seg`.
    Whole,
    /// One behind the other, each after its position: `<base>.cmp`, what a rewrite has kept.
    Kept,
}

impl Form {
    fn magic(self) -> &'static [u8; 8] {
        match self {
            Self::Whole => b"EyrieLog",
            Self::Kept => b"EyrieKpt",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Whole => ".seg",
            Self::Kept => ".cmp",
        }
    }

    /// Bytes before each record: its position where that does not follow from the place.
    pub(crate) fn prefix(self) -> u64 {
        match self {
            Self::Whole => 0,
            Self::Kept => 8,
        }
    }

    /// The name of the file that begins at `base`.
    pub(crate) fn name(self, base: u64) -> String {
        format!("{base:016x}{}", self.suffix())
    }

    /// Form and base of a file, by its name.
    pub(crate) fn of(name: &str) -> Option<(Self, u64)> {
        [Self::Whole, Self::Kept].into_iter().find_map(|form| {
            let digits = name.strip_suffix(form.suffix())?;
            let fits = digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            Some((form, u64::from_str_radix(digits, 16).ok().filter(|_| fits)?))
        })
    }
}

/// The first 64 bytes of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) form: Form,
    /// First position of the range this file answers for.
    pub(crate) base: u64,
    /// How many positions it answers for.
    pub(crate) length: u64,
    /// Base of the segment before it, by which a missing one is noticed.
    pub(crate) previous: u64,
    /// Where the records of the one before it ended.
    pub(crate) previous_end: u64,
}

impl Header {
    /// As bytes.
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEAD_BYTES as usize] {
        let mut out = [0; SEGMENT_HEAD_BYTES as usize];
        out[0..8].copy_from_slice(self.form.magic());
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        for (at, field) in [(16, self.base), (24, self.length), (32, self.previous), (40, self.previous_end)]
        {
            out[at..at + 8].copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out[12..16].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// From bytes; `None` if they are damaged or belong to another file.
    ///
    /// # Errors
    /// A newer version.
    pub(crate) fn decode(bytes: &[u8], form: Form, base: u64, name: &str) -> Result<Option<Self>, Error> {
        let Some(bytes) = bytes.first_chunk::<{ SEGMENT_HEAD_BYTES as usize }>() else { return Ok(None) };
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        let mut zeroed = *bytes;
        zeroed[12..16].fill(0);
        if bytes[0..8] != *form.magic() || (word(8) >> 32) as u32 != crc32c::crc32c(&zeroed) {
            return Ok(None);
        }
        let version = word(8) as u32;
        if version > VERSION {
            return Err(Error::Version { name: name.to_owned(), version, known: VERSION });
        }
        let header =
            Self { form, base: word(16), length: word(24), previous: word(32), previous_end: word(40) };
        let sane = header.base == base && base.checked_add(header.length).is_some();
        Ok(sane.then_some(header))
    }
}

/// One file of the log, open.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    /// Bytes the file takes on the device.
    pub(crate) file_bytes: u64,
    /// Position behind the last record once no more come; `OPEN` until then.
    end: AtomicU64,
    /// Streams and where their last record begins: known from writing, or found when reclaim first asks.
    pub(crate) streams: OnceLock<Vec<StreamUse>>,
    /// Of a rewritten file: some positions and where their records begin, found when a single record
    /// is first looked for.
    places: OnceLock<Vec<(u64, u64)>>,
}

/// What one stream has in a sealed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamUse {
    pub(crate) stream: u32,
    pub(crate) bytes: u64,
    pub(crate) last: u64,
}

/// What streams have in a segment, by stream.
#[derive(Debug, Default)]
pub(crate) struct Uses(Vec<StreamUse>);

impl Uses {
    /// A stream has so many more bytes, the last of them in a record at `last`.
    pub(crate) fn add(&mut self, stream: u32, bytes: u64, last: u64) {
        let found = self.0.binary_search_by_key(&stream, |of| of.stream);
        let at = found.unwrap_or_else(|at| {
            self.0.insert(at, StreamUse { stream, bytes: 0, last });
            at
        });
        self.0[at].bytes += bytes;
        self.0[at].last = last;
    }

    /// What came later joins.
    pub(crate) fn join(&mut self, later: &Self) {
        later.0.iter().for_each(|of| self.add(of.stream, of.bytes, of.last));
    }

    pub(crate) fn into_vec(self) -> Vec<StreamUse> {
        self.0
    }
}

const OPEN: u64 = u64::MAX;

impl Segment {
    /// `end`: position behind the last record, `None` while it grows.
    pub(crate) fn new(header: Header, file: Arc<dyn File>, file_bytes: u64, end: Option<u64>) -> Self {
        Self {
            name: header.form.name(header.base),
            header,
            file,
            file_bytes,
            end: AtomicU64::new(end.unwrap_or(OPEN)),
            streams: OnceLock::new(),
            places: OnceLock::new(),
        }
    }

    /// Position behind the last record, if it is known that no more come.
    pub(crate) fn end(&self) -> Option<u64> {
        Some(self.end.load(Ordering::Acquire)).filter(|end| *end != OPEN)
    }

    /// No more records come.
    pub(crate) fn seal(&self, end: u64) {
        self.end.store(end, Ordering::Release);
    }

    /// First position behind the range this file answers for.
    pub(crate) fn limit(&self) -> u64 {
        self.header.base + self.header.length
    }

    /// The offset in the file up to which there are records if everything below `written` is
    /// written.
    pub(crate) fn stop(&self, written: u64) -> u64 {
        match self.header.form {
            Form::Whole => self.end().unwrap_or(OPEN).min(written).saturating_sub(self.header.base),
            Form::Kept => self.file_bytes,
        }
    }

    /// An offset of the file, not far before the record at `lsn`, at which a record begins.
    pub(crate) fn offset_before(self: &Arc<Self>, lsn: u64) -> io::Result<u64> {
        if self.header.form == Form::Whole {
            return Ok(SEGMENT_HEAD_BYTES.max(lsn.saturating_sub(self.header.base)));
        }
        let places = match self.places.get() {
            Some(places) => places,
            None => {
                let places = self.find_places()?;
                self.places.get_or_init(|| places)
            }
        };
        let behind = places.partition_point(|(at, _)| *at <= lsn);
        Ok(behind.checked_sub(1).map_or(SEGMENT_HEAD_BYTES, |before| places[before].1))
    }

    /// Walks through a rewritten file once.
    fn find_places(self: &Arc<Self>) -> io::Result<Vec<(u64, u64)>> {
        let mut walk = Walk::new(self.clone(), SEGMENT_HEAD_BYTES, self.stop(OPEN));
        let (mut places, mut next) = (Vec::new(), SEGMENT_HEAD_BYTES);
        loop {
            let offset = walk.offset;
            match walk.step()? {
                Step::Record { lsn, .. } if offset >= next => {
                    places.push((lsn, offset));
                    next = offset + PLACES_APART_BYTES;
                }
                Step::Record { .. } => {}
                Step::Bad => walk.resync()?,
                Step::End => return Ok(places),
            }
        }
    }

    /// Writes all of `parts` at `offset` of the file.
    pub(crate) fn write(&self, parts: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        write_full(&*self.file, parts, offset)
    }
}

/// What lies at a place of a file.
#[derive(Debug)]
pub(crate) enum Step {
    /// A good record; its payload is at [`Walk::payload`] until the next step.
    Record { head: Head, lsn: u64 },
    /// No good record begins here.
    Bad,
    /// The walk has come to its `stop`.
    End,
}

/// Goes through the records of a file, in pieces.
#[derive(Debug)]
pub(crate) struct Walk {
    pub(crate) segment: Arc<Segment>,
    /// Offset in the file of the next record.
    pub(crate) offset: u64,
    /// Nothing at or behind this offset is looked at.
    pub(crate) stop: u64,
    chunk: Bytes,
    chunk_at: u64,
    /// Bytes that are read at once.
    chunk_bytes: u64,
    payload: (u64, usize),
}

impl Walk {
    /// Begins at `offset` of the file.
    pub(crate) fn new(segment: Arc<Segment>, offset: u64, stop: u64) -> Self {
        Self {
            segment,
            offset,
            stop,
            chunk: Bytes::new(),
            chunk_at: 0,
            chunk_bytes: CHUNK_BYTES,
            payload: (0, 0),
        }
    }

    /// Reads no more at once than a page and what a record needs.
    pub(crate) fn short_sighted(&mut self) {
        self.chunk_bytes = SHORT_CHUNK_BYTES;
    }

    /// Looks at the place where the walk stands, and passes over the record if there is one.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let prefix = self.segment.header.form.prefix();
        let shortest = prefix + HEAD_BYTES as u64;
        if self.offset >= self.stop {
            return Ok(Step::End);
        }
        if self.stop - self.offset < shortest || !self.load(self.offset, shortest)? {
            return Ok(Step::Bad);
        }
        let at = (self.offset - self.chunk_at) as usize;
        let lsn = match self.segment.header.form {
            Form::Whole => self.segment.header.base + self.offset,
            Form::Kept => {
                let mut lsn = [0; 8];
                lsn.copy_from_slice(&self.chunk[at..at + 8]);
                u64::from_le_bytes(lsn)
            }
        };
        let Some(head) = Head::decode(&self.chunk[at + prefix as usize..], lsn) else { return Ok(Step::Bad) };
        let length = u64::from(head.length);
        if shortest + length > self.stop - self.offset || !self.load(self.offset, shortest + length)? {
            return Ok(Step::Bad);
        }
        let start = (self.offset - self.chunk_at + shortest) as usize;
        if !head.fits(&self.chunk[start..start + head.length as usize], lsn) {
            return Ok(Step::Bad);
        }
        self.payload = (self.offset + shortest, head.length as usize);
        self.offset += prefix + head.record_bytes();
        Ok(Step::Record { head, lsn })
    }

    /// The payload of the last record, without a copy.
    pub(crate) fn payload(&self) -> Bytes {
        let start = (self.payload.0 - self.chunk_at) as usize;
        self.chunk.slice(start..start + self.payload.1)
    }

    /// From a bad place: moves on to the next good record, or to the stop.
    pub(crate) fn resync(&mut self) -> io::Result<()> {
        loop {
            self.offset = (self.offset + ALIGN).min(self.stop);
            self.skip_zeros();
            let at = self.offset;
            match self.step()? {
                Step::Bad => {}
                Step::Record { .. } | Step::End => {
                    self.offset = at;
                    return Ok(());
                }
            }
        }
    }

    /// Passes over places of the chunk where there cannot be a record: zeros, mostly.
    fn skip_zeros(&mut self) {
        let shortest = self.segment.header.form.prefix() + HEAD_BYTES as u64;
        let end = (self.chunk_at + self.chunk.len() as u64).min(self.stop);
        let flags = self.segment.header.form.prefix() as usize + FLAGS_AT;
        while self.offset >= self.chunk_at
            && self.offset + shortest <= end
            && self.chunk[(self.offset - self.chunk_at) as usize + flags] & FLAG_RECORD == 0
        {
            self.offset += ALIGN;
        }
    }

    /// Reads so that the chunk holds `bytes` at `offset`; false if the file ends before.
    fn load(&mut self, offset: u64, bytes: u64) -> io::Result<bool> {
        if offset >= self.chunk_at && offset + bytes <= self.chunk_at + self.chunk.len() as u64 {
            return Ok(true);
        }
        let wanted = self.chunk_bytes.min(self.stop - offset).max(bytes) as usize;
        // If nobody has kept a payload, its room is used again.
        let mut room = std::mem::take(&mut self.chunk).try_into_mut().unwrap_or_else(|_| BytesMut::new());
        room.resize(wanted, 0);
        let filled = read_full(&*self.segment.file, &mut room, offset)?;
        room.truncate(filled);
        self.chunk = room.freeze();
        self.chunk_at = offset;
        Ok(filled as u64 >= bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_form_and_base() {
        assert_eq!(Form::Whole.name(0x4000), "0000000000004000.seg");
        assert_eq!(Form::of("0000000000004000.seg"), Some((Form::Whole, 0x4000)));
        assert_eq!(Form::of("ffffffffffffffff.cmp"), Some((Form::Kept, u64::MAX)));
        for other in ["4000.seg", "000000000000400G.seg", "+000000000004000.seg", "cursors", "0.spare"] {
            assert_eq!(Form::of(other), None, "{other}");
        }
    }

    #[test]
    fn a_header_is_believed_only_where_it_belongs() {
        let header =
            Header { form: Form::Whole, base: 4_096, length: 8_192, previous: 0, previous_end: 4_000 };
        let mut bytes = header.encode();
        let decode = |bytes: &[u8], base| Header::decode(bytes, Form::Whole, base, "x").expect("version");
        assert_eq!(decode(&bytes, 4_096), Some(header));
        assert_eq!(decode(&bytes, 8_192), None);
        assert_eq!(decode(&bytes[..10], 4_096), None);
        bytes[30] ^= 1;
        assert_eq!(decode(&bytes, 4_096), None);
        bytes[30] ^= 1;
        bytes[8] = 2;
        bytes[12..16].fill(0);
        let crc = crc32c::crc32c(&bytes);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
        let newer = Header::decode(&bytes, Form::Whole, 4_096, "x");
        assert!(matches!(newer, Err(Error::Version { version: 2, .. })), "{newer:?}");
    }
}

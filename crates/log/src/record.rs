//! Records: what callers hand over and get back, and the 24 bytes before each payload.
//!
//! The bytes are drawn in `docs/internals/log.md`. Both checksums cover the record's position, so
//! that a record is valid at exactly one place of the history: what a recycled segment still holds
//! never passes.

use base::Timestamp;
use bytes::Bytes;

/// A position: the byte offset of a record in the whole history of the log. Never reused.
///
/// Zero lies before every record. Positions grow by more than the payload, and may jump.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Lsn(pub u64);

/// Which stream a record belongs to; names are given by the crate above. `u32::MAX` is the log's own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StreamId(pub u32);

/// How sure an append is before it resolves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Durability {
    /// At once; written within about 10 ms.
    Memory,
    /// Handed to the operating system: survives `kill -9`.
    Os,
    /// On the device: survives loss of power.
    Disk,
}

/// A record to be appended.
#[derive(Clone, Debug)]
pub struct NewRecord {
    /// Whose it is.
    pub stream: StreamId,
    /// Meaning belongs to the crate above; 0 to 127.
    pub kind: u8,
    /// Any bytes, at most [`Config::record_bytes_max`](crate::Config::record_bytes_max).
    pub payload: Bytes,
}

/// A record to be appended whose payload lies in two places: saves whoever puts something before a
/// body from copying the body.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Whose it is.
    pub stream: StreamId,
    /// As in [`NewRecord`].
    pub kind: u8,
    /// The first bytes of the payload.
    pub head: &'a [u8],
    /// The rest of it.
    pub body: &'a Bytes,
}

/// What can be appended.
pub(crate) trait Appendable {
    fn parts(&self) -> Parts<'_>;
}

impl Appendable for NewRecord {
    fn parts(&self) -> Parts<'_> {
        Parts { stream: self.stream, kind: self.kind, head: &[], body: &self.payload }
    }
}

impl Appendable for Parts<'_> {
    fn parts(&self) -> Parts<'_> {
        *self
    }
}

/// A record read back.
#[derive(Clone, Debug)]
pub struct Record {
    /// Position of this record.
    pub lsn: Lsn,
    /// Position behind it: where to go on reading.
    pub next: Lsn,
    /// Whose it is.
    pub stream: StreamId,
    /// As it was given.
    pub kind: u8,
    /// When it was appended, by a clock that may have gone backwards.
    pub time: Timestamp,
    /// A slice of the piece of the file that was read: keeping one keeps up to 256 KiB alive.
    pub payload: Bytes,
}

/// Bytes before a payload.
pub(crate) const HEAD_BYTES: usize = 24;
/// Records start at multiples of this many bytes.
pub(crate) const ALIGN: u64 = 8;
/// First of the log's own kinds.
pub(crate) const KIND_OWN: u8 = 128;
/// The log's own record that opens every commit; its payload is a position, everything below which
/// was durable.
pub(crate) const KIND_COMMIT: u8 = KIND_OWN;
/// The log's own stream.
pub(crate) const STREAM_OWN: u32 = u32::MAX;
/// Set in every record's flags, so that zeros are never a record.
pub(crate) const FLAG_RECORD: u8 = 0x80;
/// Where in a head the flags are.
pub(crate) const FLAGS_AT: usize = 9;

/// Positions a record with a payload of so many bytes takes: the next record of the same append lies
/// so much further on.
pub const fn record_bytes(payload: usize) -> u64 {
    ((HEAD_BYTES + payload) as u64).next_multiple_of(ALIGN)
}

/// The fields before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) time_ms: i64,
    crc: u32,
}

impl Head {
    /// A head for `payload`, of which `payload_crc` is the checksum.
    pub(crate) fn new(kind: u8, level: Durability, stream: u32, time_ms: i64, length: u32) -> Self {
        Self { length, kind, flags: FLAG_RECORD | level as u8, stream, time_ms, crc: 0 }
    }

    /// Bytes of the whole record in the file.
    pub(crate) fn record_bytes(&self) -> u64 {
        record_bytes(self.length as usize)
    }

    /// Whether it belongs to the log itself.
    pub(crate) fn is_own(&self) -> bool {
        self.kind >= KIND_OWN
    }

    /// What the checksums cover besides the payload.
    fn covered(&self, lsn: u64) -> [u8; 26] {
        let mut out = [0; 26];
        out[0..4].copy_from_slice(&self.length.to_le_bytes());
        out[4] = self.kind;
        out[5] = self.flags;
        out[6..10].copy_from_slice(&self.stream.to_le_bytes());
        out[10..18].copy_from_slice(&self.time_ms.to_le_bytes());
        out[18..26].copy_from_slice(&lsn.to_le_bytes());
        out
    }

    /// The bytes of a record's head at its place.
    pub(crate) fn encode(&self, payload_crc: u32, lsn: u64) -> [u8; HEAD_BYTES] {
        let covered = self.covered(lsn);
        let mut out = [0; HEAD_BYTES];
        out[0..4].copy_from_slice(&covered[0..4]);
        out[4..8].copy_from_slice(&crc32c::crc32c_append(payload_crc, &covered).to_le_bytes());
        out[8..10].copy_from_slice(&covered[4..6]);
        out[10..12].copy_from_slice(&check(&covered).to_le_bytes());
        out[12..24].copy_from_slice(&covered[6..18]);
        out
    }

    /// Reads a head and believes it only if its own checksum fits this position.
    pub(crate) fn decode(bytes: &[u8], lsn: u64) -> Option<Self> {
        let bytes: &[u8; HEAD_BYTES] = bytes.get(..HEAD_BYTES)?.try_into().ok()?;
        if bytes[FLAGS_AT] & FLAG_RECORD == 0 {
            return None;
        }
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let head = Self {
            length: word(0),
            crc: word(4),
            kind: bytes[8],
            flags: bytes[FLAGS_AT],
            stream: word(12),
            time_ms: i64::from(word(16)) | (i64::from(word(20)) << 32),
        };
        let found = u16::from_le_bytes([bytes[10], bytes[11]]);
        (check(&head.covered(lsn)) == found).then_some(head)
    }

    /// Whether this is the payload that was written at this position.
    pub(crate) fn fits(&self, payload: &[u8], lsn: u64) -> bool {
        crc32c::crc32c_append(crc32c::crc32c(payload), &self.covered(lsn)) == self.crc
    }
}

fn check(covered: &[u8]) -> u16 {
    let crc = crc32c::crc32c(covered);
    (crc ^ (crc >> 16)) as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_valid_at_its_own_position_only() {
        let payload = b"hello";
        for time in [0, -1, i64::MIN, 1_700_000_000_000] {
            let head = Head::new(7, Durability::Disk, 42, time, 5);
            let bytes = head.encode(crc32c::crc32c(payload), 4_096);
            let back = Head::decode(&bytes, 4_096).expect("a head");
            assert_eq!((back.kind, back.stream, back.time_ms, back.length), (7, 42, time, 5));
            assert!(back.fits(payload, 4_096));
            assert!(!back.fits(b"hellp", 4_096));
            assert!(Head::decode(&bytes, 4_104).is_none_or(|head| !head.fits(payload, 4_104)));
        }
    }

    #[test]
    fn zeros_are_no_record() {
        assert_eq!(Head::decode(&[0; HEAD_BYTES], 64), None);
        assert_eq!(Head::decode(&[0; 3], 64), None);
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let payload = b"a payload of some length";
        let head = Head::new(1, Durability::Os, 3, 99, payload.len() as u32);
        let mut record = head.encode(crc32c::crc32c(payload), 640).to_vec();
        record.extend_from_slice(payload);
        for bit in 0..record.len() * 8 {
            record[bit / 8] ^= 1 << (bit % 8);
            let good = Head::decode(&record, 640).is_some_and(|head| {
                record.get(HEAD_BYTES..HEAD_BYTES + head.length as usize).is_some_and(|p| head.fits(p, 640))
            });
            assert!(!good, "bit {bit}");
            record[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

//! The messages of one queue, file by file.
//!
//! ```text
//! i32 length | i64 timestamp, ns | u16 attempts | 16 bytes id | body       big endian, again and again
//! ```
//! There are no checksums. A length that cannot be one ends a file: nobody knows where the next message
//! begins. nsqd reads on beyond the place to which it remembers to have written, and so does this: what
//! lies there was written before it died.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use super::failed;
use super::folder::Queue;
use crate::Error;

/// Bytes of a message before its body.
const HEAD_BYTES: usize = 26;
/// Files are read in pieces of so many bytes; those of a topic's channels are open at the same time.
const PIECE_BYTES: usize = 64 << 10;

/// What nsqd knew of a message, but for its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) timestamp_ns: i64,
    pub(super) attempts: u16,
    pub(super) id: [u8; 16],
    pub(super) body_bytes: usize,
}

/// Reads one queue from where nsqd had come.
#[derive(Debug)]
pub(super) struct Reader {
    queue: Queue,
    /// The file to open next, and where to begin in it.
    next: (u64, u64),
    file: Option<Open>,
    pub(super) complaints: Vec<String>,
}

#[derive(Debug)]
struct Open {
    number: u64,
    from: BufReader<File>,
    at: u64,
    end: u64,
}

impl Reader {
    pub(super) fn new(queue: Queue) -> Result<Self, Error> {
        let mut complaints = Vec::new();
        let next = match &queue.meta {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| failed(path, error))?;
                read_position(&text).unwrap_or_else(|| {
                    complaints.push(format!("{}: not understood; all of the queue is read", path.display()));
                    (0, 0)
                })
            }
            None => (0, 0),
        };
        Ok(Self { queue, next, file: None, complaints })
    }

    /// The head of the next message; its body must be [`read`](Self::body) or [`skipped`](Self::skip).
    pub(super) fn head(&mut self) -> Result<Option<Head>, Error> {
        loop {
            let Some(open) = &mut self.file else {
                if !self.open_next()? {
                    return Ok(None);
                }
                continue;
            };
            let path = &self.queue.files[&open.number];
            match open.head().map_err(|error| failed(path, error))? {
                Ok(Some(head)) => return Ok(Some(head)),
                Ok(None) => {}
                Err(what) => {
                    let (at, end) = (open.at, open.end);
                    self.complaints.push(format!("{}: bytes {at} to {end}: {what}", path.display()));
                }
            }
            self.file = None;
        }
    }

    /// The body behind a head.
    pub(super) fn body(&mut self, head: &Head) -> Result<Vec<u8>, Error> {
        let open = self.file.as_mut().expect("a head was read from it");
        let mut body = vec![0; head.body_bytes];
        let read = open.from.read_exact(&mut body);
        read.map_err(|error| failed(&self.queue.files[&open.number], error))?;
        open.at += body.len() as u64;
        Ok(body)
    }

    /// Passes over the body behind a head.
    pub(super) fn skip(&mut self, head: &Head) -> Result<(), Error> {
        let open = self.file.as_mut().expect("a head was read from it");
        let skipped = open.from.seek_relative(head.body_bytes as i64);
        skipped.map_err(|error| failed(&self.queue.files[&open.number], error))?;
        open.at += head.body_bytes as u64;
        Ok(())
    }

    fn open_next(&mut self) -> Result<bool, Error> {
        let (number, at) = self.next;
        let Some((&found, path)) = self.queue.files.range(number..).next() else { return Ok(false) };
        // Where to begin is said of one file only.
        let at = if found == number { at } else { 0 };
        let Some(following) = found.checked_add(1) else { return Ok(false) };
        self.next = (following, 0);
        let open = Open::at(path, found, at).map_err(|error| failed(path, error))?;
        if open.at > open.end {
            let Open { at, end, .. } = open;
            self.complaints.push(format!("{}: has {end} bytes, {at} were read of it", path.display()));
            return Ok(true);
        }
        self.file = Some(open);
        Ok(true)
    }
}

impl Open {
    fn at(path: &Path, number: u64, at: u64) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(at))?;
        Ok(Self { number, from: BufReader::with_capacity(PIECE_BYTES, file), at, end })
    }

    /// A head, none at the end of the file, or what is wrong with the rest of it.
    fn head(&mut self) -> io::Result<Result<Option<Head>, String>> {
        let left = self.end - self.at;
        if left == 0 {
            return Ok(Ok(None));
        }
        if left < (4 + HEAD_BYTES) as u64 {
            return Ok(Err("a message that was not written to its end".to_owned()));
        }
        let mut bytes = [0; 4 + HEAD_BYTES];
        self.from.read_exact(&mut bytes)?;
        let length = i32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let length = match usize::try_from(length) {
            Ok(length) if length < HEAD_BYTES => {
                return Ok(Err(format!("no message has a length of {length}")));
            }
            Ok(length) if length as u64 > left - 4 => {
                return Ok(Err("a message that was not written to its end".to_owned()));
            }
            Ok(length) => length,
            Err(_) => return Ok(Err(format!("no message has a length of {length}"))),
        };
        self.at += bytes.len() as u64;
        let mut timestamp = [0; 8];
        timestamp.copy_from_slice(&bytes[4..12]);
        let mut id = [0; 16];
        id.copy_from_slice(&bytes[14..]);
        Ok(Ok(Some(Head {
            timestamp_ns: i64::from_be_bytes(timestamp),
            attempts: u16::from_be_bytes([bytes[12], bytes[13]]),
            id,
            body_bytes: length - HEAD_BYTES,
        })))
    }
}

/// The file and the byte from which on nsqd had not read, out of
/// `depth \n file,byte read \n file,byte written \n`.
fn read_position(meta: &str) -> Option<(u64, u64)> {
    let (file, at) = meta.lines().nth(1)?.split_once(',')?;
    Some((file.trim().parse().ok()?, at.trim().parse().ok()?))
}

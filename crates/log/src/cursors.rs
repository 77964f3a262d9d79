//! Who still needs what: marks per owner and stream, and the small file that keeps them.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::{self, Files};
use crate::{Error, StreamId};

/// Name of the file.
const NAME: &str = "cursors";
/// First line of the file, before the checksum.
const TITLE: &str = "eyrie log cursors 1 ";
/// Most marks kept.
const MARKS_MAX: usize = 100_000;
/// Longest name of an owner, in bytes.
const OWNER_BYTES_MAX: usize = 255;

/// Marks by owner and stream (`None`: every stream). Below its mark an owner needs nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    marks: BTreeMap<(String, Option<u32>), u64>,
}

impl Marks {
    /// Moves a mark forward; an owner's first call makes it. True if something changed.
    pub(crate) fn release(&mut self, owner: &str, stream: Option<u32>, keep: u64) -> Result<bool, Error> {
        if owner.is_empty() || owner.len() > OWNER_BYTES_MAX || owner.contains(char::is_control) {
            return Err(Error::Invalid(format!(
                "an owner's name has 1 to {OWNER_BYTES_MAX} bytes and no control characters"
            )));
        }
        let key = (owner.to_owned(), stream);
        let count = self.marks.len();
        match self.marks.get_mut(&key) {
            Some(mark) if *mark >= keep => Ok(false),
            Some(mark) => {
                *mark = keep;
                Ok(true)
            }
            None if count >= MARKS_MAX => {
                Err(Error::Invalid(format!("there are {MARKS_MAX} cursors, the most kept; forget some")))
            }
            None => {
                self.marks.insert(key, keep);
                Ok(true)
            }
        }
    }

    /// The furthest mark of an owner for some of `streams`; 0 if it has none.
    pub(crate) fn furthest(&self, owner: &str, streams: &[StreamId]) -> u64 {
        let of = |stream: Option<u32>| self.marks.get(&(owner.to_owned(), stream)).copied();
        let marks = streams.iter().filter_map(|stream| of(Some(stream.0)));
        marks.chain(of(None)).max().unwrap_or(0)
    }

    /// Drops all marks of an owner. True if there were any.
    pub(crate) fn forget(&mut self, owner: &str) -> bool {
        let before = self.marks.len();
        self.marks.retain(|(name, _), _| name != owner);
        self.marks.len() != before
    }

    /// Where each stream begins to live, by the marks as they are now. They only move on, so what
    /// this calls dead stays dead.
    pub(crate) fn live(&self) -> Live {
        let mut live = Live::default();
        for ((_, stream), mark) in &self.marks {
            let lowest = match stream {
                None => live.all.get_or_insert(*mark),
                Some(stream) => live.streams.entry(*stream).or_insert(*mark),
            };
            *lowest = (*lowest).min(*mark);
        }
        live
    }

    /// Reads the file. The text says what is wrong with it; then there are no marks, and nothing is
    /// freed before the owners have spoken again.
    pub(crate) fn load(files: &dyn Files, dir: &Path) -> Result<(Self, Option<String>), Error> {
        let bytes = files::read(files, &dir.join(NAME))
            .map_err(|error| Error::io(format!("reading `{NAME}`"), &error))?;
        let Some(bytes) = bytes else { return Ok((Self::default(), None)) };
        Ok(match Self::decode(&bytes) {
            Some(marks) => (marks, None),
            None => {
                let last = bytes.len().saturating_sub(1);
                (
                    Self::default(),
                    Some(format!("{NAME}: bytes 0 to {last}: checksum does not fit, cursors start anew")),
                )
            }
        })
    }

    /// Writes the file, all of it or none.
    pub(crate) fn save(&self, files: &dyn Files, dir: &Path) -> std::io::Result<()> {
        files::replace(files, dir, NAME, self.encode().as_bytes())
    }

    fn encode(&self) -> String {
        let mut lines = String::new();
        for ((owner, stream), mark) in &self.marks {
            let stream = stream.map_or_else(|| "*".to_owned(), |stream| stream.to_string());
            lines.push_str(&format!("{mark:016x} {stream} {owner}\n"));
        }
        format!("{TITLE}{:08x}\n{lines}", crc32c::crc32c(lines.as_bytes()))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, lines) = std::str::from_utf8(bytes).ok()?.split_once('\n')?;
        let crc = u32::from_str_radix(first.strip_prefix(TITLE)?, 16).ok()?;
        if crc != crc32c::crc32c(lines.as_bytes()) {
            return None;
        }
        let mut marks = BTreeMap::new();
        for line in lines.lines() {
            let mut fields = line.splitn(3, ' ');
            let mark = u64::from_str_radix(fields.next()?, 16).ok()?;
            let stream = match fields.next()? {
                "*" => None,
                number => Some(number.parse().ok()?),
            };
            marks.insert((fields.next()?.to_owned(), stream), mark);
        }
        Some(Self { marks })
    }
}

/// The lowest marks.
#[derive(Debug, Default)]
pub(crate) struct Live {
    /// Of those for every stream.
    all: Option<u64>,
    streams: BTreeMap<u32, u64>,
}

impl Live {
    /// Records of `stream` at and behind this position are live: the lowest mark of those who have
    /// one for the stream or for all; zero if nobody has.
    pub(crate) fn from(&self, stream: u32) -> u64 {
        let own = self.streams.get(&stream).copied();
        self.all.into_iter().chain(own).min().unwrap_or(0)
    }

    /// Below this nothing is live whatever its stream.
    pub(crate) fn floor(&self) -> u64 {
        self.all.map_or(0, |all| self.streams.values().copied().fold(all, u64::min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Marks {
        let mut marks = Marks::default();
        for (owner, stream, keep) in
            [("backup", None, 500), ("rec order", Some(1), 900), ("rec order", Some(2), 300)]
        {
            assert!(marks.release(owner, stream, keep).expect("a good owner"));
        }
        marks
    }

    #[test]
    fn a_record_lives_while_anyone_who_reads_its_stream_needs_it() {
        let mut marks = some();
        let live = marks.live();
        assert_eq!((live.from(1), live.from(2), live.from(3)), (500, 300, 500));
        assert_eq!(live.floor(), 300);
        assert!(!marks.release("backup", None, 400).expect("fine"), "a mark never goes back");
        assert!(marks.forget("backup"));
        let live = marks.live();
        assert_eq!((live.from(1), live.from(3), live.floor()), (900, 0, 0));
    }

    #[test]
    fn the_file_is_read_back_or_refused() {
        let text = some().encode();
        assert_eq!(Marks::decode(text.as_bytes()), Some(some()));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Marks::decode(&bytes).is_none_or(|marks| marks == some()), "byte {at}");
        }
        assert_eq!(Marks::decode(b""), None);
    }

    #[test]
    fn odd_owners_are_refused() {
        for owner in ["", "two\nlines", &"x".repeat(300)] {
            assert!(Marks::default().release(owner, None, 1).is_err(), "{owner:?}");
        }
    }
}

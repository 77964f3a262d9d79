//! Putting copies of one message together.
//!
//! nsqd copied a message into the queue of each channel, with the same id and time. Where a topic has more
//! than one queue, a first pass over all of them notes who has which message; the second pass gives each
//! message out where it is met first, with everybody who has it, and passes over its copies. What the note
//! has no room for is given out once a channel, alone: more bytes, the same deliveries.
//!
//! The queues of the channels are read side by side, the one that has the oldest message in front first: so
//! what one channel is done with and another is not does not come behind what both still wait for.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use bytes::Bytes;

use super::folder::Queue;
use super::reader::{Head, Reader};
use crate::Error;

/// Most messages whose copies are put together, per topic: some 200 MB of memory.
const NOTED_MAX: usize = 2_000_000;
/// No further copy.
const NONE: u32 = u32::MAX;
/// The message has been given out.
const GIVEN: u32 = u32::MAX - 1;

/// A message to be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// When it was published, in nanoseconds since the epoch.
    pub timestamp_ns: i64,
    /// What was published.
    pub body: Bytes,
    /// Where it was waiting.
    pub to: Destination,
}

/// Where a message was waiting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// In the topic: it is for all channels.
    Topic,
    /// In these channels only, at least one: the others are done with it.
    Channels(Vec<Copy>),
}

/// A message in a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copy {
    /// Index into [`Topic::channels`](super::Topic::channels).
    pub channel: usize,
    /// How often it was tried there.
    pub attempts: u16,
}

/// The messages of a topic, each once.
#[derive(Debug)]
pub struct Messages {
    /// Those of the channels, then that of the topic.
    readers: Vec<Reader>,
    /// The message in front of each.
    heads: Vec<Option<Head>>,
    /// Readers that have one: that of the topic last, else the oldest first.
    turns: BinaryHeap<Reverse<(bool, i64, usize)>>,
    /// Number of the topic's own queue.
    own: usize,
    notes: Notes,
    complaints: Vec<String>,
}

impl Messages {
    /// Of these queues, that of the topic last.
    pub(super) fn new(queues: Vec<Queue>) -> Result<Self, Error> {
        Self::with_notes(queues, NOTED_MAX)
    }

    fn with_notes(queues: Vec<Queue>, noted_max: usize) -> Result<Self, Error> {
        let own = queues.len().saturating_sub(1);
        let mut notes = Notes::default();
        let filled = queues.iter().filter(|queue| !queue.files.is_empty()).count();
        if filled > 1 {
            for (number, queue) in queues.iter().enumerate() {
                let mut reader = Reader::new(queue.clone())?;
                while let Some(head) = reader.head()? {
                    notes.add(&head, number, noted_max);
                    reader.skip(&head)?;
                }
            }
        }
        let readers = queues.into_iter().map(Reader::new).collect::<Result<Vec<_>, _>>()?;
        let (heads, turns) = (vec![None; readers.len()], BinaryHeap::new());
        let mut messages = Self { readers, heads, turns, own, notes, complaints: Vec::new() };
        for number in 0..messages.readers.len() {
            messages.look(number)?;
        }
        Ok(messages)
    }

    /// What could not be read, once all messages were given out.
    pub fn complaints(&self) -> &[String] {
        &self.complaints
    }

    /// Sees what is in front of a queue.
    fn look(&mut self, number: usize) -> Result<(), Error> {
        let reader = &mut self.readers[number];
        match reader.head()? {
            Some(head) => {
                self.turns.push(Reverse((number == self.own, head.timestamp_ns, number)));
                self.heads[number] = Some(head);
            }
            None => self.complaints.append(&mut reader.complaints),
        }
        Ok(())
    }

    fn step(&mut self) -> Result<Option<Message>, Error> {
        while let Some(Reverse((_, timestamp_ns, number))) = self.turns.pop() {
            let head = self.heads[number].take().expect("whose turn it is has a message");
            let Some(queues) = self.notes.take(&head, number, self.own) else {
                self.readers[number].skip(&head)?;
                self.look(number)?;
                continue;
            };
            let to = if queues.iter().any(|(queue, _)| *queue == self.own) {
                Destination::Topic
            } else {
                let copy = |(channel, attempts): (usize, u16)| Copy { channel, attempts };
                Destination::Channels(queues.into_iter().map(copy).collect())
            };
            let body = self.readers[number].body(&head)?.into();
            self.look(number)?;
            return Ok(Some(Message { timestamp_ns, body, to }));
        }
        Ok(None)
    }
}

impl Iterator for Messages {
    type Item = Result<Message, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.step().transpose();
        if matches!(found, Some(Err(_))) {
            // What cannot be read now will not be read next time.
            self.turns.clear();
        }
        found
    }
}

/// Who has which message.
#[derive(Debug, Default)]
struct Notes {
    /// By id and time, the first of its copies.
    first: HashMap<([u8; 16], i64), u32>,
    copies: Vec<Note>,
}

#[derive(Debug)]
struct Note {
    queue: u32,
    attempts: u16,
    next: u32,
}

impl Notes {
    fn add(&mut self, head: &Head, queue: usize, max: usize) {
        let key = (head.id, head.timestamp_ns);
        if self.copies.len() >= GIVEN as usize || (self.first.len() >= max && !self.first.contains_key(&key))
        {
            return;
        }
        let first = self.first.entry(key).or_insert(NONE);
        let note = Note { queue: queue as u32, attempts: head.attempts, next: *first };
        // A queue that has a message twice, because nsqd died and read again, needs it once.
        if *first == NONE || self.copies[*first as usize].queue != note.queue {
            *first = self.copies.len() as u32;
            self.copies.push(note);
        }
    }

    /// The queues that have this message, which was met in one of them. None if it was given out, or will
    /// be when it is met in the topic's `own`.
    fn take(&mut self, head: &Head, queue: usize, own: usize) -> Option<Vec<(usize, u16)>> {
        let Some(first) = self.first.get_mut(&(head.id, head.timestamp_ns)) else {
            return Some(vec![(queue, head.attempts)]);
        };
        let mut at = *first;
        // That of the topic was noted last and is first in the list.
        let is_for_all = at < GIVEN && self.copies[at as usize].queue as usize == own;
        if at == GIVEN || is_for_all && queue != own {
            return None;
        }
        *first = GIVEN;
        let mut queues = Vec::new();
        while at != NONE {
            let note = &self.copies[at as usize];
            queues.push((note.queue as usize, note.attempts));
            at = note.next;
        }
        queues.reverse();
        Some(queues)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::import::folder::{Queues, names};

    fn frame(id: u8, attempts: u16, body: &str) -> Vec<u8> {
        let mut out = (26 + body.len() as i32).to_be_bytes().to_vec();
        out.extend_from_slice(&(1_700_000_000_000_000_000 + i64::from(id)).to_be_bytes());
        out.extend_from_slice(&attempts.to_be_bytes());
        out.extend_from_slice(format!("{id:016x}").as_bytes());
        out.extend_from_slice(body.as_bytes());
        out
    }

    fn write(dir: &Path, name: &str, frames: &[Vec<u8>]) {
        std::fs::write(dir.join(name), frames.concat()).expect("a temporary file");
    }

    /// Bodies and where they go: `*` for all, else channel and attempts.
    fn found(dir: &Path, noted_max: usize) -> (Vec<String>, Vec<String>) {
        let queues = Queues::among(dir, &names(dir).expect("a folder"));
        let queues = ["t:a", "t:b", "t"].map(|name| queues.find(name)).to_vec();
        let mut messages = Messages::with_notes(queues, noted_max).expect("queues");
        let text = |message: Message| {
            let to = match message.to {
                Destination::Topic => "*".to_owned(),
                Destination::Channels(copies) => {
                    let copies = copies.iter().map(|copy| format!("{}x{}", copy.channel, copy.attempts));
                    copies.collect::<Vec<_>>().join(",")
                }
            };
            format!("{} {to}", String::from_utf8_lossy(&message.body))
        };
        let all = messages.by_ref().map(|message| text(message.expect("readable"))).collect();
        (all, messages.complaints().to_vec())
    }

    #[test]
    fn copies_of_a_message_are_one_message_for_their_channels() {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), "t:a.diskqueue.000000.dat", &[frame(1, 0, "one"), frame(2, 3, "two")]);
        write(dir.path(), "t:b.diskqueue.000000.dat", &[frame(3, 1, "three"), frame(2, 1, "two")]);
        write(dir.path(), "t.diskqueue.000000.dat", &[frame(4, 0, "four")]);
        let merged = ["one 0x0", "two 0x3,1x1", "three 1x1", "four *"];
        assert_eq!(found(dir.path(), 100), (merged.map(str::to_owned).to_vec(), vec![]));
        let apart = ["one 0x0", "two 0x3", "three 1x1", "two 1x1", "four *"];
        assert_eq!(found(dir.path(), 1).0, apart.map(str::to_owned), "without room to note them");
    }

    #[test]
    fn what_only_a_later_channel_has_does_not_come_behind_what_all_have() {
        let dir = tempfile::tempdir().expect("a folder");
        let frames = |ids: &[u8]| ids.iter().map(|id| frame(*id, 0, &id.to_string())).collect::<Vec<_>>();
        write(dir.path(), "t:a.diskqueue.000000.dat", &frames(&[5, 6, 8]));
        // What nsqd had in memory it writes at the end.
        write(dir.path(), "t:b.diskqueue.000000.dat", &frames(&[3, 4, 5, 6, 7, 1, 2]));
        write(dir.path(), "t.diskqueue.000000.dat", &frames(&[0, 9]));
        let merged =
            ["3 1x0", "4 1x0", "5 0x0,1x0", "6 0x0,1x0", "7 1x0", "1 1x0", "2 1x0", "8 0x0", "0 *", "9 *"];
        assert_eq!(found(dir.path(), 100).0, merged);
    }

    #[test]
    fn what_a_topic_has_all_channels_get_once() {
        let dir = tempfile::tempdir().expect("a folder");
        // nsqd died before it noted that it had read these of the topic.
        write(dir.path(), "t:a.diskqueue.000000.dat", &[frame(1, 1, "one"), frame(1, 1, "one")]);
        write(dir.path(), "t.diskqueue.000000.dat", &[frame(1, 0, "one"), frame(2, 0, "two")]);
        write(dir.path(), "t:b.diskqueue.000000.dat", &[frame(3, 1, "three")]);
        assert_eq!(found(dir.path(), 100).0, ["three 1x1", "one *", "two *"], "what is for all comes last");
    }

    #[test]
    fn reading_begins_where_nsqd_had_come_and_ends_where_the_files_end() {
        let dir = tempfile::tempdir().expect("a folder");
        write(dir.path(), "t.diskqueue.000003.dat", &[frame(1, 0, "read"), frame(2, 0, "two")]);
        write(dir.path(), "t.diskqueue.000004.dat", &[frame(3, 0, "three")]);
        write(dir.path(), "t.diskqueue.000006.dat", &[frame(4, 0, "four")]);
        std::fs::write(dir.path().join("t.diskqueue.meta.dat"), "2\n3,34\n4,10\n").expect("a file");
        assert_eq!(found(dir.path(), 100), (vec!["two *".into(), "three *".into(), "four *".into()], vec![]));
    }

    #[test]
    fn what_is_cut_or_damaged_is_named_and_the_rest_is_taken() {
        let dir = tempfile::tempdir().expect("a folder");
        let cut = frame(2, 0, "torn")[..32].to_vec();
        write(dir.path(), "t.diskqueue.000000.dat", &[frame(1, 0, "one"), cut]);
        write(dir.path(), "t.diskqueue.000001.dat", &[frame(3, 0, "three"), vec![0; 40]]);
        write(dir.path(), "t.diskqueue.000002.dat", &[vec![0xff; 40]]);
        write(dir.path(), "t.diskqueue.000003.dat", &[frame(4, 0, "four"), vec![0, 0]]);
        write(dir.path(), "t:a.diskqueue.000000.dat", &[frame(9, 0, "nine")]);
        std::fs::write(dir.path().join("t:a.diskqueue.meta.dat"), "1\n0,500\n0,500\n").expect("a file");
        std::fs::write(dir.path().join("t.diskqueue.meta.dat"), "what?\n").expect("a file");
        let (messages, complaints) = found(dir.path(), 100);
        assert_eq!(messages, ["one *", "three *", "four *"]);
        let expected = [
            "t:a.diskqueue.000000.dat: has 34 bytes, 500 were read of it",
            "t.diskqueue.meta.dat: not understood; all of the queue is read",
            "t.diskqueue.000000.dat: bytes 33 to 65: a message that was not written to its end",
            "t.diskqueue.000001.dat: bytes 35 to 75: no message has a length of 0",
            "t.diskqueue.000002.dat: bytes 0 to 40: no message has a length of -1",
            "t.diskqueue.000003.dat: bytes 34 to 36: a message that was not written to its end",
        ];
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        for (complaint, expected) in complaints.iter().zip(expected) {
            assert!(complaint.ends_with(expected), "{complaint} is not {expected}");
        }
    }
}

//! Where in a topic what time is, and how many bytes lie behind: for `seek`, `retain` and `max_bytes`.
//!
//! A milestone stands before a message and says its number, its position in the log, when it was
//! published, and how many bytes of bodies were published before it. The first thousands of messages
//! have one each; when there are too many, every second goes and they are set half as close.

use std::collections::VecDeque;
use std::ops::Range;

use crate::broker::varint;

/// Most milestones of a topic; 32 bytes each.
const MILESTONES_MAX: usize = 4_096;

/// What is known of a place in the topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Milestone {
    /// The message behind it.
    pub(crate) seq: u64,
    /// No record of that message or a later one lies below.
    pub(crate) position: u64,
    /// No message before it was published later.
    pub(crate) time_ms: i64,
    /// Of the bodies of all messages before it.
    pub(crate) bytes: u64,
}

/// The milestones of a topic, and its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Milestones {
    max: usize,
    /// By number; all other fields do not go back either.
    all: VecDeque<Milestone>,
    /// Bytes there are between two at least.
    apart: u64,
    /// Behind the last message.
    end: Milestone,
}

impl Default for Milestones {
    fn default() -> Self {
        Self { max: MILESTONES_MAX, all: VecDeque::new(), apart: 0, end: Milestone::default() }
    }
}

impl Milestones {
    /// None, of a topic that ends here.
    pub(crate) fn starting(end: Milestone) -> Self {
        Self { end, ..Self::default() }
    }

    /// These, and then those of what was published since.
    pub(crate) fn followed_by(mut self, later: Self) -> Self {
        let before = self.end;
        let moved = |place: Milestone| Milestone {
            time_ms: place.time_ms.max(before.time_ms),
            bytes: place.bytes + before.bytes,
            ..place
        };
        self.all.extend(later.all.into_iter().map(moved));
        self.end = moved(later.end);
        self.apart = self.apart.max(later.apart);
        while self.all.len() > self.max {
            self.thin();
        }
        self
    }

    /// A message was published: its number, position and time, the length of its body, and where its
    /// record ends. Those that are known already are ignored.
    pub(crate) fn add(&mut self, seq: u64, position: u64, time_ms: i64, bytes: u64, next_position: u64) {
        if seq < self.end.seq {
            return;
        }
        let time_ms = time_ms.max(self.end.time_ms);
        let is_apart = self.all.back().is_none_or(|last| self.end.bytes - last.bytes >= self.apart);
        if is_apart {
            self.all.push_back(Milestone { seq, position, time_ms, bytes: self.end.bytes });
        }
        self.end =
            Milestone { seq: seq + 1, position: next_position, time_ms, bytes: self.end.bytes + bytes };
        if self.all.len() > self.max {
            self.thin();
        }
    }

    /// Behind the last message.
    pub(crate) fn end(&self) -> Milestone {
        self.end
    }

    /// The last place before which nothing was published at `time_ms` or later; the first one known if
    /// all was, the end if nothing was.
    pub(crate) fn at_time(&self, time_ms: i64) -> Milestone {
        if self.end.time_ms < time_ms {
            return self.end;
        }
        // The milestone itself may be early enough; messages before the next one then as well.
        let later = self.all.partition_point(|place| place.time_ms < time_ms);
        self.all.get(later.saturating_sub(1)).copied().unwrap_or(self.end)
    }

    /// Bytes of the bodies before a message: exact at a milestone, in proportion between two.
    pub(crate) fn bytes_before(&self, seq: u64) -> u64 {
        if seq >= self.end.seq {
            return self.end.bytes;
        }
        let behind = self.all.partition_point(|place| place.seq <= seq);
        let later = self.all.get(behind).unwrap_or(&self.end);
        let Some(place) = behind.checked_sub(1).map(|at| self.all[at]) else { return later.bytes };
        let (bytes, messages) = (later.bytes - place.bytes, later.seq - place.seq);
        let part = u128::from(bytes) * u128::from(seq - place.seq) / u128::from(messages.max(1));
        place.bytes + u64::try_from(part).unwrap_or(bytes)
    }

    /// Bytes of the bodies of these messages.
    pub(crate) fn bytes_of(&self, messages: Range<u64>) -> u64 {
        self.bytes_before(messages.end).saturating_sub(self.bytes_before(messages.start))
    }

    /// The first place before which there are at least so many bytes.
    pub(crate) fn behind_bytes(&self, bytes: u64) -> Milestone {
        let before = self.all.partition_point(|place| place.bytes < bytes);
        self.all.get(before).copied().unwrap_or(self.end)
    }

    /// Messages below `position` are gone; the last place at or before stays.
    pub(crate) fn forget_below(&mut self, position: u64) {
        while self.all.get(1).is_some_and(|second| second.position <= position) {
            self.all.pop_front();
        }
        if self.all.len() < self.max / 8 {
            self.apart /= 2;
        }
    }

    /// Appends all of it.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.apart);
        varint::put(out, self.all.len() as u64);
        let mut before = Milestone::default();
        for place in self.all.iter().chain([&self.end]) {
            varint::put(out, place.seq - before.seq);
            varint::put(out, place.position - before.position);
            varint::put(out, place.time_ms.wrapping_sub(before.time_ms) as u64);
            varint::put(out, place.bytes - before.bytes);
            before = *place;
        }
    }

    /// Takes from the front what [`encode`](Self::encode) appended; none if these are not the bytes of it.
    pub(crate) fn decode(from: &mut &[u8]) -> Option<Self> {
        let mut rest = *from;
        let mut found = Self { apart: varint::take(&mut rest)?, ..Self::default() };
        let count = varint::take(&mut rest)?;
        for at in 0..=count {
            let before = found.end;
            let place = Milestone {
                seq: before.seq.checked_add(varint::take(&mut rest)?)?,
                position: before.position.checked_add(varint::take(&mut rest)?)?,
                time_ms: before.time_ms.wrapping_add(varint::take(&mut rest)? as i64),
                bytes: before.bytes.checked_add(varint::take(&mut rest)?)?,
            };
            if at < count {
                found.all.push_back(place);
            }
            found.end = place;
        }
        *from = rest;
        Some(found)
    }

    /// Keeps the first, the third, and so on.
    fn thin(&mut self) {
        let mut keep = false;
        self.all.retain(|_| {
            keep = !keep;
            keep
        });
        let span = self.end.bytes - self.all.front().map_or(0, |first| first.bytes);
        self.apart = (self.apart * 2).max(span / self.max as u64 * 2).max(1);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages of ten bytes, one each second, records of 64 bytes from position 1,000.
    fn some(max: usize, count: u64) -> Milestones {
        let mut places = Milestones { max, ..Milestones::default() };
        for seq in 0..count {
            let position = 1_000 + 64 * seq;
            places.add(seq, position, 1_000 * seq as i64, 10, position + 64);
        }
        places
    }

    #[test]
    fn few_messages_have_a_place_each() {
        let places = some(100, 100);
        assert_eq!(places.end(), Milestone { seq: 100, position: 7_400, time_ms: 99_000, bytes: 1_000 });
        assert_eq!(
            (places.bytes_before(42), places.bytes_of(42..100), places.bytes_of(90..500)),
            (420, 580, 100)
        );
        assert_eq!((places.behind_bytes(420).seq, places.behind_bytes(411).seq), (42, 42));
        assert_eq!((places.behind_bytes(0).seq, places.behind_bytes(9_999).seq), (0, 100));
        assert_eq!(places.at_time(42_000).seq, 41, "all before was published before");
        assert_eq!((places.at_time(-5).seq, places.at_time(99_001).seq), (0, 100));
    }

    #[test]
    fn a_clock_that_goes_back_does_not_hide_messages() {
        let mut places = Milestones::default();
        for (seq, time_ms) in [(0, 500), (1, 900), (2, 100), (3, 950)] {
            places.add(seq, 64 * seq, time_ms, 1, 64 * seq + 64);
        }
        assert!(places.at_time(100).seq == 0 && places.at_time(901).seq <= 3);
        places.add(1, 9, 9, 9, 9);
        assert_eq!(places.end().seq, 4, "what is known is not added again");
    }

    #[test]
    fn many_messages_have_places_in_even_distances() {
        let places = some(64, 10_000);
        assert!((16..=64).contains(&places.all.len()), "{}", places.all.len());
        let gaps: Vec<_> =
            places.all.iter().zip(places.all.iter().skip(1)).map(|(a, b)| b.seq - a.seq).collect();
        assert!(gaps.iter().max() <= Some(&1_000), "{gaps:?}");
        assert_eq!(places.bytes_of(4_321..10_000), (10_000 - 4_321) * 10, "in proportion between two");
    }

    #[test]
    fn old_places_come_before_later_ones() {
        let later_end = Milestone { seq: 100, position: 7_400, time_ms: 99_000, bytes: 0 };
        let mut later = Milestones { max: 100, ..Milestones::starting(later_end) };
        for seq in 100..150 {
            let position = 1_000 + 64 * seq;
            later.add(seq, position, 1_000 * seq as i64, 10, position + 64);
        }
        assert_eq!(
            (later.bytes_of(0..150), later.bytes_of(120..150)),
            (500, 300),
            "what it does not know it does not count"
        );
        assert_eq!(some(150, 100).followed_by(later), some(150, 150));
    }

    proptest! {
        #[test]
        fn answers_never_lie_beyond_what_was_asked(
            count in 1u64..400, max in 8usize..64, gone in 0u64..400, asked in 0u64..420,
        ) {
            let mut places = some(max, count);
            places.forget_below(1_000 + 64 * gone);
            let first = places.all[0];
            prop_assert!(first.seq <= gone.min(count));
            let known = asked.max(first.seq).min(count);
            prop_assert_eq!(places.bytes_of(known..count), (count - known) * 10);
            let time = places.at_time(asked as i64 * 1_000);
            prop_assert!(time.seq <= asked.max(first.seq) && time.position == 1_000 + 64 * time.seq);
            let behind = places.behind_bytes(known * 10);
            prop_assert!(behind.seq >= known && behind.seq <= count);
            let mut bytes = Vec::new();
            places.encode(&mut bytes);
            let back = Milestones::decode(&mut &bytes[..]).expect("its own bytes");
            prop_assert_eq!(Milestones { max, ..back }, places);
            for cut in 0..bytes.len() {
                prop_assert_eq!(Milestones::decode(&mut &bytes[..cut]), None);
            }
        }
    }
}

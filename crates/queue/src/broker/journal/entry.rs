//! What the journal says, and its bytes. Drawn in `docs/internals/queue.md`.

use crate::broker::channel::pending::Special;
use crate::broker::ranges::RangeSet;
use crate::broker::varint;

/// Kind of the log's records that hold an entry.
pub(crate) const KIND: u8 = 3;
/// Version of the entries.
const VERSION: u8 = 1;

/// A message's number, and a position below which no record of it or a later one lies.
pub(crate) type Mark = (u64, u64);

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry {
    TopicMade {
        stream: u32,
        name: String,
    },
    TopicDeleted {
        stream: u32,
    },
    /// `given`: what its channels had by then.
    TopicPaused {
        stream: u32,
        is_paused: bool,
        given: Mark,
    },
    /// What was not given, up to `given`, is dropped.
    TopicEmptied {
        stream: u32,
        from: u64,
        given: Mark,
    },
    /// As JSON.
    TopicRuled {
        stream: u32,
        policy: Vec<u8>,
    },
    ChannelMade {
        stream: u32,
        channel: u32,
        name: String,
        from: Mark,
    },
    /// `given`: where the topic begins to keep messages if this was its last channel.
    ChannelDeleted {
        stream: u32,
        channel: u32,
        given: Mark,
    },
    ChannelPaused {
        stream: u32,
        channel: u32,
        is_paused: bool,
    },
    /// Everything below `end` is finished.
    ChannelEmptied {
        stream: u32,
        channel: u32,
        end: u64,
    },
    ChannelProgress {
        stream: u32,
        channel: u32,
        progress: Progress,
    },
    /// It reads on at `to`: everything below is finished, and nothing behind.
    ChannelSought {
        stream: u32,
        channel: u32,
        to: Mark,
    },
}

/// What became of a channel's messages.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    /// Those that came in order and lie below were handed out.
    pub(crate) delivered: u64,
    pub(crate) finished: RangeSet,
    /// By number.
    pub(crate) special: Vec<(u64, Special)>,
}

impl Entry {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.tag()];
        let out_ref = &mut out;
        let mut put = |numbers: &[u64]| numbers.iter().for_each(|number| varint::put(out_ref, *number));
        match self {
            Self::TopicMade { stream, name } => {
                put(&[u64::from(*stream)]);
                varint::put_bytes(&mut out, name.as_bytes());
            }
            Self::TopicDeleted { stream } => put(&[u64::from(*stream)]),
            Self::TopicPaused { stream, is_paused, given } => {
                put(&[u64::from(*stream), u64::from(*is_paused), given.0, given.1]);
            }
            Self::TopicEmptied { stream, from, given } => put(&[u64::from(*stream), *from, given.0, given.1]),
            Self::TopicRuled { stream, policy } => {
                put(&[u64::from(*stream)]);
                varint::put_bytes(&mut out, policy);
            }
            Self::ChannelMade { stream, channel, name, from } => {
                put(&[u64::from(*stream), u64::from(*channel), from.0, from.1]);
                varint::put_bytes(&mut out, name.as_bytes());
            }
            Self::ChannelDeleted { stream, channel, given } => {
                put(&[u64::from(*stream), u64::from(*channel), given.0, given.1]);
            }
            Self::ChannelPaused { stream, channel, is_paused } => {
                put(&[u64::from(*stream), u64::from(*channel), u64::from(*is_paused)]);
            }
            Self::ChannelEmptied { stream, channel, end } => {
                put(&[u64::from(*stream), u64::from(*channel), *end]);
            }
            Self::ChannelProgress { stream, channel, progress } => {
                put(&[u64::from(*stream), u64::from(*channel)]);
                progress.encode(&mut out);
            }
            Self::ChannelSought { stream, channel, to } => {
                put(&[u64::from(*stream), u64::from(*channel), to.0, to.1]);
            }
        }
        out
    }

    /// None if these are not the bytes of an entry.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[VERSION, tag], rest) = bytes.split_first_chunk::<2>()? else { return None };
        let from = &mut &*rest;
        let stream = take_u32(from)?;
        let mark = |from: &mut &[u8]| Some((varint::take(from)?, varint::take(from)?));
        let entry = match tag {
            1 => Self::TopicMade { stream, name: take_text(from)? },
            2 => Self::TopicDeleted { stream },
            3 => Self::TopicPaused { stream, is_paused: varint::take(from)? != 0, given: mark(from)? },
            4 => Self::TopicEmptied { stream, from: varint::take(from)?, given: mark(from)? },
            5 => Self::TopicRuled { stream, policy: varint::take_bytes(from)?.to_vec() },
            6 => {
                let (channel, mark) = (take_u32(from)?, mark(from)?);
                Self::ChannelMade { stream, channel, name: take_text(from)?, from: mark }
            }
            7 => Self::ChannelDeleted { stream, channel: take_u32(from)?, given: mark(from)? },
            8 => {
                let channel = take_u32(from)?;
                Self::ChannelPaused { stream, channel, is_paused: varint::take(from)? != 0 }
            }
            9 => Self::ChannelEmptied { stream, channel: take_u32(from)?, end: varint::take(from)? },
            10 => {
                let channel = take_u32(from)?;
                Self::ChannelProgress { stream, channel, progress: Progress::decode(from)? }
            }
            11 => Self::ChannelSought { stream, channel: take_u32(from)?, to: mark(from)? },
            _ => return None,
        };
        from.is_empty().then_some(entry)
    }

    fn tag(&self) -> u8 {
        match self {
            Self::TopicMade { .. } => 1,
            Self::TopicDeleted { .. } => 2,
            Self::TopicPaused { .. } => 3,
            Self::TopicEmptied { .. } => 4,
            Self::TopicRuled { .. } => 5,
            Self::ChannelMade { .. } => 6,
            Self::ChannelDeleted { .. } => 7,
            Self::ChannelPaused { .. } => 8,
            Self::ChannelEmptied { .. } => 9,
            Self::ChannelProgress { .. } => 10,
            Self::ChannelSought { .. } => 11,
        }
    }
}

impl Progress {
    /// The same in pieces of at most `max` ranges and messages. The mark comes last: it holds but for the
    /// messages told of with it.
    pub(crate) fn pieces(self, max: usize) -> Vec<Self> {
        if self.finished.ranges_above_floor() + self.special.len() <= max {
            return vec![self];
        }
        let mut piece = Self { finished: RangeSet::below(self.finished.floor()), ..Self::default() };
        let (mut pieces, mut count) = (Vec::new(), 0);
        let mut room = |piece: &mut Self| {
            if count == max {
                pieces.push(std::mem::take(piece));
                count = 0;
            }
            count += 1;
        };
        for range in self.finished.iter() {
            room(&mut piece);
            piece.finished.insert_range(range);
        }
        for special in self.special {
            room(&mut piece);
            piece.special.push(special);
        }
        piece.delivered = self.delivered;
        pieces.push(piece);
        pieces
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.delivered);
        self.finished.encode(out);
        varint::put(out, self.special.len() as u64);
        for (seq, special) in &self.special {
            // Times before the epoch are as good as now.
            let deliver_at_ms = u64::try_from(special.deliver_at_ms).unwrap_or(0);
            for number in [*seq, u64::from(special.attempts), deliver_at_ms, special.position] {
                varint::put(out, number);
            }
        }
    }

    pub(crate) fn decode(from: &mut &[u8]) -> Option<Self> {
        let delivered = varint::take(from)?;
        let finished = RangeSet::decode(from)?;
        let mut special = Vec::new();
        for _ in 0..varint::take(from)? {
            let seq = varint::take(from)?;
            let attempts = u16::try_from(varint::take(from)?).ok()?;
            let deliver_at_ms = i64::try_from(varint::take(from)?).ok()?;
            special.push((seq, Special { attempts, deliver_at_ms, position: varint::take(from)? }));
        }
        Some(Self { delivered, finished, special })
    }
}

pub(crate) fn take_u32(from: &mut &[u8]) -> Option<u32> {
    u32::try_from(varint::take(from)?).ok()
}

pub(crate) fn take_text(from: &mut &[u8]) -> Option<String> {
    String::from_utf8(varint::take_bytes(from)?.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn much_progress_is_told_in_pieces_that_say_the_same() {
        let mut finished = RangeSet::below(4);
        (0..2_500).for_each(|at| assert!(finished.insert(10 + 2 * at)));
        let one = |seq| (seq, Special { attempts: 2, deliver_at_ms: 5, position: seq });
        let whole = Progress { delivered: 9_000, finished, special: (6_000..8_000).map(one).collect() };
        let pieces = whole.clone().pieces(1_000);
        assert_eq!(pieces.len(), 5);
        let mut again = Progress::default();
        for piece in &pieces {
            assert!(piece.finished.ranges_above_floor() + piece.special.len() <= 1_000);
            let mut bytes = Vec::new();
            piece.encode(&mut bytes);
            assert!(bytes.len() < 64 << 10, "{}", bytes.len());
            assert_eq!(again.delivered, 0, "the mark comes last");
            again.delivered = piece.delivered;
            again.finished.insert_all(&piece.finished);
            again.special.extend_from_slice(&piece.special);
        }
        assert_eq!(again, whole);
        assert_eq!(whole.clone().pieces(4_500), [whole]);
    }

    #[test]
    fn entries_come_back_whole_or_not_at_all() {
        let (stream, channel) = (3, 70_000);
        let mut finished = RangeSet::below(4);
        finished.insert_range(9..20);
        let special = vec![(5, Special { attempts: 2, deliver_at_ms: 1_700_000_000_000, position: 4_096 })];
        let entries = [
            Entry::TopicMade { stream, name: "a".to_owned() },
            Entry::TopicDeleted { stream },
            Entry::TopicPaused { stream, is_paused: true, given: (5, 1 << 40) },
            Entry::TopicEmptied { stream, from: 1, given: (2, 3) },
            Entry::TopicRuled { stream, policy: b"{}".to_vec() },
            Entry::ChannelMade { stream, channel, name: "c".to_owned(), from: (1, 2) },
            Entry::ChannelDeleted { stream, channel, given: (7, 8) },
            Entry::ChannelPaused { stream, channel, is_paused: false },
            Entry::ChannelEmptied { stream, channel, end: u64::MAX },
            Entry::ChannelSought { stream, channel, to: (3, 1 << 30) },
            Entry::ChannelProgress {
                stream,
                channel,
                progress: Progress { delivered: 30, finished, special },
            },
        ];
        for entry in entries {
            let bytes = entry.encode();
            assert_eq!(Entry::decode(&bytes).as_ref(), Some(&entry));
            for cut in 0..bytes.len() {
                assert_eq!(Entry::decode(&bytes[..cut]), None, "{entry:?} cut to {cut}");
            }
            assert_eq!(Entry::decode(&[&bytes[..], b"x"].concat()), None, "{entry:?} and more");
        }
        assert_eq!(Entry::decode(&[2, 2, 1]), None, "another version");
        assert_eq!(Entry::decode(&[VERSION, 99, 1]), None, "another entry");
    }
}

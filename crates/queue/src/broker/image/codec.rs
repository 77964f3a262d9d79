//! An image as bytes: the file `channels.snapshot`.

use std::collections::BTreeMap;

use super::{ChannelImage, Counters, Dedup, Image, Milestones, TopicImage};
use crate::broker::journal::entry::{Progress, take_text, take_u32};
use crate::broker::varint::{put, put_bytes, take, take_bytes};

/// First bytes of the file.
const MAGIC: &[u8; 8] = b"EyrieChn";
/// Version of its format.
const VERSION: u32 = 1;
/// Bytes before the contents: magic, version, checksum of the contents.
const HEAD_BYTES: usize = 16;

impl Image {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4_096);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        put(&mut out, self.position);
        put(&mut out, u64::from(self.next_channel));
        put(&mut out, self.topics.len() as u64);
        for (stream, topic) in &self.topics {
            put(&mut out, u64::from(*stream));
            topic.encode(&mut out);
        }
        let crc = crc32c::crc32c(&out[HEAD_BYTES..]);
        out[HEAD_BYTES - 4..HEAD_BYTES].copy_from_slice(&crc.to_le_bytes());
        out
    }

    /// The text says what is wrong.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, String> {
        let word = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes);
        let (Some(version), Some(crc)) = (word(8), word(12)) else {
            return Err("it is cut short".to_owned());
        };
        if !bytes.starts_with(MAGIC) {
            return Err("it is no snapshot".to_owned());
        }
        if version > VERSION {
            return Err(format!("version {version} is newer than {VERSION}, known here"));
        }
        let contents = &mut &bytes[HEAD_BYTES..];
        if crc32c::crc32c(contents) != crc {
            return Err("its checksum does not fit".to_owned());
        }
        Self::take(contents).filter(|_| contents.is_empty()).ok_or_else(|| "it makes no sense".to_owned())
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (position, next_channel) = (take(from)?, take_u32(from)?);
        let mut topics = BTreeMap::new();
        for _ in 0..take(from)? {
            topics.insert(take_u32(from)?, TopicImage::take(from)?);
        }
        Some(Self { position, next_channel, topics })
    }
}

impl TopicImage {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.name.as_bytes());
        for number in [
            self.born,
            self.next.0,
            self.next.1,
            self.given.0,
            self.given.1,
            u64::from(self.is_paused),
            self.message_count,
            self.message_bytes,
        ] {
            put(out, number);
        }
        let policy = serde_json::to_vec(&self.policy).expect("a policy has names as keys only");
        put_bytes(out, &policy);
        self.ids.encode(out, 0);
        put(out, u64::from(self.milestones.is_some()));
        self.milestones.iter().for_each(|milestones| milestones.encode(out));
        put(out, self.channels.len() as u64);
        for (number, channel) in &self.channels {
            put(out, u64::from(*number));
            channel.encode(out);
        }
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let mut topic = Self {
            name: take_text(from)?,
            born: take(from)?,
            next: (take(from)?, take(from)?),
            given: (take(from)?, take(from)?),
            is_paused: take(from)? != 0,
            message_count: take(from)?,
            message_bytes: take(from)?,
            policy: serde_json::from_slice(take_bytes(from)?).ok()?,
            ids: Dedup::decode(from)?,
            milestones: if take(from)? != 0 { Some(Milestones::decode(from)?) } else { None },
            channels: BTreeMap::new(),
        };
        for _ in 0..take(from)? {
            topic.channels.insert(take_u32(from)?, ChannelImage::take(from)?);
        }
        Some(topic)
    }
}

impl ChannelImage {
    fn encode(&self, out: &mut Vec<u8>) {
        put_bytes(out, self.name.as_bytes());
        put(out, u64::from(self.is_paused));
        put(out, self.position);
        let counters = &self.counters;
        for number in
            [counters.messages, counters.requeued, counters.timed_out].iter().chain(&counters.delivered)
        {
            put(out, *number);
        }
        let special = self.special.iter().collect();
        let progress = Progress { delivered: self.delivered, finished: self.finished.clone(), special };
        progress.encode(out);
    }

    fn take(from: &mut &[u8]) -> Option<Self> {
        let (name, is_paused, position) = (take_text(from)?, take(from)? != 0, take(from)?);
        let counters = Counters {
            messages: take(from)?,
            requeued: take(from)?,
            timed_out: take(from)?,
            delivered: [take(from)?, take(from)?, take(from)?],
        };
        let Progress { delivered, finished, special } = Progress::decode(from)?;
        Some(Self {
            name,
            is_paused,
            finished,
            position,
            delivered,
            special: special.into_iter().collect(),
            counters,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::channel::pending::Special;
    use crate::broker::dedup::PublishId;
    use crate::broker::ranges::RangeSet;

    #[test]
    fn an_image_is_read_back_or_refused() {
        let mut finished = RangeSet::below(5);
        finished.insert(7);
        let channel = ChannelImage {
            name: "c".to_owned(),
            finished,
            position: 99,
            delivered: 9,
            special: [(6, Special { attempts: 3, deliver_at_ms: 77, position: 88 })].into_iter().collect(),
            counters: Counters { messages: 1, requeued: 2, timed_out: 3, delivered: [4, 5, 6] },
            ..ChannelImage::default()
        };
        let mut ids = Dedup::default();
        ids.insert(PublishId::of("an order"), 64, 2_000, 1_000);
        let mut milestones = Milestones::default();
        milestones.add(3, 64, 1_000, 10, 128);
        let topic = TopicImage {
            name: "t".to_owned(),
            born: 8,
            next: (10, 200),
            given: (9, 180),
            is_paused: true,
            ids,
            milestones: Some(milestones),
            channels: [(4, channel)].into(),
            ..TopicImage::default()
        };
        let image = Image { position: 1_000, next_channel: 5, topics: [(2, topic)].into() };
        let bytes = image.encode();
        assert_eq!(Image::decode(&bytes), Ok(image));
        for cut in 0..bytes.len() {
            assert!(Image::decode(&bytes[..cut]).is_err(), "cut to {cut}");
        }
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 4;
            assert!(Image::decode(&bytes).is_err(), "byte {at}");
        }
    }
}

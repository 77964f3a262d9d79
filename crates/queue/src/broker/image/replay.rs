//! An image that knows more than its position says: applying the records behind it again changes
//! nothing.

use super::*;
use crate::broker::channel::pending::Special;

/// SplitMix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % sides
    }
}

#[derive(Clone, Debug)]
enum Record {
    Message { stream: u32, seq: u64, deliver_at_ms: i64 },
    Entry(Entry),
}

fn apply(image: &mut Image, at: u64, record: &Record) {
    match record {
        Record::Message { stream, seq, deliver_at_ms } => {
            let fields = Fields { seq: *seq, deliver_at_ms: *deliver_at_ms, ..Fields::default() };
            image.message(*stream, (at, at + 8), 0, &fields, 1);
        }
        Record::Entry(entry) => image.apply(at, entry.clone()),
    }
}

/// Some record that could come next, given what there is.
fn next(image: &Image, dice: &mut Dice) -> Option<Record> {
    let stream = 1 + dice.roll(2) as u32;
    let Some(topic) = image.topics.get(&stream) else {
        return Some(Record::Entry(Entry::TopicMade { stream, name: stream.to_string() }));
    };
    let channels: Vec<_> = topic.channels.keys().copied().collect();
    let some_channel = (!channels.is_empty()).then(|| channels[dice.roll(channels.len() as u64) as usize]);
    let entry = match dice.roll(20) {
        0 if dice.roll(4) == 0 => Entry::TopicDeleted { stream },
        1 => {
            let is_paused = !topic.is_paused;
            let given = if is_paused { topic.given } else { topic.next };
            Entry::TopicPaused { stream, is_paused, given }
        }
        2 => Entry::TopicEmptied { stream, from: topic.given.0, given: topic.next },
        3 | 4 if channels.len() < 3 => {
            let name = ["a", "b", "c"][dice.roll(3) as usize].to_owned();
            if topic.channels.values().any(|channel| channel.name == name) {
                return None;
            }
            Entry::ChannelMade { stream, channel: image.next_channel.max(1), name, from: topic.given }
        }
        5 => Entry::ChannelDeleted { stream, channel: some_channel?, given: topic.given },
        6 => Entry::ChannelPaused { stream, channel: some_channel?, is_paused: dice.roll(2) == 0 },
        7 => Entry::ChannelEmptied { stream, channel: some_channel?, end: topic.given.0 },
        8..=13 => {
            let channel = some_channel?;
            let of = &topic.channels[&channel];
            let mut progress = Progress { delivered: of.delivered, ..Progress::default() };
            for seq in (0..topic.given.0).filter(|seq| !of.finished.contains(*seq)) {
                match dice.roll(6) {
                    0 | 1 => {
                        progress.finished.insert(seq);
                    }
                    2 => {
                        let before = of.special.get(seq).map_or(0, |special| special.attempts);
                        let deliver_at_ms = dice.roll(3) as i64 * 1_000;
                        let special = Special { attempts: before + 1, deliver_at_ms, position: seq };
                        progress.special.push((seq, special));
                    }
                    _ => {}
                }
            }
            progress.delivered += dice.roll(topic.given.0.saturating_sub(of.delivered) + 1);
            Entry::ChannelProgress { stream, channel, progress }
        }
        _ => {
            let deliver_at_ms = dice.roll(3) as i64 * 500;
            return Some(Record::Message { stream, seq: topic.next.0, deliver_at_ms });
        }
    };
    Some(Record::Entry(entry))
}

/// What must be the same; counters may count twice.
fn essence(mut image: Image) -> Image {
    for topic in image.topics.values_mut() {
        (topic.message_count, topic.message_bytes) = (0, 0);
        // Any position below is as good.
        topic.given.1 = 0;
        for channel in topic.channels.values_mut() {
            (channel.counters, channel.position) = (Counters::default(), 0);
            // The message's own record says the same.
            channel.special = channel.special.iter().filter(|(_, special)| special.attempts > 0).collect();
        }
    }
    image
}

#[test]
fn records_whose_effect_is_known_change_nothing() {
    for seed in 0..1_000 {
        let mut dice = Dice(seed);
        let (mut image, mut records) = (Image::default(), Vec::new());
        while (records.len() as u64) < 3 + seed / 16 {
            let Some(record) = next(&image, &mut dice) else { continue };
            apply(&mut image, records.len() as u64 * 8, &record);
            records.push(record);
        }
        let whole = essence(image.clone());
        for from in 0..records.len() {
            let mut again = image.clone();
            for (at, record) in records.iter().enumerate().skip(from) {
                apply(&mut again, at as u64 * 8, record);
            }
            assert_eq!(essence(again), whole, "seed {seed}, again from {from}: {records:?}");
        }
    }
}

//! What is known of all topics and channels at one position of the log: the contents of the snapshot,
//! and what recovery makes of the snapshot and the records behind it. Pure.
//!
//! A snapshot is taken while work goes on, so it may know more than its position says. Every record
//! behind can be applied to it all the same, twice as well: what is finished stays so, and no message is
//! lost. But an older record may take back what only the snapshot knew of one that is not finished: an
//! attempt that was handed back counts again, or it comes at the time it had before. That is what a kill
//! before the journal was told does, too.

mod codec;
#[cfg(test)]
mod replay;

use std::collections::BTreeMap;

use super::channel::core::Counters;
use super::channel::pending::Special;
use super::chunks::ChunkMap;
use super::dedup::{Dedup, PublishId};
use super::journal::entry::{Entry, Mark, Progress};
use super::policy::Policy;
use super::ranges::RangeSet;
use super::record::Fields;
use super::rules::milestones::Milestones;
use super::rules::room::needs_milestones;

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Image {
    /// Records below are accounted for.
    pub(crate) position: u64,
    /// Channels' numbers below were given out.
    pub(crate) next_channel: u32,
    /// By stream.
    pub(crate) topics: BTreeMap<u32, TopicImage>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TopicImage {
    pub(crate) name: String,
    /// Position of the record that made it: earlier ones of its stream are of a deleted one.
    pub(crate) born: u64,
    /// Number of the next message, and a position behind the last one's record.
    pub(crate) next: Mark,
    /// What channels were given.
    pub(crate) given: Mark,
    pub(crate) is_paused: bool,
    pub(crate) message_count: u64,
    pub(crate) message_bytes: u64,
    pub(crate) policy: Policy,
    /// Publishes that were seen.
    pub(crate) ids: Dedup,
    /// None where the policy needs none, or they are not known.
    pub(crate) milestones: Option<Milestones>,
    /// By number.
    pub(crate) channels: BTreeMap<u32, ChannelImage>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ChannelImage {
    pub(crate) name: String,
    pub(crate) is_paused: bool,
    pub(crate) finished: RangeSet,
    /// No record of a message that is not finished lies below.
    pub(crate) position: u64,
    pub(crate) delivered: u64,
    /// Of messages that are not finished.
    pub(crate) special: ChunkMap<Special>,
    pub(crate) counters: Counters,
}

impl ChannelImage {
    fn new(name: String, from: Mark) -> Self {
        Self {
            name,
            finished: RangeSet::below(from.0),
            position: from.1,
            delivered: from.0,
            ..Self::default()
        }
    }

    fn apply(&mut self, progress: Progress) {
        self.delivered = self.delivered.max(progress.delivered);
        self.finished.insert_all(&progress.finished);
        for range in progress.finished.iter().chain(std::iter::once(0..progress.finished.floor())) {
            self.special.take_range(range);
        }
        for (seq, special) in progress.special {
            // Who hands a message back takes the attempt back, and may ask for a delay, which is later.
            let is_older = self.special.get(seq).is_some_and(|known| {
                known.attempts >= special.attempts && known.deliver_at_ms >= special.deliver_at_ms
            });
            if !is_older && !self.finished.contains(seq) {
                self.special.insert(seq, special);
            }
        }
    }
}

impl TopicImage {
    /// Nothing below this position is needed by a channel, or for the first one.
    pub(crate) fn floor(&self) -> u64 {
        self.channels.values().map(|channel| channel.position).fold(self.given.1, u64::min)
    }

    /// Number of the first message that waits for a channel, or for the first one to be made; the next
    /// message's if none does.
    pub(crate) fn first_waiting(&self) -> u64 {
        self.channels.values().map(|channel| channel.finished.floor()).fold(self.given.0, u64::min)
    }

    /// Whether any message waits.
    pub(crate) fn waits(&self) -> bool {
        self.first_waiting() < self.next.0
    }

    /// What follows from what is known: channels have been given everything unless held back.
    fn give(&mut self) {
        self.give_again(self.given.0);
    }

    /// The same where messages below a number were counted before.
    fn give_again(&mut self, counted: u64) {
        if !self.is_paused && !self.channels.is_empty() {
            let new = self.next.0.saturating_sub(counted);
            self.given = self.next;
            self.channels.values_mut().for_each(|channel| channel.counters.messages += new);
        }
    }

    /// What the topic's rules must know of a message.
    fn note(&mut self, (at, next): (u64, u64), time_ms: i64, fields: &Fields<'_>, body_bytes: u64) {
        if let Some(milestones) = &mut self.milestones {
            milestones.add(fields.seq, at, time_ms, body_bytes, next);
        }
        if let (Some(id), Some(window)) = (fields.id, self.policy.dedup_window) {
            let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
            let expires_ms = u64::try_from(time_ms.saturating_add(window_ms)).unwrap_or(0);
            self.ids.insert(PublishId::of(id), at, expires_ms, 0);
        }
    }

    /// A policy that does not need something forgets it.
    fn rule(&mut self, policy: Policy) {
        if policy.dedup_window.is_none() {
            self.ids.clear();
        }
        if !needs_milestones(&policy) {
            self.milestones = None;
        }
        self.policy = policy;
    }

    /// Numbers that the journal speaks of were given out.
    fn saw(&mut self, seq_end: u64) {
        if seq_end > self.next.0 {
            self.next.0 = seq_end;
            self.give();
        }
    }
}

impl Image {
    /// Applies a message's record, which lies from `at` to `next` and was appended at `time_ms`.
    pub(crate) fn message(
        &mut self,
        stream: u32,
        (at, next): (u64, u64),
        time_ms: i64,
        fields: &Fields<'_>,
        body_bytes: u64,
    ) {
        let Some(topic) = self.topics.get_mut(&stream).filter(|topic| topic.born <= at) else { return };
        topic.note((at, next), time_ms, fields, body_bytes);
        if fields.seq >= topic.next.0 {
            topic.next = (fields.seq + 1, next);
            topic.message_count += 1;
            topic.message_bytes += body_bytes;
            topic.give();
        }
        if fields.deliver_at_ms == 0 || fields.seq >= topic.given.0 {
            return;
        }
        for channel in topic.channels.values_mut().filter(|channel| !channel.finished.contains(fields.seq)) {
            let special = Special { attempts: 0, deliver_at_ms: fields.deliver_at_ms, position: at };
            if channel.special.get(fields.seq).is_none() {
                channel.special.insert(fields.seq, special);
            }
        }
    }

    /// Applies an entry of the journal, which lies at `at`.
    pub(crate) fn apply(&mut self, at: u64, entry: Entry) {
        match entry {
            Entry::TopicMade { stream, name } => {
                let known = self.topics.get(&stream).map(|topic| topic.born);
                if known.is_none_or(|born| born < at) {
                    let mark = (0, at);
                    let topic =
                        TopicImage { name, born: at, next: mark, given: mark, ..TopicImage::default() };
                    self.topics.insert(stream, topic);
                }
            }
            Entry::TopicDeleted { stream } => {
                if self.topics.get(&stream).is_some_and(|topic| topic.born < at) {
                    self.topics.remove(&stream);
                }
            }
            Entry::ChannelMade { stream, channel, name, from } => {
                self.next_channel = self.next_channel.max(channel + 1);
                let Some(topic) = self.topic(stream, at) else { return };
                let is_known =
                    topic.channels.iter().any(|(number, of)| *number == channel || of.name == name);
                if !is_known {
                    topic.channels.insert(channel, ChannelImage::new(name, from));
                    topic.give();
                }
            }
            Entry::ChannelDeleted { stream, channel, given } => {
                let Some(topic) = self.topic(stream, at) else { return };
                let was_there = topic.channels.remove(&channel).is_some();
                // What was published while it was being deleted is the topic's again; what an image
                // without the channel knows better stays.
                if topic.channels.is_empty() && (was_there || topic.given.0 < given.0) {
                    topic.given = given;
                }
            }
            Entry::TopicPaused { stream, is_paused, given } => {
                let Some(topic) = self.topic(stream, at) else { return };
                let counted = topic.given.0;
                topic.is_paused = is_paused;
                topic.given = given;
                topic.give_again(counted);
            }
            Entry::TopicEmptied { stream, from, given } => {
                let Some(topic) = self.topic(stream, at) else { return };
                topic.saw(given.0);
                if topic.given.0 < given.0 {
                    topic.given = given;
                }
                for channel in topic.channels.values_mut() {
                    channel.finished.insert_range(from..given.0);
                    channel.special.take_range(from..given.0);
                }
            }
            Entry::TopicRuled { stream, policy } => {
                let Some(topic) = self.topic(stream, at) else { return };
                match serde_json::from_slice(&policy) {
                    Ok(policy) => topic.rule(policy),
                    Err(error) => {
                        tracing::error!(%error, topic = topic.name, "a topic's policy cannot be read; the one before stays");
                    }
                }
            }
            Entry::ChannelPaused { stream, channel, is_paused } => {
                if let Some(channel) = self.channel(stream, channel, at) {
                    channel.is_paused = is_paused;
                }
            }
            Entry::ChannelEmptied { stream, channel, end } => {
                let Some(topic) = self.topic(stream, at) else { return };
                topic.saw(end);
                if let Some(channel) = topic.channels.get_mut(&channel) {
                    channel.finished.insert_range(0..end);
                    channel.special.take_range(0..end);
                }
            }
            Entry::ChannelSought { stream, channel, to } => {
                if let Some(channel) = self.channel(stream, channel, at) {
                    channel.finished = RangeSet::below(to.0);
                    (channel.delivered, channel.position) = to;
                    channel.special = ChunkMap::default();
                }
            }
            Entry::ChannelProgress { stream, channel, progress } => {
                let Some(topic) = self.topic(stream, at) else { return };
                let special = progress.special.iter().map(|(seq, _)| seq + 1).max().unwrap_or(0);
                if topic.channels.contains_key(&channel) {
                    topic.saw(progress.finished.end().max(progress.delivered).max(special));
                }
                if let Some(channel) = topic.channels.get_mut(&channel) {
                    channel.apply(progress);
                }
            }
        }
    }

    fn topic(&mut self, stream: u32, at: u64) -> Option<&mut TopicImage> {
        self.topics.get_mut(&stream).filter(|topic| topic.born <= at)
    }

    fn channel(&mut self, stream: u32, channel: u32, at: u64) -> Option<&mut ChannelImage> {
        self.topic(stream, at)?.channels.get_mut(&channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milestones_say_when_a_message_came_not_when_it_was_first_published_elsewhere() {
        let topic = TopicImage { milestones: Some(Milestones::default()), ..TopicImage::default() };
        let mut image = Image { topics: BTreeMap::from([(1, topic)]), ..Image::default() };
        // A dead letter keeps the time it was published at.
        for (seq, published_ns, time_ms) in [(0, 0, 5_000), (1, 7_000_000, 6_000)] {
            let fields = Fields { seq, published_ns, ..Fields::default() };
            image.message(1, (seq * 8, seq * 8 + 8), time_ms, &fields, 1);
        }
        let milestones = image.topics[&1].milestones.as_ref().expect("they are kept");
        assert_eq!((milestones.end().time_ms, milestones.at_time(6_001).seq), (6_000, 2));
    }
}

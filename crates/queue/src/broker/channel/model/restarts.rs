//! How a life of the model ends, and what the next one knows.

use std::collections::BTreeMap;

use super::*;
use crate::broker::image::{Image, TopicImage};
use crate::broker::journal::entry::{Entry, Progress};
use crate::broker::record::Fields;

/// The only topic and channel.
const STREAM: u32 = 1;
const CHANNEL: u32 = 1;
const KEYS: [&str; 4] = ["", "a", "b", "c"];

/// What lies in the log besides bodies.
#[derive(Clone, Debug)]
enum Record {
    Message { seq: u64, deliver_at_ms: i64, key: &'static str },
    Entry(Entry),
}

/// What outlives a kill.
pub(super) struct Journal {
    /// From the beginning, or from the snapshot on.
    records: Vec<Record>,
    /// As the last snapshot says; it may know more than lay before the first record.
    snapshot: Image,
    /// Where each message was, and how often it had been handed out, when that was last told.
    told: Vec<(Place, u16)>,
    /// Told last, but a full log will have given it up; and how often the channel had been sent elsewhere.
    given_up: Option<(Progress, u64)>,
}

impl Journal {
    pub(super) fn new() -> Self {
        let mut snapshot = Image::default();
        snapshot.apply(0, Entry::TopicMade { stream: STREAM, name: "t".to_owned() });
        let (name, from) = ("c".to_owned(), (0, 0));
        snapshot.apply(0, Entry::ChannelMade { stream: STREAM, channel: CHANNEL, name, from });
        Self { records: Vec::new(), snapshot, told: Vec::new(), given_up: None }
    }
}

impl World {
    pub(super) fn note_published(&mut self, message: &Message) {
        let (seq, deliver_at_ms) = (message.seq, message.deliver_at_ms);
        let key = KEYS[message.key_hash as usize];
        self.journal.records.push(Record::Message { seq, deliver_at_ms, key });
        self.journal.told.push((self.places[seq as usize], 0));
    }

    pub(super) fn note_emptied(&mut self) {
        let entry = Entry::ChannelEmptied { stream: STREAM, channel: CHANNEL, end: self.core.end };
        self.journal.records.push(Record::Entry(entry));
        self.journal.told.iter_mut().for_each(|(place, _)| *place = Place::Done);
    }

    pub(super) fn note_paused(&mut self) {
        let entry = Entry::ChannelPaused { stream: STREAM, channel: CHANNEL, is_paused: self.paused };
        self.journal.records.push(Record::Entry(entry));
    }

    pub(super) fn note_sought(&mut self, to: u64) {
        let entry = Entry::ChannelSought { stream: STREAM, channel: CHANNEL, to: (to, to * 8) };
        self.journal.records.push(Record::Entry(entry));
        self.note_told();
    }

    /// The journal is told, and what it was told is given up for want of room; which is known later.
    pub(super) fn give_up(&mut self) {
        self.restore();
        let told = self.core.pending.take(self.core.delivered);
        self.journal.given_up = told.map(|progress| (progress, self.core.sought));
    }

    /// It is known that it was: the channel has to tell it again.
    pub(super) fn restore(&mut self) {
        if let Some((progress, sought)) = self.journal.given_up.take()
            && sought == self.core.sought
        {
            self.core.pending.restore(&progress);
        }
    }

    /// The journal is told what became of messages, once it is known what became of what it was told before.
    pub(super) fn tell(&mut self) {
        self.restore();
        let Some(progress) = self.core.pending.take(self.core.delivered) else { return };
        for progress in progress.pieces(4) {
            let entry = Entry::ChannelProgress { stream: STREAM, channel: CHANNEL, progress };
            self.journal.records.push(Record::Entry(entry));
        }
        self.note_told();
    }

    fn note_told(&mut self) {
        self.journal.told = self.places.iter().copied().zip(self.attempts.iter().copied()).collect();
    }

    /// An image is taken; its position may lie before what it knows of. What is told of only by the image
    /// older records behind it may take back, as a kill does; so the journal knows it as well.
    pub(super) fn snapshot(&mut self) {
        self.tell();
        let mark = (self.core.end, self.core.end * 8);
        let topic = TopicImage {
            name: "t".to_owned(),
            next: mark,
            given: mark,
            channels: BTreeMap::from([(CHANNEL, self.core.image("c"))]),
            ..TopicImage::default()
        };
        let image = Image { topics: BTreeMap::from([(STREAM, topic)]), ..Image::default() };
        self.journal.snapshot = Image::decode(&image.encode()).expect("its own bytes");
        let known = self.dice.roll(self.journal.records.len() as u64 + 1) as usize;
        self.journal.records.drain(..known);
        self.note_told();
    }

    /// Nobody is there any more; what was in flight waits. Then it goes on from an image.
    pub(super) fn restart(&mut self) {
        let names: Vec<_> = self.consumers.keys().copied().collect();
        let is_sent_away = self.dice.roll(2) == 0;
        names.into_iter().for_each(|name| self.leave(name, is_sent_away));
        let image = self.core.image("c");
        let floor = self.places.iter().position(|place| *place != Place::Done).unwrap_or(self.places.len());
        assert!(image.position <= floor as u64 * 8, "what is not finished is kept");
        self.snapshot();
        let counters = (self.timed_out, self.requeued);
        self.recover();
        assert_eq!((self.timed_out, self.requeued), counters);
    }

    /// It ends in the midst of everything, perhaps before the journal was told of the last.
    pub(super) fn kill(&mut self) {
        if self.dice.roll(2) == 0 {
            self.tell();
            // Without an event nothing was said, and nothing happened.
            self.note_told();
        }
        self.recover();
    }

    /// Goes on with what the snapshot and the records behind it say.
    fn recover(&mut self) {
        let mut image = self.journal.snapshot.clone();
        for record in &self.journal.records {
            match record {
                Record::Message { seq, deliver_at_ms, key } => {
                    let key = Some(*key).filter(|key| !key.is_empty());
                    let fields =
                        Fields { seq: *seq, deliver_at_ms: *deliver_at_ms, key, ..Fields::default() };
                    image.message(STREAM, (seq * 8, seq * 8 + 8), 0, &fields, 1);
                }
                Record::Entry(entry) => image.apply(0, entry.clone()),
            }
        }
        let mut topic = image.topics.remove(&STREAM).expect("it was made");
        let channel = topic.channels.remove(&CHANNEL).expect("it was made");
        assert_eq!(topic.given.0, self.log.len() as u64);
        self.core = Core::from_image(LIMITS, channel, topic.given, self.now_ms);
        self.journal.given_up = None;
        self.core.set_rules(&self.policy);
        if self.policy.ordered {
            for (seq, _) in self.core.tried_before() {
                self.core.rules.hold(self.log[seq as usize].key_hash, seq);
            }
        }
        (self.timed_out, self.requeued) = (self.core.counters.timed_out, self.core.counters.requeued);
        self.paused = self.core.is_paused;
        self.consumers.clear();
        self.ready.clear();
        for at in 0..self.places.len() {
            (self.places[at], self.attempts[at]) = self.journal.told[at];
            if matches!(self.places[at], Place::Held { .. }) {
                self.failed(at, Place::Waits);
            }
            self.in_turn[at] &= !self.handed_back[at];
            // What was handed out once, in its order, only the mark knows of, which tells no key.
            self.tried[at] = match self.places[at] {
                Place::Deferred { .. } => self.attempts[at] > 0,
                Place::Waits => self.attempts[at] > 1 || self.attempts[at] > 0 && !self.log[at].in_order,
                _ => false,
            };
        }
        self.fire();
        self.join(0);
    }

    /// Everything comes at last, and is finished.
    pub(super) fn drain(&mut self, seed: u64) {
        (self.paused, self.core.is_paused) = (false, false);
        for _ in 0..2_000 {
            if self.places.iter().all(|place| *place == Place::Done) {
                return;
            }
            self.now_ms += 100;
            self.fire();
            self.bury();
            for name in self.consumers.keys().copied().collect::<Vec<_>>() {
                self.ready.insert(name, 8);
                self.core.consumers.change(self.consumers[&name], |consumer| consumer.ready_count = 8);
                self.read();
                self.take(name);
            }
            for at in 0..self.places.len() {
                if let Place::Held { owner, .. } = self.places[at] {
                    let id = MessageId::new(NODE, at as u64 * 8);
                    self.core.finish(self.consumers[&owner], id).expect("it has the message");
                    self.places[at] = Place::Done;
                }
            }
            self.check(seed);
        }
        panic!("seed {seed}: something never came");
    }
}

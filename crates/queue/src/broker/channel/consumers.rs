//! Who takes messages from a channel, and what it has.

use std::time::Duration;

use crate::broker::stats::ConsumerStats;

/// How near a consumer is to this node; nearer ones are asked first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proximity {
    /// In the same zone.
    Zone,
    /// In the same region.
    Region,
    /// Anywhere.
    #[default]
    Global,
}

/// How a consumer wants its messages.
#[derive(Clone, Copy, Debug)]
pub struct Subscriber {
    /// Of the caller's choice; shown in [`ConsumerStats`].
    pub id: u64,
    /// A message it has for longer is delivered again.
    pub msg_timeout: Duration,
    /// The same, however often it was touched.
    pub max_msg_timeout: Duration,
    /// Above zero: it is given about one per cent more of the messages than this, and the others are
    /// passed over as if it had finished them.
    pub sample_rate: u8,
    /// Where it is.
    pub proximity: Proximity,
}

/// A consumer as the core sees it.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) id: u64,
    pub(crate) ready_count: u32,
    pub(crate) in_flight: u64,
    pub(crate) messages: u64,
    pub(crate) finished: u64,
    pub(crate) requeued: u64,
    pub(crate) msg_timeout_ms: i64,
    pub(crate) max_msg_timeout_ms: i64,
    pub(crate) sample_rate: u8,
    pub(crate) proximity: Proximity,
    pub(crate) is_closing: bool,
}

impl Consumer {
    fn new(subscriber: &Subscriber) -> Self {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Self {
            id: subscriber.id,
            ready_count: 0,
            in_flight: 0,
            messages: 0,
            finished: 0,
            requeued: 0,
            msg_timeout_ms: ms(subscriber.msg_timeout),
            max_msg_timeout_ms: ms(subscriber.max_msg_timeout),
            sample_rate: subscriber.sample_rate,
            proximity: subscriber.proximity,
            is_closing: false,
        }
    }

    /// Whether it wants another message.
    pub(crate) fn has_room(&self) -> bool {
        !self.is_closing && self.in_flight < u64::from(self.ready_count)
    }

    /// Whether its sample leaves out the message at this position, as NSQ reckons it.
    pub(crate) fn passes_over(&self, position: u64) -> bool {
        // The last step of SplitMix64: positions are multiples of eight and all too regular.
        let mut mixed = position ^ self.id.rotate_left(32);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        self.sample_rate > 0 && (mixed ^ (mixed >> 31)) % 100 > u64::from(self.sample_rate)
    }

    pub(crate) fn stats(&self) -> ConsumerStats {
        ConsumerStats {
            id: self.id,
            ready_count: self.ready_count,
            in_flight: self.in_flight,
            messages: self.messages,
            finished: self.finished,
            requeued: self.requeued,
            is_closing: self.is_closing,
        }
    }
}

/// Consumers by their place; a place is used again when its consumer has gone.
#[derive(Debug, Default)]
pub(crate) struct Consumers {
    places: Vec<Option<Consumer>>,
    count: usize,
}

impl Consumers {
    pub(crate) fn insert(&mut self, subscriber: &Subscriber) -> u32 {
        let free = self.places.iter().position(Option::is_none);
        let place = free.unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        self.places[place] = Some(Consumer::new(subscriber));
        self.count += 1;
        place as u32
    }

    pub(crate) fn remove(&mut self, place: u32) {
        if self.places.get_mut(place as usize).and_then(Option::take).is_some() {
            self.count -= 1;
        }
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Consumer> {
        self.places.get(place as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, place: u32) -> Option<&mut Consumer> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.places.iter().flatten()
    }
}

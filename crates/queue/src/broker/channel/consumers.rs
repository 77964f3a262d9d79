//! Who takes messages from a channel, and what it has.

use std::time::Duration;

use super::line::Line;
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
    /// It asked for messages and got none yet.
    is_waiting: bool,
    /// While waiting: it was told to come, and has not come yet.
    is_woken: bool,
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
            is_waiting: false,
            is_woken: false,
        }
    }

    /// Whether it wants another message.
    pub(crate) fn has_room(&self) -> bool {
        self.room() > 0
    }

    /// How many more it wants.
    pub(crate) fn room(&self) -> u64 {
        if self.is_closing { 0 } else { u64::from(self.ready_count).saturating_sub(self.in_flight) }
    }

    /// Whether it waits for a message and can be given one; and whether nobody has told it to come.
    fn wants(&self) -> (bool, bool) {
        let is_able = self.is_waiting && self.has_room();
        (is_able, is_able && !self.is_woken)
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
    free: Vec<u32>,
    /// Those that wait, can be given a message, and were not told to come.
    line: Line,
    /// How many wait and can be given a message, by proximity.
    able: [usize; 3],
}

impl Consumers {
    pub(crate) fn insert(&mut self, subscriber: &Subscriber) -> u32 {
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len() - 1).expect("fewer consumers than fit into memory")
        });
        self.places[place as usize] = Some(Consumer::new(subscriber));
        place
    }

    pub(crate) fn remove(&mut self, place: u32) {
        self.stop_waiting(place);
        if self.places.get_mut(place as usize).and_then(Option::take).is_some() {
            self.free.push(place);
        }
    }

    pub(crate) fn get(&self, place: u32) -> Option<&Consumer> {
        self.places.get(place as usize)?.as_ref()
    }

    /// The one way to change a consumer, so that it is known at any time who can be given a message.
    pub(crate) fn change<T>(&mut self, place: u32, change: impl FnOnce(&mut Consumer) -> T) -> Option<T> {
        let consumer = self.places.get_mut(place as usize)?.as_mut()?;
        let before = consumer.wants();
        let outcome = change(consumer);
        let after = consumer.wants();
        if before != after {
            let proximity = consumer.proximity;
            let able = &mut self.able[proximity as usize];
            *able = *able + usize::from(after.0) - usize::from(before.0);
            match (before.1, after.1) {
                (false, true) => self.line.join(place, proximity),
                (true, false) => self.line.leave(place, proximity),
                _ => {}
            }
        }
        Some(outcome)
    }

    /// A consumer waits for messages, behind those that do already.
    pub(crate) fn wait(&mut self, place: u32) {
        self.stop_waiting(place);
        self.change(place, |consumer| (consumer.is_waiting, consumer.is_woken) = (true, false));
    }

    /// A consumer does not wait any more.
    pub(crate) fn stop_waiting(&mut self, place: u32) {
        self.change(place, |consumer| consumer.is_waiting = false);
    }

    /// Who is to be told to come: of the nearest that can be given a message the one that could be for the
    /// longest. It is not named again until it came; nobody is while a nearer one was told and has not come,
    /// for he would take nothing before it.
    pub(crate) fn wake_next(&mut self) -> Option<u32> {
        let place = self.line.first().filter(|place| !self.is_behind(*place))?;
        self.change(place, |consumer| consumer.is_woken = true);
        Some(place)
    }

    /// How many wait and can be given a message.
    pub(crate) fn able(&self) -> usize {
        self.able.iter().sum()
    }

    /// Whether a nearer consumer than this one waits and can be given a message.
    pub(crate) fn is_behind(&self, place: u32) -> bool {
        let own = self.get(place).map_or(0, |consumer| consumer.proximity as usize);
        self.able[..own].iter().any(|able| *able > 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Consumer> {
        self.places.iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subscriber(proximity: Proximity) -> Subscriber {
        let minute = Duration::from_secs(60);
        Subscriber { id: 0, msg_timeout: minute, max_msg_timeout: minute, sample_rate: 0, proximity }
    }

    proptest! {
        /// Against a look at all consumers.
        #[test]
        fn it_is_known_at_any_time_who_can_be_given_a_message(
            steps in proptest::collection::vec((0u8..9, 0usize..6), 1..150),
        ) {
            const NEAR: [Proximity; 3] = [Proximity::Zone, Proximity::Region, Proximity::Global];
            let mut consumers = Consumers::default();
            let mut places = Vec::new();
            for (what, which) in steps {
                let place = places.get(which).copied();
                match (what, place) {
                    (0 | 1, _) if places.len() < 6 => places.push(consumers.insert(&subscriber(NEAR[which % 3]))),
                    (2, Some(place)) => {
                        consumers.remove(place);
                        places.retain(|of| *of != place);
                    }
                    (3, Some(place)) => drop(consumers.change(place, |of| of.ready_count = which as u32 % 3)),
                    (4, Some(place)) => drop(consumers.change(place, |of| of.in_flight = which as u64 % 2)),
                    (5 | 6, Some(place)) => consumers.wait(place),
                    (7, Some(place)) => consumers.stop_waiting(place),
                    (8, _) => {
                        let able = |of: &u32| consumers.get(*of).is_some_and(|of| of.wants().1);
                        let nearest = places.iter().filter(|of| able(of));
                        let nearest = nearest.filter_map(|of| Some(consumers.get(*of)?.proximity)).min();
                        let is_told = |of: &Consumer| of.wants().0 && Some(of.proximity) < nearest;
                        let nearest = nearest.filter(|_| !consumers.iter().any(is_told));
                        let woken = consumers.wake_next();
                        prop_assert_eq!(woken.and_then(|of| Some(consumers.get(of)?.proximity)), nearest);
                    }
                    _ => {}
                }
                prop_assert_eq!(consumers.len(), places.len());
                let able: Vec<_> = consumers.iter().filter(|of| of.wants().0).collect();
                prop_assert_eq!(consumers.able(), able.len());
                for place in &places {
                    let own = consumers.get(*place).map(|of| of.proximity);
                    let is_behind = able.iter().any(|of| Some(of.proximity) < own);
                    prop_assert_eq!(consumers.is_behind(*place), is_behind);
                }
            }
            let mut left = consumers.iter().filter(|of| of.wants().1).count();
            // Those that were told before come first.
            let told = places.iter().filter(|of| consumers.get(**of).is_some_and(|of| of.wants() == (true, false)));
            told.copied().collect::<Vec<_>>().into_iter().for_each(|of| consumers.stop_waiting(of));
            while let Some(place) = consumers.wake_next() {
                consumers.stop_waiting(place);
                left -= 1;
            }
            prop_assert_eq!(left, 0, "each is told once");
        }
    }
}

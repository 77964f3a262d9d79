//! Which publishes a topic has seen: a client that did not hear the answer publishes again with the same
//! id, and the message is there once.
//!
//! An id is remembered for the topic's window together with the position of its message, because the
//! repeated publish is answered only when the first one is as sure as the topic promises. Ids are kept
//! as 128 bits of SHA-256: about 65 bytes each, however long they are. A copy costs little.

mod copies;

use sha2::{Digest, Sha256};

use super::varint;
use copies::{Map, Queue};

/// Most ids a topic remembers; beyond it the oldest is forgotten before its time.
pub(crate) const IDS_MAX: usize = 1 << 20;

/// A publisher's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PublishId([u8; 16]);

impl PublishId {
    pub(crate) fn of(id: &str) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&Sha256::digest(id.as_bytes())[..16]);
        Self(short)
    }
}

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Of the message in the log.
    position: u64,
    /// From this millisecond on it is as if it had never been.
    expires_ms: u64,
}

/// The ids a topic has seen of late.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Dedup {
    ids_max: usize,
    seen: Map,
    /// In order of publishing; what was published again after it had expired is in it twice.
    order: Queue<(PublishId, u64)>,
}

impl Default for Dedup {
    fn default() -> Self {
        Self::new(IDS_MAX)
    }
}

impl Dedup {
    /// Remembers at most so many ids.
    pub(crate) fn new(ids_max: usize) -> Self {
        Self { ids_max, seen: Map::default(), order: Queue::default() }
    }

    /// How many ids are remembered, expired ones that were not dropped yet included.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.seen.len()
    }

    /// The position of the message published with this id, if that was within the window.
    pub(crate) fn find(&self, id: PublishId, now_ms: u64) -> Option<u64> {
        self.seen.get(id).filter(|seen| seen.expires_ms > now_ms).map(|seen| seen.position)
    }

    /// Remembers an id until `expires_ms`, and drops what has expired.
    pub(crate) fn insert(&mut self, id: PublishId, position: u64, expires_ms: u64, now_ms: u64) {
        self.drop_expired(now_ms);
        self.seen.insert(id, Seen { position, expires_ms });
        self.order.push_back((id, expires_ms));
        while self.seen.len() > self.ids_max || self.order.len() > 2 * self.ids_max {
            self.drop_oldest();
        }
    }

    /// Forgets an id whose message at this position does not exist after all.
    pub(crate) fn forget(&mut self, id: PublishId, position: u64) {
        if self.seen.get(id).is_some_and(|seen| seen.position == position) {
            self.seen.remove(id);
        }
    }

    /// Drops ids that have expired, oldest first.
    pub(crate) fn drop_expired(&mut self, now_ms: u64) {
        while self.order.front().is_some_and(|(_, expires_ms)| *expires_ms <= now_ms) {
            self.drop_oldest();
        }
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.ids_max);
    }

    /// Appends what has not expired, in order of publishing.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, now_ms: u64) {
        let current = |entry: &&(PublishId, u64)| {
            entry.1 > now_ms && self.seen.get(entry.0).is_some_and(|seen| seen.expires_ms == entry.1)
        };
        varint::put(out, self.order.iter().filter(current).count() as u64);
        for (id, expires_ms) in self.order.iter().filter(current) {
            out.extend_from_slice(&id.0);
            varint::put(out, self.seen.get(*id).map_or(0, |seen| seen.position));
            varint::put(out, *expires_ms);
        }
    }

    /// Takes from the front what [`encode`](Self::encode) appended; none if these are not the bytes of it.
    pub(crate) fn decode(from: &mut &[u8]) -> Option<Self> {
        let mut rest = *from;
        let mut dedup = Self::default();
        for _ in 0..varint::take(&mut rest)? {
            let (id, behind) = rest.split_first_chunk()?;
            rest = behind;
            let position = varint::take(&mut rest)?;
            dedup.insert(PublishId(*id), position, varint::take(&mut rest)?, 0);
        }
        *from = rest;
        Some(dedup)
    }

    fn drop_oldest(&mut self) {
        let Some((id, expires_ms)) = self.order.pop_front() else { return };
        // Not what was published again later.
        if self.seen.get(id).is_some_and(|seen| seen.expires_ms == expires_ms) {
            self.seen.remove(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(number: u64) -> PublishId {
        PublishId::of(&format!("order-{number}"))
    }

    #[test]
    fn an_id_counts_until_its_window_is_over() {
        let mut dedup = Dedup::default();
        dedup.insert(id(1), 640, 1_000, 400);
        assert_eq!(dedup.find(id(1), 999), Some(640));
        assert_eq!(dedup.find(id(1), 1_000), None);
        assert_eq!(dedup.find(id(2), 500), None);
        dedup.insert(id(1), 720, 2_000, 1_000);
        dedup.insert(id(3), 800, 2_000, 1_500);
        assert_eq!(dedup.find(id(1), 1_500), Some(720), "the first one's end does not take the second one");
        dedup.drop_expired(2_000);
        assert_eq!(dedup.len(), 0);
    }

    #[test]
    fn a_shorter_window_lets_ids_expire_before_older_ones() {
        let mut dedup = Dedup::default();
        dedup.insert(id(1), 1, 90_000, 0);
        dedup.insert(id(2), 2, 1_000, 10);
        assert_eq!((dedup.find(id(1), 5_000), dedup.find(id(2), 5_000)), (Some(1), None));
    }

    #[test]
    fn beyond_the_limit_the_oldest_is_forgotten() {
        let mut dedup = Dedup::new(100);
        for number in 0..=100 {
            dedup.insert(id(number), number, 10, 0);
        }
        assert_eq!(dedup.len(), 100);
        assert_eq!((dedup.find(id(0), 0), dedup.find(id(1), 0)), (None, Some(1)));
    }

    proptest! {
        #[test]
        fn it_is_a_map_with_an_end_and_comes_back_from_bytes(
            steps in proptest::collection::vec((0u64..8, 0u64..40, 0u64..30), 1..60),
        ) {
            let mut dedup = Dedup::default();
            let mut model = std::collections::BTreeMap::new();
            let mut now = 100;
            for (at, (number, window, passes)) in steps.into_iter().enumerate() {
                now += passes;
                let expected = model.get(&number).filter(|(_, ends)| *ends > now).map(|(position, _)| *position);
                prop_assert_eq!(dedup.find(id(number), now), expected);
                if expected.is_none() {
                    dedup.insert(id(number), at as u64, now + window, now);
                    model.insert(number, (at as u64, now + window));
                }
                let mut bytes = Vec::new();
                dedup.encode(&mut bytes, now);
                let back = Dedup::decode(&mut &bytes[..]).expect("its own bytes");
                for (number, (position, ends)) in &model {
                    prop_assert_eq!(back.find(id(*number), now), (*ends > now).then_some(*position));
                }
                for cut in 0..bytes.len() {
                    prop_assert!(Dedup::decode(&mut &bytes[..cut]).is_none());
                }
            }
        }
    }
}

//! An ordered map that is copied without looking at its entries.
//!
//! Entries lie in chunks, which copies share until one of the two changes it: then that chunk is copied,
//! and no other. So an image of a million entries costs a few thousand reference counts while a lock is
//! held, and what changes afterwards pays for itself.

use std::ops::Range;
use std::sync::Arc;

/// Most entries of a chunk: as many are copied when a shared one changes.
const CHUNK_MAX: usize = 256;

/// Entries by their keys.
#[derive(Clone, Debug)]
pub(crate) struct ChunkMap<V> {
    /// None is empty. A chunk holds the keys from its start (the first one: from zero) up to the next start.
    chunks: Vec<(u64, Chunk<V>)>,
    count: usize,
}

/// Entries in order.
type Chunk<V> = Arc<Vec<(u64, V)>>;

impl<V> Default for ChunkMap<V> {
    fn default() -> Self {
        Self { chunks: Vec::new(), count: 0 }
    }
}

impl<V: Copy> ChunkMap<V> {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: u64) -> Option<V> {
        self.find(key).map(|(chunk, at)| self.chunks[chunk].1[at].1)
    }

    /// Sets a value; returns the one before.
    pub(crate) fn insert(&mut self, key: u64, value: V) -> Option<V> {
        let Some(at) = self.chunk_of(key) else {
            self.chunks.push((key, Arc::new(vec![(key, value)])));
            self.count = 1;
            return None;
        };
        let chunk = Arc::make_mut(&mut self.chunks[at].1);
        let place = match chunk.binary_search_by_key(&key, |entry| entry.0) {
            Ok(place) => return Some(std::mem::replace(&mut chunk[place].1, value)),
            Err(place) => place,
        };
        self.count += 1;
        if chunk.len() < CHUNK_MAX {
            chunk.insert(place, (key, value));
        } else if place == CHUNK_MAX {
            // Keys that grow leave full chunks behind.
            self.chunks.insert(at + 1, (key, Arc::new(vec![(key, value)])));
        } else {
            let mut behind = chunk.split_off(CHUNK_MAX / 2);
            match place.checked_sub(CHUNK_MAX / 2) {
                Some(place) => behind.insert(place, (key, value)),
                None => chunk.insert(place, (key, value)),
            }
            self.chunks.insert(at + 1, (behind[0].0, Arc::new(behind)));
        }
        None
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        let (at, place) = self.find(key)?;
        let (_, value) = Arc::make_mut(&mut self.chunks[at].1).remove(place);
        self.count -= 1;
        if self.chunks[at].1.is_empty() {
            self.chunks.remove(at);
        } else if self.are_small(at) {
            self.merge(at);
        } else if at > 0 && self.are_small(at - 1) {
            self.merge(at - 1);
        }
        Some(value)
    }

    /// Takes out the entries whose keys lie in a range, and returns them in order.
    pub(crate) fn take_range(&mut self, range: Range<u64>) -> Vec<(u64, V)> {
        let mut taken = Vec::new();
        let Some(first) = self.chunk_of(range.start).filter(|_| !range.is_empty()) else { return taken };
        let mut is_any_empty = false;
        for (_, chunk) in &mut self.chunks[first..] {
            let from = chunk.partition_point(|entry| entry.0 < range.start);
            let upto = chunk.partition_point(|entry| entry.0 < range.end);
            let is_end = upto < chunk.len();
            if from == 0 && !is_end {
                taken.extend_from_slice(chunk);
                *chunk = Arc::default();
                is_any_empty = true;
            } else if from < upto {
                taken.extend(Arc::make_mut(chunk).drain(from..upto));
            }
            if is_end {
                break;
            }
        }
        if is_any_empty {
            self.chunks.retain(|(_, chunk)| !chunk.is_empty());
        }
        self.count -= taken.len();
        taken
    }

    /// The last entry whose key is this one or below.
    pub(crate) fn at_or_below(&self, key: u64) -> Option<(u64, V)> {
        let at = self.chunk_of(key)?;
        let chunk = &self.chunks[at].1;
        match chunk.partition_point(|entry| entry.0 <= key) {
            0 => self.chunks[..at].last()?.1.last().copied(),
            behind => Some(chunk[behind - 1]),
        }
    }

    /// The entries whose keys are this one or above, in order.
    pub(crate) fn iter_from(&self, key: u64) -> impl Iterator<Item = (u64, V)> + '_ {
        let (first, rest) = match self.chunk_of(key) {
            Some(at) => {
                let chunk = &self.chunks[at].1;
                (&chunk[chunk.partition_point(|entry| entry.0 < key)..], &self.chunks[at + 1..])
            }
            None => (&[][..], &[][..]),
        };
        first.iter().chain(rest.iter().flat_map(|(_, chunk)| chunk.iter())).copied()
    }

    /// All entries, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, V)> + '_ {
        self.iter_from(0)
    }

    /// Where a key is: which chunk, and where in it.
    fn find(&self, key: u64) -> Option<(usize, usize)> {
        let at = self.chunk_of(key)?;
        self.chunks[at].1.binary_search_by_key(&key, |entry| entry.0).ok().map(|place| (at, place))
    }

    /// Whether a chunk and the next one fill half a chunk at most.
    fn are_small(&self, at: usize) -> bool {
        self.chunks.get(at + 1).is_some_and(|(_, next)| self.chunks[at].1.len() + next.len() <= CHUNK_MAX / 2)
    }

    fn merge(&mut self, at: usize) {
        let (_, next) = self.chunks.remove(at + 1);
        Arc::make_mut(&mut self.chunks[at].1).extend_from_slice(&next);
    }

    /// The chunk a key belongs to; none if there is no chunk.
    fn chunk_of(&self, key: u64) -> Option<usize> {
        let behind = self.chunks.partition_point(|(start, _)| *start <= key);
        (!self.chunks.is_empty()).then(|| behind.saturating_sub(1))
    }
}

impl<V: Copy + PartialEq> PartialEq for ChunkMap<V> {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().eq(other.iter())
    }
}

impl<V: Copy + Eq> Eq for ChunkMap<V> {}

impl<V: Copy> FromIterator<(u64, V)> for ChunkMap<V> {
    fn from_iter<I: IntoIterator<Item = (u64, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn check(map: &ChunkMap<u32>, model: &BTreeMap<u64, u32>) {
        assert_eq!(map.len(), model.len());
        assert!(map.iter().eq(model.iter().map(|(key, value)| (*key, *value))));
        assert!(map.chunks.iter().all(|(_, chunk)| (1..=CHUNK_MAX).contains(&chunk.len())));
    }

    #[test]
    fn keys_that_grow_fill_their_chunks() {
        let map: ChunkMap<u32> = (0..10 * CHUNK_MAX as u64).map(|key| (key, 0)).collect();
        assert_eq!(map.chunks.len(), 10);
    }

    #[test]
    fn what_is_emptied_keeps_few_chunks() {
        let mut map: ChunkMap<u32> = (0..100_000).map(|key| (key, 0)).collect();
        (0..100_000).filter(|key| key % 100 > 0).for_each(|key| assert_eq!(map.remove(key), Some(0)));
        assert_eq!(map.len(), 1_000);
        assert!(map.chunks.len() < 40, "{}", map.chunks.len());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64, u64),
        Remove(u64, u64),
        Take(Range<u64>),
        Copy,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u64..1_500, 1u64..300).prop_map(|(from, count)| Step::Insert(from, count)),
            4 => (0u64..1_500, 1u64..300).prop_map(|(from, count)| Step::Remove(from, count)),
            1 => (0u64..1_500, 0u64..1_000).prop_map(|(from, count)| Step::Take(from..from + count)),
            1 => Just(Step::Copy),
        ];
        proptest::collection::vec(step, 1..24)
    }

    proptest! {
        #[test]
        fn it_is_a_map_and_copies_stay_as_they_were(steps in steps()) {
            let (mut map, mut model) = (ChunkMap::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (number, step) in (0..).zip(steps) {
                match step {
                    // Every second or third, so that others come in between later.
                    Step::Insert(from, count) => {
                        for key in (from..from + count).step_by(2 + number as usize % 2) {
                            prop_assert_eq!(map.insert(key, number), model.insert(key, number));
                        }
                    }
                    Step::Remove(from, count) => {
                        for key in from..from + count {
                            prop_assert_eq!(map.remove(key), model.remove(&key));
                        }
                    }
                    Step::Take(range) => {
                        let taken: Vec<_> = model.range(range.clone()).map(|(key, value)| (*key, *value)).collect();
                        model.retain(|key, _| !range.contains(key));
                        prop_assert_eq!(map.take_range(range), taken);
                    }
                    Step::Copy => copies.push((map.clone(), model.clone())),
                }
                check(&map, &model);
                for key in (0..2_000).step_by(37) {
                    prop_assert_eq!(map.get(key), model.get(&key).copied());
                    let below = model.range(..=key).next_back().map(|(key, value)| (*key, *value));
                    prop_assert_eq!(map.at_or_below(key), below);
                    let next = model.range(key..).next().map(|(key, value)| (*key, *value));
                    prop_assert_eq!(map.iter_from(key).next(), next);
                }
            }
            copies.iter().for_each(|(map, model)| check(map, model));
        }
    }
}

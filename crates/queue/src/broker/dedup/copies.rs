//! A map and a queue of a million entries that are copied in microseconds: copies share their parts until
//! one of the two changes a part, which is then copied alone.

use std::collections::VecDeque;
use std::sync::Arc;

use hashbrown::HashMap;

use super::{PublishId, Seen};

/// Parts of a map, at most 2^16. With as many ids as are remembered at most, one has about 820, which a
/// table with 1,024 places holds.
const PARTS: usize = 1_280;
/// Entries of a part of a queue.
const PART_MAX: usize = 256;

/// Ids and what is remembered of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Map {
    /// None before the first id; a part without ids is none.
    parts: Vec<Option<Arc<HashMap<PublishId, Seen>>>>,
    count: usize,
}

impl Map {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn get(&self, id: PublishId) -> Option<&Seen> {
        self.parts.get(part_of(id))?.as_ref()?.get(&id)
    }

    pub(super) fn insert(&mut self, id: PublishId, seen: Seen) {
        if self.parts.is_empty() {
            self.parts.resize(PARTS, None);
        }
        let before = Arc::make_mut(self.parts[part_of(id)].get_or_insert_default()).insert(id, seen);
        self.count += usize::from(before.is_none());
    }

    pub(super) fn remove(&mut self, id: PublishId) {
        let Some(place) = self.parts.get_mut(part_of(id)) else { return };
        let Some(part) = place.as_mut().filter(|part| part.contains_key(&id)) else { return };
        self.count -= 1;
        if part.len() == 1 {
            *place = None;
        } else {
            Arc::make_mut(part).remove(&id);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (&PublishId, &Seen)> {
        self.parts.iter().flatten().flat_map(|part| part.iter())
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.iter().all(|(id, seen)| other.get(*id) == Some(seen))
    }
}

/// Ids are checksums: any of their bits will do.
fn part_of(id: PublishId) -> usize {
    usize::from(u16::from_le_bytes([id.0[0], id.0[1]])) % PARTS
}

/// First in, first out.
#[derive(Clone, Debug)]
pub(super) struct Queue<T> {
    parts: VecDeque<Arc<Vec<T>>>,
    /// Entries of the first part that are out.
    out: usize,
    count: usize,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { parts: VecDeque::new(), out: 0, count: 0 }
    }
}

impl<T: Copy> Queue<T> {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.parts.front()?.get(self.out)
    }

    pub(super) fn push_back(&mut self, entry: T) {
        self.count += 1;
        match self.parts.back_mut().filter(|part| part.len() < PART_MAX) {
            Some(part) => Arc::make_mut(part).push(entry),
            None => self.parts.push_back(Arc::new(vec![entry])),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<T> {
        let first = self.parts.front()?;
        let entry = first.get(self.out).copied()?;
        self.out += 1;
        self.count -= 1;
        if self.out == first.len() {
            self.parts.pop_front();
            self.out = 0;
        }
        Some(entry)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parts.iter().flat_map(|part| part.iter()).skip(self.out)
    }
}

impl<T: Copy + PartialEq> PartialEq for Queue<T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn id(number: u16) -> PublishId {
        // All in few parts, so that those are shared and changed.
        let mut bytes = [0; 16];
        (bytes[1], bytes[2], bytes[3]) = (number as u8 % 2, number as u8, (number >> 8) as u8);
        PublishId(bytes)
    }

    proptest! {
        #[test]
        fn a_copied_map_is_a_map(steps in proptest::collection::vec((0u8..5, 0u16..30), 1..150)) {
            let (mut map, mut model) = (Map::default(), BTreeMap::new());
            let mut copies = Vec::new();
            for (at, (what, number)) in steps.into_iter().enumerate() {
                let seen = Seen { position: at as u64, expires_ms: 1 };
                match what {
                    0..=2 => {
                        map.insert(id(number), seen);
                        model.insert(number, seen);
                    }
                    3 => {
                        map.remove(id(number));
                        model.remove(&number);
                    }
                    _ => copies.push((map.clone(), model.clone())),
                }
            }
            copies.push((map, model));
            for (map, model) in copies {
                prop_assert_eq!(map.len(), model.len());
                prop_assert!(map.parts.iter().flatten().all(|part| !part.is_empty()), "none keeps room for nothing");
                for number in 0..30 {
                    prop_assert_eq!(map.get(id(number)), model.get(&number));
                }
            }
        }

        #[test]
        fn a_copied_queue_is_a_queue(steps in proptest::collection::vec((0u8..3, 0usize..700), 1..20)) {
            let (mut queue, mut model) = (Queue::default(), VecDeque::new());
            let mut copies = Vec::new();
            for (what, count) in steps {
                for number in 0..count {
                    match what {
                        0 => {
                            queue.push_back(number);
                            model.push_back(number);
                        }
                        1 => prop_assert_eq!(queue.pop_front(), model.pop_front()),
                        _ => break,
                    }
                }
                prop_assert_eq!((queue.front(), queue.len()), (model.front(), model.len()));
                copies.push((queue.clone(), model.clone()));
            }
            for (queue, model) in copies {
                prop_assert!(queue.iter().eq(model.iter()));
            }
        }
    }
}

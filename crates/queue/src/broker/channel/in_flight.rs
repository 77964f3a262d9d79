//! Messages that consumers have: found by their positions, by who has them, and in order of their numbers
//! where the topic's rules drop old messages.

use std::collections::BTreeSet;
use std::ops::Range;

use hashbrown::hash_map::Entry;
use hashbrown::{DefaultHashBuilder, HashMap};

use crate::Error;
use crate::broker::message::Message;
use crate::broker::wheel::Timer;

/// No slot, at the ends of a list.
const NONE: u32 = u32::MAX;
/// Room for no more messages than this is kept when there are none.
const KEPT_SLOTS: usize = 1_024;

/// A message a consumer has.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) message: Message,
    pub(crate) owner: u32,
    pub(crate) delivered_ms: i64,
    pub(crate) deadline_ms: i64,
    pub(crate) timer: Timer,
}

/// All of a channel. Adding, finding and taking out are O(1), and what one consumer has costs what it has.
#[derive(Debug, Default)]
pub(crate) struct InFlights {
    by_position: HashMap<u64, u32, DefaultHashBuilder>,
    slots: Vec<Slot>,
    /// Slots without a message.
    free: Vec<u32>,
    /// The first slot of each consumer's, by its place.
    firsts: Vec<u32>,
    /// Numbers of all; none where nobody asks for their order.
    numbers: Option<BTreeSet<u64>>,
}

/// Those of one consumer hang together.
#[derive(Debug)]
struct Slot {
    held: Option<InFlight>,
    previous: u32,
    next: u32,
}

impl InFlights {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.by_position.len()
    }

    /// A consumer gets a message, which nobody has.
    pub(crate) fn insert(&mut self, held: InFlight) {
        let (position, owner) = (held.message.position, held.owner as usize);
        if let Some(numbers) = &mut self.numbers {
            numbers.insert(held.message.seq);
        }
        if self.firsts.len() <= owner {
            self.firsts.resize(owner + 1, NONE);
        }
        let next = self.firsts[owner];
        let slot = Slot { held: Some(held), previous: NONE, next };
        let index = match self.free.pop() {
            Some(index) => {
                self.slots[index as usize] = slot;
                index
            }
            None => {
                self.slots.push(slot);
                u32::try_from(self.slots.len() - 1).expect("fewer messages than fit into memory")
            }
        };
        if next != NONE {
            self.slots[next as usize].previous = index;
        }
        self.firsts[owner] = index;
        self.by_position.insert(position, index);
    }

    /// The message at a position, to be changed; its position, number and owner stay.
    pub(crate) fn get_mut(&mut self, position: u64) -> Option<&mut InFlight> {
        self.slots[*self.by_position.get(&position)? as usize].held.as_mut()
    }

    /// Takes a message out.
    pub(crate) fn remove(&mut self, position: u64) -> Option<InFlight> {
        let index = self.by_position.remove(&position)?;
        self.vacate(index)
    }

    /// Takes a message out if this consumer has it. It is looked for once.
    pub(crate) fn remove_of(&mut self, owner: u32, position: u64) -> Result<InFlight, Error> {
        let Entry::Occupied(found) = self.by_position.entry(position) else { return Err(Error::NotInFlight) };
        let index = *found.get();
        if self.slots[index as usize].held.as_ref().is_some_and(|held| held.owner != owner) {
            return Err(Error::NotOwner);
        }
        found.remove();
        self.vacate(index).ok_or(Error::NotInFlight)
    }

    /// Takes out what a consumer has, in the order of the log.
    pub(crate) fn remove_owned(&mut self, owner: u32) -> Vec<InFlight> {
        let mut owned = Vec::new();
        while let Some(&index) = self.firsts.get(owner as usize).filter(|index| **index != NONE) {
            let Some(held) = self.vacate(index) else { break };
            self.by_position.remove(&held.message.position);
            owned.push(held);
        }
        owned.sort_unstable_by_key(|held| held.message.position);
        owned
    }

    /// Takes out those whose numbers lie in a range.
    pub(crate) fn remove_range(&mut self, range: &Range<u64>) -> Vec<InFlight> {
        let within = self.iter().filter(|held| range.contains(&held.message.seq));
        let positions: Vec<u64> = within.map(|held| held.message.position).collect();
        positions.into_iter().filter_map(|position| self.remove(position)).collect()
    }

    /// All, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InFlight> {
        self.slots.iter().filter_map(|slot| slot.held.as_ref())
    }

    /// Whether [`numbers_in`](Self::numbers_in) will be asked.
    pub(crate) fn keep_numbers(&mut self, are_kept: bool) {
        if are_kept != self.numbers.is_some() {
            self.numbers = are_kept.then(|| self.iter().map(|held| held.message.seq).collect());
        }
    }

    /// The numbers that lie in a range, in order. Looks at all unless they are kept.
    pub(crate) fn numbers_in(&self, range: Range<u64>) -> impl Iterator<Item = u64> + '_ {
        let kept = self.numbers.as_ref().filter(|_| !range.is_empty());
        let kept = kept.into_iter().flat_map({
            let range = range.clone();
            move |numbers| numbers.range(range.clone()).copied()
        });
        let mut found = Vec::new();
        if self.numbers.is_none() {
            let numbers = self.iter().map(|held| held.message.seq);
            found.extend(numbers.filter(|seq| range.contains(seq)));
            found.sort_unstable();
        }
        kept.chain(found)
    }

    fn vacate(&mut self, index: u32) -> Option<InFlight> {
        let slot = &mut self.slots[index as usize];
        let held = slot.held.take()?;
        let (previous, next) = (slot.previous, slot.next);
        match previous {
            NONE => self.firsts[held.owner as usize] = next,
            previous => self.slots[previous as usize].next = next,
        }
        if next != NONE {
            self.slots[next as usize].previous = previous;
        }
        self.free.push(index);
        if let Some(numbers) = &mut self.numbers {
            numbers.remove(&held.message.seq);
        }
        if self.free.len() == self.slots.len() && self.slots.len() > KEPT_SLOTS {
            (self.slots, self.free) = (Vec::new(), Vec::new());
        }
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::broker::wheel::Wheel;

    fn held(seq: u64, owner: u32) -> InFlight {
        let message = Message {
            position: seq * 8,
            seq,
            published_ns: 0,
            deliver_at_ms: 0,
            expires_ms: 0,
            key_hash: 0,
            attempts: 1,
            in_order: true,
            body: Bytes::new(),
        };
        InFlight { message, owner, delivered_ms: 0, deadline_ms: 0, timer: Wheel::new(0).insert(0, 0) }
    }

    proptest! {
        #[test]
        fn it_is_a_map_with_owners(steps in proptest::collection::vec((0u64..40, 0u32..4, 0u8..12), 1..200)) {
            let (mut all, mut model) = (InFlights::default(), BTreeMap::new());
            for (seq, owner, what) in steps {
                match what {
                    0..=6 if !model.contains_key(&seq) => {
                        all.insert(held(seq, owner));
                        model.insert(seq, owner);
                    }
                    7 => {
                        let removed = all.remove(seq * 8).map(|held| held.owner);
                        prop_assert_eq!(removed, model.remove(&seq));
                    }
                    8 => match (all.remove_of(owner, seq * 8), model.get(&seq)) {
                        (Ok(held), has) => {
                            prop_assert_eq!((held.message.seq, Some(&held.owner)), (seq, has));
                            prop_assert_eq!(model.remove(&seq), Some(owner));
                        }
                        (Err(Error::NotOwner), has) => prop_assert!(has.is_some_and(|has| *has != owner)),
                        (Err(_), has) => prop_assert_eq!(has, None),
                    },
                    9 => {
                        let gone: Vec<u64> = all.remove_owned(owner).iter().map(|held| held.message.seq).collect();
                        let owned = model.iter().filter(|(_, of)| **of == owner).map(|(seq, _)| *seq);
                        prop_assert_eq!(gone, owned.collect::<Vec<_>>());
                        model.retain(|_, of| *of != owner);
                    }
                    10 => {
                        let gone = all.remove_range(&(seq..seq + 5)).len();
                        let before = model.len();
                        model.retain(|of, _| !(seq..seq + 5).contains(of));
                        prop_assert_eq!(gone, before - model.len());
                    }
                    _ => all.keep_numbers(owner < 2),
                }
                prop_assert_eq!(all.len(), model.len());
                prop_assert_eq!(all.get_mut(seq * 8).map(|held| held.owner), model.get(&seq).copied());
                let numbers: Vec<u64> = all.numbers_in(seq..30).collect();
                let expected = model.keys().copied().filter(|of| (seq..30).contains(of));
                prop_assert_eq!(numbers, expected.collect::<Vec<_>>());
            }
        }
    }
}

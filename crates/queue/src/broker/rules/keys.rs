//! One after the other: of the messages of a key at most one is out, the others wait their turn.
//!
//! A key is held by the message that was handed out, until that one is over: also while it is requeued,
//! timed out or deferred after a failure, so that what was published later never overtakes it. Those
//! that meet a key held by another are parked in the order of their numbers.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;

/// Which keys are held, and who waits. `T` is a message; a key is a hash, never zero.
#[derive(Debug)]
pub(crate) struct Keys<T> {
    /// The message that holds a key.
    held: HashMap<u64, u64>,
    /// The key a message holds.
    holders: HashMap<u64, u64>,
    /// By key and number.
    parked: HashMap<u64, BTreeMap<u64, T>>,
    count: usize,
}

impl<T> Default for Keys<T> {
    fn default() -> Self {
        Self { held: HashMap::new(), holders: HashMap::new(), parked: HashMap::new(), count: 0 }
    }
}

impl<T> Keys<T> {
    /// How many are parked.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Whether no key is held, and so nobody waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.holders.is_empty()
    }

    /// The message may be handed out, and then holds its key: it is given back. Else it is parked.
    pub(crate) fn pass(&mut self, key: u64, seq: u64, message: T) -> Option<T> {
        match self.held.get(&key) {
            Some(holder) if *holder != seq => {
                self.count += usize::from(self.parked.entry(key).or_default().insert(seq, message).is_none());
                None
            }
            _ => {
                self.hold(key, seq);
                Some(message)
            }
        }
    }

    /// This message holds its key from now on: it was handed out before a restart, and failed.
    pub(crate) fn hold(&mut self, key: u64, seq: u64) {
        // The first one wins: after a restart they come in the order of their numbers.
        if let Entry::Vacant(vacant) = self.held.entry(key) {
            vacant.insert(seq);
            self.holders.insert(seq, key);
        }
    }

    /// A message is over. If it held a key, the next of that key comes out of the park and holds it.
    pub(crate) fn done(&mut self, seq: u64) -> Option<T> {
        // Nobody pays for keys who has none.
        if self.holders.is_empty() {
            return None;
        }
        let key = self.holders.remove(&seq)?;
        self.held.remove(&key);
        self.next(key)
    }

    /// Takes out all that are parked in the order of their numbers, and forgets who holds what.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let parked = std::mem::take(self).parked;
        let mut all: Vec<_> = parked.into_values().flatten().collect();
        all.sort_unstable_by_key(|(seq, _)| *seq);
        all.into_iter().map(|(_, message)| message).collect()
    }

    /// Forgets messages of these numbers, but those that `stay` (sorted). What may go now because its
    /// holder is gone comes out.
    pub(crate) fn forget(&mut self, range: &Range<u64>, stay: &[u64]) -> Vec<T> {
        for parked in self.parked.values_mut() {
            let before = parked.len();
            parked.retain(|seq, _| !range.contains(seq));
            self.count -= before - parked.len();
        }
        self.parked.retain(|_, parked| !parked.is_empty());
        let gone: Vec<u64> = self
            .holders
            .keys()
            .copied()
            .filter(|seq| range.contains(seq) && stay.binary_search(seq).is_err())
            .collect();
        gone.into_iter().filter_map(|seq| self.done(seq)).collect()
    }

    /// Those that are parked, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parked.values().flat_map(BTreeMap::values)
    }

    fn next(&mut self, key: u64) -> Option<T> {
        let parked = self.parked.get_mut(&key)?;
        let (seq, message) = parked.pop_first()?;
        if parked.is_empty() {
            self.parked.remove(&key);
        }
        self.count -= 1;
        // It may be over before it is handed out, and until then nobody overtakes it.
        self.hold(key, seq);
        Some(message)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_held_until_its_message_is_over() {
        let mut keys = Keys::default();
        assert_eq!(keys.pass(7, 1, "one"), Some("one"));
        assert_eq!(keys.pass(7, 3, "three"), None);
        assert_eq!(keys.pass(7, 2, "two"), None);
        assert_eq!(keys.pass(8, 4, "other"), Some("other"));
        assert_eq!(keys.pass(7, 1, "one again"), Some("one again"), "it came back and goes first");
        assert_eq!((keys.len(), keys.iter().count()), (2, 2));
        assert_eq!(keys.done(9), None);
        assert_eq!(keys.done(1), Some("two"));
        assert_eq!(keys.pass(7, 2, "two"), Some("two"));
        assert_eq!(keys.done(2), Some("three"));
        assert_eq!(keys.pass(7, 3, "three"), Some("three"));
        assert_eq!((keys.done(3), keys.done(4), keys.len()), (None, None, 0));
        assert!(keys.held.is_empty() && keys.holders.is_empty() && keys.parked.is_empty());
    }

    #[test]
    fn what_expires_before_it_is_handed_out_lets_the_next_one_go() {
        let mut keys = Keys::default();
        for seq in 1..5 {
            keys.pass(7, seq, seq);
        }
        assert_eq!(keys.done(1), Some(2));
        assert_eq!(keys.pass(7, 5, 5), None, "it does not overtake");
        assert_eq!(keys.done(2), Some(3), "it was over before it was handed out");
        assert_eq!(keys.forget(&(0..4), &[]), [4], "the same, if it was dropped");
    }

    #[test]
    fn what_is_dropped_lets_the_next_one_go() {
        let mut keys = Keys::default();
        for seq in 1..6 {
            keys.pass(7, seq, seq);
        }
        assert_eq!(keys.forget(&(0..4), &[]), [4]);
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.pass(7, 4, 4), Some(4));
        assert_eq!(keys.forget(&(0..5), &[4]).len(), 0, "who holds a key and stays goes on to hold it");
        assert_eq!(keys.clear(), [5]);
        assert_eq!(keys.pass(7, 6, 6), Some(6), "nobody holds anything after clearing");
    }

    proptest! {
        /// Messages are taken from a queue, and finished or given back at random.
        #[test]
        fn each_key_is_delivered_in_order_one_at_a_time(
            keys_of in proptest::collection::vec(1u64..5, 1..60),
            choices in proptest::collection::vec((any::<bool>(), 0usize..4, any::<bool>()), 0..200),
        ) {
            let mut ready: VecDeque<(u64, u64)> =
                keys_of.iter().enumerate().map(|(seq, key)| (*key, seq as u64)).collect();
            let mut keys = Keys::default();
            let mut out: Vec<(u64, u64)> = Vec::new();
            let mut finished: Vec<(u64, u64)> = Vec::new();
            // At last all is taken and finished.
            let drain = std::iter::repeat_n((true, 0, true), 400);
            for (take, which, finish) in choices.into_iter().chain(drain.flat_map(|c| [c, (false, 0, true)])) {
                if take {
                    let Some((key, seq)) = ready.pop_front() else { continue };
                    out.extend(keys.pass(key, seq, (key, seq)));
                } else if !out.is_empty() {
                    let (key, seq) = out.remove(which % out.len());
                    if finish {
                        finished.push((key, seq));
                        keys.done(seq).into_iter().for_each(|next| ready.push_front(next));
                    } else {
                        ready.push_back((key, seq));
                    }
                }
                let mut held: Vec<_> = out.iter().map(|(key, _)| *key).collect();
                held.sort_unstable();
                held.dedup();
                prop_assert_eq!(held.len(), out.len(), "one of a key at a time");
            }
            prop_assert_eq!(finished.len(), keys_of.len());
            for key in 1..5 {
                let order: Vec<_> = finished.iter().filter(|(of, _)| *of == key).map(|(_, seq)| *seq).collect();
                prop_assert!(order.is_sorted(), "{key}: {order:?}");
            }
            prop_assert_eq!(keys.len(), 0);
        }
    }
}

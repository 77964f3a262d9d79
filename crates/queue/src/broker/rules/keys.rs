//! One after the other: of the messages of a key at most one is out, the others wait their turn.
//!
//! A key is held by the message that was handed out, until that one is over: also while it is requeued,
//! timed out or deferred after a failure, so that what was published later never overtakes it. Those
//! that meet a key held by another are parked in the order of their numbers.
//!
//! After a restart several of a key may be known to have been handed out, because the journal was not told
//! yet that the first of them is over. The first holds the key; the others hold it after that one, before
//! any that was never handed out.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

/// Which keys are held, and who waits. `T` is a message; a key is a hash, never zero.
#[derive(Debug)]
pub(crate) struct Keys<T> {
    /// The message that holds a key.
    held: HashMap<u64, u64>,
    /// Messages that hold a key next, parked or not, by key.
    heirs: HashMap<u64, BTreeSet<u64>>,
    /// The key of a message that holds one, or is an heir.
    holders: BTreeMap<u64, u64>,
    /// By key and number.
    parked: HashMap<u64, BTreeMap<u64, T>>,
    /// The key a parked message waits for.
    waiting: BTreeMap<u64, u64>,
}

/// What came of forgetting messages.
#[derive(Debug)]
pub(crate) struct Forgotten<T> {
    /// Those that had been parked.
    pub(crate) gone: Vec<T>,
    /// Those that may go now, because who held their key is gone.
    pub(crate) free: Vec<T>,
}

impl<T> Default for Keys<T> {
    fn default() -> Self {
        Self {
            held: HashMap::new(),
            heirs: HashMap::new(),
            holders: BTreeMap::new(),
            parked: HashMap::new(),
            waiting: BTreeMap::new(),
        }
    }
}

impl<T> Keys<T> {
    /// How many are parked.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether no key is held, and so nobody waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.holders.is_empty()
    }

    /// The message may be handed out, and then holds its key: it is given back. Else it is parked.
    pub(crate) fn pass(&mut self, key: u64, seq: u64, message: T) -> Option<T> {
        match self.held.get(&key) {
            Some(holder) if *holder != seq => {
                self.parked.entry(key).or_default().insert(seq, message);
                self.waiting.insert(seq, key);
                None
            }
            _ => {
                self.hold(key, seq);
                Some(message)
            }
        }
    }

    /// This message was handed out before a restart, and is not over: it holds its key from now on, or once
    /// those of its key are over that said so before.
    pub(crate) fn hold(&mut self, key: u64, seq: u64) {
        match self.held.entry(key) {
            Entry::Vacant(vacant) => {
                vacant.insert(seq);
            }
            Entry::Occupied(holder) if *holder.get() == seq => return,
            Entry::Occupied(_) => {
                self.heirs.entry(key).or_default().insert(seq);
            }
        }
        self.holders.insert(seq, key);
    }

    /// A message is over. If it held a key, the next of that key holds it, and comes out if it was parked.
    pub(crate) fn done(&mut self, seq: u64) -> Option<T> {
        // Nobody pays for keys who has none.
        if self.holders.is_empty() {
            return None;
        }
        let key = self.holders.remove(&seq)?;
        if self.held.get(&key) != Some(&seq) {
            self.take_heir(key, Some(seq));
            return None;
        }
        self.held.remove(&key);
        let first_parked = |keys: &Self| keys.parked.get(&key)?.keys().next().copied();
        // It may be over before it is handed out, and until then nobody overtakes it.
        let next = self.take_heir(key, None).or_else(|| first_parked(self))?;
        self.hold(key, next);
        self.unpark(next)
    }

    /// Takes out all that are parked in the order of their numbers, and forgets who holds what.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        let parked = std::mem::take(self).parked;
        let mut all: Vec<_> = parked.into_values().flatten().collect();
        all.sort_unstable_by_key(|(seq, _)| *seq);
        all.into_iter().map(|(_, message)| message).collect()
    }

    /// Forgets messages of these numbers, but those that `stay` (sorted). Costs what is forgotten.
    pub(crate) fn forget(&mut self, range: &Range<u64>, stay: &[u64]) -> Forgotten<T> {
        if range.is_empty() {
            return Forgotten { gone: Vec::new(), free: Vec::new() };
        }
        let numbers = |of: &BTreeMap<u64, u64>| -> Vec<u64> {
            let stays = |seq: &u64| stay.binary_search(seq).is_ok();
            of.range(range.clone()).map(|(seq, _)| *seq).filter(|seq| !stays(seq)).collect()
        };
        let gone = numbers(&self.waiting).into_iter().filter_map(|seq| self.unpark(seq)).collect();
        let free = numbers(&self.holders).into_iter().filter_map(|seq| self.done(seq)).collect();
        Forgotten { gone, free }
    }

    /// Those that are parked, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.parked.values().flat_map(BTreeMap::values)
    }

    /// Takes out a message if it is parked.
    fn unpark(&mut self, seq: u64) -> Option<T> {
        let key = self.waiting.remove(&seq)?;
        let parked = self.parked.get_mut(&key)?;
        let message = parked.remove(&seq);
        if parked.is_empty() {
            self.parked.remove(&key);
        }
        message
    }

    /// Takes an heir of a key away: this one, or the first.
    fn take_heir(&mut self, key: u64, seq: Option<u64>) -> Option<u64> {
        let heirs = self.heirs.get_mut(&key)?;
        let heir = match seq {
            Some(seq) => heirs.take(&seq),
            None => heirs.pop_first(),
        };
        if heirs.is_empty() {
            self.heirs.remove(&key);
        }
        heir
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
    fn of_several_that_were_handed_out_before_a_restart_each_holds_the_key_before_any_that_was_not() {
        let mut keys = Keys::default();
        [2, 3, 5, 6].into_iter().for_each(|seq| keys.hold(7, seq));
        keys.hold(7, 3);
        assert_eq!(keys.pass(7, 4, 4), None, "it was never handed out");
        assert_eq!(keys.pass(7, 5, 5), None, "it is another's turn");
        assert_eq!(keys.done(2), None, "three is next, and deferred");
        assert_eq!((keys.pass(7, 1, 1), keys.pass(7, 3, 3)), (None, Some(3)));
        assert_eq!(keys.done(6), None, "it expired meanwhile");
        assert_eq!(keys.done(3), Some(5), "it was parked");
        assert_eq!((keys.done(5), keys.done(1), keys.done(4)), (Some(1), Some(4), None));
        assert!(keys.heirs.is_empty() && keys.held.is_empty() && keys.holders.is_empty());
        [2, 3, 9].into_iter().for_each(|seq| keys.hold(7, seq));
        keys.pass(7, 8, 8);
        assert!(keys.forget(&(0..5), &[]).free.is_empty(), "both are gone, and the third is not there yet");
        assert_eq!(keys.done(9), Some(8));
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
        assert_eq!(keys.forget(&(0..4), &[]).free, [4], "the same, if it was dropped");
    }

    #[test]
    fn what_is_dropped_lets_the_next_one_go() {
        let mut keys = Keys::default();
        for seq in 1..6 {
            keys.pass(7, seq, seq);
        }
        let forgotten = keys.forget(&(0..4), &[]);
        assert_eq!((forgotten.gone, forgotten.free), (vec![2, 3], vec![4]));
        assert_eq!(keys.len(), 1);
        assert_eq!(keys.pass(7, 4, 4), Some(4));
        assert_eq!(keys.forget(&(0..5), &[4]).free.len(), 0, "who holds a key and stays goes on to hold it");
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

//! A set of sequence numbers: which messages a channel is done with.
//!
//! Messages of a topic are numbered without gaps and mostly finished in order, so what is done is one
//! long range from zero (the floor), one range that grows at the far end, and few between. The three
//! are kept apart: finishing in order touches two numbers and no map. A copy costs little, however many
//! ranges there are.

use std::ops::Range;

use super::chunks::ChunkMap;
use super::varint;

/// Sequence numbers from 0 to `u64::MAX - 1`, kept as ranges that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RangeSet {
    /// Everything below is in, this one is not.
    floor: u64,
    /// Ranges between the floor and `last`, by start.
    between: ChunkMap<u64>,
    /// The range furthest up; empty if there is none above the floor, and then nothing is between.
    last: Range<u64>,
    /// Numbers in `between` and `last`.
    above: u64,
}

impl RangeSet {
    /// A set of everything below `floor`.
    pub(crate) fn below(floor: u64) -> Self {
        Self { floor, ..Self::default() }
    }

    /// Everything below this number is in; this number is not.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// How many numbers above the floor are in.
    pub(crate) fn count_above_floor(&self) -> u64 {
        self.above
    }

    /// How many separate ranges lie above the floor: what the set costs in memory.
    pub(crate) fn ranges_above_floor(&self) -> usize {
        self.between.len() + usize::from(!self.last.is_empty())
    }

    /// One more than the greatest number that is in; zero for the empty set.
    pub(crate) fn end(&self) -> u64 {
        self.last.end.max(self.floor)
    }

    /// Whether a number is in.
    pub(crate) fn contains(&self, seq: u64) -> bool {
        if seq < self.floor {
            return true;
        }
        if seq >= self.last.start {
            return seq < self.last.end;
        }
        self.between.at_or_below(seq).is_some_and(|(_, end)| seq < end)
    }

    /// Puts one number in; true if it was not. `u64::MAX` is no sequence number and is ignored.
    pub(crate) fn insert(&mut self, seq: u64) -> bool {
        if self.last.is_empty() && seq == self.floor && seq != u64::MAX {
            self.floor += 1;
            return true;
        }
        if !self.last.is_empty() && seq == self.last.end && seq != u64::MAX {
            self.last.end += 1;
            self.above += 1;
            return true;
        }
        self.insert_range(seq..seq.saturating_add(1)) == 1
    }

    /// Puts all of a range in; how many of them were not.
    pub(crate) fn insert_range(&mut self, range: Range<u64>) -> u64 {
        let Range { mut start, mut end } = range;
        start = start.max(self.floor);
        if start >= end {
            return 0;
        }
        if start > if self.last.is_empty() { self.floor } else { self.last.end } {
            // Beyond everything: the common way a second range comes to be.
            self.keep_last_between();
            self.above += end - start;
            self.last = start..end;
            return end - start;
        }
        let asked = end - start;
        let mut there = 0;
        // The one that begins before and reaches into or up to it, then all that begin within or just behind.
        let before = start.checked_sub(1).and_then(|below| self.between.at_or_below(below));
        let from = before.filter(|(_, until)| *until >= start).map_or(start, |(from, _)| from);
        let (asked_start, asked_end) = (start, end);
        loop {
            let next = self.between.iter_from(from).next();
            let Some((from, until)) = next.filter(|(from, _)| *from <= end) else { break };
            self.between.remove(from);
            there += overlap(asked_start..asked_end, &(from..until));
            self.above -= until - from;
            start = start.min(from);
            end = end.max(until);
        }
        let mut is_last = self.last.is_empty();
        if !self.last.is_empty() && self.last.start <= end && self.last.end >= start {
            there += overlap(asked_start..asked_end, &self.last);
            self.above -= self.last.end - self.last.start;
            start = start.min(self.last.start);
            end = end.max(self.last.end);
            is_last = true;
        }
        if start == self.floor {
            self.floor = end;
            if is_last {
                self.last = 0..0;
            }
        } else {
            self.above += end - start;
            if is_last {
                self.last = start..end;
            } else {
                self.between.insert(start, end);
            }
        }
        asked - there
    }

    /// Puts in all that is in `other`.
    pub(crate) fn insert_all(&mut self, other: &Self) {
        self.insert_range(0..other.floor);
        for range in other.iter() {
            self.insert_range(range);
        }
    }

    /// The ranges above the floor, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        let last = (!self.last.is_empty()).then(|| self.last.clone());
        self.between.iter().map(|(start, end)| start..end).chain(last)
    }

    /// The ranges that are not in, from the floor up to but not including `upto`, in order.
    pub(crate) fn gaps(&self, upto: u64) -> impl Iterator<Item = Range<u64>> + '_ {
        self.gaps_in(0..upto)
    }

    /// The parts of a range that are not in, in order.
    pub(crate) fn gaps_in(&self, Range { start, end }: Range<u64>) -> impl Iterator<Item = Range<u64>> + '_ {
        let mut at = start.max(self.floor);
        let begun = self.between.at_or_below(at);
        let between = begun.into_iter().chain(self.between.iter_from(at.saturating_add(1)));
        let last = (!self.last.is_empty()).then(|| self.last.clone());
        let ranges = between.map(|(start, end)| start..end).chain(last).chain(std::iter::once(end..end));
        ranges.filter_map(move |range| {
            let gap = at..range.start.min(end);
            at = at.max(range.end);
            (!gap.is_empty()).then_some(gap)
        })
    }

    /// Appends the set: the floor, how many ranges are above it, and of each the distance and length
    /// less one.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        varint::put(out, self.floor);
        varint::put(out, self.ranges_above_floor() as u64);
        let mut at = self.floor;
        for range in self.iter() {
            varint::put(out, range.start - at - 1);
            varint::put(out, range.end - range.start - 1);
            at = range.end;
        }
    }

    /// Takes a set from the front; none if these are not the bytes of one.
    pub(crate) fn decode(from: &mut &[u8]) -> Option<Self> {
        let mut rest = *from;
        let mut set = Self::below(varint::take(&mut rest)?);
        let mut at = set.floor;
        for _ in 0..varint::take(&mut rest)? {
            let start = at.checked_add(varint::take(&mut rest)?)?.checked_add(1)?;
            at = start.checked_add(varint::take(&mut rest)?)?.checked_add(1)?;
            set.keep_last_between();
            set.above += at - start;
            set.last = start..at;
        }
        *from = rest;
        Some(set)
    }

    fn keep_last_between(&mut self) {
        if !self.last.is_empty() {
            self.between.insert(self.last.start, self.last.end);
        }
    }
}

fn overlap(a: Range<u64>, b: &Range<u64>) -> u64 {
    a.end.min(b.end).saturating_sub(a.start.max(b.start))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    /// What holds of every set, and that it is the model.
    fn check(set: &RangeSet, model: &BTreeSet<u64>) {
        let floor = (0..).find(|seq| !model.contains(seq)).expect("a number that is not in");
        assert_eq!(set.floor(), floor);
        assert_eq!(set.count_above_floor(), model.range(floor..).count() as u64);
        assert_eq!(set.end(), model.last().map_or(0, |last| last + 1));
        let ranges: Vec<_> = set.iter().collect();
        assert_eq!(ranges.len(), set.ranges_above_floor());
        let mut at = set.floor();
        for range in &ranges {
            assert!(range.start > at && range.end > range.start, "{ranges:?} above {floor}");
            at = range.end;
        }
        let mut all: BTreeSet<u64> = (0..floor).collect();
        all.extend(ranges.into_iter().flatten());
        assert_eq!(&all, model);
        for seq in 0..=set.end() + 1 {
            assert_eq!(set.contains(seq), model.contains(&seq), "{seq} of {set:?}");
        }
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        bytes.push(9);
        let mut rest = &bytes[..];
        assert_eq!(RangeSet::decode(&mut rest).as_ref(), Some(set));
        assert_eq!(rest, [9]);
    }

    #[test]
    fn finishing_in_order_is_one_number() {
        let mut set = RangeSet::default();
        for seq in 0..1_000 {
            assert!(set.insert(seq));
        }
        assert_eq!((set.floor(), set.ranges_above_floor()), (1_000, 0));
        assert!(!set.insert(999));
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        assert_eq!(bytes.len(), 3);
    }

    #[test]
    fn one_that_hangs_keeps_the_floor_until_it_is_done() {
        let mut set = RangeSet::below(10);
        assert_eq!(set.insert_range(11..500), 489);
        assert_eq!((set.floor(), set.count_above_floor()), (10, 489));
        assert_eq!(set.gaps(600).collect::<Vec<_>>(), [10..11, 500..600]);
        assert!(set.insert(10));
        assert_eq!((set.floor(), set.count_above_floor()), (500, 0));
        assert_eq!(set.gaps(500).count(), 0);
        assert_eq!(set.gaps(3).count(), 0, "nothing is missing below the floor");
    }

    #[test]
    fn the_ends_of_the_numbers_are_no_trap() {
        let mut set = RangeSet::default();
        assert!(set.insert(u64::MAX - 1));
        assert!(!set.insert(u64::MAX), "no sequence number");
        assert!(!set.contains(u64::MAX));
        assert_eq!(set.insert_range(0..u64::MAX), u64::MAX - 1);
        assert_eq!((set.floor(), set.count_above_floor(), set.insert(5)), (u64::MAX, 0, false));
        let mut bytes = Vec::new();
        set.encode(&mut bytes);
        assert_eq!(RangeSet::decode(&mut &bytes[..]), Some(set));
    }

    #[test]
    fn bytes_of_no_set_are_refused() {
        let mut bytes = Vec::new();
        let mut set = RangeSet::below(3);
        set.insert_range(7..9);
        set.insert(100);
        set.encode(&mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(RangeSet::decode(&mut &bytes[..cut]), None, "cut to {cut} bytes");
        }
        let mut lies = vec![0];
        varint::put(&mut lies, u64::MAX);
        assert_eq!(RangeSet::decode(&mut &lies[..]), None, "a count without ranges behind it");
        let mut beyond = vec![0, 1];
        varint::put(&mut beyond, u64::MAX);
        beyond.push(0);
        assert_eq!(RangeSet::decode(&mut &beyond[..]), None, "a range beyond the numbers");
    }

    #[derive(Debug, Clone)]
    enum Step {
        One(u64),
        Many(Range<u64>),
        /// The number behind the greatest.
        Next,
        /// The number at the floor.
        Floor,
        Join(Vec<u64>),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            8 => (0u64..120).prop_map(Step::One),
            4 => (0u64..120, 0u64..12).prop_map(|(start, length)| Step::Many(start..start + length)),
            3 => Just(Step::Next),
            2 => Just(Step::Floor),
            1 => proptest::collection::vec(0u64..120, 0..20).prop_map(Step::Join),
        ];
        proptest::collection::vec(step, 1..80)
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_numbers(steps in steps()) {
            let mut set = RangeSet::default();
            let mut model = BTreeSet::new();
            for step in steps {
                match step {
                    Step::One(seq) => prop_assert_eq!(set.insert(seq), model.insert(seq)),
                    Step::Many(range) => {
                        let new = range.clone().filter(|seq| model.insert(*seq)).count() as u64;
                        prop_assert_eq!(set.insert_range(range), new);
                    }
                    Step::Next => prop_assert_eq!(set.insert(set.end()), model.insert(set.end() - 1)),
                    Step::Floor => {
                        model.insert(set.floor());
                        prop_assert!(set.insert(set.floor()));
                    }
                    Step::Join(numbers) => {
                        let mut other = RangeSet::default();
                        numbers.iter().for_each(|seq| { other.insert(*seq); });
                        set.insert_all(&other);
                        model.extend(numbers);
                    }
                }
                check(&set, &model);
                let gaps: Vec<u64> = set.gaps(130).flatten().collect();
                prop_assert_eq!(gaps, (0..130).filter(|seq| !model.contains(seq)).collect::<Vec<_>>());
                let gaps: Vec<u64> = set.gaps_in(40..90).flatten().collect();
                prop_assert_eq!(gaps, (40..90).filter(|seq| !model.contains(seq)).collect::<Vec<_>>());
            }
        }

        #[test]
        fn any_bytes_are_a_set_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            if let Some(set) = RangeSet::decode(&mut &bytes[..]) {
                let mut again = Vec::new();
                set.encode(&mut again);
                prop_assert_eq!(RangeSet::decode(&mut &again[..]), Some(set));
            }
        }
    }
}

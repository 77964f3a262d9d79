//! The newest numbers of one shard, in memory: what was folded since the last checkpoint (*dirty*),
//! and the minutes of every open hour (*cells*), which are exactly what the shard's segments hold.
//!
//! An hour is open while it has segments. Late points open their hour again; it is closed again, by
//! merging, as soon as the closing comes by. So there is one path for points of any time.
//!
//! See `docs/internals/recorder.md`.

use std::collections::BTreeMap;

use hashbrown::HashMap;
use stats::Bucket;
use stats::bucket::Accumulator;
use store::NewStat;

/// How many dirty minutes of a stat are looked through before a new one is begun for the same minute
/// (a checkpoint merges them): keeps a backfill in random order from becoming quadratic.
const CHAIN_MAX: usize = 32;
/// No entry.
const NONE: u32 = u32::MAX;

/// One shard's newest numbers.
#[derive(Default)]
pub(crate) struct Head {
    /// By the stat's number within the shard.
    slots: Vec<Slot>,
    dirty: Vec<Dirty>,
    hours: BTreeMap<u32, Hour>,
    cells: usize,
    /// Stats made since the last checkpoint.
    pub new_stats: Vec<NewStat>,
    /// Stats that points took out of the trash since then, and when these came.
    pub revived: Vec<(u32, i64)>,
    /// What readers must know of the ledger.
    pub marks: Marks,
}

/// The marks of the ledger that say where numbers are to be found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Marks {
    pub days_closed_before: u32,
    pub minutes_from: u32,
    pub hours_from: u32,
}

/// A stat's minutes of one open hour, by the stat's number, in rising order of minute.
pub(crate) type Hour = HashMap<u32, Vec<(u8, Bucket)>>;

#[derive(Clone, Copy)]
struct Slot {
    /// Newest dirty entry, or [`NONE`].
    newest: u32,
    /// First minute that anything is kept of; 0 until somebody has looked it up.
    began: u32,
    version: u64,
}

const EMPTY: Slot = Slot { newest: NONE, began: 0, version: 0 };

struct Dirty {
    stat: u32,
    minute: u32,
    /// The stat's dirty entry before this one, or [`NONE`].
    older: u32,
    sum: Accumulator,
}

/// What was added to one minute of one stat since the last checkpoint.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct Added {
    /// The stat's number within the shard.
    pub stat: u32,
    /// Since the epoch.
    pub minute: u32,
    pub bucket: Bucket,
}

impl Head {
    /// Makes room for the stat with this number.
    pub(crate) fn admit(&mut self, stat: u32) {
        if self.slots.len() <= stat as usize {
            self.slots.resize(stat as usize + 1, EMPTY);
        }
    }

    /// Folds one number. The stat was [`admit`](Self::admit)ted.
    #[inline]
    pub(crate) fn fold(&mut self, stat: u32, minute: u32, number: f64) {
        let slot = &mut self.slots[stat as usize];
        slot.version += 1;
        slot.began = slot.began.min(minute);
        let mut at = slot.newest;
        for _ in 0..CHAIN_MAX {
            let Some(dirty) = self.dirty.get_mut(at as usize) else { break };
            if dirty.minute == minute {
                dirty.sum.add(number);
                return;
            }
            at = dirty.older;
        }
        let newest = self.dirty.len() as u32;
        self.dirty.push(Dirty { stat, minute, older: slot.newest, sum: Accumulator::of(number) });
        slot.newest = newest;
    }

    /// How many dirty minutes there are.
    pub(crate) fn dirty(&self) -> usize {
        self.dirty.len()
    }

    /// How many cells there are.
    pub(crate) fn cells(&self) -> usize {
        self.cells
    }

    /// How often numbers were folded into a stat.
    pub(crate) fn version(&self, stat: u32) -> u64 {
        self.slots.get(stat as usize).map_or(0, |slot| slot.version)
    }

    /// The first minute that anything is kept of, here or in the store; `None` until [`begin`](Self::begin) was called.
    pub(crate) fn began(&self, stat: u32) -> Option<u32> {
        self.slots.get(stat as usize).map(|slot| slot.began).filter(|began| *began > 0)
    }

    /// Keeps what the store says of a stat's first minute, or the first one here if that is earlier; from here on
    /// earlier numbers move it.
    pub(crate) fn begin(&mut self, stat: u32, in_store: Option<u32>) -> Option<u32> {
        let in_cells = self
            .hours
            .iter()
            .find_map(|(hour, cells)| Some(hour * 60 + u32::from(cells.get(&stat)?.first()?.0)));
        let slot = self.slots.get_mut(stat as usize)?;
        let mut first = in_store.into_iter().chain(in_cells).min();
        let mut at = slot.newest;
        while let Some(dirty) = self.dirty.get(at as usize) {
            first = Some(first.map_or(dirty.minute, |first| first.min(dirty.minute)));
            at = dirty.older;
        }
        slot.began = first.unwrap_or(0);
        first
    }

    /// Turns what is dirty into cells and hands it out for the checkpoint, in order of hour, stat and
    /// minute, one entry a minute.
    pub(crate) fn take_dirty(&mut self) -> Vec<Added> {
        let mut taken = std::mem::take(&mut self.dirty);
        for dirty in &taken {
            self.slots[dirty.stat as usize].newest = NONE;
        }
        // Stable: entries of the same minute stay in the order in which they were begun.
        taken.sort_by_key(|dirty| (dirty.minute / 60, dirty.stat, dirty.minute));
        let mut added: Vec<Added> = Vec::with_capacity(taken.len());
        for dirty in taken.drain(..) {
            match added.last_mut() {
                Some(last) if (last.stat, last.minute) == (dirty.stat, dirty.minute) => {
                    last.bucket.merge(&dirty.sum.bucket());
                }
                _ => added.push(Added { stat: dirty.stat, minute: dirty.minute, bucket: dirty.sum.bucket() }),
            }
        }
        self.dirty = taken;
        for one in &added {
            self.add_cell(one.minute / 60, one.stat, (one.minute % 60) as u8, one.bucket);
        }
        added
    }

    /// Opens an hour, so that it will be closed even if nothing of it is left.
    pub(crate) fn open_hour(&mut self, hour: u32) {
        self.hours.entry(hour).or_default();
    }

    /// Merges what a segment holds into the cells.
    pub(crate) fn add_cell(&mut self, hour: u32, stat: u32, minute: u8, bucket: Bucket) {
        let minutes = self.hours.entry(hour).or_default().entry(stat).or_default();
        let at = minutes.iter().rposition(|(m, _)| *m <= minute);
        match at {
            Some(at) if minutes[at].0 == minute => minutes[at].1.merge(&bucket),
            _ => {
                minutes.insert(at.map_or(0, |at| at + 1), (minute, bucket));
                self.cells += 1;
            }
        }
    }

    /// The open hours, oldest first.
    pub(crate) fn open_hours(&self) -> impl Iterator<Item = u32> + '_ {
        self.hours.keys().copied()
    }

    /// The cells of an hour.
    pub(crate) fn hour(&self, hour: u32) -> Option<&Hour> {
        self.hours.get(&hour)
    }

    /// Takes cells out that are in blocks now.
    pub(crate) fn remove_cells(&mut self, hours: &[u32], stats: &[u32]) {
        for hour in hours {
            if let Some(cells) = self.hours.get_mut(hour) {
                for stat in stats {
                    self.cells -= cells.remove(stat).map_or(0, |minutes| minutes.len());
                }
            }
        }
    }

    /// Forgets an hour that has no segments any more.
    pub(crate) fn forget_hour(&mut self, hour: u32) {
        if let Some(cells) = self.hours.remove(&hour) {
            self.cells -= cells.values().map(Vec::len).sum::<usize>();
        }
    }

    /// Forgets all of a stat that was purged.
    pub(crate) fn forget_stat(&mut self, stat: u32) {
        for cells in self.hours.values_mut() {
            self.cells -= cells.remove(&stat).map_or(0, |minutes| minutes.len());
        }
    }

    /// A stat's minutes in `from..to` (since the epoch) that are not in blocks yet, in rising order.
    pub(crate) fn minutes(&self, stat: u32, from: u32, to: u32) -> Vec<(u32, Bucket)> {
        let mut found = Vec::new();
        for (hour, cells) in self.hours.range(from / 60..to.div_ceil(60)) {
            let minutes = cells.get(&stat).map_or(&[][..], Vec::as_slice);
            found.extend(minutes.iter().map(|(minute, bucket)| (hour * 60 + u32::from(*minute), *bucket)));
        }
        found.retain(|(minute, _)| (from..to).contains(minute));
        let settled = found.len();
        let mut at = self.slots.get(stat as usize).map_or(NONE, |slot| slot.newest);
        while let Some(dirty) = self.dirty.get(at as usize) {
            if (from..to).contains(&dirty.minute) {
                found.push((dirty.minute, dirty.sum.bucket()));
            }
            at = dirty.older;
        }
        if found.len() > settled {
            found[settled..].reverse();
            found.sort_by_key(|(minute, _)| *minute);
            found.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    earlier.1.merge(&later.1);
                }
                same
            });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(numbers: &[f64]) -> Bucket {
        let mut bucket = Bucket::of(numbers[0]);
        numbers[1..].iter().for_each(|n| bucket.add(*n));
        bucket
    }

    #[test]
    fn readers_see_cells_and_dirt_as_one() {
        let mut head = Head::default();
        head.admit(3);
        head.fold(3, 61, 1.0);
        head.fold(3, 62, 2.0);
        let added = head.take_dirty();
        assert_eq!(added.len(), 2);
        head.fold(3, 61, 4.0);
        head.fold(3, 59, 8.0);
        assert_eq!(
            head.minutes(3, 0, 62),
            vec![(59, bucket(&[8.0])), (61, bucket(&[1.0, 4.0]))],
            "the end is excluded, minutes are merged in order"
        );
        assert_eq!(head.version(3), 4);
        assert_eq!(head.cells(), 2);
        assert_eq!(head.open_hours().collect::<Vec<_>>(), [1]);
        head.take_dirty();
        assert_eq!(head.open_hours().collect::<Vec<_>>(), [0, 1]);
        head.remove_cells(&[0, 1], &[3]);
        assert_eq!((head.cells(), head.minutes(3, 0, 200)), (0, vec![]));
    }

    #[test]
    fn the_first_minute_is_that_of_the_store_or_an_earlier_one() {
        let mut head = Head::default();
        head.admit(3);
        head.fold(3, 500, 1.0);
        assert_eq!(head.began(3), None, "nobody has looked");
        assert_eq!(head.begin(3, None), Some(500));
        head.take_dirty();
        head.fold(3, 400, 1.0);
        assert_eq!(head.began(3), Some(400), "late numbers move it");
        assert_eq!((head.begin(3, Some(450)), head.begin(3, Some(90))), (Some(400), Some(90)));
        head.fold(3, 700, 1.0);
        assert_eq!((head.began(3), head.began(4)), (Some(90), None));
    }

    #[test]
    fn a_backfill_in_any_order_loses_nothing() {
        let mut head = Head::default();
        head.admit(1);
        for round in 0..3 {
            for minute in 0..1_000 {
                head.fold(1, (minute * 7_919) % 1_000, f64::from(round));
            }
        }
        let before = head.minutes(1, 0, 1_000);
        let added = head.take_dirty();
        assert_eq!(added.len(), 1_000);
        assert!(added.iter().all(|a| a.bucket == bucket(&[0.0, 1.0, 2.0])), "in order of arrival");
        assert_eq!(before, head.minutes(1, 0, 1_000));
    }
}

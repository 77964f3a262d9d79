//! Numbers on their way up the ladder: the blocks of one transaction, read, changed, packed.
//!
//! Everything here *adds* to what is in the blocks already, and computes a day's hours and its total whole
//! from its minutes while these are kept.
//!
//! **Invariant**: a block that cannot be read is not touched. What should be added to it goes one rung up: of an
//! hour block into the day, of a day block into hours and days.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use stats::block::Codec;
use stats::rollup::{self, Run};
use store::{BlockKey, BlockKind};

use crate::calendar;
use crate::ledger::Ledger;
use crate::shard::Shard;
use crate::state::State;

/// Where the minutes of an hour go when it is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Rung {
    /// Into the hour block: its day is open.
    Hour(u32),
    /// Into the day block and its roll-ups.
    Day(u32),
    /// Into hours: minutes of that day are not kept any more.
    Month(u32),
    /// Into days: hours of that day are not kept any more.
    Year(u32),
}

impl Rung {
    /// Where `hour` goes.
    pub(crate) fn of(hour: u32, ledger: &Ledger) -> Self {
        let day = hour / calendar::HOURS_OF_DAY;
        match day {
            day if day < ledger.hours_from => Self::Year(day),
            day if day < ledger.minutes_from => Self::Month(day),
            day if day < ledger.days_closed_before => Self::Day(day),
            _ => Self::Hour(hour),
        }
    }

    /// The blocks of a stat that are changed.
    pub(crate) fn keys(self, shard: &Shard, stat: u32) -> Vec<BlockKey> {
        let year = |day| shard.block(BlockKind::DaysOfYear, stat, calendar::year(day).0);
        let month = |day| shard.block(BlockKind::HoursOfMonth, stat, calendar::month(day).0);
        match self {
            Self::Hour(hour) => vec![shard.block(BlockKind::MinutesOfHour, stat, hour)],
            Self::Day(day) => {
                vec![shard.block(BlockKind::MinutesOfDay, stat, day), month(day), year(day)]
            }
            Self::Month(day) => vec![month(day), year(day)],
            Self::Year(day) => vec![year(day)],
        }
    }
}

/// Blocks being changed.
#[derive(Default)]
pub(crate) struct Blocks {
    runs: HashMap<BlockKey, Run>,
    changed: BTreeSet<BlockKey>,
    unreadable: BTreeSet<BlockKey>,
}

impl Blocks {
    /// Unpacks what the store has of the blocks that will be changed.
    pub(crate) fn unpack(state: &State, blocks: Vec<(BlockKey, Vec<u8>)>) -> Self {
        let mut all = Self::default();
        for (key, bytes) in blocks {
            match state.unpack(key, &bytes) {
                Some(run) => drop(all.runs.insert(key, run)),
                None => drop(all.unreadable.insert(key)),
            }
        }
        all
    }

    /// Blocks that are needed besides, in the place of hour blocks that cannot be read.
    pub(crate) fn missing(&self, shard: &Shard) -> Vec<BlockKey> {
        let hours = self.unreadable.iter().filter(|key| key.kind == BlockKind::MinutesOfHour);
        hours
            .flat_map(|key| Rung::Day(key.number / calendar::HOURS_OF_DAY).keys(shard, sequence(*key)))
            .collect()
    }

    /// Takes in the blocks that were [`missing`](Self::missing).
    pub(crate) fn extend(&mut self, other: Self) {
        self.runs.extend(other.runs);
        self.unreadable.extend(other.unreadable);
    }

    /// Adds minutes of one stat; slots are minutes of the day.
    pub(crate) fn add(&mut self, shard: &Shard, stat: u32, rung: Rung, minutes: &[(u16, stats::Bucket)]) {
        if self.add_to(shard, stat, rung, minutes) {
            return;
        }
        let sum = rollup::total(minutes).map(|bucket| bucket.sum);
        tracing::error!(stat = shard.stat(stat).0, ?rung, ?sum, "late numbers have no readable block: lost");
    }

    /// Whether a block has taken them.
    fn add_to(&mut self, shard: &Shard, stat: u32, rung: Rung, minutes: &[(u16, stats::Bucket)]) -> bool {
        match rung {
            Rung::Hour(hour) => {
                let of_hour: Run = minutes.iter().map(|(minute, bucket)| (minute % 60, *bucket)).collect();
                self.merge(shard.block(BlockKind::MinutesOfHour, stat, hour), &of_hour)
                    || self.add_to(shard, stat, Rung::Day(hour / calendar::HOURS_OF_DAY), minutes)
            }
            Rung::Day(day) => {
                let key = shard.block(BlockKind::MinutesOfDay, stat, day);
                if !self.merge(key, minutes) {
                    return self.add_to(shard, stat, Rung::Month(day), minutes);
                }
                let hours = rollup::fold(&self.runs[&key], 60);
                let (number, first) = calendar::month(day);
                let month = shard.block(BlockKind::HoursOfMonth, stat, number);
                self.replace(month, first, calendar::HOURS_OF_DAY as u16, &hours);
                let (number, slot) = calendar::year(day);
                let total = rollup::fold(&hours, calendar::HOURS_OF_DAY as u16);
                self.replace(shard.block(BlockKind::DaysOfYear, stat, number), slot, 1, &total);
                true
            }
            Rung::Month(day) => {
                let (number, first) = calendar::month(day);
                let mut hours = Run::new();
                rollup::append(&mut hours, &rollup::fold(minutes, 60), first);
                let in_hours = self.merge(shard.block(BlockKind::HoursOfMonth, stat, number), &hours);
                self.add_to(shard, stat, Rung::Year(day), minutes) || in_hours
            }
            Rung::Year(day) => {
                let (number, slot) = calendar::year(day);
                let mut total = Run::new();
                rollup::append(&mut total, &rollup::fold(minutes, calendar::MINUTES_OF_DAY as u16), slot);
                self.merge(shard.block(BlockKind::DaysOfYear, stat, number), &total)
            }
        }
    }

    /// False: the block cannot be read and stays as it is.
    fn merge(&mut self, key: BlockKey, later: &[(u16, stats::Bucket)]) -> bool {
        if self.unreadable.contains(&key) {
            return false;
        }
        let run = self.runs.entry(key).or_default();
        *run = rollup::merge(run, later);
        self.changed.insert(key);
        true
    }

    /// Puts `with`, whose slot 0 is slot `first`, in the place of `count` slots, if the block can be read.
    fn replace(&mut self, key: BlockKey, first: u16, count: u16, with: &[(u16, stats::Bucket)]) {
        if self.unreadable.contains(&key) {
            return;
        }
        let run = self.runs.entry(key).or_default();
        let from = run.partition_point(|(slot, _)| *slot < first);
        let to = run.partition_point(|(slot, _)| *slot < first + count);
        run.splice(from..to, with.iter().map(|(slot, bucket)| (slot + first, *bucket)));
        self.changed.insert(key);
    }

    /// Packs what was changed.
    pub(crate) fn pack(self) -> Vec<(BlockKey, Vec<u8>)> {
        let codec = |kind| if kind == BlockKind::MinutesOfHour { Codec::Decimal } else { Codec::Pco };
        self.changed
            .into_iter()
            .map(|key| (key, stats::block::encode(codec(key.kind), &self.runs[&key])))
            .collect()
    }
}

/// The number of a block's stat within its shard.
pub(crate) fn sequence(key: BlockKey) -> u32 {
    stats::StatId(key.stat).sequence()
}

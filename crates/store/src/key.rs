//! Packed integer keys: 3 bits of kind, 32 of stat, 28 of block number.

/// Which rung and which span a block holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum BlockKind {
    /// 60 minutes of one hour; number = hours since the epoch.
    MinutesOfHour = 1,
    /// 1,440 minutes of one day; number = days since the epoch.
    MinutesOfDay = 2,
    /// Up to 744 hours of one calendar month, UTC; number = year × 12 + month − 1.
    HoursOfMonth = 3,
    /// Up to 366 days of one calendar year, UTC; number = the year.
    DaysOfYear = 4,
}

/// The key of a block: the primary key of table `blocks` is [`BlockKey::packed`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockKey {
    /// Which rung.
    pub kind: BlockKind,
    /// Whose: a `stats::StatId`.
    pub stat: u32,
    /// Which one; at most 28 bits.
    pub number: u32,
}

impl BlockKey {
    /// `kind(3) | stat(32) | number(28)`.
    pub const fn packed(self) -> i64 {
        (self.kind as i64) << 60 | (self.stat as i64) << 28 | (self.number as i64 & 0xfff_ffff)
    }

    /// The key that was packed; `None` for a kind of a later version.
    pub const fn unpacked(_id: i64) -> Option<Self> {
        todo!()
    }
}

/// The key of a checkpoint segment: shard, hour since the epoch, and a number within both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentKey {
    /// Which shard.
    pub shard: u8,
    /// Hours since the epoch.
    pub hour: u32,
    /// Rises with every checkpoint.
    pub sequence: u32,
}

//! Packed integer keys. Data at rest depends on their layout: it never changes.

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

impl BlockKind {
    /// All kinds, finest first.
    pub const ALL: [Self; 4] =
        [Self::MinutesOfHour, Self::MinutesOfDay, Self::HoursOfMonth, Self::DaysOfYear];
}

/// The key of a block: the primary key of table `blocks` is [`BlockKey::packed`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BlockKey {
    /// Which rung.
    pub kind: BlockKind,
    /// Whose: a `stats::StatId`.
    pub stat: u32,
    /// Which one; at most [`BlockKey::NUMBER_MAX`].
    pub number: u32,
}

impl BlockKey {
    /// 28 bits.
    pub const NUMBER_MAX: u32 = (1 << 28) - 1;

    /// `0 | kind(3) | stat(32) | number(28)`: positive, and in the order of kind, stat, number.
    ///
    /// # Panics
    /// If the number has more than 28 bits: it would name another stat's block.
    pub const fn packed(self) -> i64 {
        assert!(self.number <= Self::NUMBER_MAX, "a block number has at most 28 bits");
        (self.kind as i64) << 60 | (self.stat as i64) << 28 | self.number as i64
    }

    /// The key that was packed; `None` for a kind of a later version.
    pub const fn unpacked(id: i64) -> Option<Self> {
        let kind = match id >> 60 {
            1 => BlockKind::MinutesOfHour,
            2 => BlockKind::MinutesOfDay,
            3 => BlockKind::HoursOfMonth,
            4 => BlockKind::DaysOfYear,
            _ => return None,
        };
        Some(Self { kind, stat: (id >> 28) as u32, number: id as u32 & Self::NUMBER_MAX })
    }
}

/// The key of a checkpoint segment: shard, hour since the epoch, and a number within both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SegmentKey {
    /// Which shard.
    pub shard: u8,
    /// Hours since the epoch; at most [`SegmentKey::HOUR_MAX`], the year 3883.
    pub hour: u32,
    /// Rises with every checkpoint; at most [`SegmentKey::SEQUENCE_MAX`].
    pub sequence: u32,
}

impl SegmentKey {
    /// 24 bits.
    pub const HOUR_MAX: u32 = (1 << 24) - 1;
    /// 31 bits.
    pub const SEQUENCE_MAX: u32 = (1 << 31) - 1;

    /// `0 | shard(8) | hour(24) | sequence(31)`: positive, and in the order of the fields.
    ///
    /// # Panics
    /// If hour or sequence is over its maximum.
    pub const fn packed(self) -> i64 {
        assert!(self.hour <= Self::HOUR_MAX, "a segment's hour has at most 24 bits");
        assert!(self.sequence <= Self::SEQUENCE_MAX, "a segment's sequence has at most 31 bits");
        (self.shard as i64) << 55 | (self.hour as i64) << 31 | self.sequence as i64
    }

    /// The key that was packed; `None` for a negative number, which no key is packed to.
    pub const fn unpacked(id: i64) -> Option<Self> {
        if id < 0 {
            return None;
        }
        Some(Self {
            shard: (id >> 55) as u8,
            hour: (id >> 31) as u32 & Self::HOUR_MAX,
            sequence: id as u32 & Self::SEQUENCE_MAX,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packed_keys_are_golden() {
        let key = |kind, stat, number| BlockKey { kind, stat, number };
        for (key, packed) in [
            (key(BlockKind::MinutesOfHour, 0, 0), 0x1000_0000_0000_0000),
            (key(BlockKind::MinutesOfHour, 0x0000_0305, 493_000), 0x1000_0030_5007_85c8),
            (key(BlockKind::MinutesOfDay, 1, 20_541), 0x2000_0000_1000_503d),
            (key(BlockKind::HoursOfMonth, u32::MAX, 24_322), 0x3fff_ffff_f000_5f02),
            (key(BlockKind::DaysOfYear, u32::MAX, BlockKey::NUMBER_MAX), 0x4fff_ffff_ffff_ffff),
        ] {
            assert_eq!(key.packed(), packed, "{key:?}");
            assert_eq!(BlockKey::unpacked(packed), Some(key));
        }
        let segment = SegmentKey { shard: 15, hour: 493_000, sequence: 7 };
        assert_eq!(segment.packed(), 0x0783_c2e4_0000_0007);
        assert_eq!(SegmentKey::unpacked(segment.packed()), Some(segment));
        let last = SegmentKey { shard: 255, hour: SegmentKey::HOUR_MAX, sequence: SegmentKey::SEQUENCE_MAX };
        assert_eq!(last.packed(), i64::MAX);
        assert_eq!(SegmentKey::unpacked(i64::MAX), Some(last));
    }

    #[test]
    fn packing_keeps_the_order_of_the_fields() {
        let mut keys = Vec::new();
        for kind in BlockKind::ALL {
            for stat in [0, 1, 255, 256, 1 << 31, u32::MAX] {
                for number in [0, 1, 1_970, 500_000, BlockKey::NUMBER_MAX] {
                    keys.push(BlockKey { kind, stat, number });
                }
            }
        }
        assert!(keys.is_sorted());
        assert!(keys.windows(2).all(|pair| 0 < pair[0].packed() && pair[0].packed() < pair[1].packed()));
        assert!(keys.iter().all(|key| BlockKey::unpacked(key.packed()) == Some(*key)));
    }

    #[test]
    fn a_later_kind_and_a_negative_number_are_no_keys() {
        for id in [i64::MIN, -1, 0, 42, 5 << 60, i64::MAX] {
            assert_eq!(BlockKey::unpacked(id), None, "{id}");
        }
        assert_eq!(SegmentKey::unpacked(-1), None);
    }

    #[test]
    #[should_panic(expected = "28 bits")]
    fn a_number_too_large_is_a_bug() {
        BlockKey { kind: BlockKind::DaysOfYear, stat: 1, number: 1 << 28 }.packed();
    }
}

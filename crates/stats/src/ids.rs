//! Numbers that name things inside; people and URLs see opaque strings instead.

/// An account. 1 is Eyrie's own, the first person's is 2.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u32);

impl AccountId {
    /// The built-in account that holds Eyrie's own numbers.
    pub const EYRIE: Self = Self(1);
}

/// One of the `N` parts into which stats are divided by [`ShardId::of`]; topic `points.<shard>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ShardId(pub u8);

impl ShardId {
    /// The shard of a stat: crc32c of account (little endian) and name, modulo `shards`.
    ///
    /// Data at rest depends on this function: it never changes.
    pub fn of(account: AccountId, name: &str, shards: u8) -> Self {
        let crc = crc32c::crc32c_append(crc32c::crc32c(&account.0.to_le_bytes()), name.as_bytes());
        Self((crc % u32::from(shards)) as u8)
    }
}

/// A stat: the shard in the low 8 bits and a number of its own within the shard above it, so that
/// every shard's recorder makes ids without asking anybody.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatId(pub u32);

impl StatId {
    /// The largest number of stats in one shard.
    pub const SEQUENCE_MAX: u32 = (1 << 24) - 1;

    /// The `sequence`th stat of `shard`.
    pub const fn new(shard: ShardId, sequence: u32) -> Self {
        Self(sequence << 8 | shard.0 as u32)
    }

    /// The shard that owns the stat.
    pub const fn shard(self) -> ShardId {
        ShardId((self.0 & 0xff) as u8)
    }

    /// The stat's number within its shard.
    pub const fn sequence(self) -> u32 {
        self.0 >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Data at rest depends on these: if one changes, stats are looked for in the wrong shard.
    #[test]
    fn the_shard_of_a_stat_never_changes() {
        let check = |account, name, shards, shard| {
            assert_eq!(ShardId::of(AccountId(account), name, shards), ShardId(shard), "{account} {name}");
        };
        check(1, "", 16, 15);
        check(2, "signups", 16, 10);
        check(2, "signups", 255, 68);
        check(2, "page views", 16, 15);
        check(3, "page views", 16, 9);
        check(u32::MAX, "naïve café", 16, 0);
        check(7, "anything", 1, 0);
    }

    #[test]
    fn a_stat_knows_its_shard() {
        let stat = StatId::new(ShardId(255), StatId::SEQUENCE_MAX);
        assert_eq!(stat, StatId(u32::MAX));
        assert_eq!((stat.shard(), stat.sequence()), (ShardId(255), StatId::SEQUENCE_MAX));
    }
}

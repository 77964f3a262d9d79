//! Blocks, segments and positions against ordered maps, with random changes.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::collections::BTreeMap;

use eyrie_store::{BlockKey, BlockKind, Checkpoint, Error, SegmentKey, open_sqlite};
use proptest::prelude::*;

/// A change, in few keys so that they meet.
#[derive(Clone, Debug)]
enum Change {
    /// The flag: from a position that is not the shard's.
    Checkpoint(Checkpoint, bool),
    Delete(BlockKind, Vec<u32>, u32),
    Purge(Vec<u32>),
    Reopen,
}

fn kind() -> impl Strategy<Value = BlockKind> {
    prop::sample::select(BlockKind::ALL.to_vec())
}

fn stat() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0, 1, 2, 255, 256, u32::MAX])
}

fn key() -> impl Strategy<Value = BlockKey> {
    let number = prop::sample::select(vec![0, 1, 2, 1_000, BlockKey::NUMBER_MAX]);
    (kind(), stat(), number).prop_map(|(kind, stat, number)| BlockKey { kind, stat, number })
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        1 => any::<u8>().prop_map(|byte| vec![byte; 20_000]),
    ]
}

fn checkpoint() -> impl Strategy<Value = Checkpoint> {
    let segment = (0..3_u32, 0..3_u32, bytes());
    (
        0..3_u8,
        prop::collection::vec((key(), bytes()), 0..40),
        prop::collection::vec(key(), 0..4),
        prop::collection::vec(segment, 0..4),
        prop::collection::vec(0..3_u32, 0..2),
    )
        .prop_map(|(shard, blocks, deleted_blocks, segments, deleted_segment_hours)| Checkpoint {
            shard,
            // Of several for one key the last stays, as in a map.
            blocks,
            deleted_blocks,
            segments: segments
                .into_iter()
                .map(|(hour, sequence, bytes)| (SegmentKey { shard, hour, sequence }, bytes))
                .collect(),
            deleted_segment_hours,
            ..Default::default()
        })
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        12 => (checkpoint(), prop::bool::weighted(0.1)).prop_map(|(one, wrong)| Change::Checkpoint(one, wrong)),
        2 => (kind(), prop::collection::vec(stat(), 0..4), 0..1_500_u32)
            .prop_map(|(kind, stats, below)| Change::Delete(kind, stats, below)),
        1 => prop::collection::vec(stat(), 0..3).prop_map(Change::Purge),
        1 => Just(Change::Reopen),
    ]
}

#[derive(Default)]
struct Model {
    blocks: BTreeMap<BlockKey, Vec<u8>>,
    segments: BTreeMap<SegmentKey, Vec<u8>>,
    positions: BTreeMap<u8, u64>,
}

impl Model {
    fn apply(&mut self, one: Checkpoint) {
        self.positions.insert(one.shard, one.to);
        self.blocks.extend(one.blocks);
        self.segments.extend(one.segments);
        self.blocks.retain(|key, _| !one.deleted_blocks.contains(key));
        self.segments
            .retain(|key, _| key.shard != one.shard || !one.deleted_segment_hours.contains(&key.hour));
    }

    fn delete(&mut self, gone: impl Fn(&BlockKey) -> bool) -> u64 {
        let before = self.blocks.len();
        self.blocks.retain(|key, _| !gone(key));
        (before - self.blocks.len()) as u64
    }
}

async fn behaves(changes: Vec<Change>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyrie.db");
    let mut store = open_sqlite(&path).await.unwrap();
    let mut model = Model::default();
    for change in changes {
        match change {
            Change::Checkpoint(mut one, wrong) => {
                let found = model.positions.get(&one.shard).copied();
                one.from = if wrong { Some(found.unwrap_or(0) + 1) } else { found };
                one.to = found.unwrap_or(0) + 10;
                match store.checkpoint(std::slice::from_ref(&one)).await {
                    Ok(()) => {
                        assert!(!wrong);
                        model.apply(one);
                    }
                    Err(Error::Moved { found: said, .. }) => assert!(wrong && said == found),
                    Err(other) => panic!("{other}"),
                }
            }
            Change::Delete(kind, stats, below) => {
                let gone = store.delete_blocks(kind, &stats, below).await.unwrap();
                let of = |key: &BlockKey| key.kind == kind && stats.contains(&key.stat) && key.number < below;
                assert_eq!(gone, model.delete(of));
            }
            Change::Purge(stats) => {
                store.purge_stats(&stats).await.unwrap();
                model.delete(|key| stats.contains(&key.stat));
            }
            Change::Reopen => {
                store.close().await.unwrap();
                store = open_sqlite(&path).await.unwrap();
            }
        }
    }
    let positions: Vec<_> = model.positions.into_iter().collect();
    assert_eq!(store.positions().await.unwrap(), positions);
    for shard in 0..3 {
        let wanted: Vec<_> = model
            .segments
            .iter()
            .filter(|(key, _)| key.shard == shard)
            .map(|(k, v)| (*k, v.clone()))
            .collect();
        assert_eq!(store.segments(shard).await.unwrap(), wanted);
    }
    let first = BlockKey { kind: BlockKind::MinutesOfHour, stat: 0, number: 0 };
    let last = BlockKey { kind: BlockKind::DaysOfYear, stat: u32::MAX, number: BlockKey::NUMBER_MAX };
    let wanted: Vec<_> = model.blocks.into_iter().collect();
    assert_eq!(store.blocks(first, last).await.unwrap(), wanted);
    let keys: Vec<BlockKey> = wanted.iter().rev().map(|(key, _)| *key).collect();
    let mut found = store.blocks_of(&keys).await.unwrap();
    found.sort();
    assert_eq!(found, wanted);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn a_store_behaves_like_ordered_maps(changes in prop::collection::vec(change(), 1..25)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(behaves(changes));
    }
}

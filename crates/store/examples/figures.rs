//! The figures of `docs/internals/store.md`: `cargo run --release -p eyrie-store --example figures`.
//!
//! Blobs have 400 bytes, about an hour of a five-field stat. The file is made in a temporary folder
//! (`TMPDIR` chooses the disk).
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no figures")]

use std::time::{Duration, Instant};

use eyrie_store::{BlockKey, BlockKind, Checkpoint, SegmentKey, Stat, Store, open_sqlite};

const BLOB_BYTES: usize = 400;
const STATS: u32 = 100_000;
const HOURS: u32 = 6;
const READS: u32 = 2_000;

fn key(stat: u32, number: u32) -> BlockKey {
    BlockKey { kind: BlockKind::MinutesOfHour, stat, number }
}

/// One hour block of each of these stats.
fn blocks(stats: std::ops::Range<u32>, hour: u32) -> Vec<(BlockKey, Vec<u8>)> {
    stats.map(|stat| (key(stat, hour), vec![(stat ^ hour) as u8; BLOB_BYTES])).collect()
}

fn stat(id: u32) -> Stat {
    Stat {
        id,
        account: 2,
        name: format!("web.eu-{}.requests.{id}", id % 7),
        counter: true,
        public_id: format!("p{id}"),
        classic_key: format!("k{id:031}"),
        public: false,
        created_at: 1_800_000_000_000,
        received_at: 1_800_000_000_000,
        deleted_at: None,
    }
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("eyrie.db");
    let store = open_sqlite(&file).await.unwrap();
    println!("opened, resident {} MB", resident_mb());

    let mut position = None;
    let step = |position: &mut Option<u64>, change: Checkpoint| {
        let from = *position;
        let to = from.unwrap_or(0) + 1;
        *position = Some(to);
        Checkpoint { from, to, ..change }
    };

    let new_stats = (0..STATS).map(stat).collect();
    let one = step(&mut position, Checkpoint { new_stats, ..Default::default() });
    timed("checkpoint: 100,000 new stats", 1, store.checkpoint(&[one])).await;

    for round in 0..3 {
        let change = Checkpoint { blocks: blocks(0..20_000, round), ..Default::default() };
        let one = step(&mut position, change);
        timed("checkpoint: 20,000 blobs", 20_000, store.checkpoint(&[one])).await;
    }
    for hour in 0..HOURS {
        let change = Checkpoint { blocks: blocks(0..STATS, hour), ..Default::default() };
        let one = step(&mut position, change);
        timed("checkpoint: 100,000 blobs", 100_000, store.checkpoint(&[one])).await;
    }
    let received = (0..STATS).map(|stat| (stat, i64::from(stat))).collect();
    let segments = vec![(SegmentKey { shard: 0, hour: 0, sequence: 1 }, vec![7; 1 << 20])];
    let one = step(&mut position, Checkpoint { received, segments, ..Default::default() });
    timed("checkpoint: 100,000 receive times, 1 MiB segment", 100_000, store.checkpoint(&[one])).await;
    for _ in 0..3 {
        let segments = vec![(SegmentKey { shard: 0, hour: 0, sequence: 2 }, vec![7; 4_096])];
        let one = step(&mut position, Checkpoint { segments, ..Default::default() });
        timed("checkpoint: one small segment (one durable commit)", 1, store.checkpoint(&[one])).await;
    }

    percentiles("read 1 block", &*store, 1).await;
    percentiles("read all blocks of one stat", &*store, HOURS).await;
    let thousand: Vec<BlockKey> = (0..1_000).map(|i| key(i * 97 % STATS, i % HOURS)).collect();
    for _ in 0..3 {
        timed("read 1,000 single blocks", 1_000, store.blocks_of(&thousand)).await;
    }
    timed("load 100,000 stats", STATS, store.stats(None)).await;
    timed("load one shard's stats of 100,000", STATS, store.stats(Some(3))).await;
    let all: Vec<u32> = (0..STATS).collect();
    timed("delete 100,000 blocks", STATS, store.delete_blocks(BlockKind::MinutesOfHour, &all, 1)).await;

    let size = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |meta| meta.len() >> 20);
    println!("resident {} MB, file {} MB, log {} MB", resident_mb(), size(&file), {
        size(&folder.path().join("eyrie.db-wal"))
    });
    let copy = folder.path().join("copy.db");
    timed("backup", 1, store.backup(&copy)).await;
    println!("copy {} MB", size(&copy));
    timed("close", 1, store.close()).await;
    timed("open again", 1, open_sqlite(&file)).await;
}

async fn timed<T, E: std::fmt::Debug>(what: &str, of: u32, work: impl Future<Output = Result<T, E>>) {
    let started = Instant::now();
    work.await.unwrap();
    let took = started.elapsed();
    println!("{what}: {:.1} ms, {:.2} µs each", took.as_secs_f64() * 1e3, {
        took.as_secs_f64() * 1e6 / f64::from(of)
    });
}

async fn percentiles(what: &str, store: &dyn Store, blocks: u32) {
    let mut took: Vec<Duration> = Vec::new();
    for i in 0..READS {
        let stat = i.wrapping_mul(7_919) % STATS;
        let started = Instant::now();
        let found = store.blocks(key(stat, 0), key(stat, blocks - 1)).await.unwrap();
        took.push(started.elapsed());
        assert_eq!(found.len(), blocks as usize);
    }
    took.sort_unstable();
    let at = |part: f64| took[(f64::from(READS - 1) * part) as usize];
    println!("{what}: p50 {:?}, p99 {:?}", at(0.5), at(0.99));
}

/// The memory of this process that is in RAM; 0 where there is no `/proc`.
fn resident_mb() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).map_or(0, |kib| kib >> 10)
}

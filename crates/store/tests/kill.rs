//! `kill -9` in the middle of checkpoints, with a real process.
//!
//! The process is this test binary, run again for the same test with [`CHILD`] set: then it writes
//! checkpoints until it is killed, and says after each how far it got.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use eyrie_store::{BlockKey, BlockKind, Checkpoint, SegmentKey, open_sqlite};
use sqlx::{AnyConnection, Connection, Row};

const CHILD: &str = "EYRIE_STORE_KILLED_CHILD";
const SHARDS: u8 = 3;
const STATS: u32 = 400;
const KILLS: u64 = 8;

/// Block `n` of every stat of the shard is written by the step to `n`, a segment with it; the one
/// before goes.
fn step(shard: u8, at: u64) -> Checkpoint {
    let to = at + 1;
    let stats = (0..STATS).map(|stat| stat << 8 | u32::from(shard));
    let key = |stat, number| BlockKey { kind: BlockKind::MinutesOfHour, stat, number };
    Checkpoint {
        shard,
        from: (at > 0).then_some(at),
        to,
        blocks: stats.clone().map(|stat| (key(stat, to as u32), vec![to as u8; 300])).collect(),
        deleted_blocks: stats.map(|stat| key(stat, at as u32)).collect(),
        segments: vec![(SegmentKey { shard, hour: to as u32, sequence: 1 }, vec![to as u8; 50_000])],
        deleted_segment_hours: vec![at as u32],
        ..Default::default()
    }
}

/// The child: writes until it is killed.
async fn write_for_ever(path: &Path) {
    let store = open_sqlite(path).await.unwrap();
    let mut at = store.positions().await.unwrap().first().map_or(0, |(_, at)| *at);
    loop {
        let steps: Vec<Checkpoint> = (0..SHARDS).map(|shard| step(shard, at)).collect();
        store.checkpoint(&steps).await.unwrap();
        at += 1;
        println!("\nacknowledged {at}");
        std::io::stdout().flush().unwrap();
    }
}

/// Starts the child, kills it some checkpoints later; the last one that it was told is durable.
fn write_and_kill(path: &Path, after: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed_at_any_moment_every_checkpoint_is_whole", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = 0;
    let number = |line: String| line.strip_prefix("acknowledged ").and_then(|n| n.parse().ok());
    let mut left = after;
    while left > 0 {
        let line = lines.next().expect("the child writes on").unwrap();
        if let Some(at) = number(line) {
            (said, left) = (at, left - 1);
        }
    }
    // Somewhere within the next checkpoint.
    let started = std::time::Instant::now();
    while started.elapsed().as_micros() < u128::from(after * 700) {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    lines.map_while(Result::ok).filter_map(number).last().unwrap_or(said)
}

async fn check(path: &Path, acknowledged: u64) -> u64 {
    let store = open_sqlite(path).await.unwrap();
    let positions = store.positions().await.unwrap();
    let at = positions[0].1;
    assert!(at >= acknowledged, "{acknowledged} was acknowledged, {at} is there");
    assert!(at <= acknowledged + 1, "only one checkpoint can have been on its way");
    assert_eq!(positions, (0..SHARDS).map(|shard| (shard, at)).collect::<Vec<_>>());
    for shard in 0..SHARDS {
        let wanted = step(shard, at - 1);
        assert_eq!(store.segments(shard).await.unwrap(), wanted.segments);
        let first = BlockKey { number: 0, ..wanted.blocks[0].0 };
        let last = BlockKey { number: BlockKey::NUMBER_MAX, stat: STATS << 8, ..first };
        let mut found = store.blocks(first, last).await.unwrap();
        found.retain(|(key, _)| key.stat & 0xff == u32::from(shard));
        assert_eq!(found, wanted.blocks, "shard {shard} at {at}");
    }
    store.close().await.unwrap();
    let mut connection = AnyConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap();
    let row = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "ok");
    connection.close().await.unwrap();
    at
}

#[tokio::test]
async fn killed_at_any_moment_every_checkpoint_is_whole() {
    if let Some(path) = std::env::var_os(CHILD) {
        return write_for_ever(Path::new(&path)).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyrie.db");
    let mut before = 0;
    for round in 1..=KILLS {
        let file = path.clone();
        let acknowledged = tokio::task::spawn_blocking(move || write_and_kill(&file, round)).await.unwrap();
        let at = check(&path, acknowledged).await;
        assert!(at > before);
        before = at;
    }
}

//! Readers, a writer and a backup at the same time.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use eyrie_store::{BlockKey, BlockKind, Checkpoint, Error, Store, open_sqlite};

const STATS: u32 = 600;

fn block(stat: u32) -> BlockKey {
    BlockKey { kind: BlockKind::MinutesOfDay, stat, number: 20_000 }
}

/// Every stat's block says which checkpoint wrote it.
fn step(from: Option<u64>) -> Checkpoint {
    let to = from.unwrap_or(0) + 1;
    let blocks = (0..STATS).map(|stat| (block(stat), to.to_le_bytes().repeat(50))).collect();
    Checkpoint { from, to, blocks, ..Default::default() }
}

fn written_by(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes[..8].try_into().unwrap())
}

/// What a reader sees: all blocks of one checkpoint.
async fn one_moment(store: &dyn Store) -> u64 {
    let keys: Vec<BlockKey> = (0..STATS).map(block).collect();
    let found = store.blocks_of(&keys).await.unwrap();
    let first = found.first().map_or(0, |(_, bytes)| written_by(bytes));
    assert!(found.len() == STATS as usize || first == 0);
    assert!(found.iter().all(|(_, bytes)| written_by(bytes) == first), "a mixture of checkpoints");
    first
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_whole_checkpoints_and_never_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    store.checkpoint(&[step(None)]).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    // More readers than connections: they take turns.
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            tokio::spawn(async move {
                let (mut last, mut reads) = (0, 0);
                while !done.load(Ordering::Relaxed) || reads == 0 {
                    let seen = one_moment(&*store).await;
                    assert!(seen >= last);
                    (last, reads) = (seen, reads + 1);
                }
                last
            })
        })
        .collect();
    for at in 1..60 {
        store.checkpoint(&[step(Some(at))]).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    assert_eq!(one_moment(&*store).await, 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_does_not_wait_for_a_long_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    store.checkpoint(&[step(None)]).await.unwrap();
    let long = {
        let store = Arc::clone(&store);
        let blocks = (0..60_000).map(|stat| (block(stat + STATS), vec![1; 400])).collect();
        tokio::spawn(async move {
            let one = Checkpoint { from: Some(1), to: 2, blocks, ..Default::default() };
            let started = Instant::now();
            store.checkpoint(&[one]).await.unwrap();
            started.elapsed()
        })
    };
    let mut during = 0;
    let mut slowest = Duration::ZERO;
    while !long.is_finished() {
        let started = Instant::now();
        let found = store.blocks(block(1), block(1)).await.unwrap();
        slowest = slowest.max(started.elapsed());
        assert_eq!(found.len(), 1);
        during += 1;
    }
    let long = long.await.unwrap();
    assert!(during > 10, "{during} reads during a write of {long:?}");
    assert!(slowest < long, "a read of {slowest:?} waited for a write of {long:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_is_dropped_is_undone_and_the_next_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    store.checkpoint(&[step(None)]).await.unwrap();
    for patience in 0..20 {
        let next = [step(Some(1))];
        let given_up =
            tokio::time::timeout(Duration::from_micros(patience * 150), store.checkpoint(&next)).await;
        let at = store.positions().await.unwrap()[0].1;
        if given_up.is_ok() || at != 1 {
            // It went through, or was being committed: the positions say so, and the blocks agree.
            break;
        }
    }
    let at = store.positions().await.unwrap()[0].1;
    assert_eq!(one_moment(&*store).await, at);
    store.checkpoint(&[step(Some(at))]).await.unwrap();
    assert_eq!(one_moment(&*store).await, at + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_during_writes_is_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    store.checkpoint(&[step(None)]).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let writer = {
        let (store, done) = (Arc::clone(&store), Arc::clone(&done));
        tokio::spawn(async move {
            let mut at = 1;
            while !done.load(Ordering::Relaxed) {
                store.checkpoint(&[step(Some(at))]).await.unwrap();
                at += 1;
            }
            at
        })
    };
    let copy = folder.path().join("copy's.db");
    let mut last = 0;
    for _ in 0..5 {
        store.backup(&copy).await.unwrap();
        let restored = open_sqlite(&copy).await.unwrap();
        let at = restored.positions().await.unwrap()[0].1;
        assert_eq!(one_moment(&*restored).await, at);
        assert!(at >= last);
        last = at;
        restored.close().await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    assert!(writer.await.unwrap() >= last);
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name.to_string_lossy().contains("partial")), "{names:?}");

    let nowhere = store.backup(&folder.path().join("missing/copy.db")).await.unwrap_err();
    assert!(matches!(nowhere, Error::Database { .. }), "{nowhere}");
}

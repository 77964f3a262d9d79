//! `cargo bench -p eyrie-store`: checkpoints and reads of 400-byte blobs on a file in `TMPDIR`.
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no figures")]

use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use eyrie_store::{BlockKey, BlockKind, Checkpoint, Store, open_sqlite};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// A store with `stats` stats of six hours.
struct Full {
    runtime: Runtime,
    store: Arc<dyn Store>,
    position: u64,
    _folder: tempfile::TempDir,
}

impl Full {
    fn new(stats: u32) -> Self {
        let runtime = Runtime::new().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = runtime.block_on(open_sqlite(&folder.path().join("eyrie.db"))).unwrap();
        let first = Checkpoint { to: 1, ..Default::default() };
        runtime.block_on(store.checkpoint(&[first])).unwrap();
        let mut full = Self { runtime, store, position: 1, _folder: folder };
        for hour in 0..6 {
            let hour = full.hour(stats, hour);
            full.write(hour);
        }
        full
    }

    /// A checkpoint of one hour block for each stat.
    fn hour(&mut self, stats: u32, hour: u32) -> Checkpoint {
        let from = Some(self.position);
        self.position += 1;
        let blocks = (0..stats).map(|stat| (key(stat, hour), vec![stat as u8; 400])).collect();
        Checkpoint { from, to: self.position, blocks, ..Default::default() }
    }

    fn write(&self, checkpoint: Checkpoint) {
        self.runtime.block_on(self.store.checkpoint(&[checkpoint])).unwrap();
    }
}

fn key(stat: u32, number: u32) -> BlockKey {
    BlockKey { kind: BlockKind::MinutesOfHour, stat, number }
}

/// Whole hours of so many stats, each in one transaction, overwriting.
#[divan::bench(args = [1, 20_000, 100_000], sample_count = 10, sample_size = 1)]
fn checkpoint(bencher: Bencher<'_, '_>, stats: u32) {
    let full = std::cell::RefCell::new(Full::new(stats));
    bencher
        .counter(ItemsCount::new(stats))
        .with_inputs(|| full.borrow_mut().hour(stats, 3))
        .bench_local_values(|checkpoint| full.borrow().write(checkpoint));
}

/// All six blocks of one stat among 20,000.
#[divan::bench]
fn read_one_stat(bencher: Bencher<'_, '_>) {
    let full = Full::new(20_000);
    let mut stat = 0;
    bencher.bench_local(|| {
        stat = (stat + 7_919) % 20_000;
        full.runtime.block_on(full.store.blocks(key(stat, 0), key(stat, 9))).unwrap()
    });
}

/// One block of each of a thousand stats among 20,000.
#[divan::bench]
fn read_a_thousand_stats(bencher: Bencher<'_, '_>) {
    let full = Full::new(20_000);
    let keys: Vec<BlockKey> = (0..1_000).map(|i| key(i * 17 % 20_000, i % 6)).collect();
    bencher.bench_local(|| full.runtime.block_on(full.store.blocks_of(&keys)).unwrap());
}

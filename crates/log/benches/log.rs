//! Appends a second by level and number of waiters, and reading: `cargo bench -p eyrie-log`.
//!
//! `cargo bench -p eyrie-log -- figures` prints throughput, CPU and syncs; without it divan's table.

use std::time::{Duration, Instant};

use base::Clock;
use bytes::Bytes;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use eyrie_log::{Config, Durability, Log, Lsn, NewRecord, StreamId};
use tokio::runtime::{Builder, Runtime};

/// Bytes of a payload, as in the design's targets.
const PAYLOAD_BYTES: usize = 300;
/// Appends of one sample.
const APPENDS: u64 = 4_096;

fn main() {
    if std::env::args().any(|argument| argument == "figures") {
        figures();
    } else {
        divan::main();
    }
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

fn open(dir: &tempfile::TempDir) -> Log {
    let log = Log::open(Config::new(dir.path()), Clock::system()).expect("a log").0;
    log.release("bench", Lsn(1)).expect("an owner");
    log
}

/// In the workspace's own disk, not in memory: syncs must cost what they cost.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder")
}

fn record(payload: &Bytes) -> [NewRecord; 1] {
    [NewRecord { stream: StreamId(1), kind: 1, payload: payload.clone() }]
}

async fn append(log: Log, waiters: u64, appends: u64, level: Durability) {
    let payload = Bytes::from(vec![b'x'; PAYLOAD_BYTES]);
    let tasks: Vec<_> = (0..waiters)
        .map(|_| {
            let (log, payload) = (log.clone(), payload.clone());
            tokio::spawn(async move {
                for _ in 0..appends / waiters {
                    // Only `Memory` can run ahead of the disk until the backlog is full.
                    let append = loop {
                        match log.append(&record(&payload), level) {
                            Ok(append) => break append,
                            Err(error) => assert_eq!(error.kind(), base::ErrorKind::Busy, "{error}"),
                        }
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    };
                    append.await.expect("a sound disk");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("no panic");
    }
    let written = log.status().written;
    log.release("bench", written).expect("an owner");
}

fn append_at(bencher: Bencher<'_, '_>, waiters: u64, level: Durability) {
    let (dir, runtime) = (folder(), runtime());
    let log = open(&dir);
    bencher
        .counter(ItemsCount::new(APPENDS))
        .bench_local(|| runtime.block_on(append(log.clone(), waiters, APPENDS, level)));
}

#[divan::bench(args = [1, 64, 256], max_time = 2)]
fn append_memory(bencher: Bencher<'_, '_>, waiters: u64) {
    append_at(bencher, waiters, Durability::Memory);
}

#[divan::bench(args = [1, 64, 256], max_time = 2)]
fn append_os(bencher: Bencher<'_, '_>, waiters: u64) {
    append_at(bencher, waiters, Durability::Os);
}

#[divan::bench(args = [1, 64, 256], max_time = 2)]
fn append_disk(bencher: Bencher<'_, '_>, waiters: u64) {
    append_at(bencher, waiters, Durability::Disk);
}

#[divan::bench(args = [100, 300, 10_000], max_time = 2)]
fn read(bencher: Bencher<'_, '_>, payload_bytes: usize) {
    let (dir, runtime) = (folder(), runtime());
    let log = open(&dir);
    let payload = Bytes::from(vec![b'x'; payload_bytes]);
    let count = 32 << 20 >> payload_bytes.ilog2();
    let records: Vec<_> = (0..count).flat_map(|_| record(&payload)).collect();
    for records in records.chunks(100) {
        drop(log.append(records, Durability::Memory).expect("room"));
        runtime.block_on(log.sync(Lsn(u64::MAX))).expect("a sound disk");
    }
    bencher.counter(ItemsCount::new(count)).counter(BytesCount::new(count * payload_bytes)).bench_local(
        || {
            let mut reader = log.reader(&[], Lsn(0));
            while !reader.try_next_batch(1 << 20).expect("readable").is_empty() {}
        },
    );
}

/// User and system time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    // Fields 14 and 15, in hundredths of a second; the first two went with the name.
    Duration::from_millis(fields.get(11..13).map_or(0, |ticks| ticks.iter().sum::<u64>() * 10))
}

fn figures() {
    println!(
        "{PAYLOAD_BYTES}-byte records, 2 worker threads, CPU of the whole process (tasks that append included)"
    );
    println!("level   waiters  appends/s   µs CPU each   appends/sync   ms/sync");
    for level in [Durability::Disk, Durability::Os, Durability::Memory] {
        for waiters in [1, 64, 256, 1_024] {
            let (dir, runtime) = (folder(), runtime());
            let log = open(&dir);
            let appends = match (level, waiters) {
                (Durability::Disk, 1) => 4_000,
                (_, 1) => 100_000,
                _ => 400_000 / waiters * waiters,
            };
            runtime.block_on(append(log.clone(), waiters, waiters, level));
            let (before, busy, started) = (log.status(), cpu(), Instant::now());
            runtime.block_on(append(log.clone(), waiters, appends, level));
            let (took, busy) = (started.elapsed(), cpu() - busy);
            let after = log.status();
            let syncs = after.fsyncs - before.fsyncs;
            let rate = appends as f64 / took.as_secs_f64();
            let each = busy.as_secs_f64() * 1e6 / appends as f64;
            let company = appends as f64 / syncs.max(1) as f64;
            let sync_ms = (after.fsync_time - before.fsync_time).as_secs_f64() * 1e3 / syncs.max(1) as f64;
            println!("{level:<8?}{waiters:>7}{rate:>11.0}{each:>14.1}{company:>15.1}{sync_ms:>10.2}");
        }
    }
}

//! One idle reader does not keep the disk: what lives in mostly-dead segments is copied, and stays
//! where it was.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use base::testkit::eventually;
use common::{all, number, open_on, record};
use eyrie_log::files::{Crash, Faulty, Files};
use eyrie_log::{Durability, Log, Lsn, Record, StreamId};

const PATIENCE: Duration = Duration::from_secs(10);
const BUSY: StreamId = StreamId(0);
const IDLE: StreamId = StreamId(1);

/// One record in fifty is of the idle stream, whose reader never moves.
async fn append(log: &Log, numbers: std::ops::Range<u32>) {
    for n in numbers {
        let stream = if n % 50 == 7 { IDLE } else { BUSY };
        log.append(&[record(stream.0, n)], Durability::Os).unwrap().await.unwrap();
    }
}

async fn rewritten(log: &Log, more_than: u64) {
    let done = || async { (log.status().rewritten > more_than).then_some(()) };
    eventually(PATIENCE, "segments are rewritten", done).await;
}

fn idle(log: &Log) -> Vec<(Lsn, Lsn, u32)> {
    all(log, &[IDLE]).iter().map(|r: &Record| (r.lsn, r.next, number(r))).collect()
}

#[tokio::test]
async fn live_records_of_mostly_dead_segments_stay_at_their_positions() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    log.release_streams("sleeper", &[IDLE], Lsn(1)).unwrap();
    log.release_streams("worker", &[BUSY], Lsn(1)).unwrap();
    append(&log, 0..1_000).await;
    let before = idle(&log);
    assert_eq!((before.len(), log.status().rewritten), (20, 0), "nothing is dead yet");
    let disk_before = log.status().disk_bytes;

    log.release_streams("worker", &[BUSY], log.status().written).unwrap();
    rewritten(&log, 10).await;
    let small = || async { (log.status().disk_bytes < disk_before / 3).then_some(()) };
    eventually(PATIENCE, "the rest is freed", small).await;
    assert_eq!(idle(&log), before);
    for (lsn, next, n) in &before {
        let found = log.read(*lsn).unwrap().expect("it lives");
        assert_eq!((found.next, number(&found)), (*next, *n));
        assert!(log.read(Lsn(lsn.0 + 8)).unwrap().is_none(), "no record begins here");
    }
    assert!(log.read(Lsn(before[0].1.0)).unwrap().is_none(), "its neighbour is dead");

    // From the middle, and merged with what was written after the rewrite.
    append(&log, 1_000..1_100).await;
    let mut reader = log.reader(&[IDLE], before[10].0);
    let rest: Vec<_> = reader.try_next_batch(1 << 20).unwrap().iter().map(number).collect();
    assert_eq!(rest, (507..1_100).step_by(50).collect::<Vec<_>>());

    for crash in [Crash::KeepAll, Crash::LoseAll] {
        let (log, recovery) = open_on(&disk.crash(crash), 4_096);
        assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
        assert!(idle(&log).starts_with(&before));
        log.release_streams("sleeper", &[IDLE], log.status().written).unwrap();
        log.release_streams("worker", &[BUSY], log.status().written).unwrap();
        let gone = || async { (log.status().segments <= 1).then_some(()) };
        eventually(PATIENCE, "once the sleeper has moved all is freed", gone).await;
    }
}

#[tokio::test]
async fn copies_are_copied_together() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    log.release_streams("sleeper", &[IDLE], Lsn(1)).unwrap();
    let mut done = 0;
    for round in 0..6 {
        append(&log, round * 300..(round + 1) * 300).await;
        log.release_streams("worker", &[BUSY], log.status().written).unwrap();
        rewritten(&log, done).await;
        done = log.status().rewritten;
    }
    let few = || async { (log.status().segments <= 9).then_some(()) };
    eventually(PATIENCE, "few files are left", few).await;
    let expected: Vec<_> = (0..1_800).filter(|n| n % 50 == 7).collect();
    assert_eq!(idle(&log).iter().map(|(_, _, n)| *n).collect::<Vec<_>>(), expected);
    log.close().unwrap();
    let (log, recovery) = open_on(&disk, 4_096);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    assert_eq!(idle(&log).len(), expected.len());
}

#[tokio::test]
async fn a_stream_nobody_reads_is_kept() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    append(&log, 0..1_000).await;
    log.release_streams("worker", &[BUSY], log.status().written).unwrap();
    rewritten(&log, 5).await;
    assert_eq!(idle(&log).len(), 20);
}

#[tokio::test]
async fn damage_in_a_copy_is_named_and_stepped_over() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    append(&log, 0..1_000).await;
    log.release_streams("worker", &[BUSY], log.status().written).unwrap();
    rewritten(&log, 10).await;
    log.close().unwrap();
    let before = idle(&log);
    drop(log);
    let copy = disk.paths().into_iter().find(|path| path.extension().is_some_and(|e| e == "cmp")).unwrap();
    let length = disk.open(&copy).unwrap().len().unwrap() as usize;
    for at in (0..length).step_by(5) {
        let hurt = disk.crash(Crash::KeepAll);
        assert!(hurt.damage(&copy, |bytes| bytes[at] ^= 0x10));
        let (log, _) = open_on(&hurt, 4_096);
        let after = idle(&log);
        assert!(after.len() + 1 >= before.len(), "byte {at} cost {} records", before.len() - after.len());
        assert!(after.iter().all(|record| before.contains(record)), "byte {at}");
        if after.len() < before.len() {
            assert!(log.status().damaged.iter().any(|text| text.contains(".cmp: bytes")), "byte {at}");
        }
    }
}

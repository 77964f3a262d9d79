//! A device that fails, fills up, or takes half a write; quotas; recycling.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::time::Duration;

use base::ErrorKind;
use base::testkit::eventually;
use common::{all, clock, number, numbers, open_on, record};
use eyrie_log::files::Faulty;
use eyrie_log::{Config, Durability, Log, Lsn, NewRecord, Record, StreamId};

const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn short_writes_are_gone_on_with() {
    let disk = Faulty::new();
    disk.shorten_writes(Some(7));
    let (log, _) = open_on(&disk, 4_096);
    for n in 0..100 {
        log.append(&[record(1, n)], Durability::Disk).unwrap().await.unwrap();
    }
    drop(log);
    assert_eq!(numbers(&open_on(&disk, 4_096).0), (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failed_sync_poisons_and_is_not_retried() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 64 << 10);
    log.append(&[record(1, 0)], Durability::Disk).unwrap().await.unwrap();
    let before = disk.syncs();
    disk.fail_syncs(true);
    let waiting = log.append(&[record(1, 1)], Durability::Disk).unwrap();
    let error = waiting.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(error.to_string().contains("check the disk, then restart"), "{error}");
    disk.fail_syncs(false);
    for level in [Durability::Memory, Durability::Os, Durability::Disk] {
        assert_eq!(log.append(&[record(1, 2)], level).unwrap_err().kind(), ErrorKind::Unavailable);
    }
    assert_eq!(log.sync(Lsn(u64::MAX)).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert!(log.status().poisoned.is_some());
    let mut reader = log.reader(&[], Lsn(0));
    assert_eq!(number(&reader.next_batch(1).await.unwrap()[0]), 0);
    while reader.next_batch(1).await.is_ok() {}
    assert!(log.close().is_err());
    assert_eq!(disk.syncs(), before + 1, "the sync was tried once");
}

#[tokio::test]
async fn a_committer_that_panics_tells_all_who_wait() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 64 << 10);
    log.append(&[record(1, 0)], Durability::Disk).unwrap().await.unwrap();
    disk.panic_in_syncs(true);
    let waiting = log.append(&[record(1, 1)], Durability::Disk).unwrap();
    let outcome = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("it is told");
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::Unavailable);
    disk.panic_in_syncs(false);
    assert!(log.append(&[record(1, 2)], Durability::Os).is_err());
    assert!(log.status().poisoned.is_some());
}

#[tokio::test]
async fn a_failed_write_poisons() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 64 << 10);
    log.append(&[record(1, 0)], Durability::Os).unwrap().await.unwrap();
    disk.fail_writes(true);
    let waiting = log.append(&[record(1, 1)], Durability::Os).unwrap();
    assert_eq!(waiting.await.unwrap_err().kind(), ErrorKind::Unavailable);
    disk.fail_writes(false);
    assert!(log.append(&[record(1, 2)], Durability::Os).is_err());
    drop(log);
    assert_eq!(numbers(&open_on(&disk, 64 << 10).0), [0]);
}

/// Appends until it is refused as busy; the numbers that were taken.
async fn fill(log: &Log, from: u32, level: Durability) -> Vec<u32> {
    let mut taken = Vec::new();
    for n in from..from + 10_000 {
        let outcome = match log.append(&[record(1, n)], level) {
            Ok(append) => append.await,
            Err(error) => Err(error),
        };
        match outcome {
            Ok(_) => taken.push(n),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
                return taken;
            }
        }
    }
    panic!("nothing stopped it");
}

async fn goes_on(log: &Log, n: u32) {
    let retry = || async {
        match log.append(&[record(1, n)], Durability::Disk) {
            Ok(append) => append.await.ok(),
            Err(_) => None,
        }
    };
    eventually(PATIENCE, "appends go on", retry).await;
}

#[tokio::test]
async fn a_full_disk_answers_busy_and_goes_on_when_there_is_space() {
    for level in [Durability::Disk, Durability::Os] {
        let disk = Faulty::new();
        disk.space_left(Some(20_000));
        let (log, _) = open_on(&disk, 4_096);
        let mut expected = fill(&log, 0, level).await;
        assert!(expected.len() > 100, "{}", expected.len());
        let refused = fill(&log, 20_000, level).await;
        // A shorter record may still have fitted into the last segment.
        expected.extend(refused);
        assert!(log.status().full.is_some());
        assert_eq!(numbers(&log), expected);
        disk.space_left(Some(100_000));
        goes_on(&log, 50_000).await;
        expected.push(50_000);
        expected.extend(fill(&log, 60_000, level).await);
        assert_eq!(numbers(&log), expected);
        drop(log);
        let (log, recovery) = open_on(&disk, 4_096);
        assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
        assert_eq!(numbers(&log), expected, "what was refused never shows");
    }
}

#[tokio::test]
async fn what_was_taken_in_without_room_is_refused_exactly() {
    let disk = Faulty::new();
    disk.space_left(Some(9_000));
    let (log, _) = open_on(&disk, 4_096);
    // Far more at once than there is room for.
    let waiting: Vec<_> =
        (0..200).filter_map(|n| Some((n, log.append(&[record(1, n)], Durability::Disk).ok()?))).collect();
    let mut expected = Vec::new();
    for (n, append) in waiting {
        match append.await {
            Ok(_) => expected.push(n),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Busy, "{error}"),
        }
    }
    assert!(!expected.is_empty() && expected.len() < 200, "{expected:?} {:?}", log.status());
    log.sync(Lsn(u64::MAX)).await.unwrap();
    assert_eq!(numbers(&log), expected);
    disk.space_left(None);
    goes_on(&log, 500).await;
    expected.push(500);
    drop(log);
    let (log, recovery) = open_on(&disk, 4_096);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    assert_eq!(numbers(&log), expected);
}

#[tokio::test]
async fn a_used_up_quota_is_busy_until_cursors_move() {
    let disk = Faulty::new();
    let config = Config { segment_bytes: 4_096, quota_bytes: 16_384, ..Config::new("/log") };
    let (log, _) = Log::open_on(Arc::new(disk), config, clock()).unwrap();
    log.release("reader", Lsn(1)).unwrap();
    let mut taken = fill(&log, 0, Durability::Disk).await;
    let status = log.status();
    assert!(status.disk_bytes <= status.quota_bytes, "{status:?}");
    for round in 1..20 {
        assert!(log.append(&[record(1, 96)], Durability::Disk).is_err());
        log.release("reader", log.status().written).unwrap();
        goes_on(&log, round * 10_000).await;
        taken = fill(&log, round * 10_000 + 1, Durability::Disk).await;
        assert!(log.status().disk_bytes <= 16_384);
    }
    assert!(numbers(&log).ends_with(&taken));
    assert!(log.status().freed > 20);
}

#[tokio::test]
async fn a_disk_that_is_full_before_the_first_record_is_told_at_the_start() {
    let disk = Faulty::new();
    disk.space_left(Some(10_000));
    let (log, _) = open_on(&disk, 256 << 10);
    assert!(log.status().full.is_some_and(|why| why.contains("10000 bytes are free")), "{:?}", log.status());
    assert_eq!(log.append(&[record(1, 0)], Durability::Os).unwrap_err().kind(), ErrorKind::Busy);
    disk.space_left(Some(1 << 20));
    eventually(PATIENCE, "it has room", || async { log.status().full.is_none().then_some(()) }).await;
    log.append(&[record(1, 1)], Durability::Disk).unwrap().await.unwrap();
    log.close().unwrap();
    let (log, _) = open_on(&disk, 256 << 10);
    assert_eq!((numbers(&log), log.status().full), (vec![1], None));
}

#[tokio::test]
async fn a_disk_of_less_than_a_usual_segment_is_used_and_used_again() {
    let disk = Faulty::new();
    disk.space_left(Some(200_000));
    let (mut log, _) = open_on(&disk, 256 << 10);
    log.release("reader", Lsn(1)).unwrap();
    for round in 0..20 {
        let taken = fill(&log, round * 10_000, Durability::Disk).await;
        assert!(taken.len() > 1_000, "round {round}: {} records", taken.len());
        assert!(log.status().full.is_some_and(|why| why.contains("bytes are free")), "{:?}", log.status());
        assert!(numbers(&log).ends_with(&taken), "round {round}");
        if round % 5 == 0 {
            log.close().unwrap();
            let recovery;
            (log, recovery) = open_on(&disk, 256 << 10);
            assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
            assert!(numbers(&log).ends_with(&taken), "round {round}, after a restart");
        }
        // Only whole segments are freed: half of it is room enough to go on, and soon all.
        let kept = all(&log, &[])[taken.len() / 2].lsn;
        log.release("reader", kept).unwrap();
        goes_on(&log, round * 10_000 + 9_000).await;
        log.release("reader", log.status().written).unwrap();
        let freed = || async { (log.status().segments == 1).then_some(()) };
        eventually(PATIENCE, "all but the last segment are freed", freed).await;
    }
}

#[tokio::test]
async fn what_does_not_fit_into_a_short_segment_gets_one_or_is_refused() {
    let disk = Faulty::new();
    disk.space_left(Some(200_000));
    let (log, _) = open_on(&disk, 256 << 10);
    let large = |bytes: usize| NewRecord { stream: StreamId(1), kind: 1, payload: vec![7; bytes].into() };
    log.append(&[record(1, 0)], Durability::Disk).unwrap().await.unwrap();
    let first = log.status().disk_bytes;
    assert!(first < 64 << 10, "{first}");
    log.append(&[large(100_000)], Durability::Disk).unwrap().await.unwrap();
    let refused = match log.append(&[large(100_000)], Durability::Disk) {
        Ok(append) => append.await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(refused.kind(), ErrorKind::Busy, "{refused}");
    goes_on(&log, 1).await;
    assert_eq!(all(&log, &[]).iter().map(|it| it.payload.len()).collect::<Vec<_>>(), [4, 100_000, 5]);
}

#[tokio::test]
async fn a_recycled_segment_never_shows_what_it_held() {
    let disk = Faulty::new();
    let (mut log, _) = open_on(&disk, 4_096);
    let mut next = 0;
    let mut kept = Lsn(0);
    for round in 0..30 {
        for _ in 0..40 {
            log.append(&[record(1, next)], Durability::Os).unwrap().await.unwrap();
            next += 1;
        }
        let read = all(&log, &[]);
        let live: Vec<_> = read.iter().filter(|r: &&Record| r.lsn >= kept).map(number).collect();
        assert_eq!(live.last(), Some(&(next - 1)));
        assert!(live.windows(2).all(|pair| pair[0] + 1 == pair[1]), "round {round}: {live:?}");
        kept = log.status().written;
        log.release("reader", kept).unwrap();
        let few = || async { (log.status().segments <= 2).then_some(()) };
        eventually(PATIENCE, "segments are freed", few).await;
        if round % 5 == 0 {
            drop(log);
            let recovery;
            (log, recovery) = open_on(&disk, 4_096);
            assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
        }
    }
    let laid_out = disk.paths().len();
    assert!(laid_out <= 6, "files are used again: {:?}", disk.paths());
}

#[tokio::test]
async fn a_reader_keeps_what_it_reads_while_segments_are_recycled() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    for n in 0..200 {
        log.append(&[record(1, n)], Durability::Os).unwrap().await.unwrap();
    }
    let mut reader = log.reader(&[], Lsn(0));
    assert_eq!(number(&reader.try_next_batch(1).unwrap()[0]), 0);
    log.release("other", log.status().written).unwrap();
    let freed = || async { (log.status().first > Lsn(8_192)).then_some(()) };
    eventually(PATIENCE, "segments are freed", freed).await;
    for n in 200..400 {
        log.append(&[record(1, n)], Durability::Os).unwrap().await.unwrap();
    }
    let rest: Vec<_> = reader.try_next_batch(1 << 20).unwrap().iter().map(number).collect();
    assert_eq!(rest[0], 1, "the rest of the segment it was in");
    assert_eq!(rest.last(), Some(&399));
    assert!(log.status().damaged.is_empty(), "{:?}", log.status().damaged);
}

#[tokio::test]
async fn cursors_outlive_a_restart() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    for n in 0..100 {
        log.append(&[record(1, n)], Durability::Os).unwrap().await.unwrap();
    }
    let half = all(&log, &[])[50].lsn;
    log.release("slow", half).unwrap();
    log.release("fast", log.status().written).unwrap();
    log.close().unwrap();
    let (log, _) = open_on(&disk, 4_096);
    // Only `fast` speaks, but `slow` is not forgotten.
    log.release("fast", Lsn(log.status().written.0 + 1)).unwrap();
    goes_on(&log, 100).await;
    let read = all(&log, &[]);
    assert!(read.iter().any(|r| r.lsn == half) && read.len() < 101, "{}", read.len());
    log.forget("slow");
    let freed = || async { (log.status().segments <= 2).then_some(()) };
    eventually(PATIENCE, "a forgotten owner holds nothing", freed).await;
}

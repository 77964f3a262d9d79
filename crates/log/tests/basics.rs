//! What callers of the log rely on, on the machine's own files.
#![allow(clippy::unwrap_used)]

mod common;

use std::future::Future;
use std::time::Duration;

use base::testkit::eventually;
use base::{ErrorKind, Timestamp};
use bytes::Bytes;
use common::{all, clock, open, open_on, record};
use eyrie_log::files::Faulty;
use eyrie_log::{Config, Durability, Error, Log, Lsn, NewRecord, Parts, StreamId, record_bytes};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_appended_is_read_in_order_and_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (log, recovery) = open(dir.path(), 4_096);
    assert_eq!((recovery.records, recovery.torn_bytes, recovery.damaged.len()), (0, 0, 0));
    let mut last = Lsn(0);
    for n in 0..500u32 {
        let level = [Durability::Memory, Durability::Os, Durability::Disk][n as usize % 3];
        let lsn = log.append(&[record(n % 5, n)], level).unwrap().await.unwrap();
        assert!(lsn > last);
        last = lsn;
    }
    log.close().unwrap();
    let (log, recovery) = open(dir.path(), 4_096);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    let read = all(&log, &[]);
    assert_eq!(read.iter().map(common::number).collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
    assert!(read.windows(2).all(|pair| pair[0].next <= pair[1].lsn));
    assert_eq!(read[499].lsn, last);
    let odd: Vec<_> = all(&log, &[StreamId(1), StreamId(3)]).iter().map(common::number).collect();
    assert_eq!(odd, (0..500).filter(|n| n % 5 == 1 || n % 5 == 3).collect::<Vec<_>>());
    let mut from = log.reader(&[], read[250].lsn);
    assert_eq!(common::number(&from.try_next_batch(1).unwrap()[0]), 250);
    assert_eq!(from.position(), read[250].next);
}

#[tokio::test]
async fn one_record_is_read_by_its_position_and_payloads_in_parts_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 256 << 10);
    // Short ones are copied, long ones are not.
    let bodies: Vec<Bytes> = [0, 1, 200, 40_000].map(|length| vec![7; length].into()).into();
    let parts: Vec<_> =
        bodies.iter().map(|body| Parts { stream: StreamId(3), kind: 2, head: b"head", body }).collect();
    let mut at = log.append_parts(&parts, Durability::Os).unwrap().await.unwrap();
    for body in &bodies {
        let found = log.read(at).unwrap().expect("it is there");
        assert_eq!(found.payload, [&b"head"[..], body].concat());
        assert_eq!(found.next.0, at.0 + record_bytes(4 + body.len()));
        assert!(log.read(Lsn(at.0 + 8)).unwrap().is_none(), "no record begins here");
        at = found.next;
    }
    assert!(log.read(at).unwrap().is_none() && log.read(Lsn(1 << 40)).unwrap().is_none(), "not yet written");
    assert!(log.read(Lsn(0)).unwrap().is_none());
}

#[tokio::test]
async fn levels_say_how_far_a_record_is() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 64 << 10);
    let disk = log.append(&[record(1, 1)], Durability::Disk).unwrap().await.unwrap();
    assert!(log.status().durable > disk);
    let os = log.append(&[record(1, 2)], Durability::Os).unwrap().await.unwrap();
    assert!(log.status().written > os && log.status().durable <= os);
    log.sync(Lsn(u64::MAX)).await.unwrap();
    assert!(log.status().durable > os);
    let memory = log.append(&[record(1, 3)], Durability::Memory).unwrap();
    assert_eq!(memory.lsn(), memory.await.unwrap());
    let is_written = || async { (all(&log, &[]).len() == 3).then_some(()) };
    eventually(Duration::from_secs(5), "a memory record is written soon", is_written).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_waiters_share_a_few_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 256 << 10);
    let tasks: Vec<_> = (0..1_000)
        .map(|n| {
            let log = log.clone();
            tokio::spawn(async move { log.append(&[record(n % 7, n)], Durability::Disk).unwrap().await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    let mut numbers: Vec<_> = all(&log, &[]).iter().map(common::number).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
    let status = log.status();
    assert!(status.fsyncs < 500, "{status:?}");
    assert_eq!(status.records, 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_waits_for_what_comes_and_for_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 4_096);
    let mut reader = log.reader(&[StreamId(2)], Lsn(0));
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            match reader.next_batch(100).await {
                Ok(records) => seen.extend(records.iter().map(common::number)),
                Err(error) => return (seen, error),
            }
        }
    });
    for n in 0..300 {
        log.append(&[record(n % 3, n)], Durability::Os).unwrap().await.unwrap();
    }
    log.close().unwrap();
    let (seen, error) = reading.await.unwrap();
    assert_eq!(seen, (0..300).filter(|n| n % 3 == 2).collect::<Vec<_>>());
    assert!(matches!(error, Error::Closed));
    assert!(matches!(log.append(&[record(1, 1)], Durability::Os), Err(Error::Closed)));
}

#[tokio::test]
async fn a_clock_that_goes_back_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let (log, _) = Log::open(Config::new(dir.path()), clock.clone()).unwrap();
    for (n, second) in [(0, 1_000), (1, 10), (2, -5), (3, 2_000)] {
        clock.set(Timestamp::from_seconds(second));
        log.append(&[record(1, n)], Durability::Os).unwrap().await.unwrap();
    }
    let read = all(&log, &[]);
    assert_eq!(read.iter().map(common::number).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(read[2].time, Timestamp::from_seconds(-5));
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_breaks() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = Config::new(dir.path());
    config.segment_bytes = 4_096;
    config.pending_bytes_max = 1_024;
    let (log, _) = Log::open(config, clock()).unwrap();
    let kind = |result: Result<eyrie_log::Append, Error>| result.map(drop).unwrap_err().kind();
    let big = NewRecord { stream: StreamId(1), kind: 0, payload: vec![7; 4_096].into() };
    assert_eq!(kind(log.append(&[big], Durability::Os)), ErrorKind::Invalid);
    let own = NewRecord { kind: 128, ..record(1, 1) };
    assert_eq!(kind(log.append(&[own], Durability::Os)), ErrorKind::Invalid);
    let many: Vec<_> = (0..100).map(|n| record(1, n)).collect();
    assert_eq!(kind(log.append(&many, Durability::Os)), ErrorKind::Invalid);
    let half = || [NewRecord { stream: StreamId(1), kind: 0, payload: vec![7; 700].into() }];
    let first = log.append(&half(), Durability::Memory).unwrap();
    assert_eq!(kind(log.append(&half(), Durability::Memory)), ErrorKind::Busy);
    first.await.unwrap();
    let retry = || async { log.append(&half(), Durability::Memory).ok() };
    eventually(Duration::from_secs(5), "the backlog is written", retry).await.await.unwrap();
    let nothing = log.append(&[], Durability::Disk).unwrap().await.unwrap();
    assert!(nothing > Lsn(0));
}

#[tokio::test]
async fn a_large_payload_is_not_copied_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 8 << 20);
    let payload: Vec<u8> = (0..1_000_003u32).map(|n| n as u8).collect();
    let large = |n: usize| NewRecord { stream: StreamId(1), kind: 3, payload: payload[n..].to_vec().into() };
    log.append(&[large(0), record(1, 5), large(1)], Durability::Disk).unwrap().await.unwrap();
    let read = all(&log, &[]);
    assert_eq!(read.len(), 3);
    assert!(read[0].payload == payload && read[2].payload == payload[1..]);
    assert_eq!((read[0].kind, common::number(&read[1])), (3, 5));
}

#[tokio::test]
async fn positions_begin_where_the_store_says() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 4_096);
    let early = log.append(&[record(1, 1)], Durability::Disk).unwrap().await.unwrap();
    log.advance_to(Lsn(1_000_000));
    log.advance_to(Lsn(5));
    let late = log.append(&[record(1, 2)], Durability::Disk).unwrap().await.unwrap();
    assert!(early < Lsn(4_096) && late >= Lsn(1_000_000));
    log.sync(Lsn(u64::MAX)).await.unwrap();
    log.close().unwrap();
    let (log, recovery) = open(dir.path(), 4_096);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    assert_eq!(all(&log, &[]).iter().map(|r| r.lsn).collect::<Vec<_>>(), [early, late]);
    log.advance_to(Lsn(2_000_000));
    log.sync(Lsn(u64::MAX)).await.unwrap();
}

#[test]
fn odd_configurations_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (segment_bytes, quota_bytes) in
        [(0, 1 << 30), (5_000, 1 << 30), (1 << 20, 1 << 20), (2 << 30, 8 << 30)]
    {
        let config = Config { segment_bytes, quota_bytes, ..Config::new(dir.path()) };
        assert_eq!(Log::open(config, clock()).unwrap_err().kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a_reader_of_a_rare_stream_finds_it_far_away() {
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 1 << 20);
    let large = NewRecord { stream: StreamId(1), kind: 0, payload: vec![7; 100_000].into() };
    for _ in 0..50 {
        drop(log.append(std::slice::from_ref(&large), Durability::Memory).unwrap());
    }
    log.append(&[record(2, 5)], Durability::Os).unwrap().await.unwrap();
    let found = log.reader(&[StreamId(2)], Lsn(0)).next_batch(1).await.unwrap();
    assert_eq!((found.len(), common::number(&found[0])), (1, 5));
}

#[tokio::test]
async fn what_is_whole_begins_where_the_freed_segment_ended() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    let mut ends = Vec::new();
    // Two of them fit into a segment, which ends long before its file does.
    for n in 0..8u32 {
        let payload = n.to_le_bytes().repeat(350).into();
        let record = NewRecord { stream: StreamId(1), kind: 1, payload };
        ends.push(log.append(&[record], Durability::Disk).unwrap().await.unwrap());
    }
    let next = all(&log, &[]).iter().map(|record| record.next).collect::<Vec<_>>();
    let (inside, end) = (next[2], next[3]);
    log.release_streams("reader", &[StreamId(1)], end).unwrap();
    let freed = || async { (log.status().first > end).then_some(()) };
    eventually(Duration::from_secs(20), "the released segments are freed", freed).await;
    for reopened in [false, true] {
        let log = if reopened {
            log.close().unwrap();
            open_on(&disk, 4_096).0
        } else {
            log.clone()
        };
        assert!(log.status().first > end && log.status().whole_from <= end, "{:?}", log.status());
        assert!(log.status().whole_from > inside);
        assert_eq!(log.released_behind("reader", &[StreamId(1)], end), None, "all from there on is kept");
        assert_eq!(log.released_behind("reader", &[StreamId(1)], inside), Some(end));
        assert_eq!(
            log.released_behind("reader", &[StreamId(2)], inside),
            None,
            "nothing of that was released"
        );
        assert_eq!(log.released_behind("stranger", &[StreamId(1)], inside), None);
        assert_eq!(log.reader(&[], end).try_next_batch(1).unwrap()[0].lsn, ends[4]);
    }
}

#[tokio::test]
async fn who_waits_for_what_was_appended_does_not_wait_for_what_comes_later() {
    let (log, _) = open_on(&Faulty::new(), 256 << 10);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    for n in 0..20 {
        drop(log.append(&[record(1, n)], Durability::Memory).unwrap());
        let mut written = std::pin::pin!(log.written());
        // From now on it waits, unless the committer was quicker.
        let is_quick = written.as_mut().poll(&mut context).is_ready();
        log.append(&[record(1, n)], Durability::Os).unwrap().await.unwrap();
        // This one is not written before 10 ms have passed.
        drop(log.append(&[record(1, n)], Durability::Memory).unwrap());
        assert!(is_quick || written.as_mut().poll(&mut context).is_ready(), "round {n}");
    }
}

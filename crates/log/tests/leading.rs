//! Who writes what only has to be handed to the system: whoever awaits it, or the thread.
#![allow(clippy::unwrap_used)]

mod common;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base::ErrorKind;
use base::testkit::eventually;
use common::{numbers, open, open_on, record};
use eyrie_log::files::Faulty;
use eyrie_log::{Append, Durability, Error, Log, Lsn};

const PATIENCE: Duration = Duration::from_secs(10);

/// The outcome when others had their turn and nobody has woken it.
fn lead(append: Append) -> Poll<Result<Lsn, Error>> {
    let mut append = pin!(append);
    let mut context = Context::from_waker(Waker::noop());
    match append.as_mut().poll(&mut context) {
        Poll::Pending => append.poll(&mut context),
        ready => ready,
    }
}

/// Whether this thread wrote last.
fn is_ours(disk: &Faulty) -> bool {
    disk.writer() == Some(std::thread::current().id())
}

/// A log with one segment and nobody at it, and how many records it has.
async fn begun(disk: &Faulty) -> (Log, u32) {
    let (log, _) = open_on(disk, 64 << 10);
    log.append(&[record(1, 0)], Durability::Disk).unwrap().await.unwrap();
    // The thread may not be done with that one yet.
    for n in 1..500 {
        let _ = lead(log.append(&[record(1, n)], Durability::Os).unwrap());
        log.written().await;
        if is_ours(disk) {
            return (log, n + 1);
        }
    }
    panic!("nobody who awaits a write leads");
}

#[tokio::test]
async fn whoever_awaits_a_quick_write_first_writes_for_all() {
    let disk = Faulty::new();
    let (log, from) = begun(&disk).await;
    let commits = log.status().commits;
    let appends: Vec<_> =
        (from..from + 9).map(|n| log.append(&[record(1, n)], Durability::Os).unwrap()).collect();
    assert_eq!(log.status().commits, commits, "nobody waits yet");
    for append in appends.into_iter().rev() {
        assert!(matches!(lead(append), Poll::Ready(Ok(_))));
    }
    assert!(is_ours(&disk));
    assert_eq!(log.status().commits, commits + 1);
    assert_eq!(numbers(&log), (0..from + 9).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_nobody_awaits_is_written_too() {
    let disk = Faulty::new();
    let (log, from) = begun(&disk).await;
    drop(log.append(&[record(1, from)], Durability::Os).unwrap());
    eventually(PATIENCE, "the dropped one is written", || async {
        (numbers(&log).len() as u32 == from + 1).then_some(())
    })
    .await;
    let kept = log.append(&[record(1, from + 1)], Durability::Os).unwrap();
    log.written().await;
    assert_eq!(numbers(&log), (0..from + 2).collect::<Vec<_>>());
    assert!(lead(kept).is_ready());
}

#[tokio::test]
async fn a_leader_leaves_new_segments_to_the_thread() {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, 4_096);
    let mut led = 0;
    for n in 0..400 {
        let before = log.status().segments;
        let _ = lead(log.append(&[record(1, n)], Durability::Os).unwrap());
        log.written().await;
        if is_ours(&disk) {
            assert_eq!(log.status().segments, before, "the leader began a segment");
            led += 1;
        }
    }
    assert!(log.status().segments > 4 && led > 50, "{led} were led");
    assert_eq!(numbers(&log), (0..400).collect::<Vec<_>>());
}

#[tokio::test]
async fn nobody_leads_after_a_write_was_slow() {
    let disk = Faulty::new();
    let (log, from) = begun(&disk).await;
    let held = disk.hold_writes();
    let slow = log.append(&[record(1, from)], Durability::Os).unwrap();
    let leader = std::thread::spawn(move || lead(slow));
    // However late this one comes, the write took at least so long.
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(held);
    assert!(leader.join().unwrap().is_ready());
    let _ = lead(log.append(&[record(1, from + 1)], Durability::Os).unwrap());
    log.written().await;
    assert!(!is_ours(&disk), "it is the committer's thread's");
    assert_eq!(numbers(&log), (0..from + 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_leader_whose_write_fails_poisons_and_tells_all() {
    let disk = Faulty::new();
    let (log, from) = begun(&disk).await;
    let other = log.append(&[record(1, from)], Durability::Os).unwrap();
    disk.fail_writes(true);
    let Poll::Ready(Err(error)) = lead(log.append(&[record(1, from + 1)], Durability::Os).unwrap()) else {
        panic!("it was led");
    };
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert!(other.await.is_err());
    disk.fail_writes(false);
    assert!(log.append(&[record(1, from + 2)], Durability::Os).is_err());
    assert!(log.status().poisoned.is_some() && log.close().is_err(), "the thread ends too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_leaders_and_the_thread_keep_the_order_and_forget_nobody() {
    const TASKS: u32 = 16;
    const EACH: u32 = 500;
    let dir = tempfile::tempdir().unwrap();
    let (log, _) = open(dir.path(), 64 << 10);
    let task = |log: Log, task: u32| async move {
        let mut last = Lsn(0);
        for n in 0..EACH {
            let level = match (task + n) % 31 {
                0 => Durability::Disk,
                1 => Durability::Memory,
                _ => Durability::Os,
            };
            let append = log.append(&[record(task, n)], level).unwrap();
            if (task + n).is_multiple_of(7) {
                // Nobody awaits it.
                continue;
            }
            let lsn = append.await.unwrap();
            assert!(lsn > last);
            last = lsn;
        }
    };
    let tasks: Vec<_> = (0..TASKS).map(|at| tokio::spawn(task(log.clone(), at))).collect();
    for task in tasks {
        tokio::time::timeout(PATIENCE * 6, task).await.expect("nobody is forgotten").unwrap();
    }
    log.close().unwrap();
    let (log, recovery) = open(dir.path(), 64 << 10);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    for task in 0..TASKS {
        let read: Vec<_> =
            common::all(&log, &[eyrie_log::StreamId(task)]).iter().map(common::number).collect();
        assert_eq!(read, (0..EACH).collect::<Vec<_>>(), "{task}");
    }
}

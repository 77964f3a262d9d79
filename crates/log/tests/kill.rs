//! `kill -9` in a loop: a child appends and prints what was acknowledged, the parent kills it at a
//! random moment and looks.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use common::{numbers, open, record};
use eyrie_log::Durability;

const ROUNDS: u32 = 10;
const SEGMENT_BYTES: u64 = 64 << 10;
const CHILD: &str = "EYRIE_LOG_TEST_CHILD";

/// Appends numbered records for ever, 16 on their way at a time, and prints each that is sure.
async fn child(dir: &str) {
    let (log, _) = open(dir.as_ref(), SEGMENT_BYTES);
    let mut next = numbers(&log).last().map_or(0, |last| last + 1);
    let mut waiting = VecDeque::new();
    loop {
        while waiting.len() < 16 {
            let level = if next.is_multiple_of(3) { Durability::Disk } else { Durability::Os };
            waiting.push_back((next, log.append(&[record(next % 5, next)], level).unwrap()));
            next += 1;
        }
        let (n, append) = waiting.pop_front().unwrap();
        append.await.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nack {n}").and_then(|()| out.flush()).unwrap();
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9_once_and_in_order() {
    if let Ok(dir) = std::env::var(CHILD) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(child(&dir));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut acked = None;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["what_was_acknowledged_survives_kill_9_once_and_in_order", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let enough = 20 + base::id::random(1).as_bytes()[0] as usize * 10;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let ack = |line: String| line.strip_prefix("ack ")?.parse::<u32>().ok();
        let seen: Vec<_> = lines.by_ref().filter_map(ack).take(enough).collect();
        assert_eq!(seen.len(), enough, "the child died by itself");
        child.kill().unwrap();
        // What it had printed before the kill counts as well; the last line may be half.
        let rest: Vec<_> = lines.collect();
        let rest = rest.iter().take(rest.len().saturating_sub(1)).filter_map(|line| ack(line.clone()));
        acked = rest.chain(seen).max().max(acked);
        child.wait().unwrap();

        let (log, recovery) = open(dir.path(), SEGMENT_BYTES);
        assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
        let found = numbers(&log);
        assert_eq!(found, (0..found.len() as u32).collect::<Vec<_>>(), "round {round}");
        assert!(found.last() >= acked.as_ref(), "round {round}: {:?} < {acked:?}", found.last());
    }
}

//! `eyrie backup` and `eyrie restore`: whole data folders, copied so that they fit together.
//!
//! A store says up to where in the log its numbers go, so a copy needs the store of one moment and the log
//! from that position on. The store is copied first (a consistent snapshot, beside a running server), the
//! log after it; then both copies are opened, and if the server recycled a segment in between, the copy is
//! made again. The `format` file is written last: half a copy is no data folder.
//!
//! Of the log's folder segments come first, oldest first, then `channels.snapshot`, which says what of them is
//! needed, then `topics.json`: what a newer snapshot let the log free before it was copied is in none of the
//! older ones, and no stream is in the log whose name is not in the list. A snapshot that speaks of more log
//! than was copied is no good either; then the copy is made again.
//!
//! A backup that is restored has no server and stays as it is: its files are copied, the store's write-ahead
//! log among them (a server that was killed leaves much in it), and the copies are checked in the same way.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base::Clock;
use log::{Log, Lsn};
use queue::broker::Broker;
use store::Store;

use crate::cli::{BackupArgs, RestoreArgs};
use crate::folder::{self, Folder};

/// How often a copy is made again because the server moved on underneath it.
const ATTEMPTS: usize = 10;

/// How long before it is: by then the store is a step further too.
const PAUSE: Duration = Duration::from_secs(1);

/// What is copied behind the segments, in this order.
const LAST: [&str; 2] = ["channels.snapshot", "topics.json"];

/// Ends the name of a segment.
const SEGMENT: &str = ".seg";

/// How often segments that are new by then are copied as well.
const PASSES: usize = 20;

/// How much of the copied log is read at a time.
const READ_BYTES: usize = 4 << 20;

/// Copies everything to an empty folder.
pub(crate) fn backup(args: &BackupArgs) -> anyhow::Result<()> {
    let from = Folder::open(&args.data.folder()?)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // What cannot be opened now cannot be later, and is not begun with.
        let source = store::open_sqlite(&from.store()).await.with_context(|| {
            format!(
                "nothing was copied; what no server uses, read-only or not, `eyrie restore {}` copies",
                show(&from)
            )
        })?;
        let outcome = attempts(&source, &from, &args.to).await;
        source.close().await.context("cannot close the store")?;
        outcome
    })
}

async fn attempts(source: &Arc<dyn Store>, from: &Folder, to: &Path) -> anyhow::Result<()> {
    let to = Folder::prepare_empty(to)?;
    for attempt in 1..=ATTEMPTS {
        match copy(source, from, &to).await {
            Ok(records) => {
                to.complete()?;
                println!("copied {} to {} ({records} records of the log)", show(from), show(&to));
                return Ok(());
            }
            Err(error) if attempt < ATTEMPTS => {
                tracing::info!(%error, attempt, "copying again");
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.context("the backup is not complete: remove it, try again")),
        }
    }
    Ok(())
}

/// Makes a data folder from a backup.
pub(crate) fn restore(args: &RestoreArgs) -> anyhow::Result<()> {
    let from = Folder::open(&args.from)?;
    ensure!(!from.is_served(), "{} is being served: stop its server first", show(&from));
    let to = Folder::prepare_empty(&args.data.folder()?)?;
    copy_file(&from.store(), &to.store())?;
    copy_file(&write_ahead_log(&from), &write_ahead_log(&to))?;
    copy_folder(&from.log(), &to.log(), |name| !is_left_out(name))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Checked { records, .. } = runtime.block_on(check(&to)).with_context(|| {
        format!("{} is not whole, and what is in {} is of no use: remove it", show(&from), show(&to))
    })?;
    to.complete()?;
    println!("restored {} to {} ({records} records of the log)", show(&from), show(&to));
    Ok(())
}

/// What SQLite has committed and not yet written into the store's file.
fn write_ahead_log(folder: &Folder) -> PathBuf {
    let mut path = folder.store().into_os_string();
    path.push("-wal");
    path.into()
}

fn show(folder: &Folder) -> impl std::fmt::Display {
    folder.path().display()
}

/// One attempt; how many records of the log came along.
async fn copy(source: &Arc<dyn Store>, from: &Folder, to: &Folder) -> anyhow::Result<u64> {
    remove_if_there(&to.store())?;
    if to.log().exists() {
        fs::remove_dir_all(to.log()).context("cannot remove the last attempt")?;
    }
    source.backup(&to.store()).await.context("cannot copy the store")?;
    let before = snapshot_position(from)?;
    copy_log(&from.log(), &to.log(), copy_file)?;
    let Checked { records, end } = check(to).await?;
    check_snapshot(before, snapshot_position(to)?, end)?;
    Ok(records)
}

fn snapshot_position(folder: &Folder) -> anyhow::Result<Option<Lsn>> {
    let path = folder.log();
    Broker::snapshot_position(&path).with_context(|| format!("cannot read what is in {}", path.display()))
}

/// The log was copied while the snapshot was the same, or reaches as far as the one that was copied.
fn check_snapshot(before: Option<Lsn>, copied: Option<Lsn>, end: Lsn) -> anyhow::Result<()> {
    let position = copied.unwrap_or_default();
    ensure!(
        before == copied || position <= end,
        "the copy of the log ends at {}, channels.snapshot speaks of it up to {}",
        end.0,
        position.0,
    );
    Ok(())
}

/// What was found in a copy.
struct Checked {
    /// Of the log.
    records: u64,
    /// Where the log ends.
    end: Lsn,
}

/// Whether store and log of a copy fit together.
async fn check(to: &Folder) -> anyhow::Result<Checked> {
    ensure!(to.store().exists(), "there is no store");
    let copy = store::open_sqlite(&to.store()).await.context("cannot open the copy of the store")?;
    let positions = copy.positions().await.context("cannot read the copy of the store");
    copy.close().await.context("cannot close the copy of the store")?;
    let positions: Vec<u64> = positions?.into_iter().map(|(_, position)| position).collect();
    check_log(to, &positions)
}

/// The copied log must reach from the first number that the store lacks to the last one that it has, with
/// nothing unreadable in between.
fn check_log(copy: &Folder, positions: &[u64]) -> anyhow::Result<Checked> {
    let config = log::Config { quota_bytes: u64::MAX, ..log::Config::new(copy.log()) };
    let (log, recovery) = Log::open(config, Clock::system()).context("cannot open the copy of the log")?;
    let end = log.end();
    let outcome = read_through(&log, positions);
    log.close().context("cannot close the copy of the log")?;
    if let Some(damage) = recovery.damaged.first() {
        bail!("the copy of the log is damaged: {damage}");
    }
    Ok(Checked { records: outcome?, end })
}

fn read_through(log: &Log, positions: &[u64]) -> anyhow::Result<u64> {
    let status = log.status();
    let first = positions.iter().copied().min().unwrap_or(status.whole_from.0);
    let last = positions.iter().copied().max().unwrap_or(status.written.0);
    ensure!(
        status.whole_from.0 <= first && last <= status.written.0,
        "the log reaches from {} to {}, the store needs {first} to {last}",
        status.whole_from.0,
        status.written.0,
    );
    let mut reader = log.reader(&[], Lsn(first));
    let mut records = 0;
    loop {
        let batch = reader.try_next_batch(READ_BYTES).context("cannot read the copy of the log")?;
        if batch.is_empty() {
            break;
        }
        records += batch.len() as u64;
    }
    match log.status().damaged.first() {
        Some(damage) => bail!("the copy of the log is damaged: {damage}"),
        None => Ok(records),
    }
}

/// Copies a log that may be in use.
fn copy_log(
    from: &Path,
    to: &Path,
    mut copy: impl FnMut(&Path, &Path) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    if !from.exists() {
        return Ok(()); // No server has run on this folder yet.
    }
    let mut copied: BTreeSet<String> = BTreeSet::new();
    for _ in 0..PASSES {
        let found = names(from)?;
        let is_all = found.is_subset(&copied);
        // It was written to while it was copied.
        let growing = copied.iter().rev().find(|name| name.ends_with(SEGMENT)).cloned();
        for name in &found {
            if !copied.contains(name) || growing.as_ref() == Some(name) {
                copy(&from.join(name), &to.join(name))?;
            }
        }
        copied.extend(found);
        if is_all {
            break;
        }
    }
    for name in LAST {
        copy(&from.join(name), &to.join(name))?;
    }
    folder::sync(to)
}

/// The files of a log but those that are copied behind them.
fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let describe = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(describe)? {
        let entry = entry.with_context(describe)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && !is_left_out(&name) && !LAST.contains(&&*name) {
            names.insert(name);
        }
    }
    Ok(names)
}

fn copy_folder(from: &Path, to: &Path, wanted: fn(&str) -> bool) -> anyhow::Result<()> {
    fs::create_dir(to).with_context(|| format!("cannot make {}", to.display()))?;
    if !from.exists() {
        return Ok(()); // No server has run on this folder yet.
    }
    let entries = fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let name = entry.file_name();
        if entry.file_type().is_ok_and(|kind| kind.is_file()) && wanted(&name.to_string_lossy()) {
            copy_file(&entry.path(), &to.join(name))?;
        }
    }
    folder::sync(to)
}

/// What a backup does without: room for later, halves of files, and how far readers of the *running* log
/// are, which may be further than the copied store. Without that nothing is freed before the recorder says
/// where it stands.
fn is_left_out(name: &str) -> bool {
    name == "cursors" || name.ends_with(".spare") || name.ends_with(".tmp")
}

/// A file that vanishes is not missed here: what is needed of it is found missing by the check.
fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    let describe = || format!("cannot copy {} to {}", from.display(), to.display());
    match fs::copy(from, to) {
        Ok(_) => File::open(to).and_then(|file| file.sync_all()).with_context(describe),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(describe),
    }
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::testkit::eventually;
    use log::{Durability, NewRecord, StreamId};

    use super::*;

    /// A log whose oldest segment is gone, because all of it was released; where that one ended, and a place in it.
    async fn freed(folder: &Folder) -> (u64, u64) {
        let config = log::Config { segment_bytes: 64 << 10, ..log::Config::new(folder.log()) };
        let (log, _) = Log::open(config, Clock::system()).expect("it opens");
        let mut places = Vec::new();
        // Two of them fit into a segment, which ends long before its file does.
        for _ in 0..6 {
            let record = NewRecord { stream: StreamId(1), kind: 1, payload: vec![7; 25 << 10].into() };
            places.push(log.append(&[record], Durability::Disk).expect("taken").await.expect("written").0);
        }
        let mut reader = log.reader(&[], Lsn(places[1]));
        let end = reader.try_next_batch(1).expect("it reads")[0].next;
        log.release_streams("recorder", &[StreamId(1)], end).expect("a good name");
        let is_freed = async || (log.status().first > end).then_some(());
        eventually(Duration::from_secs(30), "the oldest segment is freed", is_freed).await;
        log.close().expect("it closes");
        (end.0, places[1])
    }

    #[tokio::test]
    async fn a_copy_needs_no_segment_that_ends_where_the_store_stands() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = Folder::prepare_empty(&home.path().join("copy")).expect("empty");
        let (end, inside) = freed(&folder).await;
        assert_eq!(check_log(&folder, &[end]).expect("it is whole").records, 4);
        let error = check_log(&folder, &[inside]).err().expect("a record is missing").to_string();
        assert!(error.contains(&format!("the store needs {inside}")), "{error}");
    }

    #[test]
    fn what_says_what_is_needed_is_copied_behind_all_that_was_there_by_then() {
        let home = tempfile::tempdir().expect("a folder");
        let (from, to) = (home.path().join("from"), home.path().join("to"));
        fs::create_dir(&from).expect("a folder");
        let write = |name: &str, text: &str| fs::write(from.join(name), text).expect("a file");
        for name in ["topics.json", "channels.snapshot", "cursors", "2.seg", "1.seg", "9.spare"] {
            write(name, "old");
        }
        let mut order = Vec::new();
        copy_log(&from, &to, |from, to| {
            let name = from.file_name().expect("a name").to_string_lossy().into_owned();
            copy_file(from, to)?;
            if name == "2.seg" && order.len() == 1 {
                // The server goes on: another segment, and a snapshot that speaks of it.
                write("2.seg", "all of it");
                write("3.seg", "new");
                write("channels.snapshot", "new");
            }
            order.push(name);
            Ok(())
        })
        .expect("it is copied");
        assert_eq!(order, ["1.seg", "2.seg", "2.seg", "3.seg", "3.seg", "channels.snapshot", "topics.json"]);
        let read = |name: &str| fs::read_to_string(to.join(name)).expect("it was copied");
        assert_eq!((&*read("2.seg"), &*read("channels.snapshot")), ("all of it", "new"));
    }

    #[test]
    fn a_snapshot_that_speaks_of_more_than_was_copied_is_no_good() {
        let at = |position| Some(Lsn(position));
        for (before, copied, is_good) in [
            (None, None, true),
            (None, at(100), true),
            (at(50), at(100), true),
            (at(50), at(108), false),
            (None, at(108), false),
            // Nothing lies there any more that it spoke of, or never did.
            (at(108), at(108), true),
        ] {
            let checked = check_snapshot(before, copied, Lsn(100));
            assert_eq!(checked.is_ok(), is_good, "{before:?} {copied:?}");
        }
    }
}

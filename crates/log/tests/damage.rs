//! Torn tails, flipped bits and garbage: nothing panics, what is whole is served, what is not is named.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{all, clock, number, numbers, open_on, record};
use eyrie_log::files::Faulty;
use eyrie_log::{Config, Durability, Log, Record};
use proptest::prelude::*;

/// A closed log of `count` records, one commit each, and what is in it.
fn written(count: u32, segment_bytes: u64) -> (Faulty, Vec<Record>) {
    let disk = Faulty::new();
    let (log, _) = open_on(&disk, segment_bytes);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for n in 0..count {
        runtime.block_on(log.append(&[record(n % 3, n)], Durability::Disk).unwrap()).unwrap();
    }
    log.close().unwrap();
    let records = all(&log, &[]);
    (disk, records)
}

fn segments(disk: &Faulty) -> Vec<PathBuf> {
    disk.paths().into_iter().filter(|path| path.extension().is_some_and(|e| e == "seg")).collect()
}

#[test]
fn a_tail_torn_at_any_byte_is_cut_there() {
    let (disk, records) = written(6, 4_096);
    let path = segments(&disk).pop().unwrap();
    let end = records[5].next.0 as usize;
    for cut in records[2].lsn.0 as usize..=end {
        for fill in [0, 0xFF, 0x5A] {
            let torn = disk.crash(eyrie_log::files::Crash::KeepAll);
            assert!(torn.damage(&path, |bytes| bytes[cut..end].fill(fill)));
            let (log, recovery) = open_on(&torn, 4_096);
            assert!(recovery.damaged.is_empty(), "cut at {cut}: {:?}", recovery.damaged);
            // Padding behind a payload is nobody's: the record is whole without it.
            let whole = |r: &&Record| r.lsn.0 as usize + 24 + r.payload.len() <= cut;
            let kept = records.iter().filter(whole).count() as u32;
            assert_eq!(numbers(&log), (0..kept).collect::<Vec<_>>(), "cut at {cut} with {fill}");
            assert_eq!(recovery.records, u64::from(kept));
            drop(log.append(&[record(1, kept)], Durability::Disk).unwrap());
            log.close().unwrap();
            drop(log);
            let (log, recovery) = open_on(&torn, 4_096);
            assert!(recovery.damaged.is_empty(), "after cut at {cut}: {:?}", recovery.damaged);
            assert_eq!(numbers(&log), (0..=kept).collect::<Vec<_>>(), "after cut at {cut}");
        }
    }
}

#[test]
fn a_file_that_ends_too_early_is_a_torn_tail_too() {
    let (disk, records) = written(6, 4_096);
    let path = segments(&disk).pop().unwrap();
    for length in 0..records[5].next.0 as usize {
        let torn = disk.crash(eyrie_log::files::Crash::KeepAll);
        assert!(torn.damage(&path, |bytes| bytes.truncate(length)));
        let (log, recovery) = open_on(&torn, 4_096);
        assert!(!recovery.damaged.is_empty(), "no crash makes a file shorter: length {length}");
        let kept = numbers(&log).len() as u32;
        assert_eq!(numbers(&log), (0..kept).collect::<Vec<_>>());
        drop(log.append(&[record(1, kept)], Durability::Disk).unwrap());
        log.close().unwrap();
        assert_eq!(numbers(&log).last(), Some(&kept), "length {length}");
    }
}

#[test]
fn damage_below_what_was_durable_is_named_and_stepped_over() {
    let (disk, records) = written(10, 4_096);
    let path = segments(&disk).pop().unwrap();
    let hit = &records[4];
    assert!(disk.damage(&path, |bytes| bytes[hit.lsn.0 as usize + 25] ^= 4));
    let (log, recovery) = open_on(&disk, 4_096);
    let range = format!("bytes {} to {}", hit.lsn.0, hit.next.0 - 1);
    assert_eq!(recovery.damaged.len(), 1);
    assert!(recovery.damaged[0].contains(&range), "{:?} has {range}", recovery.damaged);
    assert!(recovery.damaged[0].starts_with("0000000000000000.seg"));
    assert_eq!(numbers(&log), [0, 1, 2, 3, 5, 6, 7, 8, 9]);
    assert_eq!((numbers(&log).len(), log.status().damaged_ranges), (9, 1), "counted once");
}

#[test]
fn a_missing_segment_is_named() {
    let (disk, _) = written(100, 4_096);
    let path = segments(&disk).remove(1);
    eyrie_log::files::Files::remove(&disk, &path).unwrap();
    let (log, recovery) = open_on(&disk, 4_096);
    assert_eq!(
        recovery.damaged,
        ["segments between 0000000000000000.seg and 0000000000002000.seg are missing"]
    );
    let left = numbers(&log);
    assert!(left.len() > 40 && left.len() < 100 && left.windows(2).all(|pair| pair[0] < pair[1]));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let (disk, _) = written(3, 4_096);
    let path = segments(&disk).pop().unwrap();
    disk.damage(&path, |bytes| {
        bytes[8] = 2;
        bytes[12..16].fill(0);
        let crc = crc32c::crc32c(&bytes[..64]);
        bytes[12..16].copy_from_slice(&crc.to_le_bytes());
    });
    let config = Config { segment_bytes: 4_096, ..Config::new("/log") };
    let error = Log::open_on(Arc::new(disk), config, clock()).unwrap_err();
    assert!(error.to_string().contains("0000000000000000.seg"), "{error}");
}

#[test]
fn a_damaged_file_of_cursors_frees_nothing() {
    let (disk, _) = written(3, 4_096);
    disk.damage(Path::new("/log/0000000000000000.seg"), |_| {});
    eyrie_log::files::replace(&disk, Path::new("/log"), "cursors", b"nonsense").unwrap();
    let (log, recovery) = open_on(&disk, 4_096);
    assert!(recovery.damaged[0].starts_with("cursors: bytes 0 to 7"), "{:?}", recovery.damaged);
    assert_eq!(numbers(&log), [0, 1, 2]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn a_flipped_bit_in_a_sealed_segment_costs_one_record(which in any::<usize>(), bit in any::<usize>()) {
        let (disk, records) = written(120, 4_096);
        let mut paths = segments(&disk);
        paths.pop();
        let index = which % paths.len();
        let at = bit / 8 % 4_096;
        prop_assert!(disk.damage(&paths[index], |bytes| bytes[at] ^= 1 << (bit % 8)));
        let (log, _) = open_on(&disk, 4_096);
        let lsn = (index * 4_096 + at) as u64;
        let hit = |r: &&Record| !(r.lsn.0..r.lsn.0 + 24 + r.payload.len() as u64).contains(&lsn);
        let expected: Vec<_> = records.iter().filter(hit).map(number).collect();
        prop_assert_eq!(numbers(&log), expected.clone());
        if expected.len() < records.len() || at < 48 {
            let damaged = log.status().damaged;
            let name = paths[index].file_name().unwrap().to_str().unwrap();
            prop_assert!(damaged.iter().any(|text| text.starts_with(name)), "{:?}", damaged);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        which in any::<usize>(),
        at in 0usize..4_096,
        garbage in proptest::collection::vec(any::<u8>(), 0..4_096),
        shorter in any::<bool>(),
    ) {
        let (disk, records) = written(60, 4_096);
        let paths = segments(&disk);
        disk.damage(&paths[which % paths.len()], |bytes| {
            let end = bytes.len().min(at + garbage.len());
            bytes[at..end].copy_from_slice(&garbage[..end - at]);
            if shorter {
                bytes.truncate(at);
            }
        });
        let (log, _) = open_on(&disk, 4_096);
        let left = numbers(&log);
        prop_assert!(left.windows(2).all(|pair| pair[0] < pair[1]));
        prop_assert!(left.len() <= records.len());
        drop(log.append(&[record(1, 1_000)], Durability::Disk).unwrap());
        log.close().unwrap();
        prop_assert_eq!(numbers(&log).last().copied(), Some(1_000));
    }
}

#[test]
fn a_last_segment_without_anything_readable_is_put_aside() {
    let (disk, records) = written(60, 4_096);
    let path = segments(&disk).pop().unwrap();
    disk.damage(&path, |bytes| bytes.fill(0x55));
    let (log, recovery) = open_on(&disk, 4_096);
    let name = path.file_name().unwrap().to_str().unwrap();
    assert!(recovery.damaged[0].starts_with(name), "{:?}", recovery.damaged);
    assert!(disk.paths().contains(&path.with_extension("seg.damaged")));
    let left = numbers(&log);
    assert!(!left.is_empty() && left.len() < records.len());
    drop(log);
    assert!(open_on(&disk, 4_096).1.damaged.is_empty(), "said once");
}

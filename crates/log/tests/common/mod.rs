//! Short cuts for the log's tests.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;

use base::{Clock, Timestamp};
use eyrie_log::files::Faulty;
use eyrie_log::{Config, Log, Lsn, NewRecord, Record, Recovery, StreamId};

pub fn clock() -> Clock {
    Clock::manual(Timestamp::from_seconds(1_700_000_000))
}

/// Record number `n`: 4 to 100 bytes, all of which say so.
pub fn record(stream: u32, n: u32) -> NewRecord {
    let mut payload = n.to_le_bytes().to_vec();
    payload.resize(4 + n as usize % 97, n as u8);
    NewRecord { stream: StreamId(stream), kind: 1, payload: payload.into() }
}

/// The number of a record made by [`record`]; it must be all there.
pub fn number(record: &Record) -> u32 {
    let n = u32::from_le_bytes(record.payload[..4].try_into().unwrap());
    assert_eq!(record.payload, self::record(record.stream.0, n).payload, "record {n}");
    n
}

pub fn open(dir: &Path, segment_bytes: u64) -> (Log, Recovery) {
    Log::open(Config { segment_bytes, ..Config::new(dir) }, clock()).unwrap()
}

pub fn open_on(disk: &Faulty, segment_bytes: u64) -> (Log, Recovery) {
    Log::open_on(Arc::new(disk.clone()), Config { segment_bytes, ..Config::new("/log") }, clock()).unwrap()
}

/// Everything that can be read now.
pub fn all(log: &Log, streams: &[StreamId]) -> Vec<Record> {
    let mut reader = log.reader(streams, Lsn(0));
    let mut records = Vec::new();
    loop {
        let batch = reader.try_next_batch(1_000).unwrap();
        if batch.is_empty() {
            return records;
        }
        records.extend(batch);
    }
}

pub fn numbers(log: &Log) -> Vec<u32> {
    all(log, &[]).iter().map(number).collect()
}

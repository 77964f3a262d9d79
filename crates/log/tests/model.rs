//! Random lives of a log against a model: appends at all levels, clean restarts, kills and losses of
//! power at any moment, segments of several lengths.
#![allow(clippy::unwrap_used)]

mod common;

use common::{all, number, open_on, record};
use eyrie_log::files::{Crash, Faulty};
use eyrie_log::{Durability, Log, Lsn};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    /// Records in one append, and whether it is awaited.
    Append(u32, Durability, bool),
    Sync,
    Restart,
    Crash(Crash),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let level = prop_oneof![Just(Durability::Memory), Just(Durability::Os), Just(Durability::Disk)];
    let crash = prop_oneof![Just(Crash::KeepAll), Just(Crash::LoseAll), any::<u64>().prop_map(Crash::Some)];
    let step = prop_oneof![
        20 => (1u32..6, level, any::<bool>()).prop_map(|(n, level, wait)| Step::Append(n, level, wait)),
        1 => Just(Step::Sync),
        1 => Just(Step::Restart),
        3 => crash.prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What the log must hold.
struct Model {
    /// Numbers in order.
    records: Vec<u32>,
    /// So many of them survive a kill, a loss of power.
    os: usize,
    disk: usize,
    next: u32,
}

async fn live(segment_bytes: u64, steps: Vec<Step>) {
    let mut disk = Faulty::new();
    let (mut log, _) = open_on(&disk, segment_bytes);
    let mut model = Model { records: Vec::new(), os: 0, disk: 0, next: 0 };
    for step in steps {
        match step {
            Step::Append(count, level, wait) => {
                let records: Vec<_> = (0..count).map(|n| record(n % 3, model.next + n)).collect();
                let append = log.append(&records, level).unwrap();
                model.records.extend(model.next..model.next + count);
                model.next += count;
                if wait {
                    append.await.unwrap();
                    let all = model.records.len();
                    model.os = if level >= Durability::Os { all } else { model.os };
                    model.disk = if level == Durability::Disk { all } else { model.disk };
                }
            }
            Step::Sync => {
                log.sync(Lsn(u64::MAX)).await.unwrap();
                (model.os, model.disk) = (model.records.len(), model.records.len());
            }
            Step::Restart => {
                log.close().unwrap();
                log = reopen(&disk, segment_bytes, &mut model, usize::MAX);
            }
            Step::Crash(crash) => {
                let after = disk.crash(crash);
                drop(log);
                disk = after;
                let sure = if crash == Crash::KeepAll { model.os.max(model.disk) } else { model.disk };
                log = reopen(&disk, segment_bytes, &mut model, sure);
            }
        }
    }
    log.close().unwrap();
    assert_eq!(log.status().freed, 0, "nobody has released anything");
    reopen(&disk, segment_bytes, &mut model, usize::MAX);
}

/// The log holds a prefix of what was appended, at least the first `sure` records, and says that
/// nothing is damaged. From then on that prefix is what it holds.
fn reopen(disk: &Faulty, segment_bytes: u64, model: &mut Model, sure: usize) -> Log {
    let (log, recovery) = open_on(disk, segment_bytes);
    assert!(recovery.damaged.is_empty(), "{:?}", recovery.damaged);
    let found: Vec<_> = all(&log, &[]).iter().map(number).collect();
    assert!(log.status().damaged.is_empty(), "{:?}", log.status().damaged);
    assert!(found.len() >= sure.min(model.records.len()), "{} of {sure} survived", found.len());
    assert_eq!(found, model.records[..found.len().min(model.records.len())]);
    model.records.truncate(found.len());
    (model.os, model.disk) = (found.len(), found.len());
    log
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_log_keeps_what_it_promised(
        segment in prop_oneof![Just(4_096u64), Just(8_192), Just(64 << 10)],
        steps in steps(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(live(segment, steps));
    }
}

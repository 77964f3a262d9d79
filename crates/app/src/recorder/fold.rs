//! One batch of messages into the heads: a shard's locks are taken once a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use parking_lot::{RwLockUpgradableReadGuard, RwLockWriteGuard};
use queue::Message;
use stats::{ShardId, StatId};

use crate::calendar;
use crate::catalog::{KEPT, Names};
use crate::head::Head;
use crate::state::State;

/// What a batch did besides being folded.
#[derive(Default)]
pub(super) struct Outcome {
    /// How many messages were looked at.
    pub messages: usize,
    pub new_stats: usize,
    points: u64,
    mismatched: u64,
}

struct Held<'a> {
    names: RwLockUpgradableReadGuard<'a, Names>,
    head: RwLockWriteGuard<'a, Head>,
}

/// Folds what is not below `skip_below` of its shard. A record that cannot be read, or that makes the code
/// panic, is counted, named and skipped: it must not stop the others, nor come back for ever.
///
/// Stops behind the message that makes it `new_stats_max` new stats.
pub(super) fn fold(state: &State, messages: &[Message], skip_below: &[u64], new_stats_max: usize) -> Outcome {
    let mut outcome = Outcome::default();
    let mut held: Vec<Option<Held<'_>>> = (0..skip_below.len()).map(|_| None).collect();
    for message in messages {
        if outcome.new_stats >= new_stats_max {
            break;
        }
        outcome.messages += 1;
        if message.position.0 < skip_below[message.topic] {
            continue;
        }
        let shard = ShardId(message.topic as u8);
        let held = held[message.topic].get_or_insert_with(|| Held {
            names: state.catalog.recorder_names(shard),
            head: state.shard(shard).head.write(),
        });
        let result = catch_unwind(AssertUnwindSafe(|| record(state, shard, held, message, &mut outcome)));
        let complaint = match result {
            Ok(None) => continue,
            Ok(Some(error)) => error.to_string(),
            Err(_) => "a fault in the recorder".to_owned(),
        };
        state.meters.damaged_records.inc();
        tracing::error!(
            position = message.position.0,
            shard = shard.0,
            complaint,
            "the rest of a record of points is skipped"
        );
    }
    state.meters.folded.inc_by(outcome.points);
    state.meters.mismatched.inc_by(outcome.mismatched);
    outcome
}

fn record(
    state: &State,
    shard: ShardId,
    held: &mut Held<'_>,
    message: &Message,
    outcome: &mut Outcome,
) -> Option<stats::point::PointError> {
    let received = message.time.millis();
    for point in stats::point::decode(&message.payload) {
        let point = match point {
            Ok(point) => point,
            Err(error) => return Some(error),
        };
        let hash = state.catalog.hash(point.account, point.name);
        let known = held.names.find(hash, point.account, point.name);
        let number = if let Some((number, entry)) = known {
            if entry.kind != point.kind {
                outcome.mismatched += 1;
                continue;
            }
            if entry.received_at.load(Ordering::Relaxed) < received {
                entry.received_at.store(received, Ordering::Relaxed);
            }
            let deleted_at = entry.deleted_at.load(Ordering::Relaxed);
            if deleted_at != KEPT && deleted_at <= received {
                let id = StatId::new(shard, number);
                state.catalog.revive(id, entry);
                held.head.revived.push((id.0, received));
            } else if deleted_at != KEPT {
                // It is read again and had come before the stat was deleted, or the clock went back.
                state.catalog.keep_promise(shard, entry.account, &entry.name);
            }
            number
        } else {
            let Some((number, row)) = state.catalog.create(&mut held.names, shard, &point, message.time)
            else {
                state.meters.stats_refused.inc();
                continue;
            };
            held.head.admit(number);
            held.head.new_stats.push(row);
            outcome.new_stats += 1;
            number
        };
        held.head.fold(number, calendar::minute(point.time), point.number);
        outcome.points += 1;
    }
    None
}

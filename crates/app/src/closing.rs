//! Hours and days that are over leave the head: segments become hour blocks, hour blocks become day blocks
//! and their roll-ups; what came late goes where its time is kept now.
//!
//! A close adds cells to blocks and removes the segments they came from in the same transaction, so it
//! may meet blocks that are there already (a late point, a clock that went back) and needs no mark of what
//! was closed. A close too large for one transaction notes in the ledger how far it has come.
//!
//! See `docs/internals/recorder.md`.

use std::sync::Arc;
use std::time::Duration;

use stats::rollup::Run;
use store::BlockKind;

use crate::calendar::{self, HOURS_OF_DAY};
use crate::ladder::{Blocks, Rung, sequence};
use crate::ledger::Closing;
use crate::patience::patiently;
use crate::shard::Shard;
use crate::state::State;
use crate::writer::{Halted, Part, Writer, commit_moving};

/// How often it looks whether something is due.
const PULSE: Duration = Duration::from_millis(250);
/// Stats whose hour is closed in one transaction: at most 2.5 MB.
const HOURS_AT_ONCE: usize = 1_000;
/// Stats whose day is closed in one transaction: at most 4 MB, usually 0.5.
const DAYS_AT_ONCE: usize = 48;
/// Days closed in one go after a long time off.
const CATCH_UP_DAYS: u32 = 32;
/// Hours, or days of late hours, closed in one visit of a shard; then the next shard has its turn.
const GROUPS_AT_ONCE: usize = 16;

/// Closes what is due until told to stop.
pub(crate) async fn run(state: Arc<State>) {
    let _fault = Fault(Arc::clone(&state));
    loop {
        let pause = match pass(&state).await {
            Ok(Due::Later) => PULSE,
            Ok(Due::Now) => Duration::ZERO,
            Err(Halted) => return,
        };
        tokio::select! {
            biased;
            () = state.stop.requested() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// When there is something to do again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Due {
    Later,
    Now,
}

/// Closes what is due now, a share of it in each shard.
pub(crate) async fn pass(state: &Arc<State>) -> Result<Due, Halted> {
    let _turn = state.closing.lock().await;
    let mut cells = 0;
    let mut due = Due::Later;
    for shard in &state.shards {
        due = due.max(hours(state, shard).await?).max(days(state, shard).await?);
        crate::retention::run(state, shard).await?;
        cells += shard.head.read().cells();
    }
    state.meters.cells.set(cells as i64);
    Ok(due)
}

/// Finishes the close that the last process was killed in. Until then nothing else may be written: new numbers
/// of its hours would be taken for numbers that it has moved.
pub(crate) async fn resume(state: &Arc<State>, shard: &Shard) -> Result<(), Halted> {
    let mut writer = shard.writer.lock().await;
    let Some(closing) = writer.ledger.closing.clone() else { return Ok(()) };
    close_hours(state, shard, &mut writer, &closing.hours).await
}

async fn hours(state: &Arc<State>, shard: &Shard) -> Result<Due, Halted> {
    for _ in 0..GROUPS_AT_ONCE {
        let mut writer = shard.writer.lock().await;
        let Some(hours) = next_hours(state, shard, &mut writer) else { return Ok(Due::Later) };
        close_hours(state, shard, &mut writer, &hours).await?;
        state.meters.hours_closed.inc_by(hours.len() as u64);
    }
    Ok(Due::Now)
}

/// The next hour that is due, going round all of them; of a day that is closed all of its open hours.
fn next_hours(state: &State, shard: &Shard, writer: &mut Writer) -> Option<Vec<u32>> {
    let over_before = calendar::hour(state.clock.now() - state.config.grace);
    let head = shard.head.read();
    let over = || head.open_hours().take_while(|hour| *hour < over_before);
    let early = || head.open_hours().next().filter(|_| head.cells() > state.config.cells_max);
    let next = over().find(|hour| *hour >= writer.close_from).or_else(|| over().next()).or_else(early)?;
    writer.close_from = next + 1;
    if matches!(Rung::of(next, &writer.ledger), Rung::Hour(_)) {
        return Some(vec![next]);
    }
    Some(head.open_hours().filter(|hour| hour / HOURS_OF_DAY == next / HOURS_OF_DAY).collect())
}

/// Moves the cells of `hours`, one hour or hours of one day, into blocks.
async fn close_hours(
    state: &Arc<State>,
    shard: &Shard,
    writer: &mut Writer,
    hours: &[u32],
) -> Result<(), Halted> {
    let Some(first) = hours.first() else { return Ok(()) };
    let rung = Rung::of(*first, &writer.ledger);
    let at_once = if matches!(rung, Rung::Hour(_)) { HOURS_AT_ONCE } else { DAYS_AT_ONCE };
    let mut stats: Vec<u32> = {
        let head = shard.head.read();
        hours.iter().filter_map(|hour| head.hour(*hour)).flat_map(|cells| cells.keys().copied()).collect()
    };
    stats.sort_unstable();
    stats.dedup();
    let mut left = &stats[..];
    loop {
        let (some, rest) = left.split_at(left.len().min(at_once));
        let known: Vec<u32> = {
            let names = state.catalog.names(shard.id);
            some.iter().copied().filter(|stat| names.get(*stat).is_some()).collect()
        };
        let keys: Vec<_> = known.iter().flat_map(|stat| rung.keys(shard, *stat)).collect();
        let found = patiently(state, || state.store.blocks_of(&keys)).await?;
        let minutes: Vec<(u32, Run)> = {
            let head = shard.head.read();
            known.iter().map(|stat| (*stat, minutes_of(&head, hours, *stat))).collect()
        };
        let mut blocks = unpack(state, found).await?;
        let missing = blocks.missing(shard);
        if !missing.is_empty() {
            let found = patiently(state, || state.store.blocks_of(&missing)).await?;
            blocks.extend(unpack(state, found).await?);
        }
        let (context, id) = (Arc::clone(state), shard.id);
        let blocks = in_background(state, move || {
            for (stat, run) in &minutes {
                blocks.add(context.shard(id), *stat, rung, run);
            }
            blocks.pack()
        })
        .await?;
        let mut part = Part::new(shard, writer);
        part.checkpoint.blocks = blocks;
        part.ledger.closing = match (rest.is_empty(), some.last()) {
            (false, Some(last)) => Some(Closing { hours: hours.to_vec(), upto: *last }),
            _ => None,
        };
        if rest.is_empty() {
            part.checkpoint.deleted_segment_hours = hours.to_vec();
            let stay = part.writer.unreadable_segments.iter().filter(|key| hours.contains(&key.hour));
            part.checkpoint.kept_segments = stay.copied().collect();
        }
        let _moving = commit_moving(state, part).await?;
        let mut head = shard.head.write();
        head.remove_cells(hours, some);
        if rest.is_empty() {
            hours.iter().for_each(|hour| head.forget_hour(*hour));
            return Ok(());
        }
        left = rest;
    }
}

/// A stat's cells of some hours of one day, as minutes of that day.
fn minutes_of(head: &crate::head::Head, hours: &[u32], stat: u32) -> Run {
    let mut run = Run::new();
    for hour in hours {
        let offset = (hour % HOURS_OF_DAY * 60) as u16;
        let cells = head.hour(*hour).and_then(|cells| cells.get(&stat));
        run.extend(
            cells.into_iter().flatten().map(|(minute, bucket)| (offset + u16::from(*minute), *bucket)),
        );
    }
    run.sort_by_key(|(minute, _)| *minute);
    run
}

/// Rolls up the days that are over. Hours of theirs that are still open go into the day when they are closed.
async fn days(state: &Arc<State>, shard: &Shard) -> Result<Due, Halted> {
    let over_before = calendar::day(state.trusted_now() - state.config.grace);
    let (from, to) = {
        let writer = shard.writer.lock().await;
        let from = writer.ledger.days_closed_before;
        let to = over_before.min(from.saturating_add(CATCH_UP_DAYS));
        if to <= from || writer.position.is_none() {
            return Ok(Due::Later);
        }
        (from, to)
    };
    let stats: Vec<u32> = state.catalog.names(shard.id).iter().map(|(number, _)| number).collect();
    for some in stats.chunks(DAYS_AT_ONCE) {
        close_days(state, shard, some, from, to).await?;
    }
    let mut writer = shard.writer.lock().await;
    let mut part = Part::new(shard, &mut writer);
    part.ledger.days_closed_before = to;
    let ledger = part.ledger.clone();
    let _moving = commit_moving(state, part).await?;
    shard.publish_marks(&ledger);
    state.meters.days_closed.inc_by(u64::from(to - from));
    Ok(if to < over_before { Due::Now } else { Due::Later })
}

/// Moves the hour blocks of days `from..to` of some stats into day blocks and roll-ups.
async fn close_days(
    state: &Arc<State>,
    shard: &Shard,
    stats: &[u32],
    from: u32,
    to: u32,
) -> Result<(), Halted> {
    let mut writer = shard.writer.lock().await;
    let mut hours = Vec::new();
    for stat in stats {
        let first = shard.block(BlockKind::MinutesOfHour, *stat, from * HOURS_OF_DAY);
        let last = shard.block(BlockKind::MinutesOfHour, *stat, to * HOURS_OF_DAY - 1);
        hours.extend(patiently(state, || state.store.blocks(first, last)).await?);
    }
    if hours.is_empty() {
        return Ok(());
    }
    // A stat's days are closed together; few transactions have more than one day to close.
    let mut keys: Vec<_> = hours
        .iter()
        .flat_map(|(key, _)| Rung::Day(key.number / HOURS_OF_DAY).keys(shard, sequence(*key)))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let found = patiently(state, || state.store.blocks_of(&keys)).await?;
    let (context, id) = (Arc::clone(state), shard.id);
    let (blocks, gone) = in_background(state, move || {
        let shard = context.shard(id);
        let mut blocks = Blocks::unpack(&context, found);
        let mut gone = Vec::with_capacity(hours.len());
        let day = |(key, _): &(store::BlockKey, Vec<u8>)| (key.stat, key.number / HOURS_OF_DAY);
        for of_day in hours.chunk_by(|a, b| day(a) == day(b)) {
            let mut minutes = Run::new();
            for (key, bytes) in of_day {
                let Some(of_hour) = context.unpack(*key, bytes) else { continue };
                let offset = (key.number % HOURS_OF_DAY * 60) as u16;
                stats::rollup::append(&mut minutes, &of_hour, offset);
                gone.push(*key);
            }
            if !minutes.is_empty() {
                blocks.add(shard, sequence(of_day[0].0), Rung::Day(day(&of_day[0]).1), &minutes);
            }
        }
        (blocks.pack(), gone)
    })
    .await?;
    let mut part = Part::new(shard, &mut writer);
    part.checkpoint.blocks = blocks;
    part.checkpoint.deleted_blocks = gone;
    commit_moving(state, part).await.map(|_| ())
}

async fn unpack(state: &Arc<State>, blocks: Vec<(store::BlockKey, Vec<u8>)>) -> Result<Blocks, Halted> {
    let context = Arc::clone(state);
    in_background(state, move || Blocks::unpack(&context, blocks)).await
}

/// Packing takes milliseconds: not on a thread that serves.
pub(crate) async fn in_background<T: Send + 'static>(
    state: &State,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Halted> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        state.health.halt(format!("a fault in the closing of hours and days: {error}"));
        Halted
    })
}

/// Says so when the closing panics: without it memory would fill quietly.
struct Fault(Arc<State>);

impl Drop for Fault {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.health.halt("a fault in the closing of hours and days: see the log".to_owned());
        }
    }
}

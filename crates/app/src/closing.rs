//! Hours and days that are over leave the head: segments become hour blocks, hour blocks become day blocks
//! and their roll-ups; what came late goes where its time is kept now.
//!
//! A close adds cells to blocks and removes the segments they came from in the same transaction, so it
//! may meet blocks that are there already (a late point, a clock that went back) and needs no mark of what
//! was closed. A close too large for one transaction notes in the ledger how far it has come.
//!
//! See `docs/internals/recorder.md`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use stats::rollup::Run;
use store::BlockKind;

use crate::calendar::{self, HOURS_OF_DAY};
use crate::ladder::{Blocks, Rung};
use crate::ledger::Closing;
use crate::shard::{Shard, State};
use crate::writer::{Halted, Part, Writer, commit};

/// How often it looks whether something is due.
const PULSE: Duration = Duration::from_millis(250);
/// Stats whose hour is closed in one transaction: at most 2.5 MB.
const HOURS_AT_ONCE: usize = 1_000;
/// Stats whose day is closed in one transaction: at most 4 MB, usually 0.5.
const DAYS_AT_ONCE: usize = 48;
/// Days closed in one go after a long time off.
const CATCH_UP_DAYS: u32 = 32;
/// Minutes of open hours a shard keeps in memory, 48 bytes each; beyond it the oldest hours are closed early.
const CELLS_MAX: usize = 1_000_000;
/// First pause after a read of the store failed; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Closes what is due until told to stop.
pub(crate) async fn run(state: Arc<State>) {
    let _fault = Fault(Arc::clone(&state));
    loop {
        if pass(&state).await.is_err() {
            return;
        }
        tokio::select! {
            () = state.stop.requested() => return,
            () = tokio::time::sleep(PULSE) => {}
        }
    }
}

/// Closes everything that is due now.
pub(crate) async fn pass(state: &Arc<State>) -> Result<(), Halted> {
    let _turn = state.closing.lock().await;
    let mut cells = 0;
    for shard in &state.shards {
        hours(state, shard).await?;
        days(state, shard).await?;
        crate::retention::run(state, shard).await?;
        cells += shard.head.read().cells();
    }
    state.meters.cells.set(cells as i64);
    Ok(())
}

async fn hours(state: &Arc<State>, shard: &Shard) -> Result<(), Halted> {
    loop {
        let due_before = calendar::hour(state.clock.now() - state.config.grace);
        let open: Vec<u32> = {
            let head = shard.head.read();
            let early = head.cells() > CELLS_MAX;
            head.open_hours().filter(|hour| *hour < due_before || early).collect()
        };
        let mut writer = shard.writer.lock().await;
        let interrupted = writer.ledger.closing.as_ref().map(|closing| closing.hours.clone());
        let hours = match (interrupted, open.first()) {
            (Some(hours), _) => hours,
            (None, None) => return Ok(()),
            (None, Some(first)) => match rung(&writer, *first) {
                Rung::Hour(_) => vec![*first],
                _ => open.iter().copied().filter(|h| h / HOURS_OF_DAY == first / HOURS_OF_DAY).collect(),
            },
        };
        close_hours(state, shard, &mut writer, &hours).await?;
        state.meters.hours_closed.inc_by(hours.len() as u64);
    }
}

fn rung(writer: &Writer, hour: u32) -> Rung {
    Rung::of(hour, &writer.ledger, writer.ledger.days_closed_before.max(writer.closing_days_before))
}

/// Moves the cells of `hours`, one hour or hours of one day, into blocks.
async fn close_hours(
    state: &Arc<State>,
    shard: &Shard,
    writer: &mut Writer,
    hours: &[u32],
) -> Result<(), Halted> {
    let Some(first) = hours.first() else { return Ok(()) };
    let rung = rung(writer, *first);
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
        let (context, id) = (Arc::clone(state), shard.id);
        let blocks = in_background(state, move || {
            let mut blocks = Blocks::unpack(&context, found);
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
        }
        let _moving = shard.moving.write().await;
        commit(state, &mut [part]).await?;
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

/// Rolls up the days that are over, once all of their hours are closed.
async fn days(state: &Arc<State>, shard: &Shard) -> Result<(), Halted> {
    loop {
        let over_before = calendar::day(state.clock.now() - state.config.grace);
        let (from, to) = {
            let mut writer = shard.writer.lock().await;
            let from = writer.ledger.days_closed_before;
            let to = over_before.min(from.saturating_add(CATCH_UP_DAYS));
            let open = shard.head.read().open_hours().next();
            if to <= from || writer.position.is_none() || open.is_some_and(|hour| hour < to * HOURS_OF_DAY) {
                return Ok(());
            }
            // From here on hours of these days go straight into the day: none may be left behind.
            writer.closing_days_before = to;
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
        let _moving = shard.moving.write().await;
        commit(state, &mut [part]).await?;
        shard.publish_marks(&ledger);
        state.meters.days_closed.inc_by(u64::from(to - from));
    }
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
        .flat_map(|(key, _)| {
            Rung::Day(key.number / HOURS_OF_DAY).keys(shard, stats::StatId(key.stat).sequence())
        })
        .collect();
    keys.sort_unstable();
    keys.dedup();
    let found = patiently(state, || state.store.blocks_of(&keys)).await?;
    let gone: Vec<_> = hours.iter().map(|(key, _)| *key).collect();
    let (context, id) = (Arc::clone(state), shard.id);
    let blocks = in_background(state, move || {
        let shard = context.shard(id);
        let mut blocks = Blocks::unpack(&context, found);
        let day = |(key, _): &(store::BlockKey, Vec<u8>)| (key.stat, key.number / HOURS_OF_DAY);
        for of_day in hours.chunk_by(|a, b| day(a) == day(b)) {
            let mut minutes = Run::new();
            for (key, bytes) in of_day {
                let offset = (key.number % HOURS_OF_DAY * 60) as u16;
                stats::rollup::append(&mut minutes, &context.unpack(*key, bytes), offset);
            }
            let (stat, day) = day(&of_day[0]);
            blocks.add(shard, stats::StatId(stat).sequence(), Rung::Day(day), &minutes);
        }
        blocks.pack()
    })
    .await?;
    let mut part = Part::new(shard, &mut writer);
    part.checkpoint.blocks = blocks;
    part.checkpoint.deleted_blocks = gone;
    let _moving = shard.moving.write().await;
    commit(state, &mut [part]).await
}

/// Packing takes milliseconds: not on a thread that serves.
async fn in_background<T: Send + 'static>(
    state: &State,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Halted> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        state.health.halt(format!("a fault in the closing of hours and days: {error}"));
        Halted
    })
}

/// Asks the store until it answers or everything stops.
pub(crate) async fn patiently<T, F, Fut>(state: &State, mut ask: F) -> Result<T, Halted>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, store::Error>>,
{
    let mut pause = PAUSE_MIN;
    loop {
        match ask().await {
            Ok(answer) => {
                if pause > PAUSE_MIN {
                    *state.health.store.lock() = None;
                }
                return Ok(answer);
            }
            Err(error) => {
                state.meters.store_errors.inc();
                tracing::warn!(%error, "the store did not answer; it is asked again");
                *state.health.store.lock() = Some(error.to_string());
            }
        }
        tokio::select! {
            () = state.stop.requested() => return Err(Halted),
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
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

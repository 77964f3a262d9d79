//! Points out of the log into the head, and the head into checkpoints.
//!
//! One task reads (`read`), one folds and writes (`run`); a short bounded channel between them. While a checkpoint is
//! on its way into the store the folding goes on, so that pages show what comes even if the store is down: until as
//! much is folded as one checkpoint takes. Then the folding waits, so the reading waits, and the log keeps what comes.
//!
//! See `docs/internals/recorder.md`.

mod fold;
mod load;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use queue::{Batch, Position, Subscription};
use stats::segment::Partial;
use store::SegmentKey;
use tokio::sync::{mpsc, oneshot};

use crate::head::Added;
use crate::shard::Shard;
use crate::state::State;
use crate::writer::{Halted, Part, Writer, commit};
pub(crate) use load::load;

/// Most payload read at once, in bytes: about 10,000 points, folded in about 2 ms.
const BATCH_BYTES: usize = 512 << 10;
/// After a batch of less than [`BATCH_BYTES`] the reader waits so long for more, so that folding a trickle
/// costs one round through the tasks for all numbers of that time, not one for every commit of the log.
const GATHER: Duration = Duration::from_millis(5);
/// While nothing of ours comes, the reader says so often how far it is: the log has other topics too.
const PASSED: Duration = Duration::from_millis(100);
/// Batches that were read and not folded yet.
const BATCHES_AHEAD: usize = 2;
/// Dirty minutes, of all shards together, that force a checkpoint: about 4 MB in the store.
const DIRTY_MAX: usize = 400_000;
/// Nothing is folded while a shard has more minutes in memory than so many times `cells_max`.
const FULL: usize = 2;
/// How often it looks whether there is room again.
const FULL_PAUSE: Duration = Duration::from_millis(50);
/// A new stat is written down after this long at most, so that its public id is good.
const NEW_STAT_DELAY: Duration = Duration::from_millis(200);
/// New stats, of all shards together, that force a checkpoint: one that holds them takes a second or two of the 30
/// that the store gives it. A message more than this may come on top, about 40,000.
const NEW_STATS_MAX: usize = 20_000;
/// `received_at` is written down when it is this much newer than what is in the store, in milliseconds,
/// and at the end. After a crash it is taken from the segments.
const RECEIVED_STEP_MS: i64 = 600_000;

/// What others ask of the recorder.
pub(crate) enum Command {
    /// Write down everything that is folded now.
    Checkpoint(oneshot::Sender<Result<(), Halted>>),
}

/// The recorder of all shards of this process.
pub(crate) struct Recorder {
    state: Arc<State>,
    batches: mpsc::Receiver<Batch>,
    commands: mpsc::Receiver<Command>,
    /// By shard: messages below are in the store already.
    skip_below: Vec<u64>,
    /// Everything below is folded.
    folded: u64,
    release: Arc<AtomicU64>,
    /// Stats made since the last checkpoint.
    new_stats: usize,
    due: Instant,
    /// The checkpoint that is being written: there is one at a time.
    writing: Option<Writing>,
}

/// A checkpoint on its way into the store.
type Writing = Pin<Box<dyn Future<Output = Result<(), Halted>> + Send>>;

/// Both tasks of the recorder, ready to be spawned, and where commands go.
pub(crate) struct Parts {
    pub reader: Reader,
    pub recorder: Recorder,
    pub commands: mpsc::Sender<Command>,
}

/// Reads ahead.
pub(crate) struct Reader {
    state: Arc<State>,
    subscription: Subscription,
    batches: mpsc::Sender<Batch>,
    release: Arc<AtomicU64>,
}

pub(crate) fn new(state: Arc<State>, subscription: Subscription, positions: &[Option<u64>]) -> Parts {
    let (to_recorder, batches) = mpsc::channel(BATCHES_AHEAD);
    let (commands, from_others) = mpsc::channel(16);
    let release = Arc::new(AtomicU64::new(0));
    let reader = Reader {
        state: Arc::clone(&state),
        subscription,
        batches: to_recorder,
        release: Arc::clone(&release),
    };
    let recorder = Recorder {
        due: Instant::now() + state.config.checkpoint_interval,
        state,
        batches,
        commands: from_others,
        skip_below: positions.iter().map(|position| position.unwrap_or(0)).collect(),
        folded: positions.iter().map(|position| position.unwrap_or(0)).min().unwrap_or(0),
        release,
        new_stats: 0,
        writing: None,
    };
    Parts { reader, recorder, commands }
}

impl Reader {
    /// Reads until told to stop, or until the log fails.
    pub(crate) async fn run(mut self) {
        let (mut released, mut told) = (0, 0);
        let mut replayed = false;
        loop {
            let release = self.release.load(Ordering::Acquire);
            if release > released {
                match self.subscription.release(Position(release)) {
                    Ok(()) => released = release,
                    Err(error) => tracing::warn!(%error, "the log did not take the recorder's position"),
                }
            }
            let batch = if replayed {
                tokio::select! {
                    () = self.state.stop.requested() => return,
                    batch = self.subscription.next_batch(BATCH_BYTES) => batch,
                    () = tokio::time::sleep(PASSED) => {
                        let next = self.subscription.position();
                        if next.0 == told {
                            continue;
                        }
                        Ok(Batch { messages: Vec::new(), next })
                    }
                }
            } else {
                self.subscription.try_next_batch(BATCH_BYTES)
            };
            match batch {
                Ok(batch) => {
                    // Once: says that what was in the log at the start has been read.
                    replayed |= batch.messages.is_empty();
                    told = batch.next.0;
                    let bytes: usize = batch.messages.iter().map(|message| message.payload.len()).sum();
                    if self.batches.send(batch).await.is_err() {
                        return;
                    }
                    if replayed && bytes < BATCH_BYTES {
                        tokio::time::sleep(GATHER).await;
                    }
                }
                Err(error) => return self.state.health.halt(format!("the log cannot be read: {error}")),
            }
        }
    }
}

impl Recorder {
    /// Folds and writes until told to stop. What is not written down then is in the log.
    pub(crate) async fn run(mut self) {
        let _announce = Announce(Arc::clone(&self.state));
        loop {
            let full = self.is_full();
            let done = tokio::select! {
                biased;
                () = self.state.stop.requested() => {
                    // What the store has begun, it ends; what fails is not tried again now.
                    let _ = self.written().await;
                    return;
                }
                done = ended(&mut self.writing) => done,
                Some(command) = self.commands.recv(), if self.writing.is_none() => self.obey(command).await,
                () = tokio::time::sleep_until(self.due.into()), if self.writing.is_none() => self.write(false).await,
                () = tokio::time::sleep(FULL_PAUSE), if full => Ok(()),
                batch = self.batches.recv(), if !full => match batch {
                    Some(batch) => self.take(&batch).await,
                    None => return,
                },
            };
            if let Err(Halted) = done {
                return;
            }
        }
    }

    /// Whether the closing does not keep up: then the log keeps what comes.
    fn is_full(&self) -> bool {
        let most = FULL * self.state.config.cells_max;
        self.state.shards.iter().any(|shard| shard.head.read().cells() > most)
    }

    async fn obey(&mut self, command: Command) -> Result<(), Halted> {
        let Command::Checkpoint(reply) = command;
        let mut done = self.write(true).await;
        if done.is_ok() {
            done = self.written().await;
        }
        let halted = done.is_err();
        // Whoever asked may have gone.
        let _ = reply.send(done);
        if halted { Err(Halted) } else { Ok(()) }
    }

    async fn take(&mut self, batch: &Batch) -> Result<(), Halted> {
        let mut left = &batch.messages[..];
        loop {
            let room = NEW_STATS_MAX.saturating_sub(self.new_stats);
            let outcome = fold::fold(&self.state, left, &self.skip_below, room);
            if outcome.new_stats > 0 {
                self.new_stats += outcome.new_stats;
                self.due = self.due.min(Instant::now() + NEW_STAT_DELAY);
            }
            left = &left[outcome.messages..];
            let Some(next) = left.first() else { break };
            self.folded = next.position.0;
            self.write(false).await?;
        }
        self.folded = batch.next.0;
        self.state.folded.send_modify(|folded| {
            folded.position = folded.position.max(batch.next.0);
            folded.replayed |= batch.messages.is_empty();
        });
        let dirty: usize = self.state.shards.iter().map(|shard| shard.head.read().dirty()).sum();
        if dirty >= DIRTY_MAX { self.write(false).await } else { Ok(()) }
    }

    /// Begins to write what was folded since the last checkpoint and the position behind it, all shards at once, and
    /// returns as soon as folding can go on; waits first for the checkpoint before.
    async fn write(&mut self, last: bool) -> Result<(), Halted> {
        self.written().await?;
        self.due = Instant::now() + self.state.config.checkpoint_interval;
        self.new_stats = 0;
        let (taken, mut is_taken) = oneshot::channel();
        let (state, release) = (Arc::clone(&self.state), Arc::clone(&self.release));
        let mut writing: Writing = Box::pin(checkpoint(state, release, self.folded, last, taken));
        tokio::select! {
            biased;
            done = &mut writing => done,
            _ = &mut is_taken => {
                self.writing = Some(writing);
                Ok(())
            }
        }
    }

    /// Waits until the checkpoint that is being written, if any, is in the store.
    async fn written(&mut self) -> Result<(), Halted> {
        if self.writing.is_some() { ended(&mut self.writing).await } else { Ok(()) }
    }
}

/// Resolves when what is being written is written; never if nothing is.
async fn ended(writing: &mut Option<Writing>) -> Result<(), Halted> {
    let Some(being_written) = writing else { return std::future::pending().await };
    let done = being_written.await;
    *writing = None;
    done
}

/// Writes what is folded, which is all up to the position `to`. Nothing may be folded until it says `taken`: what
/// comes afterwards belongs to the next one.
async fn checkpoint(
    state: Arc<State>,
    release: Arc<AtomicU64>,
    to: u64,
    last: bool,
    taken: oneshot::Sender<()>,
) -> Result<(), Halted> {
    let started = Instant::now();
    // A position may only be written down when no loss of power can take back what is below it.
    if let Err(error) = state.queue.sync(Position(to)).await {
        state.health.halt(format!("the log cannot be made durable: {error}"));
        return Err(Halted);
    }
    let mut writers = Vec::with_capacity(state.shards.len());
    for shard in &state.shards {
        writers.push(shard.writer.lock().await);
    }
    let mut parts = Vec::new();
    if let Some(writer) = writers.iter().find(|writer| writer.ledger.closing.is_some()) {
        let hours = writer.ledger.closing.as_ref().map(|closing| closing.hours.clone());
        state.health.halt(format!("the closing of hours {hours:?} has stopped half way: restart"));
    }
    if state.health.is_halted() {
        return Err(Halted);
    }
    for (shard, writer) in state.shards.iter().zip(&mut writers) {
        if let Some(part) = prepare(&state, shard, writer, to, last) {
            parts.push(part);
        }
    }
    // The recorder may have gone.
    let _ = taken.send(());
    if parts.is_empty() {
        return Ok(());
    }
    commit(&state, &mut parts).await?;
    let keep = writers.iter().filter_map(|writer| writer.position).min().unwrap_or(0);
    release.store(keep, Ordering::Release);
    state.meters.checkpoints.inc();
    state.meters.checkpoint_seconds.observe(started.elapsed().as_secs_f64());
    state.meters.stats.set(state.catalog.len() as i64);
    Ok(())
}

/// One shard's part of a checkpoint; `None` if nothing has changed.
fn prepare<'a>(
    state: &State,
    shard: &'a Shard,
    writer: &'a mut Writer,
    to: u64,
    last: bool,
) -> Option<Part<'a>> {
    let (added, new_stats, revived) = {
        let mut head = shard.head.write();
        let (new_stats, revived) = (std::mem::take(&mut head.new_stats), std::mem::take(&mut head.revived));
        (head.take_dirty(), new_stats, revived)
    };
    let nothing = added.is_empty() && new_stats.is_empty() && revived.is_empty() && !last;
    if nothing && writer.position.is_some_and(|position| position >= to) {
        return None;
    }
    let mut part = Part::new(shard, writer);
    part.checkpoint.to = to.max(part.checkpoint.to);
    part.checkpoint.received = received(state, shard, &added, last);
    part.ledger.next_stat = state.catalog.names(shard.id).next();
    for hour in added.chunk_by(|a, b| a.minute / 60 == b.minute / 60) {
        let partials: Vec<Partial> = hour.iter().map(|one| partial(shard, one)).collect();
        let key =
            SegmentKey { shard: shard.id.0, hour: hour[0].minute / 60, sequence: part.ledger.next_segment };
        part.checkpoint.segments.push((key, stats::segment::encode(&partials)));
    }
    part.ledger.next_segment += 1;
    part.checkpoint.new_stats = new_stats;
    part.checkpoint.revived = revived;
    Some(part)
}

fn partial(shard: &Shard, added: &Added) -> Partial {
    Partial { stat: shard.stat(added.stat), minute: (added.minute % 60) as u8, bucket: added.bucket }
}

/// The stats whose `received_at` is worth writing down.
fn received(state: &State, shard: &Shard, added: &[Added], all: bool) -> Vec<(u32, i64)> {
    let names = state.catalog.names(shard.id);
    let due = |entry: &crate::catalog::Entry| {
        let now = entry.received_at.load(Ordering::Relaxed);
        let saved = entry.received_saved.load(Ordering::Relaxed);
        let step = if all { 1 } else { RECEIVED_STEP_MS };
        (now - saved >= step).then(|| {
            entry.received_saved.store(now, Ordering::Relaxed);
            now
        })
    };
    if all {
        return names
            .iter()
            .filter_map(|(number, entry)| Some((shard.stat(number).0, due(entry)?)))
            .collect();
    }
    let mut stats: Vec<u32> = added.iter().map(|one| one.stat).collect();
    stats.sort_unstable();
    stats.dedup();
    stats.into_iter().filter_map(|number| Some((shard.stat(number).0, due(names.get(number)?)?))).collect()
}

/// Tells those who wait that nothing will be folded any more, however the recorder ended.
struct Announce(Arc<State>);

impl Drop for Announce {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.health.halt("a fault in the recorder: see the log".to_owned());
        }
        self.0.folded.send_modify(|folded| folded.stopped = true);
    }
}

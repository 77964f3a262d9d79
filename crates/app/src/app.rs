//! Everything wired.

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::metrics::Metrics;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use queue::{Position, Topic};
use stats::{Kind, ShardId};
use store::Store;
use tokio::sync::{mpsc, oneshot, watch};

use crate::Error;
use crate::accounts::Accounts;
use crate::catalog::Catalog;
use crate::charts::Charts;
use crate::closing;
use crate::fit::{self, READER};
use crate::head::Head;
use crate::intake::Intake;
use crate::ledger::Ledger;
use crate::listing::Listing;
use crate::meters::Meters;
use crate::own::Own;
use crate::recorder::{self, Command};
use crate::shard::Shard;
use crate::state::{Folded, Health, State};
use crate::trust::Trust;
use crate::writer::{Halted, Writer};

/// The setting that holds the number of shards.
const SHARDS_SETTING: &str = "shards";
/// Bytes of log that are not recorded yet, from which on this process says that it is not ready.
const BEHIND_BYTES_MAX: u64 = 1 << 30;
/// How long a start waits for what the log held: usually milliseconds. After it, numbers of stats that are not known
/// yet are Busy until all is read.
const REPLAY_PATIENCE: Duration = Duration::from_secs(1);

/// Limits and intervals; the binary fills it from the configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Number of shards of a new data folder; default 16. An existing folder keeps its own.
    pub shards: u8,
    /// How sure a point is before it is answered; default disk.
    pub durability: queue::Durability,
    /// How often the head is written down; default 5 s.
    pub checkpoint_interval: Duration,
    /// How long after its end an hour stays open; default 2 min.
    pub grace: Duration,
    /// How long minutes are kept; default 32 d.
    pub keep_minutes: Duration,
    /// How long hours are kept; default 5 y.
    pub keep_hours: Duration,
    /// How long a deleted stat can be taken back; default 48 h.
    pub keep_trash: Duration,
    /// When the clock has jumped ahead: for how long it must stand by that before days are rolled up and
    /// anything is removed by the new time; default 10 min. Zero where a test or a bench moves the clock.
    pub clock_doubt: Duration,
    /// Most stats of an account, trash included; numbers of further names are refused. Default 1,000,000. Each takes
    /// about 1 KB of memory, and whoever reads an EZ key in a page can make them.
    pub stats_per_account_max: usize,
    /// Start with a store and a log that do not belong together (an older or a new store, a log that is gone): what
    /// only the missing one had stays missing. Default false: such a start is refused, because going on makes it hard
    /// to go back.
    pub accept_log_gap: bool,
    /// Minutes of open hours that a shard keeps in memory, 48 bytes each; beyond it the oldest hours are
    /// closed early, and at twice as many no more are read from the log; default 1,000,000.
    pub cells_max: usize,
}

impl Default for Config {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(86_400);
        Self {
            shards: 16,
            durability: queue::Durability::Disk,
            checkpoint_interval: Duration::from_secs(5),
            grace: Duration::from_secs(120),
            keep_minutes: 32 * DAY,
            keep_hours: 5 * 365 * DAY,
            keep_trash: 2 * DAY,
            clock_doubt: Duration::from_secs(600),
            stats_per_account_max: 1_000_000,
            accept_log_gap: false,
            cells_max: 1_000_000,
        }
    }
}

/// One process's application: cheap to clone.
#[derive(Clone)]
pub struct App {
    /// Who there is.
    pub accounts: Accounts,
    /// Which stats there are.
    pub catalog: Catalog,
    /// What they come to.
    pub charts: Charts,
    /// Where numbers come in.
    pub intake: Intake,
    /// Lists of stats.
    pub listing: Listing,
    /// What Eyrie counts of itself.
    pub own: Own,
    /// What time it is.
    pub clock: Clock,
    pub(crate) state: Arc<State>,
    commands: mpsc::Sender<Command>,
}

impl App {
    /// Loads accounts and catalog, restores the head from the last checkpoint, starts recorder,
    /// closing, retention and Eyrie's own stats as tasks of `tasks`.
    ///
    /// # Errors
    /// What the store and the queue say; Unavailable if a ledger in the store cannot be read; Conflict if store
    /// and log do not belong together (see [`Config::accept_log_gap`]).
    pub async fn start(
        config: Config,
        clock: Clock,
        store: Arc<dyn Store>,
        queue: queue::Queue,
        metrics: &Metrics,
        tasks: &TaskGroup,
    ) -> Result<Self, Error> {
        let shards = shards(&config, store.as_ref()).await?;
        let accounts = Accounts::open(Arc::clone(&store), clock.clone()).await?;
        let catalog = Catalog::load(Arc::clone(&store), clock.clone(), shards).await?;
        let names: Vec<String> = (0..shards).map(|n| format!("points.{n}")).collect();
        let topics: Vec<Topic> = queue.topics_named(&names.iter().map(String::as_str).collect::<Vec<_>>())?;
        let (mut shards, trust) = open_shards(&config, &clock, store.as_ref(), shards).await?;
        let positions: Vec<Option<u64>> =
            shards.iter_mut().map(|shard| shard.writer.get_mut().position).collect();
        let meters = Meters::new(metrics);
        fit::check(config.accept_log_gap, &queue, &topics, &positions, &meters)?;
        // Positions of a longer log that is gone: that part of the history is never reused.
        let latest = positions.iter().flatten().copied().max().unwrap_or(0);
        queue.log().advance_to(Position(latest));
        let from = positions.iter().map(|position| position.unwrap_or(0)).min().unwrap_or(0);
        let state = Arc::new(State {
            shards,
            trust: parking_lot::Mutex::new(trust),
            config,
            clock: clock.clone(),
            store,
            queue: queue.clone(),
            catalog: catalog.clone(),
            meters,
            health: Health::default(),
            stop: tasks.stop_signal(),
            closing: tokio::sync::Mutex::default(),
            opened_at: queue.log().status().written.0,
            folded: watch::Sender::new(Folded { position: from, ..Folded::default() }),
        });
        for shard in &state.shards {
            let writer = shard.writer.lock().await;
            state.catalog.reserve(shard.id, writer.ledger.next_stat);
            shard.publish_marks(&writer.ledger);
            drop(writer);
            recorder::load(&state, shard).await?;
            // Before the recorder may add to the hours of that close, and to what it has counted as done.
            closing::resume(&state, shard).await.map_err(|Halted| {
                Error::Unavailable("a close that was interrupted could not be finished".to_owned())
            })?;
        }
        let subscription = queue.subscribe(READER, &topics, Position(from));
        let parts = recorder::new(Arc::clone(&state), subscription, &positions);
        tasks.spawn("reader of points", parts.reader.run());
        tasks.spawn("recorder", parts.recorder.run());
        tasks.spawn("closing", closing::run(Arc::clone(&state)));
        let mut folded = state.folded.subscribe();
        let replayed = folded.wait_for(|folded| folded.replayed || folded.stopped);
        if tokio::time::timeout(REPLAY_PATIENCE, replayed).await.is_err() {
            tracing::info!(
                "the log of the last run is still being read; numbers of new stats have to wait for it"
            );
        }
        accounts.spawn_refresh(tasks);
        let charts = Charts::new(Arc::clone(&state));
        let intake = Intake::new(Arc::clone(&state), accounts.clone(), topics, tasks);
        let own = Own::default();
        count_ourselves(&own, &state);
        tasks.spawn("own numbers", own.clone().run(intake.clone(), clock.clone(), tasks.stop_signal()));
        Ok(Self {
            listing: Listing::new(catalog.clone(), charts.clone()),
            accounts,
            catalog,
            charts,
            intake,
            own,
            clock,
            state,
            commands: parts.commands,
        })
    }

    /// Ready to serve, or why not (poisoned log, recorder stopped, far behind).
    pub fn readiness(&self) -> Result<(), String> {
        let log = self.state.queue.log().status();
        if let Some(reason) = log.poisoned {
            return Err(format!("the log is poisoned: {reason}; restart once the disk is well"));
        }
        if let Some(reason) = self.state.health.halted.lock().clone() {
            return Err(reason);
        }
        let folded = *self.state.folded.borrow();
        if folded.stopped {
            return Err("the recorder has stopped".to_owned());
        }
        if let Some(error) = self.state.health.store.lock().clone() {
            return Err(format!("the store does not take what is recorded: {error}"));
        }
        // What the log no longer has is not waited for.
        let behind = log.written.0.saturating_sub(folded.position.max(log.first.0));
        if behind > BEHIND_BYTES_MAX {
            return Err(format!("the recorder is {behind} bytes of log behind"));
        }
        Ok(())
    }

    /// Resolves once everything acknowledged before the call is in the head (tests, shutdown), what the log held at the
    /// start included; at once if the recorder has stopped. What the log took in and gave up (a full disk) is not
    /// waited for.
    pub async fn settled(&self) {
        let log = self.state.queue.log();
        let end = log.end();
        // Resolves once all below is written or given up; of a log that has failed only what is written comes.
        let _ = log.sync(end).await;
        let upto = end.0.min(log.status().written.0);
        // At the start the log may end in a part that cannot be read: `replayed` says that it was tried.
        let upto = if upto > self.state.opened_at { upto } else { 0 };
        let mut folded = self.state.folded.subscribe();
        // The sender lives in the state that we hold.
        let _ = folded.wait_for(|folded| folded.stopped || folded.replayed && folded.position >= upto).await;
    }

    /// Writes a last checkpoint: call after the listeners are closed and before the tasks are told to stop.
    /// While the store is down this waits for it, until the tasks are told to stop.
    ///
    /// # Errors
    /// Unavailable if the recorder has stopped: what it had not written down is in the log.
    pub async fn finish(&self) -> Result<(), Error> {
        self.settled().await;
        self.checkpoint().await
    }

    /// Writes down now what is folded.
    pub(crate) async fn checkpoint(&self) -> Result<(), Error> {
        let stopped = || Error::Unavailable("the recorder has stopped; what it had is in the log".to_owned());
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Checkpoint(reply)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?.map_err(|_| stopped())
    }
}

/// The number of shards of this data folder; settled by its first start.
async fn shards(config: &Config, store: &dyn Store) -> Result<u8, Error> {
    if let Some(text) = store.setting(SHARDS_SETTING).await? {
        return match text.parse() {
            Ok(shards) if shards > 0 => Ok(shards),
            _ => Err(Error::Unavailable(format!("the store says `{text}` shards: restore it from a backup"))),
        };
    }
    if config.shards == 0 {
        return Err(Error::Invalid("there must be at least one shard".to_owned()));
    }
    store.set_setting(SHARDS_SETTING, &config.shards.to_string()).await?;
    Ok(config.shards)
}

async fn open_shards(
    config: &Config,
    clock: &Clock,
    store: &dyn Store,
    shards: u8,
) -> Result<(Vec<Shard>, Trust), Error> {
    let positions = store.positions().await?;
    let keys: Vec<_> = (0..shards).map(|n| Ledger::key(ShardId(n))).collect();
    let ledgers = store.blocks_of(&keys).await?;
    let now = clock.now();
    let mut decoded = Vec::with_capacity(usize::from(shards));
    for (n, key) in (0..shards).zip(keys) {
        let stored = ledgers.iter().find(|(at, _)| *at == key).map(|(_, bytes)| bytes.clone());
        let ledger = stored.as_deref().map(Ledger::decode).transpose().map_err(|error| {
            Error::Unavailable(format!("the ledger of shard {n} is damaged ({error}): restore the store"))
        })?;
        decoded.push((n, stored, ledger));
    }
    let seen = decoded.iter().filter_map(|(_, _, ledger)| Some(ledger.as_ref()?.seen)).max().unwrap_or(0);
    let trust = Trust::new(Timestamp::from_seconds(seen), now, Instant::now(), config.clock_doubt);
    let writer = base::id::random(8);
    let mut all = Vec::with_capacity(usize::from(shards));
    for (n, stored, ledger) in decoded {
        let mut ledger = ledger.unwrap_or_else(|| Ledger::new(config, now, trust.time()));
        ledger.writer.clone_from(&writer);
        let position = positions.iter().find(|(shard, _)| *shard == n).map(|(_, position)| *position);
        all.push(Shard {
            id: ShardId(n),
            writer: tokio::sync::Mutex::new(Writer {
                position,
                ledger,
                stored,
                close_from: 0,
                unreadable_segments: Vec::new(),
                halted: false,
            }),
            moving: tokio::sync::RwLock::default(),
            head: parking_lot::RwLock::new(Head::default()),
        });
    }
    Ok((all, trust))
}

/// What this crate and those below it know of themselves.
fn count_ourselves(own: &Own, state: &Arc<State>) {
    let gauge = |name: &str, kind, read: fn(&State) -> f64| {
        let state = Arc::clone(state);
        own.gauge(name, kind, move || read(&state));
    };
    gauge("eyrie points recorded", Kind::Counter, |state| state.meters.folded.get() as f64);
    gauge("eyrie points refused", Kind::Counter, |state| state.meters.refused.get() as f64);
    gauge("eyrie stats", Kind::Value, |state| state.catalog.len() as f64);
    gauge("eyrie checkpoints", Kind::Counter, |state| state.meters.checkpoints.get() as f64);
    gauge("eyrie store errors", Kind::Counter, |state| state.meters.store_errors.get() as f64);
    gauge("eyrie log fsyncs", Kind::Counter, |state| state.queue.log().status().fsyncs as f64);
    gauge("eyrie log bytes", Kind::Value, |state| state.queue.log().status().disk_bytes as f64);
    gauge("eyrie minutes in memory", Kind::Value, |state| state.meters.cells.get() as f64);
}

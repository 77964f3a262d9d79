//! The charts application server: blocks and head become series.
//!
//! What is read where is decided once for a window (`plan`); then head and blocks of each shard are read while
//! nothing moves from the one to the other, and folded in order of time. In the place of a block that cannot be
//! read come the numbers of the same days on the other rungs.

mod plan;
mod since;

use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;
use hashbrown::HashMap;
use stats::rollup::Run;
use stats::series::Fold;
use stats::timeframe::{Kept, Window};
use stats::{Bucket, Kind, Series, ShardId, StatId, Timeframe};
use store::{BlockKey, BlockKind};

use crate::Error;
use crate::calendar::{self, HOURS_OF_DAY, MINUTES_OF_DAY};
use crate::head::Marks;
use crate::shard::Shard;
use crate::state::State;
use plan::{Plan, Source};

/// Blocks asked for at once.
const KEYS_AT_ONCE: usize = 8_000;
/// Blocks from which on unpacking is done away from the threads that serve.
const BLOCKS_INLINE: usize = 200;
/// How long a reader waits for a close to finish: closes take milliseconds unless the store is down.
const PATIENCE: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(86_400);

/// Cheap to clone.
#[derive(Clone)]
pub struct Charts(Arc<State>);

impl Charts {
    pub(crate) fn new(state: Arc<State>) -> Self {
        Self(state)
    }

    /// The window of `timeframe` ending now (`start` unset) or starting at `start`.
    pub fn window(&self, timeframe: Timeframe, start: Option<Timestamp>) -> Window {
        timeframe.window(self.0.clock.now(), start, self.kept())
    }

    /// Since when minutes and hours are kept.
    pub fn kept(&self) -> Kept {
        let now = self.0.clock.now();
        let (mut minutes, mut hours) = (self.0.minutes_from(now), self.0.hours_from(now));
        for shard in &self.0.shards {
            let marks = shard.head.read().marks;
            minutes = minutes.max(marks.minutes_from);
            hours = hours.max(marks.hours_from);
        }
        Kept { minutes_from: calendar::day_start(minutes), hours_from: calendar::day_start(hours) }
    }

    /// One stat over one window, exact at every resolution that is kept. Damaged blocks are logged by name and
    /// counted; what they held comes from a finer rung, or stands in the first interval of its hour or day.
    ///
    /// # Errors
    /// `NotFound` for a stat that does not exist; what the store says.
    pub async fn series(&self, stat: StatId, window: Window) -> Result<Series, Error> {
        let mut all = self.series_of(&[stat], window).await?;
        all.pop().ok_or(Error::NotFound("stat"))
    }

    /// Many stats over the same window, in the order given.
    ///
    /// # Errors
    /// As [`series`](Self::series); one unknown stat fails all.
    pub async fn series_of(&self, stats: &[StatId], window: Window) -> Result<Vec<Series>, Error> {
        let mut found: Vec<Option<Series>> = vec![None; stats.len()];
        let mut counters = Vec::new();
        for shard in &self.0.shards {
            let mut wanted = Vec::new();
            for (at, stat) in stats.iter().enumerate().filter(|(_, stat)| stat.shard() == shard.id) {
                let info = self.0.catalog.by_id(*stat).ok_or(Error::NotFound("stat"))?;
                wanted.push(Wanted { at, stat: stat.sequence(), kind: info.kind });
                if info.kind == Kind::Counter {
                    counters.push((at, info));
                }
            }
            if !wanted.is_empty() {
                for (at, series) in self.of_shard(shard, wanted, window).await? {
                    found[at] = Some(series);
                }
            }
        }
        for (at, stat) in counters {
            // Older than the window is old enough; and of many at once, what nobody has looked up is not looked for.
            let since = match stats.len() {
                1 if stat.created_at > window.start => self.since(&stat).await?,
                _ => self.known_since(&stat),
            };
            if let Some(series) = &mut found[at] {
                series.since = Some(since);
            }
        }
        found.into_iter().collect::<Option<Vec<_>>>().ok_or(Error::NotFound("stat"))
    }

    async fn of_shard(
        &self,
        shard: &Shard,
        wanted: Vec<Wanted>,
        window: Window,
    ) -> Result<Vec<(usize, Series)>, Error> {
        let waiting = tokio::time::timeout(PATIENCE, shard.moving.read()).await;
        let Ok(_still) = waiting else {
            return Err(Error::Unavailable(
                "the store does not answer; numbers are safe in the log".to_owned(),
            ));
        };
        let (plan, heads, marks) = {
            let head = shard.head.read();
            // Nothing is kept of later times, so a window that goes on for a century is not looked up day by day.
            let newest = head.open_hours().max().map_or(0, |hour| (hour + 1) * 60);
            let upto = newest.max(calendar::minute(self.0.clock.now() + DAY));
            let plan = Plan::new(window, head.marks, upto);
            let heads: Vec<_> =
                wanted.iter().map(|one| head.minutes(one.stat, plan.from_minute, plan.to_minute)).collect();
            (plan, heads, head.marks)
        };
        let mut stats: Vec<OneStat> = Vec::with_capacity(wanted.len());
        for (wanted, head) in wanted.into_iter().zip(heads) {
            let sources = plan.sources(head.iter().map(|(minute, _)| minute / MINUTES_OF_DAY));
            stats.push(OneStat { wanted, head, sources, unreadable: Vec::new() });
        }
        let mut done = Vec::with_capacity(stats.len());
        while !stats.is_empty() {
            let blocks = self.blocks(shard, &stats).await?;
            let (state, id, count) = (Arc::clone(&self.0), shard.id, blocks.len());
            let compose = move || -> Vec<_> {
                stats.into_iter().map(|one| one.compose(&state, id, window, marks, &blocks)).collect()
            };
            let composed = if count <= BLOCKS_INLINE {
                compose()
            } else {
                tokio::task::spawn_blocking(compose)
                    .await
                    .map_err(|error| Error::Unavailable(format!("a fault in reading series: {error}")))?
            };
            stats = Vec::new();
            for one in composed {
                match one {
                    Ok(series) => done.push(series),
                    Err(again) => stats.push(again),
                }
            }
        }
        Ok(done)
    }

    /// The blocks of the sources of some stats, those that are there.
    async fn blocks(&self, shard: &Shard, stats: &[OneStat]) -> Result<HashMap<BlockKey, Vec<u8>>, Error> {
        let mut keys = Vec::new();
        for one in stats {
            keys.extend(one.sources.iter().map(|source| source.key(shard, one.wanted.stat)));
        }
        keys.sort_unstable();
        keys.dedup();
        let mut blocks = HashMap::with_capacity(keys.len());
        for some in keys.chunks(KEYS_AT_ONCE) {
            blocks.extend(self.0.store.blocks_of(some).await?);
        }
        Ok(blocks)
    }

    /// Rises with every number folded into the stat in this process: what a live page polls.
    pub fn version(&self, stat: StatId) -> u64 {
        match self.0.shards.get(usize::from(stat.shard().0)) {
            Some(shard) => shard.head.read().version(stat.sequence()),
            None => 0,
        }
    }
}

struct Wanted {
    /// Place in the answer.
    at: usize,
    stat: u32,
    kind: Kind,
}

struct OneStat {
    wanted: Wanted,
    head: Vec<(u32, Bucket)>,
    sources: Vec<Source>,
    /// Blocks that were tried in vain.
    unreadable: Vec<BlockKey>,
}

impl OneStat {
    /// The series and its place in the answer; or what to read instead, where something cannot be read and
    /// stands elsewhere too. Each block is tried once, so there are three rounds at most.
    fn compose(
        mut self,
        state: &State,
        shard: ShardId,
        window: Window,
        marks: Marks,
        blocks: &HashMap<BlockKey, Vec<u8>>,
    ) -> Result<(usize, Series), Self> {
        let at = |minute| Timestamp::from_minutes(i64::from(minute));
        let key = |source: &Source| source.key(state.shard(shard), self.wanted.stat);
        let mut fold = Fold::new(self.wanted.kind, window);
        let mut head = self.head.iter().copied().peekable();
        // One day at a time; of the same minute: day block, hour block, head.
        let mut pieces: Vec<(u32, Bucket)> = Vec::new();
        let mut unpacked: Option<(BlockKey, Run)> = None;
        for of_day in self.sources.chunk_by(|a, b| a.day() == b.day()) {
            for source in of_day {
                let key = key(source);
                if unpacked.as_ref().is_none_or(|(of, _)| *of != key) {
                    let Some(bytes) = blocks.get(&key) else { continue };
                    if self.unreadable.contains(&key) {
                        continue;
                    }
                    let Some(run) = state.unpack(key, bytes) else {
                        self.unreadable.push(key);
                        continue;
                    };
                    unpacked = Some((key, run));
                }
                if let Some((_, run)) = &unpacked {
                    pieces.extend(source.pieces(run));
                }
            }
            let end = (of_day[0].day() + 1) * MINUTES_OF_DAY;
            pieces.extend(std::iter::from_fn(|| head.next_if(|(minute, _)| *minute < end)));
            pieces.sort_by_key(|(minute, _)| *minute);
            pieces.drain(..).for_each(|(minute, bucket)| fold.add(at(minute), &bucket));
        }
        head.for_each(|(minute, bucket)| fold.add(at(minute), &bucket));
        let is_readable = |source: &Source| !self.unreadable.contains(&key(source));
        let instead = |source: &Source| {
            let other = || source.others(marks).find(is_readable);
            if is_readable(source) { *source } else { other().unwrap_or(*source) }
        };
        let sources: Vec<Source> = self.sources.iter().map(instead).collect();
        if sources == self.sources {
            return Ok((self.wanted.at, fold.finish()));
        }
        self.sources = sources;
        Err(self)
    }
}

impl Source {
    fn day(&self) -> u32 {
        match *self {
            Self::HourMinutes { hour } => hour / HOURS_OF_DAY,
            Self::DayMinutes { day } | Self::DayHours { day } | Self::DayTotal { day } => day,
        }
    }

    fn key(&self, shard: &Shard, stat: u32) -> BlockKey {
        let (kind, number) = match *self {
            Self::HourMinutes { hour } => (BlockKind::MinutesOfHour, hour),
            Self::DayMinutes { day } => (BlockKind::MinutesOfDay, day),
            Self::DayHours { day } => (BlockKind::HoursOfMonth, calendar::month(day).0),
            Self::DayTotal { day } => (BlockKind::DaysOfYear, calendar::year(day).0),
        };
        shard.block(kind, stat, number)
    }

    /// What this source has in its block: first minute and bucket.
    fn pieces<'a>(&self, run: &'a [(u16, Bucket)]) -> impl Iterator<Item = (u32, Bucket)> + 'a {
        let (first, count, start, step) = match *self {
            Self::HourMinutes { hour } => (0, 60, hour * 60, 1),
            Self::DayMinutes { day } => (0, MINUTES_OF_DAY as u16, day * MINUTES_OF_DAY, 1),
            Self::DayHours { day } => (calendar::month(day).1, HOURS_OF_DAY as u16, day * MINUTES_OF_DAY, 60),
            Self::DayTotal { day } => (calendar::year(day).1, 1, day * MINUTES_OF_DAY, MINUTES_OF_DAY),
        };
        let from = run.partition_point(|(slot, _)| *slot < first);
        let to = run.partition_point(|(slot, _)| *slot < first + count);
        run[from..to].iter().map(move |(slot, bucket)| (start + u32::from(slot - first) * step, *bucket))
    }
}

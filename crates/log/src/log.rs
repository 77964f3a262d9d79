//! The log's door.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::JoinHandle;
use std::time::Duration;

use base::Clock;
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::Error;
use crate::commits::Commits;
use crate::committer::Committer;
use crate::cursors::Marks;
use crate::files::{Disk, Files};
use crate::gather::{COMMIT_BYTES, Gather, Limits};
use crate::keeper::Keeper;
use crate::reader::Reader;
use crate::record::{ALIGN, Durability, Lsn, NewRecord, Parts, Record, StreamId, record_bytes};
use crate::recovery::{Found, Recovery, recover};
use crate::room::Room;
use crate::round::Append;
use crate::segment::{Form, SEGMENT_HEAD_BYTES, Segment};
use crate::shared::{Counters, Progress, Shared};

/// The very first segment of a log is no longer than this, so that a new folder is ready at once.
const FIRST_SEGMENT_BYTES: u64 = 8 << 20;
/// Shortest segment.
const SEGMENT_BYTES_MIN: u64 = 4 << 10;
/// Longest segment.
const SEGMENT_BYTES_MAX: u64 = 1 << 30;

/// Where the log lies and what it may take.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its folder, of its own. Made if it is not there; that nobody else uses it is the caller's
    /// to see to.
    pub dir: PathBuf,
    /// Length of a segment file; shorter ones are made where the disk has little room. Default 64 MiB, a
    /// multiple of 4 KiB from 4 KiB to 1 GiB.
    pub segment_bytes: u64,
    /// Disk quota; appends beyond it fail with kind `Busy`. Default 8 GiB, at least two segments.
    pub quota_bytes: u64,
    /// Largest payload. Default 4 MiB; less where a segment is too short for that.
    pub record_bytes_max: usize,
    /// Most bytes waiting for the committer; beyond it `append` fails with kind `Busy`. Default 64 MiB.
    pub pending_bytes_max: usize,
}

impl Config {
    /// The defaults, in this folder.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            quota_bytes: 8 << 30,
            record_bytes_max: 4 << 20,
            pending_bytes_max: 64 << 20,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let fits = (SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes);
        if !fits || !self.segment_bytes.is_multiple_of(SEGMENT_BYTES_MIN) {
            return Err(Error::Invalid(format!(
                "segments of {} bytes: make it a multiple of {SEGMENT_BYTES_MIN} up to {SEGMENT_BYTES_MAX}",
                self.segment_bytes
            )));
        }
        if self.quota_bytes / 2 < self.segment_bytes {
            return Err(Error::Invalid(format!(
                "a quota of {} bytes is less than two segments of {}: raise it",
                self.quota_bytes, self.segment_bytes
            )));
        }
        Ok(())
    }

    fn limits(&self) -> Limits {
        let room = (self.segment_bytes - SEGMENT_HEAD_BYTES - COMMIT_BYTES) / ALIGN * ALIGN;
        let payload_max = room.saturating_sub(record_bytes(0)) as usize;
        Limits {
            record_bytes_max: self.record_bytes_max.min(payload_max),
            pending_bytes_max: self.pending_bytes_max,
            segment_bytes: self.segment_bytes,
            first_segment_bytes: self.segment_bytes.min(FIRST_SEGMENT_BYTES),
        }
    }
}

/// How the log is, for `/metrics`, `/readyz` and the page.
#[derive(Clone, Debug)]
pub struct Status {
    /// Nothing before this is kept.
    pub first: Lsn,
    /// Everything at and behind this is kept that was ever written there, damage aside. Lower than `first` where a
    /// segment ended before its file did.
    pub whole_from: Lsn,
    /// Everything before this was handed to the system and can be read.
    pub written: Lsn,
    /// Everything before this is on the device.
    pub durable: Lsn,
    /// Files that hold records.
    pub segments: usize,
    /// How long the next segment is to be: less than usual where the disk has little room.
    pub next_segment_bytes: u64,
    /// Bytes of all files, spares included.
    pub disk_bytes: u64,
    /// Most bytes of all files.
    pub quota_bytes: u64,
    /// Bytes waiting for the committer.
    pub pending_bytes: usize,
    /// Why nothing is taken any more, if so.
    pub poisoned: Option<String>,
    /// Why nothing that needs a new segment is taken for now (quota, full disk), if so.
    pub full: Option<String>,
    /// Calls of fdatasync since opening.
    pub fsyncs: u64,
    /// Time spent in them.
    pub fsync_time: Duration,
    /// Writes of the committer since opening.
    pub commits: u64,
    /// Records written since opening.
    pub records: u64,
    /// Bytes written since opening, without what recycling and rewriting wrote.
    pub bytes: u64,
    /// Records refused after they were taken in, for want of room. Who awaited them was told; those
    /// of level `Memory` are only counted here.
    pub given_up: u64,
    /// Segments freed since opening.
    pub freed: u64,
    /// Segments rewritten since opening.
    pub rewritten: u64,
    /// Files ready to become segments.
    pub spares: usize,
    /// Damaged ranges met since opening, opening included.
    pub damaged_ranges: u64,
    /// The first hundred of them: file name, first and last byte, what was wrong.
    pub damaged: Vec<String>,
}

/// The log. Cheap to clone; when the last clone goes it is closed.
#[derive(Clone, Debug)]
pub struct Log(Arc<Threads>);

struct Threads {
    shared: Arc<Shared>,
    commits: Arc<Commits>,
    running: Mutex<Option<(JoinHandle<()>, JoinHandle<()>)>>,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("dir", &self.shared.config.dir).finish_non_exhaustive()
    }
}

impl Log {
    /// Opens or creates; `clock` stamps records. Blocking.
    ///
    /// # Errors
    /// Kind `Invalid` for a configuration that makes no sense, `Unavailable` if files cannot be read
    /// or made, or are of a newer version. Damage is no error: see [`Recovery::damaged`].
    pub fn open(config: Config, clock: Clock) -> Result<(Self, Recovery), Error> {
        Self::open_on(Arc::new(Disk), config, clock)
    }

    /// As [`open`](Self::open), on another file system.
    ///
    /// # Errors
    /// The same.
    pub fn open_on(files: Arc<dyn Files>, config: Config, clock: Clock) -> Result<(Self, Recovery), Error> {
        config.check()?;
        files
            .create_dir(&config.dir)
            .map_err(|error| Error::io(format!("making the folder {}", config.dir.display()), &error))?;
        let (marks, complaint) = Marks::load(&*files, &config.dir)?;
        let Found { segments, spares, end, mut damage, records, torn_bytes } = recover(&config, &*files)?;
        if let Some(complaint) = complaint {
            damage.note_text(complaint);
        }
        let recovery = Recovery { records, torn_bytes, damaged: damage.shown.clone() };
        let active = segments.last().filter(|last| last.end().is_none()).cloned();
        let (base, limit) = match &active {
            Some(active) => (active.header.base, active.limit()),
            None => (end, end),
        };
        let room = Room::default();
        for spare in spares {
            room.put(spare);
        }
        let shared = Arc::new(Shared {
            gather: Gather::new(config.limits(), end, base, limit),
            config,
            clock,
            files,
            segments: RwLock::new(segments),
            progress: watch::Sender::new(Progress { written: end, durable: end, stopped: None }),
            room,
            marks: Mutex::new(marks),
            marks_changed: AtomicBool::new(false),
            damage: Mutex::new(damage),
            counters: Counters::default(),
        });
        shared.plan_next();
        // Nothing is open and nothing can be: that is known now, not when the first record is refused.
        if active.is_none()
            && shared.room.spares() == 0
            && let Err(error) = shared.room_for(None)
        {
            tracing::warn!(%error, "there is no room for a segment: nothing can be written");
            shared.gather.full(&error);
        }
        let commits = Arc::new(Commits::new(shared.clone(), Committer::new(shared.clone(), active, end)));
        let keeper = Keeper::new(shared.clone());
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(run)
                .map_err(|error| Error::io("starting a thread", &error))
        };
        let keeper = spawn("log-keeper", Box::new(move || keeper.run()))?;
        let thread = commits.clone();
        let committer =
            spawn("log-committer", Box::new(move || thread.run())).inspect_err(|_| shared.room.stop())?;
        let log = Self(Arc::new(Threads { shared, commits, running: Mutex::new(Some((committer, keeper))) }));
        Ok((log, recovery))
    }

    /// Hands over records, contiguous and in order, without waiting. They lie in one segment, so
    /// together they are shorter than one.
    ///
    /// # Errors
    /// At once when poisoned or closed (`Unavailable`), over a limit (`Busy`), or too large or of the
    /// log's own kind or stream (`Invalid`). The same kinds come from awaiting.
    pub fn append(&self, records: &[NewRecord], durability: Durability) -> Result<Append, Error> {
        let shared = &self.0.shared;
        let append = shared.gather.push(records, durability, shared.clock.now().millis())?;
        Ok(append.seen_to_by(&self.0.commits))
    }

    /// As [`append`](Self::append), of records whose payload lies in two places. The position of each
    /// after the first follows from [`record_bytes`].
    ///
    /// # Errors
    /// The same.
    pub fn append_parts(&self, records: &[Parts<'_>], durability: Durability) -> Result<Append, Error> {
        let shared = &self.0.shared;
        let append = shared.gather.push(records, durability, shared.clock.now().millis())?;
        Ok(append.seen_to_by(&self.0.commits))
    }

    /// Whether more than half of what may wait for the committer does: who can wait should.
    pub fn is_pressed(&self) -> bool {
        let shared = &self.0.shared;
        shared.gather.pending_bytes() > shared.config.pending_bytes_max / 2
    }

    /// Reads the record at `lsn`; none if it is not there (any more), or not yet written. Blocking.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(&self, lsn: Lsn) -> Result<Option<Record>, Error> {
        Reader::new(self.0.shared.clone(), &[], lsn).at_position()
    }

    /// Resolves once everything that was appended by now was handed to the system, or the log stopped.
    pub async fn written(&self) {
        let shared = &self.0.shared;
        let mut progress = shared.progress.subscribe();
        let upto = shared.gather.end();
        shared.gather.nudge();
        // The end moves back where a full log gives records up.
        let reached = |written: u64| written >= upto.min(shared.gather.end());
        // An error means that the log is gone: nothing more is written.
        let _ = progress.wait_for(|progress| progress.stopped.is_some() || reached(progress.written)).await;
    }

    /// Resolves once everything below `upto` is on the device (at most what was appended by now).
    ///
    /// # Errors
    /// The log is poisoned, or closed with this not durable.
    pub async fn sync(&self, upto: Lsn) -> Result<(), Error> {
        let shared = &self.0.shared;
        let mut progress = shared.progress.subscribe();
        let reached = |durable: u64| durable >= upto.0.min(shared.gather.end());
        if reached(progress.borrow().durable) {
            return Ok(());
        }
        shared.gather.ask_sync();
        let done = progress
            .wait_for(|progress| progress.stopped.is_some() || reached(progress.durable))
            .await
            .map_err(|_| Error::Closed)?;
        match &done.stopped {
            Some(error) if !reached(done.durable) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Behind the last record that was taken in and not given up for want of room.
    pub fn end(&self) -> Lsn {
        Lsn(self.0.shared.gather.end())
    }

    /// Reads the records of `streams` (empty: all) in order from `from` (or the first kept one).
    pub fn reader(&self, streams: &[StreamId], from: Lsn) -> Reader {
        Reader::new(self.0.shared.clone(), streams, from)
    }

    /// Nothing below `keep` is needed by `owner` any more, of whatever stream; persisted within
    /// seconds. An owner's first call makes it known; its mark never moves back.
    ///
    /// A record may be freed once everyone who has a mark for its stream (or for all) has passed it.
    /// A stream for which nobody has one is kept.
    ///
    /// # Errors
    /// `Invalid` for an odd name or too many marks.
    pub fn release(&self, owner: &str, keep: Lsn) -> Result<(), Error> {
        self.mark(owner, None, keep)
    }

    /// As [`release`](Self::release), for some streams only: a slow reader of one stream then does
    /// not keep the others.
    ///
    /// # Errors
    /// The same.
    pub fn release_streams(&self, owner: &str, streams: &[StreamId], keep: Lsn) -> Result<(), Error> {
        streams.iter().try_for_each(|stream| self.mark(owner, Some(stream.0), keep))
    }

    /// Drops all marks of `owner`: it needs nothing, and no longer counts as a reader of its streams.
    pub fn forget(&self, owner: &str) {
        let shared = &self.0.shared;
        if shared.marks.lock().forget(owner) {
            shared.marks_changed.store(true, Relaxed);
            shared.room.look();
        }
    }

    /// Up to where records of `streams` at or behind `from` may be gone because `owner` has released them; `None` if
    /// all of them are kept, whatever is damaged aside. It goes by the marks of the last run: ask before `owner`
    /// releases anything.
    pub fn released_behind(&self, owner: &str, streams: &[StreamId], from: Lsn) -> Option<Lsn> {
        let shared = &self.0.shared;
        let released = shared.marks.lock().furthest(owner, streams);
        if released <= from.0 {
            return None;
        }
        let segments = shared.segments.read();
        let cut = segments.first().is_none_or(|first| first.header.previous_end > from.0);
        // A rewrite may have left out what was released.
        let rewritten =
            |segment: &Arc<Segment>| segment.header.form == Form::Kept && segment.limit() > from.0;
        (cut || segments.iter().any(rewritten)).then_some(Lsn(released))
    }

    /// Up to where `owner` has released any of `streams`, by the marks of the last run until it releases more; 0 if it
    /// never has.
    pub fn released(&self, owner: &str, streams: &[StreamId]) -> Lsn {
        Lsn(self.0.shared.marks.lock().furthest(owner, streams))
    }

    fn mark(&self, owner: &str, stream: Option<u32>, keep: Lsn) -> Result<(), Error> {
        let shared = &self.0.shared;
        if shared.marks.lock().release(owner, stream, keep.0)? {
            shared.marks_changed.store(true, Relaxed);
            shared.room.look();
        }
        Ok(())
    }

    /// The next record will be at `lsn` or beyond. For a store that remembers a position the log has
    /// not reached, because its device was lost: positions are never used twice.
    pub fn advance_to(&self, lsn: Lsn) {
        self.0.shared.gather.advance_to(lsn.0);
    }

    /// The file system it lies on, for the small files a crate above keeps beside it.
    pub fn files(&self) -> &Arc<dyn Files> {
        &self.0.shared.files
    }

    /// How it is.
    pub fn status(&self) -> Status {
        let shared = &self.0.shared;
        let progress = shared.progress.borrow().clone();
        let pending_bytes = shared.gather.pending_bytes();
        let (segments, first, whole_from) = {
            let segments = shared.segments.read();
            let header = segments.first().map(|first| first.header);
            let first = header.map_or(progress.written, |header| header.base);
            (segments.len(), first, header.map_or(first, |header| header.previous_end.min(first)))
        };
        let (damaged_ranges, damaged) = {
            let damage = shared.damage.lock();
            (damage.ranges, damage.shown.clone())
        };
        let counters = &shared.counters;
        Status {
            first: Lsn(first),
            whole_from: Lsn(whole_from),
            written: Lsn(progress.written),
            durable: Lsn(progress.durable),
            segments,
            next_segment_bytes: shared.gather.planned(),
            disk_bytes: shared.disk_bytes(),
            quota_bytes: shared.config.quota_bytes,
            pending_bytes,
            poisoned: match progress.stopped {
                Some(Error::Poisoned(why)) => Some(why),
                _ => None,
            },
            full: shared.gather.full_error().map(|error| error.to_string()),
            fsyncs: counters.syncs.load(Relaxed),
            fsync_time: Duration::from_micros(counters.sync_us.load(Relaxed)),
            commits: counters.commits.load(Relaxed),
            records: counters.records.load(Relaxed),
            bytes: counters.bytes.load(Relaxed),
            given_up: counters.given_up.load(Relaxed),
            freed: counters.freed.load(Relaxed),
            rewritten: counters.rewritten.load(Relaxed),
            spares: shared.room.spares(),
            damaged_ranges,
            damaged,
        }
    }

    /// Writes and syncs what is pending, saves cursors, stops the threads. Blocking. Reading what is
    /// there goes on to work.
    ///
    /// # Errors
    /// The log was poisoned before or just now.
    pub fn close(&self) -> Result<(), Error> {
        self.0.stop()
    }
}

impl Threads {
    fn stop(&self) -> Result<(), Error> {
        let Some((committer, keeper)) = self.running.lock().take() else { return Ok(()) };
        self.shared.gather.close();
        // Both catch their panics and turn them into poison, so there is nothing to join but the end.
        let _ = committer.join();
        self.shared.room.stop();
        let _ = keeper.join();
        let mut outcome = Ok(());
        self.shared.progress.send_modify(|progress| match &progress.stopped {
            Some(error) => outcome = Err(error.clone()),
            None => progress.stopped = Some(Error::Closed),
        });
        outcome
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Whoever wants to know closes it himself.
        let _ = self.stop();
    }
}

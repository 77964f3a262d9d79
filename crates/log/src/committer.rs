//! Writes what has gathered in one go, syncs at most once, tells all who wait.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crate::Error;
use crate::gather::{COMMIT_BYTES, Part, Piece, Work};
use crate::record::{Durability, HEAD_BYTES, Head, KIND_COMMIT, STREAM_OWN};
use crate::segment::{Form, Header, NO_PREVIOUS, Segment, Uses};
use crate::shared::Shared;

/// Longest wait for the company of the last round to come back.
const LINGER_MAX: Duration = Duration::from_micros(150);
/// That wait as a part of what a sync takes.
const LINGER_PART: u32 = 4;

#[derive(Debug)]
pub(crate) struct Committer {
    shared: Arc<Shared>,
    active: Option<Arc<Segment>>,
    /// What streams have in the active segment; unknown for one that was there at opening.
    uses: Option<Uses>,
    written: u64,
    durable: u64,
    company: usize,
    /// Moving mean of what a sync takes.
    sync_time: Duration,
    hinted: bool,
    /// The log was closed or poisoned: nothing is committed any more.
    is_over: bool,
}

/// Why the next segment could not be begun.
enum Roll {
    /// There is no room; what was written stays good.
    NoRoom(Error),
    /// The device failed.
    Broken(&'static str, io::Error),
}

impl Committer {
    /// `active`: the segment to go on with, sound and durable up to `written`.
    pub(crate) fn new(shared: Arc<Shared>, active: Option<Arc<Segment>>, written: u64) -> Self {
        Self {
            shared,
            active,
            uses: None,
            written,
            durable: written,
            company: 1,
            sync_time: Duration::ZERO,
            hinted: false,
            is_over: false,
        }
    }

    /// Whether the log was closed or poisoned.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Where the segment begins that is written to; none if there is none yet.
    pub(crate) fn base(&self) -> Option<u64> {
        self.active.as_ref().map(|active| active.header.base)
    }

    /// How many appends are expected to come together, and how long they are waited for.
    pub(crate) fn expects(&self) -> (usize, Duration) {
        let linger = (self.sync_time / LINGER_PART).min(LINGER_MAX);
        (self.company, if self.company > 1 { linger } else { Duration::ZERO })
    }

    /// Commits. What goes wrong, a panic too, poisons the log and is told to all who wait.
    pub(crate) fn round(&mut self, work: Work) {
        let last = work.last;
        let round = work.batch.round.clone();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.commit(work)));
        let (doing, why) = match outcome {
            Ok(Ok(())) => {
                self.is_over = last;
                return;
            }
            Ok(Err((doing, error))) => (doing, error.to_string()),
            Err(_) => ("committing", "the committer panicked".to_owned()),
        };
        self.is_over = true;
        self.shared.poison(doing, &why);
        round.fail(&Error::Poisoned(format!("{doing}: {why}")), 0, None);
    }

    fn commit(&mut self, work: Work) -> Result<(), (&'static str, io::Error)> {
        let mut batch = work.batch;
        self.open_commit(&mut batch.pieces);
        let mut failed = None;
        let mut pieces = batch.pieces.iter();
        for piece in pieces.by_ref() {
            if self.active.as_ref().is_none_or(|active| active.header.base != piece.base) {
                match self.roll(piece) {
                    Ok(()) => {}
                    Err(Roll::NoRoom(error)) => {
                        failed = Some((error, piece));
                        break;
                    }
                    Err(Roll::Broken(doing, error)) => return Err((doing, error)),
                }
            }
            self.write(piece).map_err(|error| ("writing a segment", error))?;
        }
        let failed = failed.map(|(error, piece)| {
            let lost = piece.records + pieces.map(|piece| piece.records).sum::<u64>();
            let lost = lost + self.shared.gather.give_up(&error, self.written);
            // The keeper may have thought that there is room, and be at rest.
            self.shared.room.look();
            self.shared.counters.given_up.fetch_add(lost, Relaxed);
            tracing::warn!(%error, records = lost, "records were refused for want of room");
            (error, piece.start)
        });
        if !batch.pieces.is_empty() {
            self.shared.counters.commits.fetch_add(1, Relaxed);
            self.publish();
        }
        let disk = batch.level == Some(Durability::Disk);
        if failed.is_none() && !batch.pieces.is_empty() {
            batch.round.written();
        }
        if (disk || work.sync || work.last) && self.durable < self.written {
            self.sync()?;
            self.publish();
        }
        match failed {
            Some((error, from)) => {
                let reached = if self.durable == self.written { Durability::Disk } else { Durability::Os };
                batch.round.fail(&error, from, Some(reached));
            }
            None if self.durable == self.written => batch.round.durable(),
            None => {}
        }
        self.company = if disk { batch.appends } else { 1 };
        let buffer = match batch.pieces.pop().and_then(|piece| piece.parts.into_iter().next()) {
            Some(Part::Copied(buffer)) => buffer,
            Some(Part::Shared(_)) | None => Vec::new(),
        };
        self.shared.gather.done(buffer);
        Ok(())
    }

    /// Fills in the record that opens the commit, for which room was left: what is durable by now.
    fn open_commit(&self, pieces: &mut [Piece]) {
        let Some(piece) = pieces.first_mut() else { return };
        let Some(Part::Copied(buffer)) = piece.parts.first_mut() else { return };
        let durable = self.durable.to_le_bytes();
        let time_ms = self.shared.clock.now().millis();
        let head = Head::new(KIND_COMMIT, Durability::Memory, STREAM_OWN, time_ms, 8);
        buffer[..HEAD_BYTES].copy_from_slice(&head.encode(crc32c::crc32c(&durable), piece.start));
        buffer[HEAD_BYTES..COMMIT_BYTES as usize].copy_from_slice(&durable);
    }

    /// Seals the active segment and begins the one `piece` belongs to.
    fn roll(&mut self, piece: &Piece) -> Result<(), Roll> {
        let mut previous = NO_PREVIOUS;
        if let Some(active) = &self.active {
            previous = active.header.base;
            if self.durable < self.written {
                let active = active.clone();
                self.sync_segment(&active).map_err(|error| Roll::Broken("syncing a segment", error))?;
            }
        }
        let shared = &self.shared;
        let spare = shared.room.take(piece.length).map_err(Roll::NoRoom)?;
        shared.plan_next();
        let header = Header {
            form: Form::Whole,
            base: piece.base,
            length: piece.length,
            previous,
            previous_end: self.written,
        };
        let no_room = |error: io::Error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Roll::NoRoom(Error::NoSpace(error.to_string()))
            }
            _ => Roll::Broken("beginning a segment", error),
        };
        let segment = Arc::new(Segment::new(header, spare.file, spare.bytes, None));
        segment.write(&mut [IoSlice::new(&header.encode())], 0).map_err(no_room)?;
        // A name is never seen without a header, so a bad header is always damage.
        segment.file.sync_data().map_err(|error| Roll::Broken("syncing a segment", error))?;
        shared.files.rename(&shared.path(&spare.name), &shared.path(&segment.name)).map_err(no_room)?;
        shared
            .files
            .sync_dir(&shared.config.dir)
            .map_err(|error| Roll::Broken("syncing the folder", error))?;
        {
            let mut segments = shared.segments.write();
            if let Some(active) = &self.active {
                if let Some(uses) = self.uses.take() {
                    active.streams.get_or_init(|| uses.into_vec());
                }
                active.seal(self.written);
            }
            segments.push(segment.clone());
        }
        self.active = Some(segment);
        self.uses = Some(Uses::default());
        self.hinted = false;
        Ok(())
    }

    fn write(&mut self, piece: &Piece) -> io::Result<()> {
        let active = self.active.as_ref().expect("a segment was begun for this piece");
        let mut parts: Vec<_> = piece.parts.iter().map(|part| IoSlice::new(part.bytes())).collect();
        active.write(&mut parts, piece.start - piece.base)?;
        self.written = piece.end;
        if let Some(uses) = &mut self.uses {
            uses.join(&piece.uses);
        }
        let counters = &self.shared.counters;
        counters.records.fetch_add(piece.records, Relaxed);
        counters.bytes.fetch_add(piece.end - piece.start, Relaxed);
        if !self.hinted && piece.end - piece.base > piece.length / 4 {
            self.hinted = true;
            self.shared.room.hint();
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), (&'static str, io::Error)> {
        let Some(active) = self.active.clone() else { return Ok(()) };
        self.sync_segment(&active).map_err(|error| ("syncing a segment", error))
    }

    fn sync_segment(&mut self, segment: &Segment) -> io::Result<()> {
        let started = Instant::now();
        segment.file.sync_data()?;
        let took = started.elapsed();
        self.durable = self.written;
        self.sync_time = (self.sync_time * 7 + took) / 8;
        let counters = &self.shared.counters;
        counters.syncs.fetch_add(1, Relaxed);
        counters.sync_us.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Relaxed);
        Ok(())
    }

    fn publish(&self) {
        let (written, durable) = (self.written, self.durable);
        self.shared.progress.send_modify(|progress| {
            progress.written = written;
            progress.durable = durable;
        });
    }
}

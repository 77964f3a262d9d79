//! `channels.snapshot`: an image of everything, so that recovery reads little and the log can be freed.
//!
//! It is a checkpoint, and never ahead of the log: all that an image builds on is on the device before the
//! image is. Else a loss of power, or a full disk, could leave one that says a message is over, or was
//! published before, of which the log knows nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::files::{self, Files};
use log::{Append, Lsn, StreamId};
use tokio::sync::MutexGuard;

use super::image::Image;
use super::rules::publishes::Unsettled;
use super::{Broker, Inner};
use crate::Error;
use base::ErrorKind;

/// Name of the file.
const NAME: &str = "channels.snapshot";
/// Taken when the log has grown by so many bytes since the last one, or by a segment if those are shorter:
/// what is finished is to be freed before a small log is full,
const EVERY_BYTES: u64 = 64 << 20;
/// or after so long if anything was written.
const EVERY: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Not before this long after the last one, also where the log takes nothing and one may make room,
const AGAIN: Duration = Duration::from_millis(200);
/// and after so many times what that took.
const AGAIN_PARTS: u32 = 9;
/// In whose name the log is released.
pub(super) const OWNER: &str = "nsq";

/// Proof that whoever holds it is the only one who makes, deletes, pauses or empties something.
pub(crate) type Control<'a> = MutexGuard<'a, ()>;

/// What a look at everything found.
struct Looked {
    image: Image,
    /// Of each topic the position below which nothing is needed.
    floors: Vec<(StreamId, u64)>,
    unsettled: Vec<(StreamId, Unsettled)>,
}

/// Reads the file, if there is one.
pub(crate) fn load(files: &dyn Files, dir: &Path) -> Result<Option<Image>, Error> {
    let bytes = files::read(files, &dir.join(NAME)).map_err(|error| Error::Snapshot(error.to_string()))?;
    bytes.map(|bytes| Image::decode(&bytes).map_err(Error::Snapshot)).transpose()
}

impl Inner {
    /// Writes the state of everything, then tells the log what is not needed any more.
    ///
    /// # Errors
    /// The log has stopped, or the file cannot be written.
    pub(crate) async fn snapshot(&self, _control: &Control<'_>) -> Result<(), Error> {
        let log = &self.ground.log;
        // Before anything is looked at: what is appended from now on is read again by recovery. The log's end
        // moves back where a full one gives records up, though it never writes there again.
        let known = self.snapshot_position.load(std::sync::atomic::Ordering::Acquire);
        let position = log.end().0.max(known);
        let Looked { mut image, floors, unsettled } = self.image(position);
        log.sync(log.end()).await?;
        for (stream, unsettled) in unsettled {
            if let Some(topic) = image.topics.get_mut(&stream.0) {
                unsettled.settle(&mut topic.ids).await;
            }
        }
        let (files, dir) = (log.files().clone(), self.dir.clone());
        let writing = move || files::replace(&*files, &dir, NAME, &image.encode());
        let written = tokio::task::spawn_blocking(writing).await.map_err(|_| Error::Exiting)?;
        written.map_err(|error| Error::Snapshot(error.to_string()))?;
        for (stream, floor) in floors {
            log.release_streams(OWNER, &[stream], Lsn(floor))?;
        }
        log.release_streams(OWNER, &[self.ground.journal.stream], Lsn(position))?;
        self.snapshot_position.store(position, std::sync::atomic::Ordering::Release);
        Ok(())
    }

    fn image(&self, position: u64) -> Looked {
        let next_channel = self.ground.next_channel.load(std::sync::atomic::Ordering::Acquire);
        let mut image = Image { position, next_channel, ..Image::default() };
        let (mut floors, mut unsettled) = (Vec::new(), Vec::new());
        let topics: Vec<_> = self.topics.read().values().cloned().collect();
        for topic in topics {
            let Some(stream) = topic.stream else { continue };
            let (of, publishes) = topic.image();
            floors.push((stream, topic.floor(&of)));
            unsettled.push((stream, publishes));
            image.topics.insert(stream.0, of);
        }
        Looked { image, floors, unsettled }
    }

    /// Nothing of a stream is needed any more.
    pub(crate) fn release_all(&self, stream: StreamId) {
        let log = &self.ground.log;
        if let Err(error) = log.release_streams(OWNER, &[stream], log.end()) {
            tracing::warn!(%error, "a deleted topic's messages stay on the disk");
        }
    }

    /// Makes sure that a change that was made in memory is known after a restart: by the journal, or
    /// by a snapshot where the log is full. What is deleted and emptied makes room in it.
    pub(crate) async fn confirm(
        &self,
        appended: Result<Append, Error>,
        control: &Control<'_>,
    ) -> Result<(), Error> {
        let outcome = match appended {
            Ok(append) => append.await.map(drop).map_err(Error::Log),
            Err(error) => Err(error),
        };
        match outcome {
            Err(error) if error.kind() == ErrorKind::Busy => self.snapshot(control).await,
            outcome => outcome,
        }
    }
}

/// The task that takes snapshots.
pub(crate) async fn run(broker: std::sync::Weak<Inner>, ground: Arc<super::ground::Ground>) {
    let stop = ground.tasks.stop_signal();
    let (mut last, mut took) = (Instant::now(), Duration::ZERO);
    loop {
        let is_wanted = tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => false,
            () = ground.journal.wants_snapshot.notified() => true,
            () = stop.requested() => return,
        };
        let Some(broker) = broker.upgrade() else { return };
        let known = broker.snapshot_position.load(std::sync::atomic::Ordering::Acquire);
        let grown = ground.log.end().0.saturating_sub(known);
        let status = ground.log.status();
        if status.poisoned.is_some() {
            // It says so itself, and a snapshot would say what the log may not hold.
            continue;
        }
        let (is_full, every_bytes) = (status.full.is_some(), status.next_segment_bytes.min(EVERY_BYTES));
        // Whatever was told since may be that messages are finished which fill the disk. Nothing need have
        // been told for messages to become too old to be kept.
        let is_wanted = is_wanted || is_full && grown > 0;
        let is_due = grown >= every_bytes || (grown > 0 || is_full) && last.elapsed() >= EVERY;
        if !is_due && !is_wanted || broker.topics.read().is_empty() && known == 0 {
            continue;
        }
        let patience = (took * AGAIN_PARTS).max(AGAIN).min(EVERY).saturating_sub(last.elapsed());
        if !patience.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(patience) => {}
                () = stop.requested() => return,
            }
        }
        let control = ground.control.lock().await;
        let started = Instant::now();
        if let Err(error) = broker.snapshot(&control).await {
            tracing::error!(%error, "the state of the channels cannot be written; tried again");
        }
        last = Instant::now();
        took = last - started;
    }
}

impl Broker {
    /// Writes the state of everything now, so that the next start is quick and the log can be freed.
    ///
    /// # Errors
    /// The file cannot be written.
    pub async fn snapshot(&self) -> Result<(), Error> {
        let control = self.0.ground.control.lock().await;
        self.0.snapshot(&control).await
    }
}

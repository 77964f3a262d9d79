//! Freeing segments that nobody needs.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::cursors::Live;
use crate::keeper::spare_name;
use crate::room::{SPARES_MAX, Spare};
use crate::segment::{Form, SEGMENT_HEAD_BYTES, Segment, Step, StreamUse, Uses, Walk};
use crate::shared::Shared;

/// Frees the oldest segments up to the first in which something lives, never the one that grows.
pub(crate) fn free(shared: &Shared) {
    let live = shared.marks.lock().live();
    let mut freed = false;
    loop {
        let Some(oldest) = oldest_sealed(shared) else { break };
        if live_bytes(shared, &oldest, &live) != Some(0) {
            break;
        }
        // Behind this nobody new can find it.
        shared.segments.write().remove(0);
        freed = true;
        shared.counters.freed.fetch_add(1, Relaxed);
        if let Err(error) = let_go(shared, oldest) {
            tracing::warn!(%error, "a segment nobody needs was not removed; the next start tries again");
        }
    }
    if freed && let Err(error) = shared.files.sync_dir(&shared.config.dir) {
        tracing::warn!(%error, "the log's folder was not synced");
    }
}

fn oldest_sealed(shared: &Shared) -> Option<Arc<Segment>> {
    let segments = shared.segments.read();
    segments.first().filter(|oldest| segments.len() > 1 && oldest.end().is_some()).cloned()
}

/// Recycles the file if it is of the usual length and nobody reads it, else removes it: readers go
/// on reading a removed file.
pub(crate) fn let_go(shared: &Shared, segment: Arc<Segment>) -> io::Result<()> {
    let path = shared.path(&segment.name);
    let usual = segment.header.form == Form::Whole && segment.file_bytes == shared.config.segment_bytes;
    match Arc::try_unwrap(segment) {
        Ok(segment) if usual && shared.room.spares() < SPARES_MAX => {
            let name = spare_name();
            shared.files.rename(&path, &shared.path(&name))?;
            // Durable before it is written to: else a crash could show new bytes under the old name.
            shared.files.sync_dir(&shared.config.dir)?;
            shared.room.put(Spare { name, bytes: segment.file_bytes, file: segment.file });
            Ok(())
        }
        _ => shared.files.remove(&path),
    }
}

/// Bytes of the streams that somebody still needs, at most (a stream counts whole); `None` if the
/// segment cannot be read.
pub(crate) fn live_bytes(shared: &Shared, segment: &Arc<Segment>, live: &Live) -> Option<u64> {
    let end = segment.end()?;
    if end <= live.floor() {
        return Some(0);
    }
    let streams = match segment.streams.get() {
        Some(streams) => streams,
        None => {
            let streams = streams_of(shared, segment)?;
            segment.streams.get_or_init(|| streams)
        }
    };
    Some(streams.iter().filter(|of| of.last >= live.from(of.stream)).map(|of| of.bytes).sum())
}

/// What each stream has in a segment, by walking through it once. Damaged ranges are passed over:
/// what cannot be read cannot be needed.
fn streams_of(shared: &Shared, segment: &Arc<Segment>) -> Option<Vec<StreamUse>> {
    // To its end, though the commit that sealed it may not have been published yet.
    let stop = segment.stop(u64::MAX);
    let mut walk = Walk::new(segment.clone(), SEGMENT_HEAD_BYTES, stop);
    let mut streams = Uses::default();
    loop {
        let before = walk.offset;
        match walk.step() {
            Ok(Step::Record { head, .. }) if head.is_own() => {}
            Ok(Step::Record { head, lsn }) => {
                streams.add(head.stream, head.record_bytes(), lsn);
            }
            Ok(Step::Bad) => {
                walk.resync().ok()?;
                let (from, to) = (before, walk.offset);
                shared.damage.lock().note(&segment.name, from, to, crate::reader::NO_RECORD);
            }
            Ok(Step::End) => return Some(streams.into_vec()),
            Err(error) => {
                tracing::warn!(%error, file = segment.name, "a segment cannot be read, it is kept");
                return None;
            }
        }
    }
}

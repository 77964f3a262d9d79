//! Rewriting mostly-dead segments, so that one idle reader cannot keep the whole disk.
//!
//! A run of neighbours in which little lives is copied into one `.cmp` file: each live record as it
//! was, after its position. Positions do not change, and neither do checksums. The new file takes its
//! name only when it is durable; opening removes what it stands for.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::cursors::Live;
use crate::files::write_full;
use crate::reclaim::{let_go, live_bytes};
use crate::record::{ALIGN, HEAD_BYTES};
use crate::segment::{Form, Header, SEGMENT_HEAD_BYTES, Segment, Step, Walk};
use crate::shared::Shared;

/// A file is rewritten when no more than this part of it lives, in percent.
const LIVE_PERCENT_MAX: u64 = 25;
/// So many of the youngest sealed segments are left alone: their readers are probably just behind.
const YOUNG: usize = 2;
/// The copy is written in pieces of about this many bytes.
const PIECE_BYTES: usize = 256 << 10;
/// Name of a copy that is not whole yet.
const HALF: &str = "rewrite.tmp";

/// Rewrites one run, if there is one that is worth it; true if there may be another.
///
/// # Errors
/// The copy could not be made. Nothing was lost: the originals are there.
pub(crate) fn rewrite(shared: &Shared) -> io::Result<bool> {
    let live = shared.marks.lock().live();
    let Some(run) = worthy(shared, &live) else { return Ok(false) };
    replace(shared, run, &live).inspect_err(|_| {
        // If this fails too, opening removes it.
        let _ = shared.files.remove(&shared.path(HALF));
    })?;
    Ok(true)
}

/// The first neighbours that are mostly dead, together no more than one segment's worth of live
/// records; at least one of them a whole segment.
fn worthy(shared: &Shared, marks: &Live) -> Option<Vec<Arc<Segment>>> {
    let sealed: Vec<_> = {
        let segments = shared.segments.read();
        let old = segments.len().saturating_sub(1 + YOUNG);
        segments[..old].to_vec()
    };
    let live_max = shared.config.segment_bytes * LIVE_PERCENT_MAX / 100;
    let mut run: Vec<Arc<Segment>> = Vec::new();
    let mut live = 0;
    for segment in sealed {
        let bytes = live_bytes(shared, &segment, marks).filter(|bytes| *bytes <= live_max);
        match bytes {
            Some(bytes) if live + bytes <= live_max => {
                live += bytes;
                run.push(segment);
            }
            _ if is_worth_it(&run, live) => return Some(run),
            Some(bytes) => {
                live = bytes;
                run = vec![segment];
            }
            None => {
                live = 0;
                run.clear();
            }
        }
    }
    is_worth_it(&run, live).then_some(run)
}

/// Whether a copy takes less than half of what is there.
fn is_worth_it(run: &[Arc<Segment>], live: u64) -> bool {
    let now: u64 = run.iter().map(|segment| segment.file_bytes).sum();
    // A record grows by its position; half again is more than that ever is.
    !run.is_empty() && SEGMENT_HEAD_BYTES + live + live / 2 < now / 2
}

/// Writes the copy and puts it in place of the run.
fn replace(shared: &Shared, run: Vec<Arc<Segment>>, live: &Live) -> io::Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let header = Header {
        form: Form::Kept,
        base: first.header.base,
        length: last.limit() - first.header.base,
        previous: first.header.previous,
        previous_end: first.header.previous_end,
    };
    let half = shared.path(HALF);
    let file = shared.files.create(&half)?;
    write_full(&*file, &mut [IoSlice::new(&header.encode())], 0)?;
    let mut bytes = SEGMENT_HEAD_BYTES;
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    for segment in &run {
        let mut walk = Walk::new(segment.clone(), SEGMENT_HEAD_BYTES, segment.stop(u64::MAX));
        loop {
            match walk.step()? {
                Step::Record { head, lsn } => {
                    if head.is_own() || lsn < live.from(head.stream) {
                        continue;
                    }
                    let payload = walk.payload();
                    piece.extend_from_slice(&lsn.to_le_bytes());
                    piece.extend_from_slice(&head.encode(crc32c::crc32c(&payload), lsn));
                    piece.extend_from_slice(&payload);
                    let padding = head.record_bytes() as usize - HEAD_BYTES - payload.len();
                    piece.extend_from_slice(&[0; ALIGN as usize][..padding]);
                }
                // Known and reported since the segment's streams were looked up.
                Step::Bad => walk.resync()?,
                Step::End => break,
            }
            if piece.len() >= PIECE_BYTES {
                write_full(&*file, &mut [IoSlice::new(&piece)], bytes)?;
                bytes += piece.len() as u64;
                piece.clear();
            }
        }
    }
    write_full(&*file, &mut [IoSlice::new(&piece)], bytes)?;
    bytes += piece.len() as u64;
    file.sync_data()?;
    let copy = Arc::new(Segment::new(header, file, bytes, Some(header.base + header.length)));
    shared.files.rename(&half, &shared.path(&copy.name))?;
    shared.files.sync_dir(&shared.config.dir)?;
    swap(shared, run, copy);
    Ok(())
}

/// From here on new readers find the copy. Who reads an original goes on with it.
fn swap(shared: &Shared, run: Vec<Arc<Segment>>, copy: Arc<Segment>) {
    {
        let mut segments = shared.segments.write();
        let from = segments.iter().position(|segment| Arc::ptr_eq(segment, &run[0]));
        let from = from.expect("only the keeper takes segments away");
        segments.splice(from..from + run.len(), [copy.clone()]);
    }
    shared.counters.rewritten.fetch_add(run.len() as u64, Relaxed);
    for original in run {
        // A copy of a copy has the same name: it has replaced it already.
        if original.name != copy.name
            && let Err(error) = let_go(shared, original)
        {
            tracing::warn!(%error, "a rewritten segment was not removed; the next start does it");
        }
    }
}

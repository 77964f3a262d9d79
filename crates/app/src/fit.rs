//! Whether store and log belong together: each says how far the other had come.
//!
//! A start that only goes on would hide a loss, and make it hard to go back: the log takes new numbers where the old
//! ones were, and new accounts take the place of those that are gone. So what may be a folder that is not mounted or a
//! file that was not restored is refused; `accept_log_gap` goes on.

use queue::{Position, Queue, Topic};

use crate::Error;
use crate::meters::Meters;

/// Under this name the log keeps what the recorder has not written down yet.
pub(crate) const READER: &str = "recorder";

/// Compares the positions of the shards with the log, before anything of it is read or released.
///
/// # Errors
/// Conflict unless `accepted`: the store is new or older than the log and misses something, or the log is gone.
pub(crate) fn check(
    accepted: bool,
    queue: &Queue,
    topics: &[Topic],
    positions: &[Option<u64>],
    meters: &Meters,
) -> Result<(), Error> {
    let from = positions.iter().map(|position| position.unwrap_or(0)).min().unwrap_or(0);
    let latest = positions.iter().flatten().copied().max().unwrap_or(0);
    let released = queue.released(READER, topics).0;
    let log = queue.log().status();
    let refuse = |reason: String| {
        if !accepted {
            return Err(Error::Conflict(reason));
        }
        tracing::error!(reason, "store and log do not belong together; some numbers may be missing for good");
        Ok(())
    };
    if let Some(upto) = queue.released_behind(READER, topics, Position(from)) {
        meters.log_gap_bytes.inc_by(upto.0 - from);
        return refuse(format!(
            "the store is older than the log: it has recorded up to position {from}, and up to {} the log has been \
             freed, because a newer store had it",
            upto.0
        ));
    }
    if released > 0 && positions.iter().all(Option::is_none) {
        return refuse(format!(
            "the store is new and the log is not: it holds numbers of accounts that this store does not know, and \
             another store had recorded it up to position {released}"
        ));
    }
    let end = log.written.0;
    if latest > end {
        meters.log_gap_bytes.inc_by(latest - end);
        if log.segments == 0 && released == 0 {
            return refuse(format!(
                "the log is gone: it is empty, and the store has recorded up to position {latest}"
            ));
        }
        tracing::error!(
            recorded = latest,
            end,
            "the log ends before what the store has recorded: files of it are missing or damaged, and numbers that \
             were not recorded yet are gone"
        );
    }
    Ok(())
}

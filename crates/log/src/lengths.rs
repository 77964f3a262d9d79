//! How long the next segment becomes: as long as was asked for where there is room, shorter where there is
//! little.
//!
//! Only whole segments are freed, and never the one that grows. A disk that held one or two would stay full
//! however much of them is dead; one that holds a dozen short ones gets room with the first that is.

use crate::Error;
use crate::shared::Shared;

/// A segment takes at most this part of what is free.
const FREE_PART: u64 = 4;
/// The shortest one, as a part of the usual length.
const LEAST_PART: u64 = 64;
/// What the log leaves free, as a part of the usual length: others on the same disk have to write down what
/// they are done with before anything of the log can be freed.
const RESERVE_PART: u64 = 8;
/// Lengths are multiples of this.
const STEP_BYTES: u64 = 4 << 10;

/// The length of a segment that is laid out ahead of need, if there is room for any.
pub(crate) fn fitting(usual: u64, free: u64) -> Option<u64> {
    let mut bytes = usual;
    while bytes > least(usual) && (bytes > free / FREE_PART || !fits(usual, free, bytes)) {
        bytes = (bytes / 2).next_multiple_of(STEP_BYTES);
    }
    fits(usual, free, bytes).then_some(bytes)
}

/// Whether one of this length may be laid out.
pub(crate) fn fits(usual: u64, free: u64, bytes: u64) -> bool {
    bytes.saturating_add(usual / RESERVE_PART) <= free
}

fn least(usual: u64) -> u64 {
    (usual / LEAST_PART).next_multiple_of(STEP_BYTES)
}

impl Shared {
    /// Bytes that are free on the device.
    pub(crate) fn free_bytes(&self) -> u64 {
        self.files.free_bytes(&self.config.dir).unwrap_or_else(|error| {
            tracing::debug!(%error, "what is free is not known; laying a file out will tell");
            u64::MAX
        })
    }

    /// How long a file may be that is laid out now: as long as is wanted, else as there is room for.
    ///
    /// # Errors
    /// There is no room, or none within the quota.
    pub(crate) fn room_for(&self, wanted: Option<u64>) -> Result<u64, Error> {
        let (usual, quota_bytes) = (self.config.segment_bytes, self.config.quota_bytes);
        let free = self.free_bytes();
        let bytes = match wanted {
            Some(bytes) => Some(bytes).filter(|bytes| fits(usual, free, *bytes)),
            None => fitting(usual, free),
        };
        let no_room = || Error::NoSpace(format!("{free} bytes are free, too few for a segment"));
        let bytes = bytes.ok_or_else(no_room)?;
        if self.disk_bytes() + bytes > quota_bytes { Err(Error::Quota { quota_bytes }) } else { Ok(bytes) }
    }

    /// Says how long the next segment is to be: as a file that is ready, or as there is room for. Called
    /// whenever one of these may have changed.
    pub(crate) fn plan_next(&self) {
        let (usual, free) = (self.config.segment_bytes, self.free_bytes());
        let fitting = || fitting(usual, free).unwrap_or_else(|| least(usual));
        let bytes = self.room.ready_bytes().unwrap_or_else(fitting);
        self.gather.plan(bytes, free.saturating_sub(usual / RESERVE_PART).max(bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_small_disk_holds_several_and_some_of_it_stays_free() {
        let check = |free: u64, expected: Option<u64>| {
            assert_eq!(fitting(64 * MIB, free * MIB), expected.map(|mib| mib * MIB), "{free} MiB are free");
        };
        check(u64::MAX / MIB, Some(64));
        check(256, Some(64));
        check(255, Some(32));
        check(32, Some(8));
        check(12, Some(2));
        check(9, Some(1));
        check(8, None);
        let (mut free, mut segments) = (32 * MIB, 0);
        while let Some(bytes) = fitting(64 * MIB, free) {
            free -= bytes;
            segments += 1;
        }
        assert_eq!((segments, free), (6, 8 * MIB));
    }

    #[test]
    fn lengths_are_multiples_of_a_step_and_one_step_is_the_least() {
        assert_eq!(fitting(4_096, 5_000), Some(4_096));
        assert_eq!(fitting(4_096, 4_500), None);
        assert_eq!(fitting(12 << 10, 20_000), Some(4_096));
    }
}

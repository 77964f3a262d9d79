//! File descriptors: every connection and every file takes one, and systems give a process few unless it asks.
#![allow(unsafe_code)]

use std::io;

/// What is open beside connections and segments, with room to spare: listeners, the store's connections,
/// and what a backup or a page opens for a moment.
const FILES: usize = 128;

/// Raises the soft limit to the hard one; the limit from now on.
pub(crate) fn raise_limit() -> io::Result<usize> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid rlimit that outlives the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: `limit` is a valid rlimit that is only read.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        limit.rlim_cur = before;
    }
    Ok(usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX))
}

/// How many of `wanted` connections fit under `limit` descriptors beside the log's `segments`, the
/// connections that are being refused and [`FILES`]; a fourth of them at least.
pub(crate) fn connections(limit: usize, segments: usize, wanted: usize) -> usize {
    let reserve = FILES.saturating_add(ingest::server::REFUSALS_MAX).saturating_add(segments);
    wanted.min(limit.saturating_sub(reserve).max(limit / 4)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_room_for_files() {
        let check = |limit, segments, wanted, expected| {
            assert_eq!(connections(limit, segments, wanted), expected, "{limit} {segments} {wanted}");
        };
        check(20_000, 128, 10_000, 10_000);
        check(1_024, 128, 10_000, 512);
        check(1_024, 8_192, 10_000, 256);
        check(usize::MAX, usize::MAX, 10_000, 10_000);
        check(0, 0, 10, 1);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let limit = raise_limit().expect("every process has a limit");
        assert_eq!(raise_limit().expect("still"), limit);
        assert!(limit > 0);
    }
}

//! The process's memory under the names of Go's runtime, which NSQ's clients know.

use serde::Serialize;

/// What `memory` of `/stats` and `mem.*` of statsd hold. True of this process where there is something
/// to tell; zero where only a garbage collector would know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Always 0: nobody counts objects here.
    pub heap_objects: u64,
    /// Always 0: what the allocator holds in reserve is not known.
    pub heap_idle_bytes: u64,
    /// Resident bytes that belong to this process alone.
    pub heap_in_use_bytes: u64,
    /// Always 0: what was given back is not counted.
    pub heap_released_bytes: u64,
    /// Always 0: there is no collector.
    pub gc_pause_usec_100: u64,
    /// Always 0.
    pub gc_pause_usec_99: u64,
    /// Always 0.
    pub gc_pause_usec_95: u64,
    /// Always 0.
    pub next_gc_bytes: u64,
    /// Always 0.
    pub gc_total_runs: u64,
}

impl Memory {
    /// As the system tells it now; zeros if it does not.
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        Self::of(&status)
    }

    fn of(status: &str) -> Self {
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib = line.and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
        Self { heap_in_use_bytes: kib.unwrap_or(0) * 1024, ..Self::default() }
    }

    /// Each figure with its name, in the order of text and statsd.
    pub(crate) fn figures(&self) -> [(&'static str, u64); 9] {
        [
            ("heap_objects", self.heap_objects),
            ("heap_idle_bytes", self.heap_idle_bytes),
            ("heap_in_use_bytes", self.heap_in_use_bytes),
            ("heap_released_bytes", self.heap_released_bytes),
            ("gc_pause_usec_100", self.gc_pause_usec_100),
            ("gc_pause_usec_99", self.gc_pause_usec_99),
            ("gc_pause_usec_95", self.gc_pause_usec_95),
            ("next_gc_bytes", self.next_gc_bytes),
            ("gc_total_runs", self.gc_total_runs),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_become_bytes() {
        let status = "Name:\tnsqd\nVmData:\t   9000 kB\nVmRSS:\t 5000 kB\nRssAnon:\t    4000 kB\n";
        assert_eq!(Memory::of(status).heap_in_use_bytes, 4_096_000);
        assert_eq!(Memory::of("nonsense"), Memory::default());
        assert!(Memory::now().heap_in_use_bytes > 0);
    }
}

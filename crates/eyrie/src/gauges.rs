//! Figures that are read when somebody asks for `/metrics`: the log's state.

use std::sync::atomic::AtomicI64;

use base::metrics::Metrics;
use log::Log;
use prometheus_client::metrics::gauge::Gauge;

/// Gauges of the log. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogGauges {
    log: Log,
    disk: Gauge<i64, AtomicI64>,
    quota: Gauge<i64, AtomicI64>,
    pending: Gauge<i64, AtomicI64>,
    segments: Gauge<i64, AtomicI64>,
    written: Gauge<i64, AtomicI64>,
    syncs: Gauge<i64, AtomicI64>,
    commits: Gauge<i64, AtomicI64>,
    poisoned: Gauge<i64, AtomicI64>,
}

impl LogGauges {
    /// Registers them.
    pub(crate) fn new(log: Log, metrics: &Metrics) -> Self {
        let gauge = |name: &str, help: &str| metrics.register(name, help, Gauge::default());
        Self {
            log,
            disk: gauge("log_disk_bytes", "Bytes the log takes on disk"),
            quota: gauge("log_quota_bytes", "Most bytes the log may take on disk"),
            pending: gauge("log_pending_bytes", "Bytes that wait for the committer"),
            segments: gauge("log_segments", "Segments of the log"),
            written: gauge("log_position", "Position up to which the log is written"),
            syncs: gauge("log_syncs", "Times the log was synced to the device since the start"),
            commits: gauge("log_commits", "Group commits of the log since the start"),
            poisoned: gauge("log_poisoned", "1 when the log takes nothing more because the disk failed"),
        }
    }

    /// Reads the log's state.
    pub(crate) fn refresh(&self) {
        let status = self.log.status();
        let number = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.disk.set(number(status.disk_bytes));
        self.quota.set(number(status.quota_bytes));
        self.pending.set(number(status.pending_bytes as u64));
        self.segments.set(number(status.segments as u64));
        self.written.set(number(status.written.0));
        self.syncs.set(number(status.fsyncs));
        self.commits.set(number(status.commits));
        self.poisoned.set(i64::from(status.poisoned.is_some()));
    }
}

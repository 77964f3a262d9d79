//! The numbers of this crate for Prometheus.

use std::sync::atomic::AtomicI64;

use base::metrics::Metrics;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

#[derive(Clone)]
pub(crate) struct Meters {
    pub refused: Counter,
    pub mismatched: Counter,
    pub folded: Counter,
    pub damaged_records: Counter,
    pub stats_refused: Counter,
    pub stats: Gauge<i64, AtomicI64>,
    pub cells: Gauge<i64, AtomicI64>,
    pub checkpoints: Counter,
    pub checkpoint_seconds: Histogram,
    pub store_errors: Counter,
    pub hours_closed: Counter,
    pub days_closed: Counter,
    pub damaged_blocks: Counter,
    pub blocks_expired: Counter,
    pub log_gap_bytes: Counter,
}

impl Meters {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        let gauge = |name: &str, help: &str| metrics.register(name, help, Gauge::default());
        Self {
            refused: counter("intake_refused_points", "Points refused because the log is full or failing"),
            mismatched: counter(
                "recorder_mismatched_points",
                "Points of the other kind than their stat that the intake let through, left out",
            ),
            folded: counter("recorder_points", "Points folded into the head"),
            damaged_records: counter(
                "recorder_damaged_records",
                "Records that could not be read and were skipped",
            ),
            stats_refused: counter(
                "recorder_stats_refused",
                "Points of new stats in a full shard, not taken",
            ),
            stats: gauge("stats", "Stats, trash included"),
            cells: gauge("head_cells", "Minutes of open hours in memory"),
            checkpoints: counter("checkpoints", "Checkpoints written"),
            checkpoint_seconds: metrics.seconds("checkpoint_seconds", "Duration of a checkpoint"),
            store_errors: counter("store_errors", "Writes that the store refused or did not answer"),
            hours_closed: counter("hourly_closings", "Hours of shards moved into blocks"),
            days_closed: counter("daily_closings", "Days of shards rolled up"),
            damaged_blocks: counter("damaged_blocks", "Blocks and segments that could not be read"),
            blocks_expired: counter("blocks_expired", "Blocks removed by retention"),
            log_gap_bytes: counter(
                "log_gap_bytes",
                "Bytes of log between an old store and what a newer one had released",
            ),
        }
    }
}

//! What ingest counts about itself.

use std::sync::atomic::AtomicI64;

use base::metrics::Metrics;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use crate::endpoint::Endpoint;

/// How a request ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, EncodeLabelValue)]
pub(crate) enum Outcome {
    /// Something of it was taken.
    Taken,
    /// The sender's mistake; nothing was taken.
    Misuse,
    /// Nobody has the key.
    UnknownKey,
    /// Larger than a limit.
    TooLarge,
    /// A limit of ours or of the log; nothing was acknowledged.
    Overload,
    /// It ended before its body did, or took too long.
    CutShort,
    /// A browser's question before it posts.
    Preflight,
}

const OUTCOMES: [Outcome; 7] = [
    Outcome::Taken,
    Outcome::Misuse,
    Outcome::UnknownKey,
    Outcome::TooLarge,
    Outcome::Overload,
    Outcome::CutShort,
    Outcome::Preflight,
];

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Labels {
    protocol: &'static str,
    outcome: Outcome,
}

/// The counters of the ingest paths.
#[derive(Debug)]
pub(crate) struct IngestMetrics {
    /// By endpoint, then by outcome: looked up once, here.
    requests: [[Counter; OUTCOMES.len()]; 3],
    pub(crate) points: Counter,
    pub(crate) odd_timestamps: Counter,
    pub(crate) mismatches: Counter,
    pub(crate) unknown_keys: Counter,
    pub(crate) bytes: Counter,
    pub(crate) in_flight: Gauge<i64, AtomicI64>,
    pub(crate) seconds: Histogram,
}

impl IngestMetrics {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let counter = |name: &str, help: &str| metrics.register(name, help, Counter::default());
        let requests = metrics.register(
            "ingest_requests",
            "Requests to the ingest paths, by path and how they ended",
            Family::<Labels, Counter>::default(),
        );
        let of = |endpoint: Endpoint| {
            OUTCOMES.map(|outcome| {
                requests.get_or_create(&Labels { protocol: endpoint.label(), outcome }).clone()
            })
        };
        Self {
            requests: [of(Endpoint::Ez), of(Endpoint::Counter), of(Endpoint::Value)],
            points: counter("ingest_points", "Points handed to the log"),
            odd_timestamps: counter(
                "ingest_odd_timestamps",
                "Points whose time was implausible and became the time of receipt",
            ),
            mismatches: counter(
                "ingest_mismatches",
                "Points not taken because the stat is of the other kind",
            ),
            unknown_keys: counter("ingest_unknown_keys", "Requests with a key that nobody has"),
            bytes: counter("ingest_bytes", "Bytes of query strings and bodies"),
            in_flight: metrics.register(
                "ingest_in_flight",
                "Ingest requests being worked on",
                Gauge::default(),
            ),
            seconds: metrics.seconds("ingest_seconds", "From the head of an ingest request to its answer"),
        }
    }

    pub(crate) fn ended(&self, endpoint: Endpoint, outcome: Outcome) {
        self.requests[endpoint as usize][outcome as usize].inc();
    }
}

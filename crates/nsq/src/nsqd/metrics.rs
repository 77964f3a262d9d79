//! nsqd's figures as Prometheus scrapes them, read when it does.

use std::fmt::{Display, Write as _};

use log::Status;

use super::Nsqd;
use super::stats::{ChannelStats, Filter, Latency, Memory, TopicStats};

/// What a figure is to Prometheus.
#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    /// Quantiles.
    Summary,
}

/// A figure of a topic or a channel.
struct Figure<T> {
    name: &'static str,
    help: &'static str,
    kind: Kind,
    value: fn(&T) -> u64,
}

const TOPIC: [Figure<TopicStats>; 5] = [
    Figure {
        name: "topic_messages",
        help: "Messages taken in",
        kind: Kind::Counter,
        value: |t| t.message_count,
    },
    Figure {
        name: "topic_message_bytes",
        help: "Bytes of their bodies",
        kind: Kind::Counter,
        value: |t| t.message_bytes,
    },
    Figure {
        name: "topic_depth",
        help: "Messages that no channel has",
        kind: Kind::Gauge,
        value: |t| t.depth,
    },
    Figure {
        name: "topic_backend_depth",
        help: "Those of them that are not in memory",
        kind: Kind::Gauge,
        value: |t| t.backend_depth,
    },
    Figure {
        name: "topic_paused",
        help: "Whether channels are given nothing",
        kind: Kind::Gauge,
        value: |t| t.paused.into(),
    },
];

const CHANNEL: [Figure<ChannelStats>; 9] = [
    Figure {
        name: "channel_messages",
        help: "Messages taken in",
        kind: Kind::Counter,
        value: |c| c.message_count,
    },
    Figure {
        name: "channel_requeued",
        help: "Messages that consumers gave back",
        kind: Kind::Counter,
        value: |c| c.requeue_count,
    },
    Figure {
        name: "channel_timed_out",
        help: "Messages that consumers kept too long",
        kind: Kind::Counter,
        value: |c| c.timeout_count,
    },
    Figure {
        name: "channel_depth",
        help: "Messages that wait for a consumer",
        kind: Kind::Gauge,
        value: |c| c.depth,
    },
    Figure {
        name: "channel_backend_depth",
        help: "Those of them that are not in memory",
        kind: Kind::Gauge,
        value: |c| c.backend_depth,
    },
    Figure {
        name: "channel_in_flight",
        help: "Messages that consumers have",
        kind: Kind::Gauge,
        value: |c| c.in_flight_count,
    },
    Figure {
        name: "channel_deferred",
        help: "Messages that wait for their time",
        kind: Kind::Gauge,
        value: |c| c.deferred_count,
    },
    Figure { name: "channel_consumers", help: "Consumers", kind: Kind::Gauge, value: |c| c.client_count },
    Figure {
        name: "channel_paused",
        help: "Whether nothing is delivered",
        kind: Kind::Gauge,
        value: |c| c.paused.into(),
    },
];

/// The answer of `/metrics`, in the OpenMetrics text format.
pub(super) fn render(nsqd: &Nsqd) -> String {
    let topics = nsqd.stats(&Filter::default()).topics.unwrap_or_default();
    let mut page = Page::default();
    page.one("uptime_seconds", "How long it has run", Kind::Gauge, nsqd.uptime().as_secs());
    page.one("healthy", "Whether messages can be written", Kind::Gauge, (nsqd.health() == "OK").into());
    page.one("clients", "Open TCP connections", Kind::Gauge, nsqd.clients.count() as u64);
    page.one("lookupds", "nsqlookupds it is connected to", Kind::Gauge, nsqd.lookup.connected() as u64);
    let memory = Memory::now();
    page.one("memory_bytes", "Resident memory of its own", Kind::Gauge, memory.heap_in_use_bytes);
    let refused = "Publish commands that a full log, a full topic or too many topics refused";
    page.one("refused_publishes", refused, Kind::Counter, nsqd.refused_publishes());
    log_figures(&mut page, &nsqd.broker.log_status());
    figures(&mut page, &topics);
    page.text.push_str("# EOF\n");
    page.text
}

/// The log that messages are in; within `eyrie serve` it is the house's.
fn log_figures(page: &mut Page, log: &Status) {
    let mut gauge = |name, help, value| page.one(name, help, Kind::Gauge, value);
    gauge("log_disk_bytes", "Bytes of all files of the log, spares included", log.disk_bytes);
    gauge("log_quota_bytes", "Most bytes of all files of the log", log.quota_bytes);
    gauge("log_segments", "Files of the log that hold records", log.segments as u64);
    gauge("log_spares", "Files of the log that are ready to be written", log.spares as u64);
    gauge("log_pending_bytes", "Bytes that wait to be written", log.pending_bytes as u64);
    gauge("log_position", "Up to where the log is written", log.written.0);
    gauge("log_synced_position", "Up to where the log is on the device", log.durable.0);
    gauge("log_full", "Whether there is no room for another segment", log.full.is_some().into());
    gauge("log_poisoned", "Whether the disk failed and nothing is taken", log.poisoned.is_some().into());
    let mut counter = |name, help, value| page.one(name, help, Kind::Counter, value);
    counter("log_appended_bytes", "Bytes appended since the start", log.bytes);
    counter("log_appended_records", "Records appended since the start", log.records);
    counter("log_commits", "Writes for everybody who waited", log.commits);
    counter("log_syncs", "Times the log was synced to the device", log.fsyncs);
    counter("log_given_up", "Records taken in and then refused for want of room", log.given_up);
    counter("log_freed_segments", "Segments that were freed", log.freed);
    counter("log_rewritten_segments", "Segments whose last records were moved to free them", log.rewritten);
    counter("log_damaged_ranges", "Damaged ranges met", log.damaged_ranges);
    page.head("log_sync_seconds", "Time spent syncing", Kind::Counter);
    page.line("log_sync_seconds", Kind::Counter, &[], log.fsync_time.as_secs_f64());
}

fn figures(page: &mut Page, topics: &[TopicStats]) {
    for figure in &TOPIC {
        page.head(figure.name, figure.help, figure.kind);
        for topic in topics {
            page.line(figure.name, figure.kind, &[("topic", &topic.topic_name)], (figure.value)(topic));
        }
    }
    for figure in &CHANNEL {
        page.head(figure.name, figure.help, figure.kind);
        for (topic, channel) in channels(topics) {
            let labels = [("topic", &*topic.topic_name), ("channel", &*channel.channel_name)];
            page.line(figure.name, figure.kind, &labels, (figure.value)(channel));
        }
    }
    page.head("channel_delivered", "Deliveries, by how near the consumer was", Kind::Counter);
    for (topic, channel) in channels(topics) {
        let counts = [
            ("zone", channel.zone_local_msg_count),
            ("region", channel.region_local_msg_count),
            ("global", channel.global_msg_count),
        ];
        for (near, count) in counts {
            let labels =
                [("topic", &*topic.topic_name), ("channel", &*channel.channel_name), ("proximity", near)];
            page.line("channel_delivered", Kind::Counter, &labels, count);
        }
    }
    page.head("topic_latency_seconds", "From publishing to finishing, all channels", Kind::Summary);
    for topic in topics {
        let labels = [("topic", &*topic.topic_name)];
        page.latency("topic_latency_seconds", &labels, &topic.e2e_processing_latency);
    }
    page.head("channel_latency_seconds", "From publishing to finishing", Kind::Summary);
    for (topic, channel) in channels(topics) {
        let labels = [("topic", &*topic.topic_name), ("channel", &*channel.channel_name)];
        page.latency("channel_latency_seconds", &labels, &channel.e2e_processing_latency);
    }
}

fn channels(topics: &[TopicStats]) -> impl Iterator<Item = (&TopicStats, &ChannelStats)> {
    topics.iter().flat_map(|topic| topic.channels.iter().map(move |channel| (topic, channel)))
}

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, help: &str, kind: Kind) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        let _ = writeln!(self.text, "# HELP eyrie_nsqd_{name} {help}.\n# TYPE eyrie_nsqd_{name} {kind}");
    }

    fn one(&mut self, name: &str, help: &str, kind: Kind, value: u64) {
        self.head(name, help, kind);
        self.line(name, kind, &[], value);
    }

    /// Names of topics and channels need no escapes.
    fn line(&mut self, name: &str, kind: Kind, labels: &[(&str, &str)], value: impl Display) {
        let suffix = match kind {
            Kind::Counter => "_total",
            Kind::Gauge | Kind::Summary => "",
        };
        let _ = write!(self.text, "eyrie_nsqd_{name}{suffix}");
        for (at, (label, value)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{label}=\"{value}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn latency(&mut self, name: &str, labels: &[(&str, &str)], latency: &Latency) {
        for quantile in latency.percentiles.iter().flatten() {
            let text = quantile.quantile.to_string();
            let labels: Vec<_> = labels.iter().copied().chain([("quantile", text.as_str())]).collect();
            self.line(name, Kind::Summary, &labels, quantile.value / 1e9);
        }
    }
}

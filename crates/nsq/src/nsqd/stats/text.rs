//! `GET /stats` for people: columns as wide as NSQ's.

use std::fmt;

use jiff::Timestamp;

use super::{ChannelStats, ClientStats, Latency, Report, TopicStats};
use crate::flags::duration;
use crate::version::banner;

/// A report as text.
pub struct Text<'a> {
    /// What it says.
    pub report: &'a Report,
    /// When it says so.
    pub now: Timestamp,
    /// How long the process has run.
    pub uptime: std::time::Duration,
}

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { health, start_time, topics, memory, producers, .. } = self.report;
        let started = Timestamp::from_second(*start_time).unwrap_or_default();
        writeln!(f, "{}", banner("nsqd"))?;
        writeln!(f, "start_time {}", started.strftime("%Y-%m-%dT%H:%M:%SZ"))?;
        writeln!(f, "uptime {}", duration::format(self.uptime))?;
        writeln!(f, "\nHealth: {health}")?;
        if let Some(memory) = memory {
            writeln!(f, "\nMemory:")?;
            for (name, value) in memory.figures() {
                writeln!(f, "   {name:<25}\t{value}")?;
            }
        }
        match topics.as_deref().unwrap_or_default() {
            [] => writeln!(f, "\nTopics: None")?,
            topics => {
                write!(f, "\nTopics:")?;
                for topic in topics {
                    self.topic(f, topic)?;
                }
            }
        }
        match producers.as_deref().unwrap_or_default() {
            [] => writeln!(f, "\nProducers: None"),
            producers => {
                writeln!(f, "\nProducers:")?;
                for client in producers {
                    write!(f, "   ")?;
                    self.client(f, client)?;
                }
                Ok(())
            }
        }
    }
}

impl Text<'_> {
    fn topic(&self, f: &mut fmt::Formatter<'_>, topic: &TopicStats) -> fmt::Result {
        let mark = if topic.paused { "*P " } else { "   " };
        let TopicStats { topic_name, depth, backend_depth, message_count, .. } = topic;
        writeln!(
            f,
            "\n{mark}[{topic_name:<15}] depth: {depth:<5} be-depth: {backend_depth:<5} msgs: {message_count:<8} e2e%: {}",
            Times(&topic.e2e_processing_latency)
        )?;
        for channel in &topic.channels {
            self.channel(f, channel)?;
        }
        Ok(())
    }

    fn channel(&self, f: &mut fmt::Formatter<'_>, channel: &ChannelStats) -> fmt::Result {
        let mark = if channel.paused { "   *P " } else { "      " };
        let ChannelStats { channel_name, depth, backend_depth, in_flight_count, deferred_count, .. } =
            channel;
        let ChannelStats { requeue_count, timeout_count, message_count, .. } = channel;
        writeln!(
            f,
            "{mark}[{channel_name:<25}] depth: {depth:<5} be-depth: {backend_depth:<5} inflt: {in_flight_count:<4} \
             def: {deferred_count:<4} re-q: {requeue_count:<5} timeout: {timeout_count:<5} msgs: {message_count:<8} \
             e2e%: {}",
            Times(&channel.e2e_processing_latency)
        )?;
        for client in channel.clients.as_deref().unwrap_or_default() {
            write!(f, "        ")?;
            self.client(f, client)?;
        }
        Ok(())
    }

    fn client(&self, f: &mut fmt::Formatter<'_>, client: &ClientStats) -> fmt::Result {
        let port = client.remote_address.rsplit_once(':').map_or("", |(_, port)| port);
        let id = format!("{}:{port} {}", client.hostname, client.user_agent);
        let seconds = u64::try_from(self.now.as_second() - client.connect_ts).unwrap_or(0);
        let connected = duration::format(std::time::Duration::from_secs(seconds));
        let version = client.version;
        if client.pub_counts.is_empty() {
            let ClientStats {
                state,
                in_flight_count,
                ready_count,
                finish_count,
                requeue_count,
                message_count,
                ..
            } = client;
            return writeln!(
                f,
                "[{version} {id:<21}] state: {state} inflt: {in_flight_count:<4} rdy: {ready_count:<4} \
                 fin: {finish_count:<8} re-q: {requeue_count:<8} msgs: {message_count:<8} connected: {connected}"
            );
        }
        let total: u64 = client.pub_counts.iter().map(|published| published.count).sum();
        let topics: Vec<_> = client
            .pub_counts
            .iter()
            .map(|published| format!("{}={}", published.topic, published.count))
            .collect();
        writeln!(
            f,
            "[{version} {id:<21}] msgs: {total:<8} topics: {} connected: {connected}",
            topics.join(",")
        )
    }
}

/// Percentiles as people read them: `1.5ms, 320.0us`.
struct Times<'a>(&'a Latency);

impl fmt::Display for Times<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, quantile) in self.0.percentiles.iter().flatten().enumerate() {
            let separator = if at == 0 { "" } else { ", " };
            let (value, unit) = match quantile.value {
                nanos if nanos > 1e9 => (nanos / 1e9, "s"),
                nanos if nanos > 1e6 => (nanos / 1e6, "ms"),
                nanos if nanos > 1e3 => (nanos / 1e3, "us"),
                nanos => (nanos, "ns"),
            };
            write!(f, "{separator}{value:.1}{unit}")?;
        }
        Ok(())
    }
}

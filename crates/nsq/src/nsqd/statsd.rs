//! Figures pushed to a statsd over UDP: counters as differences, the rest as gauges.

use std::fmt::Write as _;
use std::time::Duration;

use base::tasks::Stop;
use tokio::net::{UdpSocket, lookup_host};

use super::stats::{Latency, Memory, Stats};

/// How long before the next push the last packet of one is sent.
const PAUSE: Duration = Duration::from_secs(1);
/// Smallest packet that is used, whatever was asked for: a line has to fit.
const PACKET_BYTES_MIN: usize = 64;

/// What to push, and how.
#[derive(Clone, Debug)]
pub struct Config {
    /// `<addr>:<port>`, looked up at each push.
    pub address: String,
    /// What names begin with; see [`prefix`].
    pub prefix: String,
    /// Time between pushes, over which the packets of one are spread.
    pub interval: Duration,
    /// Largest packet.
    pub packet_bytes: usize,
    /// Whether memory is told too.
    pub memory: bool,
    /// Whether ephemeral topics and channels are left out.
    pub exclude_ephemeral: bool,
}

/// `nsq.%s` with this node's broadcast address and HTTP port in place of `%s`, their points and colons as
/// underscores, and a point behind: `nsq.127_0_0_1_4151.`.
pub fn prefix(wanted: &str, broadcast_address: &str, http_port: u16) -> String {
    let host = if broadcast_address.contains(':') {
        format!("[{broadcast_address}]:{http_port}")
    } else {
        format!("{broadcast_address}:{http_port}")
    };
    let mut prefix = wanted.replace("%s", &host.replace(['.', ':'], "_"));
    if !prefix.is_empty() && !prefix.ends_with('.') {
        prefix.push('.');
    }
    prefix
}

/// Pushes what `stats` tells every interval until the stop.
pub async fn run(config: Config, stats: impl Fn() -> Stats, stop: Stop) {
    // What was counted in an earlier life was pushed then.
    let mut last = stats();
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + config.interval, config.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.requested() => return,
        }
        let now = stats();
        let memory = config.memory.then(Memory::now);
        let packets = packets(&config, &now, &last, memory.as_ref());
        last = now;
        let sending = send(&config, &packets);
        tokio::select! {
            sent = sending => if let Err(error) = sent {
                tracing::error!("failed to push to statsd at {} - {error}", config.address);
            },
            () = stop.requested() => return,
        }
    }
}

async fn send(config: &Config, packets: &[String]) -> std::io::Result<()> {
    let address = lookup_host(&config.address)
        .await?
        .next()
        .ok_or_else(|| std::io::Error::new(std::io::ErrorKind::NotFound, "no such address"))?;
    let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(address).await?;
    let between = between(config.interval, packets.len());
    for packet in packets {
        socket.send(packet.as_bytes()).await?;
        tokio::time::sleep(between).await;
    }
    Ok(())
}

/// How long after one packet the next is sent, so that a push of many does not come as a burst.
fn between(interval: Duration, packets: usize) -> Duration {
    interval.saturating_sub(PAUSE) / u32::try_from(packets.max(1)).unwrap_or(u32::MAX)
}

/// The packets of one push: whole lines, each packet at most as large as configured.
fn packets(config: &Config, now: &Stats, last: &Stats, memory: Option<&Memory>) -> Vec<String> {
    let mut lines = Lines {
        prefix: &config.prefix,
        bytes_max: config.packet_bytes.max(PACKET_BYTES_MIN),
        packets: Vec::new(),
    };
    let skipped = |name: &str| config.exclude_ephemeral && name.ends_with("#ephemeral");
    for topic in now.topics.iter().flatten().filter(|topic| !skipped(&topic.topic_name)) {
        let before = last.topics.iter().flatten().find(|before| before.topic_name == topic.topic_name);
        let name = format!("topic.{}", topic.topic_name);
        lines.counter(&name, "message_count", topic.message_count, before.map(|b| b.message_count));
        lines.counter(&name, "message_bytes", topic.message_bytes, before.map(|b| b.message_bytes));
        lines.gauge(&name, "depth", topic.depth);
        lines.gauge(&name, "backend_depth", topic.backend_depth);
        lines.latency(&name, &topic.e2e_processing_latency);
        for channel in topic.channels.iter().filter(|channel| !skipped(&channel.channel_name)) {
            let before = before.and_then(|topic| {
                topic.channels.iter().find(|before| before.channel_name == channel.channel_name)
            });
            let name = format!("{name}.channel.{}", channel.channel_name);
            lines.counter(&name, "message_count", channel.message_count, before.map(|b| b.message_count));
            lines.gauge(&name, "depth", channel.depth);
            lines.gauge(&name, "backend_depth", channel.backend_depth);
            lines.gauge(&name, "in_flight_count", channel.in_flight_count);
            lines.gauge(&name, "deferred_count", channel.deferred_count);
            lines.counter(&name, "requeue_count", channel.requeue_count, before.map(|b| b.requeue_count));
            lines.counter(&name, "timeout_count", channel.timeout_count, before.map(|b| b.timeout_count));
            lines.gauge(&name, "clients", channel.client_count);
            lines.latency(&name, &channel.e2e_processing_latency);
        }
    }
    if let Some(memory) = memory {
        for (name, value) in memory.figures() {
            match name {
                "gc_total_runs" => lines.line(format_args!("mem.gc_runs:{value}|c")),
                name => lines.gauge("mem", name, value),
            }
        }
    }
    lines.packets
}

struct Lines<'a> {
    prefix: &'a str,
    bytes_max: usize,
    packets: Vec<String>,
}

impl Lines<'_> {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        let line = format!("{}{line}\n", self.prefix);
        match self.packets.last_mut() {
            Some(packet) if packet.len() + line.len() <= self.bytes_max => packet.push_str(&line),
            _ => self.packets.push(line),
        }
    }

    fn gauge(&mut self, name: &str, figure: &str, value: u64) {
        self.line(format_args!("{name}.{figure}:{value}|g"));
    }

    /// What was added since the last push; all of it when the count began anew.
    fn counter(&mut self, name: &str, figure: &str, value: u64, before: Option<u64>) {
        let added = value.checked_sub(before.unwrap_or(0)).unwrap_or(value);
        self.line(format_args!("{name}.{figure}:{added}|c"));
    }

    fn latency(&mut self, name: &str, latency: &Latency) {
        let mut figure = String::new();
        for quantile in latency.percentiles.iter().flatten() {
            figure.clear();
            let _ = write!(figure, "e2e_processing_latency_{:.0}", quantile.quantile * 100.0);
            self.gauge(name, &figure, quantile.value as u64);
        }
    }
}

#[cfg(test)]
mod tests;

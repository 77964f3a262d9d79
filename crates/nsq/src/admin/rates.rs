//! What moved in the last minutes: messages a second and depth of every topic, channel and node.
//!
//! nsqds only count. While somebody looks at nsqadmin, and for some minutes after, the whole cluster is
//! asked every [`SAMPLE_EVERY`] and the differences are kept. When nobody looks, nobody is asked; that
//! time, and any when nobody answered, is a gap and stays one.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base::tasks::TaskGroup;
use parking_lot::Mutex;

use super::Admin;
use crate::cluster::TopicStats;
use crate::cluster::read::Part;

/// How often the cluster is asked.
pub const SAMPLE_EVERY: Duration = Duration::from_secs(2);

/// Samples that are kept: five minutes.
pub const SAMPLES_MAX: usize = 150;

/// How long after the last look sampling goes on.
pub const LOOKED_WITHIN: Duration = Duration::from_secs(10 * 60);

/// Topics, channels and nodes that are followed; with more of them those that come later have no chart.
pub const SERIES_MAX: usize = 20_000;

/// What a series is of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Of<'a> {
    /// Everything.
    All,
    /// One node.
    Node(&'a str),
    /// A topic on all nodes.
    Topic(&'a str),
    /// A topic on one node.
    TopicAt(&'a str, &'a str),
    /// A channel on all nodes.
    Channel(&'a str, &'a str),
    /// A channel on one node.
    ChannelAt(&'a str, &'a str, &'a str),
}

impl Of<'_> {
    fn key(self) -> String {
        match self {
            Self::All => String::new(),
            // Names hold no slash, addresses no tab.
            Self::Node(node) => format!("\t{node}"),
            Self::Topic(topic) => topic.to_owned(),
            Self::TopicAt(topic, node) => format!("{topic}\t{node}"),
            Self::Channel(topic, channel) => format!("{topic}/{channel}"),
            Self::ChannelAt(topic, channel, node) => format!("{topic}/{channel}\t{node}"),
        }
    }
}

/// The last five minutes of something, oldest first, one figure every [`SAMPLE_EVERY`]; none: a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Moved {
    /// Messages a second.
    pub rate: Vec<Option<f64>>,
    /// Messages that wait.
    pub depth: Vec<Option<f64>>,
}

impl Moved {
    /// Messages a second between the last two samples, if they are not old.
    pub fn now(&self) -> Option<f64> {
        self.rate.iter().rev().take(3).find_map(|rate| *rate)
    }
}

/// See [`Moved`]. One for each nsqadmin.
#[derive(Default)]
pub struct Rates {
    /// Milliseconds since the epoch.
    looked_at: AtomicI64,
    kept: Mutex<Kept>,
}

struct Kept {
    /// The number of the latest sample's slot: time over [`SAMPLE_EVERY`].
    slot: i64,
    series: HashMap<String, Series>,
}

impl Default for Kept {
    fn default() -> Self {
        Self { slot: i64::MIN, series: HashMap::new() }
    }
}

#[derive(Default)]
struct Series {
    /// Of one node only: slot, counted messages, milliseconds.
    last: Option<(i64, i64, i64)>,
    /// Slot, messages a second, depth.
    samples: VecDeque<(i64, Option<f64>, i64)>,
}

fn slot(ms: i64) -> i64 {
    ms.div_euclid(i64::try_from(SAMPLE_EVERY.as_millis()).unwrap_or(1))
}

impl Rates {
    /// Somebody looks: sampling goes on for a while.
    pub fn look(&self, now_ms: i64) {
        self.looked_at.fetch_max(now_ms, Ordering::Relaxed);
    }

    pub(super) fn is_looked_at(&self, now_ms: i64) -> bool {
        let patience = i64::try_from(LOOKED_WITHIN.as_millis()).unwrap_or(i64::MAX);
        now_ms - self.looked_at.load(Ordering::Relaxed) < patience
    }

    /// The last five minutes of something; all gaps if it is not known.
    pub fn of(&self, of: Of<'_>) -> Moved {
        let kept = self.kept.lock();
        let mut moved = Moved { rate: vec![None; SAMPLES_MAX], depth: vec![None; SAMPLES_MAX] };
        let Some(series) = kept.series.get(&of.key()) else { return moved };
        for (slot, rate, depth) in &series.samples {
            let place =
                usize::try_from(kept.slot - slot).ok().and_then(|ago| (SAMPLES_MAX - 1).checked_sub(ago));
            if let Some(place) = place {
                moved.rate[place] = *rate;
                #[expect(clippy::cast_precision_loss, reason = "for a picture")]
                let depth = *depth as f64;
                moved.depth[place] = Some(depth);
            }
        }
        moved
    }

    /// Takes in what all nsqds said at one moment, a row for each topic and node.
    pub(super) fn record(&self, now_ms: i64, rows: &[TopicStats]) {
        let mut kept = self.kept.lock();
        let now = slot(now_ms);
        if now <= kept.slot {
            return;
        }
        kept.slot = now;
        // Sums of rates, not rates of sums: a node that comes and goes moves no messages by that.
        let mut sums: HashMap<String, (Option<f64>, i64)> = HashMap::new();
        let mut add = |of: Of<'_>, rate: Option<f64>, depth: i64| {
            let sum = sums.entry(of.key()).or_default();
            sum.0 = rate.map(|rate| rate + sum.0.unwrap_or_default()).or(sum.0);
            sum.1 += depth;
        };
        for row in rows {
            let (topic, node) = (row.topic_name.as_str(), row.node.as_str());
            let of_channels = row.channels.iter().flatten().map(|channel| channel.depth).sum::<i64>();
            let rate = kept.count(Of::TopicAt(topic, node), now_ms, row.message_count, row.depth);
            for of in [Of::All, Of::Node(node), Of::Topic(topic)] {
                add(of, rate, row.depth + of_channels);
            }
            for channel in row.channels.iter().flatten() {
                let (name, depth) = (channel.channel_name.as_str(), channel.depth);
                let rate = kept.count(Of::ChannelAt(topic, name, node), now_ms, channel.message_count, depth);
                add(Of::Channel(topic, name), rate, depth);
            }
        }
        for (key, (rate, depth)) in sums {
            if let Some(series) = kept.series(key) {
                series.push(now, rate, depth);
            }
        }
        let oldest = now - i64::try_from(SAMPLES_MAX).unwrap_or(i64::MAX);
        kept.series.retain(|_, series| series.samples.back().is_some_and(|(slot, ..)| *slot > oldest));
    }
}

impl Kept {
    fn series(&mut self, key: String) -> Option<&mut Series> {
        let room = self.series.len() < SERIES_MAX || self.series.contains_key(&key);
        room.then(|| self.series.entry(key).or_default())
    }

    /// What one node counted so far; answers messages a second since the sample before.
    fn count(&mut self, of: Of<'_>, now_ms: i64, messages: i64, depth: i64) -> Option<f64> {
        let slot = self.slot;
        let series = self.series(of.key())?;
        // After a gap, and when a node began again, nothing is known of the time between.
        let known = series.last.filter(|(last, before, _)| slot - last <= 2 && *before <= messages);
        let rate = known.and_then(|(_, before, then_ms)| {
            #[expect(clippy::cast_precision_loss, reason = "a rate")]
            let (more, ms) = ((messages - before) as f64, (now_ms - then_ms) as f64);
            (ms > 0.0).then(|| more * 1_000.0 / ms)
        });
        series.last = Some((slot, messages, now_ms));
        series.push(slot, rate, depth);
        rate
    }
}

impl Series {
    fn push(&mut self, slot: i64, rate: Option<f64>, depth: i64) {
        self.samples.push_back((slot, rate, depth));
        while self.samples.len() > SAMPLES_MAX {
            self.samples.pop_front();
        }
    }
}

/// Starts the task that asks.
pub(super) fn start(admin: &Admin, tasks: &TaskGroup) {
    let (admin, stop) = (admin.clone(), tasks.stop_signal());
    tasks.spawn("nsqadmin rates", async move {
        let mut ticks = tokio::time::interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.requested() => return,
                _ = ticks.tick() => {}
            }
            if admin.rates().is_looked_at(admin.clock().now().millis()) {
                tokio::select! {
                    () = stop.requested() => return,
                    () = sample(&admin) => {}
                }
            }
        }
    });
}

/// One look at the whole cluster. Whoever does not answer is missing from the sums: their sample is a gap.
async fn sample(admin: &Admin) {
    let cluster = admin.cluster();
    let Ok(producers) = cluster.producers().await else { return };
    let Ok(rows) = cluster.stats(&producers.value, Part::default()).await else { return };
    admin.rates().record(admin.clock().now().millis(), &rows.value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ChannelStats;

    fn row(node: &str, messages: i64, depth: i64) -> TopicStats {
        let channel =
            ChannelStats { channel_name: "c".into(), message_count: messages, ..Default::default() };
        TopicStats {
            node: node.into(),
            topic_name: "t".into(),
            message_count: messages,
            depth,
            channels: Some(vec![channel]),
            ..TopicStats::default()
        }
    }

    fn last(moved: &Moved, n: usize) -> &[Option<f64>] {
        &moved.rate[SAMPLES_MAX - n..]
    }

    #[test]
    fn differences_become_rates_and_gaps_stay_gaps() {
        let rates = Rates::default();
        rates.record(0, &[row("a", 100, 5)]);
        rates.record(2_000, &[row("a", 300, 7)]);
        rates.record(4_000, &[row("a", 300, 7)]);
        // Nothing for 20 s.
        rates.record(24_000, &[row("a", 900, 0)]);
        rates.record(26_000, &[row("a", 920, 0)]);
        let topic = rates.of(Of::Topic("t"));
        assert_eq!(last(&topic, 3), [None, None, Some(10.0)], "the first one after a gap is not known");
        assert_eq!(topic.now(), Some(10.0));
        let before = &topic.rate[SAMPLES_MAX - 14..SAMPLES_MAX - 10];
        assert_eq!(before, [None, Some(100.0), Some(0.0), None]);
        assert_eq!(topic.depth[SAMPLES_MAX - 13], Some(7.0));
        assert_eq!(rates.of(Of::ChannelAt("t", "c", "a")).now(), Some(10.0));
        assert_eq!(rates.of(Of::Node("b")).now(), None);
    }

    #[test]
    fn nodes_that_come_and_go_move_nothing() {
        let rates = Rates::default();
        let both = |a, b| [row("a", a, 0), row("b", b, 0)];
        rates.record(0, &both(100, 1_000));
        rates.record(2_000, &both(120, 4));
        assert_eq!(rates.of(Of::Topic("t")).now(), Some(10.0), "b began again");
        rates.record(4_000, &both(120, 4)[..1]);
        rates.record(6_000, &both(120, 4)[..1]);
        rates.record(8_000, &both(140, 9_000));
        assert_eq!(rates.of(Of::All).now(), Some(10.0), "b was away and is back");
        rates.record(10_000, &both(140, 9_002));
        assert_eq!(rates.of(Of::All).now(), Some(1.0));
        assert_eq!(rates.of(Of::Channel("t", "c")).now(), Some(1.0));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let rates = Rates::default();
        rates.record(0, &[row("a", 1, 0)]);
        rates.record(2_000 * i64::try_from(SAMPLES_MAX).expect("small"), &[]);
        assert!(rates.kept.lock().series.is_empty());
    }
}

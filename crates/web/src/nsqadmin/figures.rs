//! Rows and charts as the pages show them.

use base::Timestamp;
use nsq::admin::graphite::{self, Figure};
use nsq::admin::rates::{Moved, Of, SAMPLE_EVERY, SAMPLES_MAX};
use nsq::admin::{Admin, Rates};
use nsq::cluster::read::Part;
use nsq::cluster::{ChannelStats, Cluster, Error, Problem, Producer, TopicStats};
use serde::Serialize;
use stats::Kind;
use stats::timeframe::Window;

use crate::chart;

/// Of a chart over the whole page, in CSS pixels.
const WIDE: (u32, u32) = (1_030, 200);
/// Of one of two beside each other, in CSS pixels.
const HALF: (u32, u32) = (490, 190);
/// Samples of the line beside a number.
const RECENT: usize = 60;
/// Of the chart on phones, in CSS pixels.
const NARROW: (u32, u32) = (340, 170);

/// One line of a table of topics.
#[derive(Serialize)]
pub(super) struct TopicLine {
    pub(super) name: String,
    pub(super) ephemeral: bool,
    pub(super) paused: bool,
    /// On how many nodes; none: only nsqlookupds know it.
    pub(super) nodes: usize,
    pub(super) channels: usize,
    /// With those of its channels.
    pub(super) depth: i64,
    pub(super) in_flight: i64,
    pub(super) clients: i64,
    pub(super) messages: i64,
    pub(super) rate: Option<f64>,
    pub(super) spark: Vec<Option<f64>>,
}

impl TopicLine {
    pub(super) fn of(name: &str, rows: &[TopicStats], rates: &Rates) -> Self {
        let rows: Vec<&TopicStats> = rows.iter().filter(|row| row.topic_name == name).collect();
        let channels: Vec<&ChannelStats> =
            rows.iter().flat_map(|row| row.channels.iter().flatten()).collect();
        let mut names: Vec<&str> = channels.iter().map(|channel| channel.channel_name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let moved = rates.of(Of::Topic(name));
        Self {
            name: name.to_owned(),
            ephemeral: is_ephemeral(name),
            paused: rows.iter().any(|row| row.paused),
            nodes: rows.len(),
            channels: names.len(),
            depth: rows.iter().map(|row| row.depth).sum::<i64>()
                + channels.iter().map(|c| c.depth).sum::<i64>(),
            in_flight: channels.iter().map(|channel| channel.in_flight_count).sum(),
            clients: channels.iter().map(|channel| channel.client_count).sum(),
            messages: rows.iter().map(|row| row.message_count).sum(),
            rate: moved.now(),
            spark: recent(&moved.rate),
        }
    }
}

/// One line of a table of channels, or of one channel's nodes.
#[derive(Serialize)]
pub(super) struct ChannelLine {
    /// Without its nodes and clients: those have tables of their own.
    pub(super) stats: ChannelStats,
    pub(super) ephemeral: bool,
    pub(super) rate: Option<f64>,
    /// Of its depth.
    pub(super) spark: Vec<Option<f64>>,
}

impl ChannelLine {
    pub(super) fn of(stats: &ChannelStats, moved: Moved) -> Self {
        let stats = ChannelStats { nodes: None, clients: None, ..stats.clone() };
        let rate = moved.now();
        Self { ephemeral: is_ephemeral(&stats.channel_name), stats, rate, spark: recent(&moved.depth) }
    }
}

/// One line of a topic's nodes.
#[derive(Serialize)]
pub(super) struct NodeLine {
    /// Without its channels.
    pub(super) stats: TopicStats,
    pub(super) bytes: i64,
    pub(super) channels: usize,
    pub(super) rate: Option<f64>,
}

impl NodeLine {
    pub(super) fn of(stats: &TopicStats, moved: &Moved) -> Self {
        let channels = stats.channels.as_ref().map_or(0, Vec::len);
        let bytes = stats.message_bytes;
        let stats = TopicStats { nodes: None, channels: None, ..stats.clone() };
        Self { stats, bytes, channels, rate: moved.now() }
    }
}

/// What the line beside a number shows: the last two minutes.
pub(super) fn recent(figures: &[Option<f64>]) -> Vec<Option<f64>> {
    figures[figures.len().saturating_sub(RECENT)..].to_vec()
}

pub(super) fn is_ephemeral(name: &str) -> bool {
    name.ends_with("#ephemeral")
}

/// What the whole cluster holds: names of topics (those of nsqlookupds too), nodes, rows.
pub(super) struct Whole {
    pub(super) topics: Vec<String>,
    pub(super) producers: Vec<Producer>,
    pub(super) rows: Vec<TopicStats>,
    pub(super) problems: Vec<Problem>,
}

/// Reads all of it. An error: nobody answered at all; a cluster without nsqds is an empty one.
pub(super) async fn whole(cluster: &Cluster) -> Result<Whole, Error> {
    let mut problems = Vec::new();
    let producers = cluster.producers().await?.note(&mut problems);
    let mut topics =
        if cluster.has_lookupds() { cluster.topics().await?.note(&mut problems) } else { vec![] };
    let rows = rows(cluster, &producers, Part::default(), &mut problems).await;
    topics.extend(rows.iter().map(|row| row.topic_name.clone()));
    topics.sort_unstable();
    topics.dedup();
    Ok(Whole { topics, producers, rows, problems: tidied(problems) })
}

/// Rows of those who answer; that nobody does is a problem, not the end of the page.
pub(super) async fn rows(
    cluster: &Cluster,
    producers: &[Producer],
    part: Part<'_>,
    problems: &mut Vec<Problem>,
) -> Vec<TopicStats> {
    if producers.is_empty() {
        return Vec::new();
    }
    match cluster.stats(producers, part).await {
        Ok(seen) => seen.note(problems),
        Err(error) => {
            problems.extend(error.problems);
            Vec::new()
        }
    }
}

/// Where messages can be sent to and consumers connect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Door {
    /// Of the HTTP API.
    pub(super) http: String,
    /// Of the protocol.
    pub(super) tcp: String,
}

/// The first of these nsqds. Where there is none: the first that the options name, or one on this machine.
pub(super) fn door(admin: &Admin, producers: &[Producer]) -> Door {
    if let Some(first) = producers.first() {
        return Door { http: first.http_address(), tcp: first.tcp_address() };
    }
    let options = admin.options();
    let named = options.nsqd_http_addresses.first();
    let http = named.map_or_else(|| "127.0.0.1:4151".to_owned(), Clone::clone);
    let host = http.rsplit_once(':').map_or(http.as_str(), |(host, _)| host);
    Door { tcp: format!("{host}:4150"), http }
}

/// As [`door`]; of a topic that no nsqd has, any nsqd is one.
pub(super) async fn any_door(admin: &Admin, producers: &[Producer]) -> Door {
    if !producers.is_empty() {
        return door(admin, producers);
    }
    let all = admin.cluster().producers().await.map(|seen| seen.value).unwrap_or_default();
    door(admin, &all)
}

/// Each problem once.
pub(super) fn tidied(mut problems: Vec<Problem>) -> Vec<Problem> {
    problems.sort_unstable();
    problems.dedup();
    problems
}

/// A chart of the last five minutes, drawn twice: for wide windows and for phones.
#[derive(Serialize)]
pub(super) struct Chart {
    pub(super) wide: String,
    pub(super) narrow: String,
    /// Whether there is a single figure to show.
    pub(super) any: bool,
    /// Where graphite shows more of it, if there is one.
    pub(super) longer: Option<String>,
}

/// A chart over the whole page: messages a second. `title` says what it shows, for those who cannot see it.
pub(super) fn chart(admin: &Admin, title: &str, of: Of<'_>, figures: &[Option<f64>]) -> Chart {
    draw(admin, title, (of, Figure::Rate), figures, WIDE)
}

/// One of two charts beside each other: messages a second.
pub(super) fn rate_chart(admin: &Admin, title: &str, of: Of<'_>, moved: &Moved) -> Chart {
    draw(admin, title, (of, Figure::Rate), &moved.rate, HALF)
}

/// One of two charts beside each other: messages that wait.
pub(super) fn depth_chart(admin: &Admin, title: &str, of: Of<'_>, moved: &Moved) -> Chart {
    draw(admin, title, (of, Figure::Depth), &moved.depth, HALF)
}

fn draw(
    admin: &Admin,
    title: &str,
    (of, figure): (Of<'_>, Figure),
    figures: &[Option<f64>],
    size: (u32, u32),
) -> Chart {
    let step_seconds = i64::try_from(SAMPLE_EVERY.as_secs()).unwrap_or(1);
    let length = step_seconds * i64::try_from(SAMPLES_MAX).unwrap_or(1);
    let start = Timestamp::from_seconds(admin.clock().now().seconds() - length);
    let known: Vec<f64> = figures.iter().flatten().copied().collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean of a few figures")]
    let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
    let spec = chart::Spec {
        width: size.0,
        height: size.1,
        theme: chart::Theme::Page,
        kind: Kind::Counter,
        title: title.to_owned(),
        period: "last 5 minutes by 2 seconds".to_owned(),
        heading: String::new(),
        figure: String::new(),
        number: mean,
        window: Window { start, step_seconds, count: figures.len() },
        figures: figures.to_vec(),
        previous: Vec::new(),
        slot: usize::from(figure == Figure::Depth),
    };
    let narrow = chart::Spec { width: NARROW.0, height: NARROW.1, ..spec.clone() };
    let longer = graphite::picture(&admin.options(), &admin.base_path(), of, figure);
    Chart { wide: chart::svg(&spec), narrow: chart::svg(&narrow), any: !known.is_empty(), longer }
}

//! `/topics/{topic}`: its channels and the nodes it is on.

use axum::extract::Path;
use nsq::admin::rates::Of;
use nsq::cluster::read::Part;
use nsq::cluster::{Problem, TopicStats};
use serde::Serialize;

use super::figures::{
    ChannelLine, Chart, Door, NodeLine, any_door, depth_chart, is_ephemeral, rate_chart, rows, tidied,
};
use super::missing;
use super::visit::{Answer, Visit};

#[derive(Serialize)]
struct View {
    topic: String,
    ephemeral: bool,
    /// Without nodes and channels: see those.
    total: TopicStats,
    bytes: i64,
    rate: Option<f64>,
    rate_chart: Chart,
    depth_chart: Chart,
    /// With those of its channels.
    depth: i64,
    in_flight: i64,
    clients: i64,
    channels: Vec<ChannelLine>,
    nodes: Vec<NodeLine>,
    /// Channels that only nsqlookupds know.
    promised: Vec<String>,
    measured: bool,
    door: Door,
    problems: Vec<Problem>,
}

/// `GET /topics/{topic}`
pub(super) async fn topic(visit: Visit, Path(topic): Path<String>) -> Answer {
    let admin = visit.admin().clone();
    let cluster = admin.cluster();
    let mut problems = Vec::new();
    let found = cluster.topic_producers(&topic).await;
    let producers = match found {
        Ok(seen) => seen.note(&mut problems),
        Err(error) if is_unknown(&error.problems) => return Err(missing::topic(&admin, &topic).await),
        Err(error) => return Err(error.into()),
    };
    if producers.is_empty() && !cluster.has_lookupds() {
        return Err(missing::topic(&admin, &topic).await);
    }
    // One nsqlookupd that has not heard of a topic is not broken.
    problems.retain(|problem| !is_unknown(std::slice::from_ref(problem)));
    let part = Part { topic: Some(&topic), ..Part::default() };
    let rows = rows(&cluster, &producers, part, &mut problems).await;
    let total = TopicStats::total(&topic, &rows);
    let rates = admin.rates();
    let moved = rates.of(Of::Topic(&topic));
    let mut channels: Vec<ChannelLine> = (total.channels.iter().flatten())
        .map(|channel| ChannelLine::of(channel, rates.of(Of::Channel(&topic, &channel.channel_name))))
        .collect();
    channels.sort_by_cached_key(|line| app::natural::key(&line.stats.channel_name));
    let nodes: Vec<NodeLine> =
        rows.iter().map(|row| NodeLine::of(row, &rates.of(Of::TopicAt(&topic, &row.node)))).collect();
    let known = |name: &String| channels.iter().any(|line| line.stats.channel_name == *name);
    let promised = match cluster.has_lookupds() {
        true => cluster.channels(&topic).await.map(|seen| seen.value).unwrap_or_default(),
        false => Vec::new(),
    };
    let door = any_door(&admin, &producers).await;
    let of = Of::Topic(&topic);
    visit.present(
        "topic",
        View {
            ephemeral: is_ephemeral(&topic),
            bytes: total.message_bytes,
            rate: moved.now(),
            rate_chart: rate_chart(&admin, &format!("Messages a second into {topic}"), of, &moved),
            depth_chart: depth_chart(&admin, &format!("Messages waiting in {topic}"), of, &moved),
            depth: total.depth + channels.iter().map(|line| line.stats.depth).sum::<i64>(),
            in_flight: channels.iter().map(|line| line.stats.in_flight_count).sum(),
            clients: channels.iter().map(|line| line.stats.client_count).sum(),
            promised: promised.into_iter().filter(|name| !known(name)).collect(),
            measured: is_measured(nodes.iter().map(|line| &line.stats.e2e_processing_latency)),
            door,
            total: TopicStats { nodes: None, channels: None, ..total },
            problems: tidied(problems),
            channels,
            nodes,
            topic,
        },
    )
}

/// Whether all that is wrong is that nobody knows the topic.
pub(super) fn is_unknown(problems: &[Problem]) -> bool {
    !problems.is_empty() && problems.iter().all(|problem| problem.text.contains("TOPIC_NOT_FOUND"))
}

/// Whether any node measures how long messages take.
pub(super) fn is_measured<'a>(latencies: impl Iterator<Item = &'a Option<nsq::cluster::Latency>>) -> bool {
    latencies.flatten().any(|latency| latency.percentiles.as_ref().is_some_and(|list| !list.is_empty()))
}

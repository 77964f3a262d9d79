//! `/nodes` and `/nodes/{node}`.

use axum::extract::{Path, Query};
use nsq::admin::rates::Of;
use nsq::cluster::producer::ProducerTopic;
use nsq::cluster::read::Part;
use nsq::cluster::{ClientStats, Cluster, Problem, Producer, TopicStats};
use serde::{Deserialize, Serialize};

use super::figures::{ChannelLine, Chart, NodeLine, chart, recent, rows, tidied};
use super::missing;
use super::visit::{Answer, Visit};

/// Topics that are named in a line of the table; the others are on the node's own page.
const NAMED_MAX: usize = 12;

/// Consumers that are listed; with more of them the node is not asked for any, it would tell of all each time.
const CONSUMERS_MAX: i64 = 500;

#[derive(Serialize)]
struct View {
    nodes: Vec<Line>,
    lookupds: Vec<String>,
    /// What those are told who have neither.
    nsqds: Vec<String>,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Line {
    node: String,
    producer: Producer,
    /// Not all nsqlookupds know it.
    inconsistent: bool,
    topics: usize,
    /// The first of them, tombstoned ones before others.
    named: Vec<ProducerTopic>,
    tombstones: usize,
    rate: Option<f64>,
    spark: Vec<Option<f64>>,
}

/// `GET /nodes`
pub(super) async fn nodes(visit: Visit) -> Answer {
    let admin = visit.admin().clone();
    let cluster = admin.cluster();
    let lookupds = cluster.addresses().lookupds.clone();
    let seen = cluster.producers().await?;
    let line = |producer: Producer| {
        let moved = admin.rates().of(Of::Node(&producer.http_address()));
        let topics = producer.topics.as_deref().unwrap_or_default();
        let mut named = topics.to_vec();
        named.sort_by_cached_key(|topic| (!topic.tombstoned, app::natural::key(&topic.topic)));
        named.truncate(NAMED_MAX);
        Line {
            named,
            node: producer.http_address(),
            inconsistent: producer.is_inconsistent(lookupds.len()),
            topics: topics.len(),
            tombstones: topics.iter().filter(|topic| topic.tombstoned).count(),
            rate: moved.now(),
            spark: recent(&moved.rate),
            producer,
        }
    };
    let nodes = seen.value.into_iter().map(line).collect();
    let nsqds = cluster.addresses().nsqds.clone();
    let problems = tidied(seen.problems);
    visit.present("nodes", View { nodes, lookupds: lookupds.clone(), nsqds, problems })
}

#[derive(Serialize)]
struct NodeView {
    node: String,
    producer: Producer,
    topics: Vec<Held>,
    messages: i64,
    clients: i64,
    depth: i64,
    rate: Option<f64>,
    chart: Chart,
    /// Listed unless there are more than [`CONSUMERS_MAX`].
    consumers: Vec<Consumer>,
    /// The topic whose line on another page led here to take it off.
    chosen: String,
    problems: Vec<Problem>,
}

/// Somebody connected to this node.
#[derive(Serialize)]
struct Consumer {
    topic: String,
    channel: String,
    client: ClientStats,
}

#[derive(Deserialize, Default)]
pub(super) struct Params {
    /// A topic to take off.
    #[serde(default)]
    off: String,
}

/// A topic on this node.
#[derive(Serialize)]
struct Held {
    line: NodeLine,
    channels: Vec<ChannelLine>,
    tombstoned: bool,
}

/// `GET /nodes/{node}`
pub(super) async fn node(visit: Visit, Path(node): Path<String>, Query(params): Query<Params>) -> Answer {
    let admin = visit.admin().clone();
    let cluster = admin.cluster();
    let seen = cluster.producers().await?;
    let mut problems = seen.problems;
    let producer = seen.value.into_iter().find(|producer| producer.http_address() == node);
    let Some(producer) = producer else { return Err(missing::node(&admin, &node).await) };
    let found = rows(&cluster, std::slice::from_ref(&producer), Part::default(), &mut problems).await;
    let tombstoned =
        |name: &str| producer.topics.iter().flatten().any(|topic| topic.topic == name && topic.tombstoned);
    let rates = admin.rates();
    let held = |row: &TopicStats| Held {
        channels: (row.channels.iter().flatten())
            .map(|channel| {
                let of = Of::ChannelAt(&row.topic_name, &channel.channel_name, &node);
                ChannelLine::of(channel, rates.of(of))
            })
            .collect(),
        line: NodeLine::of(row, &rates.of(Of::TopicAt(&row.topic_name, &node))),
        tombstoned: tombstoned(&row.topic_name),
    };
    let channels = || found.iter().flat_map(|row| row.channels.iter().flatten());
    let clients: i64 = channels().map(|channel| channel.client_count).sum();
    let consumers = match clients {
        1..=CONSUMERS_MAX => consumers(&cluster, &producer, &mut problems).await,
        _ => Vec::new(),
    };
    let moved = rates.of(Of::Node(&node));
    let view = NodeView {
        topics: found.iter().map(held).collect(),
        messages: found.iter().map(|row| row.message_count).sum(),
        clients,
        consumers,
        chosen: params.off,
        depth: found.iter().map(|row| row.depth).sum::<i64>()
            + channels().map(|channel| channel.depth).sum::<i64>(),
        rate: moved.now(),
        chart: chart(&admin, &format!("Messages a second into {node}"), Of::Node(&node), &moved.rate),
        problems: tidied(problems),
        producer: producer.clone(),
        node: node.clone(),
    };
    visit.present("node", view)
}

/// Who is connected to a node, as its topics and channels are ordered.
async fn consumers(cluster: &Cluster, producer: &Producer, problems: &mut Vec<Problem>) -> Vec<Consumer> {
    let part = Part { clients: true, ..Part::default() };
    let topics = rows(cluster, std::slice::from_ref(producer), part, problems).await;
    let mut found = Vec::new();
    for channel in topics.into_iter().flat_map(|topic| topic.channels.unwrap_or_default()) {
        let (topic, name) = (channel.topic_name, channel.channel_name);
        let clients = channel.clients.unwrap_or_default().into_iter();
        found.extend(clients.map(|client| Consumer { topic: topic.clone(), channel: name.clone(), client }));
    }
    found
}

//! `/nodes` and `/nodes/{node}`.

use axum::extract::Path;
use nsq::admin::rates::Of;
use nsq::cluster::read::Part;
use nsq::cluster::{Problem, Producer, TopicStats};
use serde::Serialize;

use super::figures::{ChannelLine, Chart, NodeLine, chart, recent, rows, tidied};
use super::visit::{Answer, Sorry, Visit};

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
        Line {
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
    problems: Vec<Problem>,
}

/// A topic on this node.
#[derive(Serialize)]
struct Held {
    line: NodeLine,
    channels: Vec<ChannelLine>,
    tombstoned: bool,
}

/// `GET /nodes/{node}`
pub(super) async fn node(visit: Visit, Path(node): Path<String>) -> Answer {
    let admin = visit.admin().clone();
    let cluster = admin.cluster();
    let seen = cluster.producers().await?;
    let mut problems = seen.problems;
    let producer = seen.value.into_iter().find(|producer| producer.http_address() == node);
    let producer = producer.ok_or_else(|| Sorry::not_found(format!("There is no node {node}.")))?;
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
    let moved = rates.of(Of::Node(&node));
    let view = NodeView {
        topics: found.iter().map(held).collect(),
        messages: found.iter().map(|row| row.message_count).sum(),
        clients: channels().map(|channel| channel.client_count).sum(),
        depth: found.iter().map(|row| row.depth).sum::<i64>()
            + channels().map(|channel| channel.depth).sum::<i64>(),
        rate: moved.now(),
        chart: chart(&admin, &format!("Messages a second into {node}"), &moved.rate),
        problems: tidied(problems),
        producer: producer.clone(),
        node: node.clone(),
    };
    visit.present("node", view)
}

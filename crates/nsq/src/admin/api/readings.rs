//! The GETs.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::response::Response;
use serde::Serialize;

use super::{Admin, log, upstream, warning};
use crate::cluster::read::Part;
use crate::cluster::{ChannelStats, Error, Producer, Seen, TopicStats, lines};
use crate::http::{Failure, Query, answer};

type Answer = Result<Response, Failure>;

/// What several questions to the cluster complained of; one text a question.
#[derive(Default)]
struct Warnings(Vec<String>);

impl Warnings {
    /// The value; its problems become one warning.
    fn take<T>(&mut self, seen: Result<Seen<T>, Error>) -> Result<T, Failure> {
        let seen = seen.map_err(upstream)?;
        if !seen.problems.is_empty() {
            log(&seen.problems);
            self.0.push(lines(&seen.problems));
        }
        Ok(seen.value)
    }

    fn message(&self) -> String {
        warning(&self.0)
    }
}

#[derive(Serialize)]
struct Topics<T: Serialize> {
    topics: T,
    message: String,
}

/// `GET /api/topics[?inactive=true]`
pub(super) async fn topics(State(admin): State<Admin>, query: Query) -> Answer {
    let cluster = admin.cluster();
    let mut warnings = Warnings::default();
    let topics = warnings.take(cluster.topics().await)?;
    if query.get("inactive") != Some("true") {
        let topics = (!topics.is_empty()).then_some(topics);
        return Ok(answer::json(&Topics { topics, message: warnings.message() }));
    }
    let mut inactive: BTreeMap<String, Option<Vec<String>>> = BTreeMap::new();
    if cluster.has_lookupds() {
        for topic in topics {
            // As in the original: one that cannot be looked up has no producers.
            let producers = cluster.topic_producers(&topic).await.map(|seen| seen.value).unwrap_or_default();
            if producers.is_empty() {
                let channels = cluster.channels(&topic).await.map(|seen| seen.value).unwrap_or_default();
                inactive.insert(topic, (!channels.is_empty()).then_some(channels));
            }
        }
    }
    Ok(answer::json(&Topics { topics: inactive, message: warnings.message() }))
}

#[derive(Serialize)]
struct With<T: Serialize> {
    #[serde(flatten)]
    stats: T,
    message: String,
}

/// `GET /api/topics/{topic}`
pub(super) async fn topic(State(admin): State<Admin>, Path(topic): Path<String>) -> Answer {
    let cluster = admin.cluster();
    let mut warnings = Warnings::default();
    let producers = warnings.take(cluster.topic_producers(&topic).await)?;
    let part = Part { topic: Some(&topic), ..Part::default() };
    let rows = warnings.take(cluster.stats(&producers, part).await)?;
    Ok(answer::json(&With { stats: TopicStats::total(&topic, &rows), message: warnings.message() }))
}

/// `GET /api/topics/{topic}/{channel}`; of a channel that no node has, nothing but the message.
pub(super) async fn channel(
    State(admin): State<Admin>,
    Path((topic, channel)): Path<(String, String)>,
) -> Answer {
    let cluster = admin.cluster();
    let mut warnings = Warnings::default();
    let producers = warnings.take(cluster.topic_producers(&topic).await)?;
    let part = Part { topic: Some(&topic), channel: Some(&channel), clients: true };
    let rows = warnings.take(cluster.stats(&producers, part).await)?;
    let rows = rows.iter().flat_map(|row| row.channels.iter().flatten());
    let message = warnings.message();
    Ok(match ChannelStats::total(&channel, rows) {
        Some(stats) => answer::json(&With { stats, message }),
        None => answer::json(&super::Message { message }),
    })
}

#[derive(Serialize)]
struct Nodes {
    nodes: Option<Vec<Producer>>,
    message: String,
}

/// `GET /api/nodes`
pub(super) async fn nodes(State(admin): State<Admin>) -> Answer {
    let mut warnings = Warnings::default();
    let nodes = warnings.take(admin.cluster().producers().await)?;
    let nodes = (!nodes.is_empty()).then_some(nodes);
    Ok(answer::json(&Nodes { nodes, message: warnings.message() }))
}

#[derive(Serialize)]
struct Node {
    node: String,
    topics: Option<Vec<TopicStats>>,
    total_messages: i64,
    total_clients: usize,
    message: String,
}

/// `GET /api/nodes/{node}`
pub(super) async fn node(State(admin): State<Admin>, Path(node): Path<String>) -> Answer {
    let cluster = admin.cluster();
    let mut warnings = Warnings::default();
    let producers = warnings.take(cluster.producers().await)?;
    let producer = producers.into_iter().find(|producer| producer.http_address() == node);
    let producer = producer.ok_or_else(|| Failure::not_found("NODE_NOT_FOUND"))?;
    let topics =
        warnings.take(cluster.stats(&[producer], Part { clients: true, ..Part::default() }).await)?;
    let channels = topics.iter().flat_map(|topic| topic.channels.iter().flatten());
    Ok(answer::json(&Node {
        node,
        total_messages: topics.iter().map(|topic| topic.message_count).sum(),
        total_clients: channels.map(|channel| channel.clients.as_ref().map_or(0, Vec::len)).sum(),
        topics: (!topics.is_empty()).then_some(topics),
        message: warnings.message(),
    }))
}

#[derive(Serialize)]
struct Counter {
    stats: BTreeMap<String, Count>,
    message: String,
}

#[derive(Serialize)]
struct Count {
    node: String,
    topic_name: String,
    channel_name: String,
    message_count: i64,
}

/// `GET /api/counter`
pub(super) async fn counter(State(admin): State<Admin>) -> Answer {
    let cluster = admin.cluster();
    let mut warnings = Warnings::default();
    let producers = warnings.take(cluster.producers().await)?;
    let rows = warnings.take(cluster.stats(&producers, Part::default()).await)?;
    let count = |channel: ChannelStats| {
        let key = format!("{}:{}:{}", channel.topic_name, channel.channel_name, channel.node);
        let count = Count {
            node: channel.node,
            topic_name: channel.topic_name,
            channel_name: channel.channel_name,
            message_count: channel.message_count,
        };
        (key, count)
    };
    let channels = rows.into_iter().flat_map(|row| row.channels.unwrap_or_default());
    Ok(answer::json(&Counter { stats: channels.map(count).collect(), message: warnings.message() }))
}

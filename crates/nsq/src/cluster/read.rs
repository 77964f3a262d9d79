//! Asking everybody.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::fetch::query;
use super::problem::{LOOKUPD, NSQD};
use super::producer::{Told, compare};
use super::{Cluster, Error, Producer, Result, Seen, TopicStats};

#[derive(Deserialize)]
struct Topics {
    topics: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Channels {
    channels: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Producers {
    producers: Option<Vec<Told>>,
}

#[derive(Deserialize)]
struct Stats {
    topics: Option<Vec<TopicStats>>,
}

/// Which part of the stats to read.
#[derive(Clone, Copy, Default, Debug)]
pub struct Part<'a> {
    /// One topic only.
    pub topic: Option<&'a str>,
    /// One channel of it only.
    pub channel: Option<&'a str>,
    /// With every client.
    pub clients: bool,
}

impl Cluster {
    /// Whether nsqds are found through nsqlookupds.
    pub fn has_lookupds(&self) -> bool {
        !self.addresses.lookupds.is_empty()
    }

    /// The names of all topics, in order.
    pub async fn topics(&self) -> Result<Vec<String>> {
        let names = if self.has_lookupds() {
            let told = self.ask_all::<Topics>(LOOKUPD, &self.addresses.lookupds, "topics").await?;
            told.map(|told| told.into_iter().flat_map(|(_, told)| told.topics.unwrap_or_default()).collect())
        } else {
            let told = self.ask_nsqds(Part::default()).await?;
            told.map(|told| {
                let topics = told.into_iter().flat_map(|(_, told)| told.topics.unwrap_or_default());
                topics.map(|topic| topic.topic_name).collect::<BTreeSet<_>>()
            })
        };
        Ok(names.map(|names| names.into_iter().collect()))
    }

    /// The channels of a topic that the nsqlookupds know, in order.
    pub async fn channels(&self, topic: &str) -> Result<Vec<String>> {
        let path = format!("channels?{}", query("topic", topic));
        let told = self.ask_all::<Channels>(LOOKUPD, &self.addresses.lookupds, &path).await?;
        Ok(told.map(|told| {
            let names = told.into_iter().flat_map(|(_, told)| told.channels.unwrap_or_default());
            names.collect::<BTreeSet<_>>().into_iter().collect()
        }))
    }

    /// All nsqds.
    pub async fn producers(&self) -> Result<Vec<Producer>> {
        if !self.has_lookupds() {
            return self.nsqds(&self.addresses.nsqds).await;
        }
        let told = self.ask_all::<Producers>(LOOKUPD, &self.addresses.lookupds, "nodes").await?;
        Ok(told.map(|told| {
            let mut found: BTreeMap<String, Producer> = BTreeMap::new();
            for (lookupd, told) in told {
                for producer in told.producers.unwrap_or_default().into_iter().map(Producer::from) {
                    let place = format!("{lookupd}/{}", producer.seen_at());
                    let known = found.entry(producer.tcp_address()).or_insert(producer);
                    known.remote_addresses.get_or_insert_default().push(place);
                }
            }
            let mut producers: Vec<Producer> = found.into_values().collect();
            compare(&mut producers);
            producers
        }))
    }

    /// The nsqds that have a topic, those left out that are tombstoned for it.
    pub async fn topic_producers(&self, topic: &str) -> Result<Vec<Producer>> {
        if !self.has_lookupds() {
            let has = |producer: &Producer| producer.topics.iter().flatten().any(|t| t.topic == topic);
            let all = self.nsqds(&self.addresses.nsqds).await?;
            return Ok(all.map(|all| all.into_iter().filter(has).collect()));
        }
        let path = format!("lookup?{}", query("topic", topic));
        let told = self.ask_all::<Producers>(LOOKUPD, &self.addresses.lookupds, &path).await?;
        Ok(told.map(|told| {
            let mut found: Vec<Producer> = Vec::new();
            for producer in told.into_iter().flat_map(|(_, told)| told.producers.unwrap_or_default()) {
                let producer = Producer::from(producer);
                if found.iter().all(|known| known.http_address() != producer.http_address()) {
                    found.push(producer);
                }
            }
            found
        }))
    }

    /// The nsqds at these addresses, asked themselves.
    pub async fn nsqds(&self, addresses: &[String]) -> Result<Vec<Producer>> {
        let told = self.ask_all::<Told>(NSQD, addresses, "info").await?;
        let mut problems = told.problems;
        let part = "stats?format=json&include_clients=false&include_mem=false";
        let answered: Vec<String> = told.value.iter().map(|(address, _)| address.clone()).collect();
        let stats = self.ask_all::<Stats>(NSQD, &answered, part).await?.note(&mut problems);
        let mut topics: BTreeMap<String, Vec<TopicStats>> =
            stats.into_iter().map(|(address, told)| (address, told.topics.unwrap_or_default())).collect();
        let mut producers = Vec::new();
        for (address, told) in told.value {
            // One that told who it is and then not what it has counts as not answering.
            let Some(topics) = topics.remove(&address) else { continue };
            let mut producer = Producer::from(told);
            let (host, port) = address.rsplit_once(':').unwrap_or((&address, ""));
            if producer.broadcast_address.is_empty() {
                host.clone_into(&mut producer.broadcast_address);
                producer.http_port = port.parse().unwrap_or_default();
            }
            if producer.hostname.is_empty() {
                host.clone_into(&mut producer.hostname);
            }
            let topic = |stats: TopicStats| super::producer::ProducerTopic {
                topic: stats.topic_name,
                tombstoned: false,
            };
            producer.topics = (!topics.is_empty()).then(|| topics.into_iter().map(topic).collect());
            producers.push(producer);
        }
        compare(&mut producers);
        Ok(Seen { value: producers, problems })
    }

    /// Rows of topics, by host: one for each topic and node.
    pub async fn stats(&self, producers: &[Producer], part: Part<'_>) -> Result<Vec<TopicStats>> {
        let addresses: Vec<String> = producers.iter().map(Producer::http_address).collect();
        let told = self.ask_all::<Stats>(NSQD, &addresses, &path(part)).await?;
        let now = self.clock.now().seconds();
        Ok(told.map(|told| {
            let mut rows = Vec::new();
            for (address, told) in told {
                let producer = producers.iter().find(|producer| producer.http_address() == address);
                let hostname = producer.map_or("", |producer| &producer.hostname);
                for mut topic in told.topics.unwrap_or_default() {
                    if part.topic.is_some_and(|asked| asked != topic.topic_name) {
                        continue;
                    }
                    topic.latencies_mut().for_each(super::Latency::spread);
                    rows.push(topic.placed(&address, hostname, now));
                }
            }
            rows.sort_by(|a, b| a.hostname.cmp(&b.hostname));
            rows
        }))
    }

    async fn ask_nsqds(&self, part: Part<'_>) -> std::result::Result<Seen<Vec<(String, Stats)>>, Error> {
        self.ask_all(NSQD, &self.addresses.nsqds, &path(part)).await
    }
}

impl TopicStats {
    /// Its own latency and those of its channels.
    pub(super) fn latencies_mut(&mut self) -> impl Iterator<Item = &mut super::Latency> {
        let channels = self.channels.iter_mut().flatten();
        let of_channels = channels.filter_map(|channel| channel.e2e_processing_latency.as_mut());
        self.e2e_processing_latency.as_mut().into_iter().chain(of_channels)
    }
}

fn path(part: Part<'_>) -> String {
    let mut path = "stats?format=json".to_owned();
    for (name, value) in [("topic", part.topic), ("channel", part.channel)] {
        if let Some(value) = value {
            path.push('&');
            path.push_str(&query(name, value));
        }
    }
    if !part.clients {
        path.push_str("&include_clients=false");
    }
    path + "&include_mem=false"
}

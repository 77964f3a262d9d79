//! An nsqd as the cluster knows it.

use serde::{Deserialize, Serialize};

/// An nsqd, as nsqadmin's API writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Producer {
    /// `nsqlookupd/address` for each nsqlookupd it is registered at; none: it was asked itself.
    pub remote_addresses: Option<Vec<String>>,
    /// Where it connects from.
    pub remote_address: String,
    /// The name of its machine.
    pub hostname: String,
    /// Where clients reach it.
    pub broadcast_address: String,
    /// Of the protocol.
    pub tcp_port: u16,
    /// Of its HTTP API.
    pub http_port: u16,
    /// What it says it is.
    pub version: String,
    /// What it holds, by name.
    pub topics: Option<Vec<ProducerTopic>>,
    /// Another nsqd of the cluster has a higher version.
    pub out_of_date: bool,
}

/// A topic of an nsqd.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ProducerTopic {
    /// Its name.
    pub topic: String,
    /// Consumers are not sent there for it.
    pub tombstoned: bool,
}

/// An nsqd in the answers of an nsqlookupd (`/nodes`, `/lookup`) and of itself (`/info`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Told {
    remote_address: String,
    hostname: String,
    broadcast_address: String,
    tcp_port: u16,
    http_port: u16,
    version: String,
    topics: Option<Vec<String>>,
    tombstones: Option<Vec<bool>>,
}

impl From<Told> for Producer {
    fn from(told: Told) -> Self {
        let tombstones = told.tombstones.unwrap_or_default();
        let mut topics: Vec<ProducerTopic> = (told.topics.unwrap_or_default().into_iter().enumerate())
            .map(|(n, topic)| ProducerTopic { topic, tombstoned: tombstones.get(n) == Some(&true) })
            .collect();
        topics.sort_by(|a, b| a.topic.cmp(&b.topic));
        Self {
            remote_addresses: None,
            remote_address: told.remote_address,
            hostname: told.hostname,
            broadcast_address: told.broadcast_address,
            tcp_port: told.tcp_port,
            http_port: told.http_port,
            version: told.version,
            topics: (!topics.is_empty()).then_some(topics),
            out_of_date: false,
        }
    }
}

impl Producer {
    /// Where its HTTP API is: the name of a node everywhere in nsqadmin.
    pub fn http_address(&self) -> String {
        format!("{}:{}", self.broadcast_address, self.http_port)
    }

    /// Where clients connect.
    pub fn tcp_address(&self) -> String {
        format!("{}:{}", self.broadcast_address, self.tcp_port)
    }

    /// Whether not all of `lookupds` nsqlookupds know it, or some know it twice.
    pub fn is_inconsistent(&self, lookupds: usize) -> bool {
        self.remote_addresses.as_ref().is_some_and(|addresses| addresses.len() != lookupds)
    }

    /// The address as nsqlookupds see it.
    pub(super) fn seen_at(&self) -> &str {
        if self.remote_address.is_empty() { "N/A" } else { &self.remote_address }
    }
}

/// Marks those whose version is not the highest, and puts them in order.
pub(super) fn compare(producers: &mut [Producer]) {
    let highest = producers.iter().map(|p| version(&p.version)).max().unwrap_or_default();
    for producer in &mut *producers {
        producer.out_of_date = version(&producer.version) < highest;
    }
    producers.sort_by_cached_key(|p| (p.hostname.clone(), p.http_address()));
}

/// The three numbers of `1.3.0`; what follows them says who built it, not how new it is.
fn version(text: &str) -> (u64, u64, u64) {
    let core = text.trim_start_matches('v').split(['-', '+', ' ']).next().unwrap_or("");
    let mut parts = core.split('.').map(|part| part.parse().ok());
    match (parts.next().flatten(), parts.next().flatten(), parts.next().flatten()) {
        (Some(major), Some(minor), Some(patch)) => (major, minor, patch),
        _ => (0, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_its_three_numbers() {
        let check = |text: &str, expected| assert_eq!(version(text), expected, "{text}");
        check("1.3.0", (1, 3, 0));
        check("1.3.0-eyrie", (1, 3, 0));
        check("1.10.0", (1, 10, 0));
        check("1.10", (0, 0, 0));
        check("unknown", (0, 0, 0));
        assert!(version("1.10.0") > version("1.9.9"));
    }

    #[test]
    fn the_older_one_is_marked() {
        let one = |hostname: &str, version: &str| Producer {
            hostname: hostname.into(),
            version: version.into(),
            ..Producer::default()
        };
        let mut producers = [one("b", "1.2.1"), one("a", "1.3.0"), one("c", "?")];
        compare(&mut producers);
        let marks: Vec<_> = producers.iter().map(|p| (p.hostname.as_str(), p.out_of_date)).collect();
        assert_eq!(marks, [("a", false), ("b", true), ("c", true)]);
    }
}

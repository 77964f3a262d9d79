//! What statistics tell of one connection.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::clients;
use super::identify::Settings;
use super::stats::{ClientStats, PubCount};
use super::tls::Secured;
use crate::wire::Phase;

/// One connection, as others see it.
#[derive(Debug)]
pub struct Client {
    /// Unique in this process; the `Subscriber::id` of its consumer.
    pub id: u64,
    /// Address and port, or `@` over a unix socket.
    pub remote_address: String,
    /// When it came, seconds since the epoch.
    pub connected: i64,
    said: Mutex<Said>,
    published: Mutex<Published>,
}

/// Messages by topic.
#[derive(Debug, Default)]
struct Published {
    /// In the order in which the client began to publish to them.
    counts: Vec<(Arc<str>, u64)>,
    /// Where each of them stands.
    places: HashMap<Arc<str>, usize>,
    /// Where the one it published to last stands.
    last: usize,
}

/// What is known of a client beyond its address.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// How far it has come.
    pub phase: Phase,
    /// What it said in `IDENTIFY`; none before it is asked the first time.
    pub settings: Option<Settings>,
    /// Whether it speaks snappy.
    pub snappy: bool,
    /// Whether it speaks deflate.
    pub deflate: bool,
    /// How its connection is encrypted, if it is.
    pub secured: Option<Secured>,
    /// Who an authority says it is, and where one reads of it.
    pub identity: Option<(String, String)>,
}

impl Client {
    /// One that has just come.
    pub fn new(id: u64, remote_address: String, connected: i64) -> Self {
        Self { id, remote_address, connected, said: Mutex::default(), published: Mutex::default() }
    }

    /// Changes what is known of it.
    pub fn learn(&self, change: impl FnOnce(&mut Said)) {
        change(&mut self.said.lock());
    }

    /// Counts messages it published.
    pub fn published(&self, topic: &str, count: usize) {
        self.published.lock().count(topic, count as u64);
    }
}

impl Published {
    fn count(&mut self, topic: &str, messages: u64) {
        // Most clients publish most to the topic they published to last.
        let is_last = self.counts.get(self.last).is_some_and(|(name, _)| &**name == topic);
        if !is_last {
            self.last = self.place(topic);
        }
        self.counts[self.last].1 += messages;
    }

    /// Where a topic's count is.
    fn place(&mut self, topic: &str) -> usize {
        if let Some(place) = self.places.get(topic) {
            return *place;
        }
        let (name, place) = (Arc::<str>::from(topic), self.counts.len());
        self.counts.push((Arc::clone(&name), 0));
        self.places.insert(name, place);
        place
    }
}

impl clients::Client for Client {
    fn has_published(&self) -> bool {
        !self.published.lock().counts.is_empty()
    }

    fn stats(&self, topic: Option<&str>) -> ClientStats {
        let said = self.said.lock().clone();
        let settings = said.settings;
        let host = host_of(&self.remote_address);
        let text = |pick: fn(&Settings) -> &String| settings.as_ref().map(pick).cloned();
        let (identity, identity_url) = said.identity.clone().unwrap_or_default();
        let is_secured = said.secured.is_some();
        let secured = said.secured.unwrap_or_default();
        let mut pub_counts: Vec<_> = self
            .published
            .lock()
            .counts
            .iter()
            .filter(|(name, _)| topic.is_none_or(|topic| topic == &**name))
            .map(|(topic, count)| PubCount { topic: topic.to_string(), count: *count })
            .collect();
        pub_counts.sort_unstable_by(|a, b| a.topic.cmp(&b.topic));
        ClientStats {
            client_id: text(|settings| &settings.client_id).unwrap_or_else(|| host.to_owned()),
            hostname: text(|settings| &settings.hostname).unwrap_or_else(|| host.to_owned()),
            version: "V2",
            remote_address: self.remote_address.clone(),
            state: match said.phase {
                Phase::Init => 0,
                Phase::Subscribed => 3,
                Phase::Closing => 4,
            },
            ready_count: 0,
            in_flight_count: 0,
            message_count: 0,
            finish_count: 0,
            requeue_count: 0,
            connect_ts: self.connected,
            sample_rate: settings.as_ref().map_or(0, |settings| settings.sample_rate),
            deflate: said.deflate,
            snappy: said.snappy,
            user_agent: text(|settings| &settings.user_agent).unwrap_or_default(),
            authed: said.identity.is_some(),
            auth_identity: identity,
            auth_identity_url: identity_url,
            topology_zone: text(|settings| &settings.zone).unwrap_or_default(),
            topology_region: text(|settings| &settings.region).unwrap_or_default(),
            pub_counts,
            tls: is_secured,
            tls_cipher_suite: secured.cipher_suite,
            tls_version: secured.version,
            tls_negotiated_protocol: secured.protocol,
            // Go has said so of every TLS connection for years.
            tls_negotiated_protocol_is_mutual: is_secured,
        }
    }
}

/// An address without its port; nothing of what has no port, a unix socket's.
pub fn host_of(address: &str) -> &str {
    let host = address.rsplit_once(':').map_or("", |(host, _)| host);
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::super::clients::Client as _;
    use super::*;

    #[test]
    fn statistics_tell_what_is_known() {
        let client = Client::new(1, "[::1]:4000".into(), 7);
        let stats = client.stats(None);
        assert_eq!((stats.client_id.as_str(), stats.hostname.as_str(), stats.state), ("::1", "::1", 0));
        assert!(!stats.authed && !stats.tls && !client.has_published());
        client.published("b", 2);
        client.published("a", 1);
        client.published("b", 3);
        client.learn(|said| {
            said.phase = Phase::Closing;
            said.identity = Some(("gauge".into(), "http://x".into()));
            said.secured = Some(Secured { version: "TLS1.3".into(), ..Secured::default() });
        });
        let stats = client.stats(None);
        let count = |topic: &str, count| PubCount { topic: topic.into(), count };
        assert_eq!(stats.pub_counts, [count("a", 1), count("b", 5)]);
        assert_eq!(client.stats(Some("b")).pub_counts, [count("b", 5)]);
        assert_eq!(client.stats(Some("c")).pub_counts, []);
        assert_eq!((stats.state, stats.connect_ts), (4, 7));
        assert!(stats.authed && stats.tls && stats.auth_identity == "gauge" && client.has_published());
    }

    #[test]
    fn a_host_is_an_address_without_its_port() {
        for (address, host) in [("10.0.0.1:80", "10.0.0.1"), ("[::1]:80", "::1"), ("@", "")] {
            assert_eq!(host_of(address), host);
        }
    }
}

//! What is known: topics, channels, and who has them. Pure: no clock, no I/O.
//!
//! A topic or channel stays when the nsqds that have it go, until somebody deletes it; an ephemeral one goes
//! when the last of its nsqds says so. Every list is in order of names, then of connections.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use base::Timestamp;

use super::peer::Peer;

/// Most topics and channels together; beyond it nothing new is registered.
pub const NAMES_MAX: usize = 1_000_000;

/// What is said where [`NAMES_MAX`] is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many topics and channels: the limit is {NAMES_MAX}")]
pub struct Full;

/// What time it is, and after which time what is forgotten.
#[derive(Clone, Copy, Debug)]
pub struct Ages {
    /// Now.
    pub now: Timestamp,
    /// An nsqd not heard of for longer is not shown.
    pub inactive_after: Duration,
    /// How long a tombstone hides.
    pub tombstone_lifetime: Duration,
}

/// Everything that is registered.
#[derive(Debug)]
pub struct Registry {
    peers: BTreeMap<u64, Entry>,
    topics: BTreeMap<Arc<str>, BTreeMap<u64, Producer>>,
    channels: BTreeMap<Arc<str>, BTreeMap<Arc<str>, BTreeSet<u64>>>,
    names: usize,
    /// [`NAMES_MAX`]; tests have a smaller one.
    pub(super) names_max: usize,
    /// When this registry began: part of every revision, so that one of an earlier life never fits.
    began: Timestamp,
    changes: u64,
    /// The number of the last change of each topic there is.
    revisions: BTreeMap<Arc<str>, u64>,
    /// The number of the change with which a topic last went: the revision of all topics that are not there.
    gone: u64,
    /// Topics that changed since somebody last asked.
    touched: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Entry {
    peer: Arc<Peer>,
    topics: BTreeSet<Arc<str>>,
}

/// An nsqd that has a topic.
#[derive(Clone, Copy, Default, Debug)]
struct Producer {
    tombstoned: Option<Timestamp>,
}

impl Producer {
    fn is_hidden(&self, ages: Ages) -> bool {
        self.tombstoned.is_some_and(|at| ages.now - at < ages.tombstone_lifetime)
    }
}

/// A row of everything there is, for `/debug`.
#[derive(Clone, Debug)]
pub struct Row {
    /// `topic:NAME:`, `channel:TOPIC:NAME` or `client::`.
    pub registration: String,
    /// Who has it.
    pub peer: Arc<Peer>,
    /// Since when it is tombstoned there.
    pub tombstoned: Option<Timestamp>,
}

/// An nsqd and its topics, for `/nodes`.
#[derive(Clone, Debug)]
pub struct Node {
    /// Who.
    pub peer: Arc<Peer>,
    /// Its topics, and whether each is tombstoned there.
    pub topics: Vec<(Arc<str>, bool)>,
}

impl Registry {
    /// An empty one.
    pub fn new(now: Timestamp) -> Self {
        Self {
            peers: BTreeMap::new(),
            topics: BTreeMap::new(),
            channels: BTreeMap::new(),
            names: 0,
            names_max: NAMES_MAX,
            began: now,
            changes: 0,
            revisions: BTreeMap::new(),
            gone: 0,
            touched: Vec::new(),
        }
    }

    /// An nsqd has presented itself.
    pub fn connect(&mut self, peer: Arc<Peer>) {
        self.peers.insert(peer.id, Entry { peer, topics: BTreeSet::new() });
    }

    /// An nsqd is gone: it has nothing any more, and what it had stays known.
    pub fn disconnect(&mut self, id: u64) {
        let Some(entry) = self.peers.remove(&id) else { return };
        // Whoever has a channel has its topic.
        for topic in entry.topics {
            if let Some(producers) = self.topics.get_mut(&topic) {
                producers.remove(&id);
            }
            for having in self.channels.get_mut(&topic).into_iter().flat_map(BTreeMap::values_mut) {
                having.remove(&id);
            }
            self.touch(&topic);
        }
    }

    /// An nsqd has a topic, or a channel and with it its topic. False if that was known.
    ///
    /// # Errors
    /// [`Full`]: there is no room for all that is new, and nothing changed.
    pub fn register(&mut self, id: u64, topic: &str, channel: Option<&str>) -> Result<bool, Full> {
        self.room_for(topic, channel)?;
        let topic = self.add_topic(topic)?;
        let mut news = false;
        if let Some(channel) = channel {
            news |= self.add_channel(&topic, channel)?.insert(id);
        }
        let producers = self.topics.entry(Arc::clone(&topic)).or_default();
        news |= !producers.contains_key(&id);
        producers.entry(id).or_default();
        if let Some(entry) = self.peers.get_mut(&id) {
            entry.topics.insert(Arc::clone(&topic));
        }
        if news {
            self.touch(&topic);
        }
        Ok(news)
    }

    /// An nsqd has a topic or a channel no more. With a topic go its channels.
    pub fn unregister(&mut self, id: u64, topic: &str, channel: Option<&str>) {
        let mut news = false;
        match channel {
            Some(channel) => {
                let left = self.channels.get_mut(topic).and_then(|channels| channels.get_mut(channel)).map(
                    |having| {
                        news |= having.remove(&id);
                        having.len()
                    },
                );
                if left == Some(0) && is_ephemeral(channel) {
                    self.delete_channel(topic, channel);
                }
            }
            None => {
                for having in self.channels.get_mut(topic).into_iter().flat_map(BTreeMap::values_mut) {
                    news |= having.remove(&id);
                }
                if let Some(entry) = self.peers.get_mut(&id) {
                    entry.topics.remove(topic);
                }
                let left = self.topics.get_mut(topic).map(|producers| {
                    news |= producers.remove(&id).is_some();
                    producers.len()
                });
                if left == Some(0) && is_ephemeral(topic) {
                    self.topics.remove(topic);
                    self.names -= 1;
                    // Nobody has them either, and nobody would ever say that they are gone.
                    self.names -= self.channels.remove(topic).map_or(0, |channels| channels.len());
                    news = true;
                }
            }
        }
        if news {
            self.touch(topic);
        }
    }

    /// A topic exists, whoever has it.
    ///
    /// # Errors
    /// [`Full`].
    pub fn create_topic(&mut self, topic: &str) -> Result<(), Full> {
        let before = self.names;
        self.add_topic(topic)?;
        if self.names > before {
            self.touch(topic);
        }
        Ok(())
    }

    /// A channel exists, and with it its topic.
    ///
    /// # Errors
    /// [`Full`]: there is no room for both, and nothing changed.
    pub fn create_channel(&mut self, topic: &str, channel: &str) -> Result<(), Full> {
        self.room_for(topic, Some(channel))?;
        let before = self.names;
        let known = self.add_topic(topic)?;
        self.add_channel(&known, channel)?;
        if self.names > before {
            self.touch(topic);
        }
        Ok(())
    }

    /// Forgets a topic and its channels.
    pub fn delete_topic(&mut self, topic: &str) {
        let before = self.names;
        if let Some(channels) = self.channels.remove(topic) {
            self.names -= channels.len();
        }
        if let Some(producers) = self.topics.remove(topic) {
            self.names -= 1;
            for id in producers.keys() {
                if let Some(entry) = self.peers.get_mut(id) {
                    entry.topics.remove(topic);
                }
            }
        }
        if self.names < before {
            self.touch(topic);
        }
    }

    /// Forgets a channel. False if there is none.
    pub fn delete_channel(&mut self, topic: &str, channel: &str) -> bool {
        let Some(channels) = self.channels.get_mut(topic) else { return false };
        let was = channels.remove(channel).is_some();
        if channels.is_empty() {
            self.channels.remove(topic);
        }
        self.names -= usize::from(was);
        if was {
            self.touch(topic);
        }
        was
    }

    /// Hides a topic's nsqd called `node` for a while. False if none is called that.
    pub fn tombstone(&mut self, topic: &str, node: &str, now: Timestamp) -> bool {
        let mut found = false;
        for (id, producer) in self.topics.get_mut(topic).into_iter().flatten() {
            if self.peers.get(id).is_some_and(|entry| entry.peer.node() == node) {
                producer.tombstoned = Some(now);
                found = true;
            }
        }
        if found {
            self.touch(topic);
        }
        found
    }

    /// All topics.
    pub fn topics(&self) -> Vec<Arc<str>> {
        self.topics.keys().cloned().collect()
    }

    /// A topic's channels.
    pub fn channels(&self, topic: &str) -> Vec<Arc<str>> {
        self.channels.get(topic).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// The nsqds that have a topic, can be reached, and are not tombstoned. `None` if nobody knows the topic.
    pub fn producers(&self, topic: &str, ages: Ages) -> Option<Vec<Arc<Peer>>> {
        let producers = self.topics.get(topic)?;
        let seen = producers.iter().filter(|(_, producer)| !producer.is_hidden(ages));
        let peers = seen.filter_map(|(id, _)| self.peers.get(id));
        Some(peers.map(|entry| Arc::clone(&entry.peer)).filter(|peer| is_active(peer, ages)).collect())
    }

    /// Every nsqd that can be reached, tombstoned or not.
    pub fn nodes(&self, ages: Ages) -> Vec<Node> {
        let active = self.peers.values().filter(|entry| is_active(&entry.peer, ages));
        active
            .map(|entry| {
                let hidden = |topic: &Arc<str>| {
                    let producer = self.topics.get(topic).and_then(|producers| producers.get(&entry.peer.id));
                    producer.is_some_and(|producer| producer.is_hidden(ages))
                };
                let topics = entry.topics.iter().map(|topic| (Arc::clone(topic), hidden(topic))).collect();
                Node { peer: Arc::clone(&entry.peer), topics }
            })
            .collect()
    }

    /// Everything that somebody has.
    pub fn rows(&self) -> Vec<Row> {
        let row = |registration: String, id: &u64, tombstoned| {
            self.peers.get(id).map(|entry| Row { registration, peer: Arc::clone(&entry.peer), tombstoned })
        };
        let clients = self.peers.keys().filter_map(|id| row("client::".to_owned(), id, None));
        let topics = self.topics.iter().flat_map(|(topic, producers)| {
            producers.iter().filter_map(move |(id, p)| row(format!("topic:{topic}:"), id, p.tombstoned))
        });
        let channels = self.channels.iter().flat_map(|(topic, channels)| {
            channels.iter().flat_map(move |(channel, having)| {
                having.iter().filter_map(move |id| row(format!("channel:{topic}:{channel}"), id, None))
            })
        });
        clients.chain(topics).chain(channels).collect()
    }

    /// How many `(topics, channels, nsqds)` there are.
    pub fn sizes(&self) -> (usize, usize, usize) {
        (self.topics.len(), self.names - self.topics.len(), self.peers.len())
    }

    /// A word that is another one after each change of the topic, and in each life of this registry.
    pub fn revision(&self, topic: &str) -> String {
        format!("{:x}-{:x}", self.began.millis(), self.revisions.get(topic).copied().unwrap_or(self.gone))
    }

    /// Topics that changed since this was last asked.
    pub fn take_touched(&mut self) -> Vec<Arc<str>> {
        std::mem::take(&mut self.touched)
    }

    fn add_topic(&mut self, topic: &str) -> Result<Arc<str>, Full> {
        if let Some((known, _)) = self.topics.get_key_value(topic) {
            return Ok(Arc::clone(known));
        }
        self.room()?;
        let topic: Arc<str> = topic.into();
        self.topics.insert(Arc::clone(&topic), BTreeMap::new());
        Ok(topic)
    }

    fn add_channel(&mut self, topic: &Arc<str>, channel: &str) -> Result<&mut BTreeSet<u64>, Full> {
        if !self.channels.get(topic).is_some_and(|channels| channels.contains_key(channel)) {
            self.room()?;
        }
        let channels = self.channels.entry(Arc::clone(topic)).or_default();
        Ok(channels.entry(channel.into()).or_default())
    }

    fn room_for(&self, topic: &str, channel: Option<&str>) -> Result<(), Full> {
        let knows = |channel| self.channels.get(topic).is_some_and(|known| known.contains_key(channel));
        let new = usize::from(!self.topics.contains_key(topic))
            + usize::from(channel.is_some_and(|channel| !knows(channel)));
        if new > 0 && self.names + new > self.names_max { Err(Full) } else { Ok(()) }
    }

    fn room(&mut self) -> Result<(), Full> {
        if self.names >= self.names_max {
            return Err(Full);
        }
        self.names += 1;
        Ok(())
    }

    /// Something about a topic changed. Nothing is kept of a topic that is gone: all those have one revision,
    /// which moves with each that goes.
    fn touch(&mut self, topic: &str) {
        self.changes += 1;
        match self.topics.get_key_value(topic) {
            Some((topic, _)) => {
                self.revisions.insert(Arc::clone(topic), self.changes);
                self.touched.push(Arc::clone(topic));
            }
            None => {
                self.gone = self.changes;
                self.touched
                    .push(self.revisions.remove_entry(topic).map_or_else(|| topic.into(), |(name, _)| name));
            }
        }
    }
}

fn is_active(peer: &Peer, ages: Ages) -> bool {
    ages.now - peer.heard() <= ages.inactive_after
}

fn is_ephemeral(name: &str) -> bool {
    name.ends_with("#ephemeral")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With room for so many names.
    fn small(names_max: usize) -> Registry {
        Registry { names_max, ..Registry::new(Timestamp::from_seconds(0)) }
    }

    #[test]
    fn a_channel_that_has_no_room_leaves_no_topic_behind() {
        let mut registry = small(2);
        registry.register(1, "a", None).expect("room");
        let revision = registry.revision("b");
        registry.take_touched();
        assert_eq!(registry.register(1, "b", Some("c")), Err(Full));
        assert_eq!(registry.create_channel("b", "c"), Err(Full));
        assert_eq!((registry.topics(), registry.sizes()), (vec!["a".into()], (1, 0, 0)));
        assert_eq!((registry.revision("b"), registry.take_touched()), (revision, Vec::new()));
        assert_eq!(registry.register(1, "a", Some("c")), Ok(true), "there is room for one");
        assert_eq!(registry.register(2, "a", Some("c")), Ok(true), "what is known takes none");
    }

    #[test]
    fn an_ephemeral_topic_takes_its_channels_along() {
        let mut registry = small(2);
        for _ in 0..3 {
            registry.register(1, "reply#ephemeral", Some("c")).expect("room");
            registry.unregister(1, "reply#ephemeral", None);
            assert_eq!(registry.sizes(), (0, 0, 0));
        }
        // Not while another one has it.
        for id in [1, 2] {
            registry.register(id, "reply#ephemeral", Some("c")).expect("room");
        }
        registry.unregister(1, "reply#ephemeral", None);
        assert_eq!(registry.channels("reply#ephemeral"), ["c".into()]);
    }
}

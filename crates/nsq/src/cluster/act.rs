//! Doing something to all of them. What some refuse is told, what others did stays done.

use super::fetch::query;
use super::problem::{LOOKUPD, NSQD};
use super::{Cluster, Error, Producer, Result, Seen};

/// What is done to a topic or channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hold messages back.
    Pause,
    /// Let them go again.
    Unpause,
    /// Throw away what waits.
    Empty,
    /// Away with it.
    Delete,
}

/// A topic, or a channel of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'a> {
    /// The topic.
    pub topic: &'a str,
    /// A channel of it; none: the topic itself.
    pub channel: Option<&'a str>,
}

impl Action {
    /// As the daemons' paths and nsqadmin's API call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Empty => "empty",
            Self::Delete => "delete",
        }
    }

    /// By its name; `delete` has a method of its own in the API.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pause, Self::Unpause, Self::Empty].into_iter().find(|action| action.name() == name)
    }
}

impl Target<'_> {
    /// `topic` or `channel`.
    pub const fn kind(&self) -> &'static str {
        if self.channel.is_some() { "channel" } else { "topic" }
    }

    fn path(&self, verb: &str) -> String {
        let topic = query("topic", self.topic);
        let channel =
            self.channel.map_or_else(String::new, |channel| "&".to_owned() + &query("channel", channel));
        format!("{}/{verb}?{topic}{channel}", self.kind())
    }
}

impl Cluster {
    /// Pauses, unpauses, empties or deletes on every nsqd that has the topic; deletes at the
    /// nsqlookupds too. An error: it cannot even be known who has it.
    pub async fn act(&self, action: Action, target: Target<'_>) -> Result<()> {
        let mut problems = Vec::new();
        // Before deleting: afterwards nobody knows where it was.
        let producers = self.topic_producers(target.topic).await?.note(&mut problems);
        let path = target.path(action.name());
        if action == Action::Delete {
            problems.extend(self.post_all(LOOKUPD, &self.addresses.lookupds, &path).await);
        }
        problems.extend(self.post_all(NSQD, &addresses(&producers), &path).await);
        Ok(Seen { value: (), problems })
    }

    /// Makes a topic, and a channel of it, known at the nsqlookupds; the channel also on every nsqd that has
    /// the topic. Without nsqlookupds, on every nsqd.
    pub async fn create(&self, target: Target<'_>) -> Result<()> {
        let topic = Target { channel: None, ..target };
        let mut problems = Vec::new();
        if !self.has_lookupds() {
            let known = self.producers().await?.note(&mut problems);
            let nsqds = addresses(&known);
            problems.extend(self.post_all(NSQD, &nsqds, &topic.path("create")).await);
            if target.channel.is_some() {
                problems.extend(self.post_all(NSQD, &nsqds, &target.path("create")).await);
            }
            return Ok(Seen { value: (), problems });
        }
        problems.extend(self.post_all(LOOKUPD, &self.addresses.lookupds, &topic.path("create")).await);
        if target.channel.is_some() {
            let path = target.path("create");
            problems.extend(self.post_all(LOOKUPD, &self.addresses.lookupds, &path).await);
            let producers = self.topic_producers(target.topic).await?.note(&mut problems);
            problems.extend(self.post_all(NSQD, &addresses(&producers), &path).await);
        }
        Ok(Seen { value: (), problems })
    }

    /// Keeps consumers away from a topic on one node, and deletes it there.
    pub async fn tombstone(&self, topic: &str, node: &str) -> std::result::Result<Seen<()>, Error> {
        let path = format!("topic/tombstone?{}&{}", query("topic", topic), query("node", node));
        let mut problems = self.post_all(LOOKUPD, &self.addresses.lookupds, &path).await;
        let producers = self.nsqds(&[node.to_owned()]).await?.note(&mut problems);
        let delete = Target { topic, channel: None }.path("delete");
        problems.extend(self.post_all(NSQD, &addresses(&producers), &delete).await);
        Ok(Seen { value: (), problems })
    }
}

fn addresses(producers: &[Producer]) -> Vec<String> {
    producers.iter().map(Producer::http_address).collect()
}

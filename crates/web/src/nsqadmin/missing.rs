//! What is not there: the page says what that may mean and what can be done about it.

use nsq::admin::Admin;
use serde::Serialize;

use super::figures::{Door, any_door};
use super::visit::Sorry;

/// What was looked for. Only one of these pages has all of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Missing {
    /// `topic`, `channel` or `node`.
    kind: &'static str,
    topic: String,
    channel: String,
    /// Whether it could be made: its names are names.
    makeable: bool,
    door: Door,
}

/// No daemon has heard of a topic.
pub(super) async fn topic(admin: &Admin, topic: &str) -> Sorry {
    let missing = Missing::of(admin, "topic", topic, "").await;
    Sorry::missing(format!("There is no topic {topic}."), missing)
}

/// No daemon has heard of a channel.
pub(super) async fn channel(admin: &Admin, topic: &str, channel: &str) -> Sorry {
    let missing = Missing::of(admin, "channel", topic, channel).await;
    Sorry::missing(format!("There is no channel {channel} of a topic {topic}."), missing)
}

/// No nsqd is at that address.
pub(super) async fn node(admin: &Admin, node: &str) -> Sorry {
    let missing = Missing::of(admin, "node", "", "").await;
    Sorry::missing(format!("There is no node {node}."), missing)
}

impl Missing {
    async fn of(admin: &Admin, kind: &'static str, topic: &str, channel: &str) -> Self {
        let is_name = nsq::cluster::is_name;
        Self {
            kind,
            topic: topic.to_owned(),
            channel: channel.to_owned(),
            makeable: is_name(topic) && (channel.is_empty() || is_name(channel)),
            door: any_door(admin, &[]).await,
        }
    }
}

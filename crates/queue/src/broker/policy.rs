//! What a topic's owner may ask for beyond NSQ.

use std::time::Duration;

use log::Durability;
use serde::{Deserialize, Serialize};

use crate::Error;

/// After more failed attempts than this, clients finish a message unasked.
const DEAD_LETTER_AFTER_MAX: u16 = 5;

/// Longest window in which a publisher's ids are known.
const DEDUP_WINDOW_MAX: Duration = Duration::from_secs(7 * 86_400);

/// Rules of one topic. All absent is what NSQ does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// How sure a message is before its publisher is told; the node's default if absent.
    #[serde(with = "level", skip_serializing_if = "Option::is_none")]
    pub durability: Option<Durability>,
    /// Messages are not delivered any more when they are so old.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Most bytes of bodies that may wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// What happens to a message beyond `max_bytes`.
    pub overflow: Overflow,
    /// The message whose so-manieth attempt fails moves to `<topic>.<channel>.dead`; 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_after: Option<u16>,
    /// A publisher's id is known for so long, and its repetition taken in without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dedup_window: Option<Duration>,
    /// Messages that every channel is done with are kept so long, for `seek`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retain: Option<Duration>,
    /// Of the messages of one key at most one is in flight, in the order they were published.
    pub ordered: bool,
}

/// What happens to a message for which there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overflow {
    /// Its publisher is refused.
    #[default]
    Reject,
    /// The oldest messages make room.
    DropOldest,
}

impl Policy {
    /// Whether the broker can hold to it.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Invalid(format!("a topic's policy: {what}")));
        if self.retain.is_some() {
            return wrong("`retain` cannot be set");
        }
        if self.dead_letter_after.is_some_and(|after| !(1..=DEAD_LETTER_AFTER_MAX).contains(&after)) {
            return wrong(
                "`dead_letter_after` is 1 to 5: clients give up a message by themselves after that",
            );
        }
        if self.ttl.is_some_and(|ttl| ttl.as_millis() == 0) {
            return wrong("`ttl` is at least a millisecond");
        }
        if self.dedup_window.is_some_and(|window| window > DEDUP_WINDOW_MAX) {
            return wrong("`dedup_window` is at most a week");
        }
        Ok(())
    }
}

/// Levels by name.
mod level {
    use log::Durability;
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    pub(super) fn serialize<S: Serializer>(level: &Option<Durability>, to: S) -> Result<S::Ok, S::Error> {
        let name = level.map(|level| match level {
            Durability::Memory => "memory",
            Durability::Os => "os",
            Durability::Disk => "disk",
        });
        name.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Durability>, D::Error> {
        let name: Option<std::borrow::Cow<'de, str>> = Option::deserialize(from)?;
        name.map(|name| match name.as_ref() {
            "memory" => Ok(Durability::Memory),
            "os" => Ok(Durability::Os),
            "disk" => Ok(Durability::Disk),
            other => Err(de::Error::unknown_variant(other, &["memory", "os", "disk"])),
        })
        .transpose()
    }
}

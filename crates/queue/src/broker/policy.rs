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
    #[serde(with = "duration", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Duration>,
    /// Most bytes of bodies that may wait.
    #[serde(deserialize_with = "bytes::deserialize", skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// What happens to a message beyond `max_bytes`.
    pub overflow: Overflow,
    /// The message whose so-manieth attempt fails moves to `<topic>.<channel>.dead`; 1 to 5.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letter_after: Option<u16>,
    /// A publisher's id is known for so long, and its repetition taken in without effect.
    #[serde(with = "duration", skip_serializing_if = "Option::is_none")]
    pub dedup_window: Option<Duration>,
    /// Messages that every channel is done with are kept so long, for `seek`.
    #[serde(with = "duration", skip_serializing_if = "Option::is_none")]
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
    ///
    /// # Errors
    /// [`Error::Invalid`], which says what to write instead.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |what: &str| Err(Error::Invalid(format!("a topic's policy: {what}")));
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

/// Durations as people write them, `1h30m`; a number is milliseconds.
mod duration {
    use std::time::Duration;

    use base::size::{format_duration, parse_duration};
    use serde::{Deserializer, Serialize, Serializer, de};

    use super::written::{Written, read};

    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        duration.map(format_duration).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(match read(from, "a text such as `250ms` or `1h30m`, or whole milliseconds, without quotes")? {
            None => None,
            Some(Written::Number(ms)) => Some(Duration::from_millis(ms)),
            Some(Written::Text(text)) => Some(parse_duration(&text).map_err(de::Error::custom)?),
        })
    }
}

/// Sizes as people write them, `64 MiB`; a number is bytes.
mod bytes {
    use base::size::Bytes;
    use serde::{Deserializer, de};

    use super::written::{Written, read};

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        Ok(match read(from, "a text such as `64 MiB`, or a whole number of bytes, without quotes")? {
            None => None,
            Some(Written::Number(bytes)) => Some(bytes),
            Some(Written::Text(text)) => Some(text.parse::<Bytes>().map_err(de::Error::custom)?.0),
        })
    }
}

/// A number or a text, or an error that says what was expected.
mod written {
    use std::fmt;

    use serde::{Deserializer, de};

    pub(super) enum Written {
        Number(u64),
        Text(String),
    }

    /// What was expected.
    struct Expected(&'static str);

    pub(super) fn read<'de, D: Deserializer<'de>>(
        from: D,
        expected: &'static str,
    ) -> Result<Option<Written>, D::Error> {
        from.deserialize_any(Expected(expected))
    }

    impl de::Visitor<'_> for Expected {
        type Value = Option<Written>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(Written::Number(number)))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(Written::Text(text.to_owned())))
        }

        fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_people_read_them() {
        let policy = Policy {
            durability: Some(Durability::Disk),
            ttl: Some(Duration::from_secs(5_400)),
            max_bytes: Some(1 << 20),
            overflow: Overflow::DropOldest,
            dead_letter_after: Some(3),
            dedup_window: Some(Duration::from_millis(250)),
            retain: Some(Duration::from_secs(86_400)),
            ordered: true,
        };
        let text = serde_json::to_string(&policy).expect("a policy has names as keys only");
        let expected = r#"{"durability":"disk","ttl":"1h30m","max_bytes":1048576,"overflow":"drop_oldest","dead_letter_after":3,"dedup_window":"250ms","retain":"1d","ordered":true}"#;
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Policy>(&text).ok(), Some(policy));
        let none: Policy = serde_json::from_str("{}").expect("all is optional");
        assert_eq!(none, Policy::default());
        let ms: Policy = serde_json::from_str(r#"{"ttl":1500,"retain":null}"#).expect("milliseconds");
        assert_eq!((ms.ttl, ms.retain), (Some(Duration::from_millis(1_500)), None));
        for bad in [r#"{"ttl":"soon"}"#, r#"{"ttl":-1}"#, r#"{"tll":"1s"}"#, r#"{"overflow":"burst"}"#] {
            assert!(serde_json::from_str::<Policy>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_size_is_a_text_or_a_number_and_what_is_neither_is_told_what_to_write() {
        for same in [r#"{"max_bytes":"1 MiB"}"#, r#"{"max_bytes":1048576}"#] {
            let policy: Policy = serde_json::from_str(same).expect(same);
            assert_eq!(policy.max_bytes, Some(1 << 20), "{same}");
        }
        let none: Policy = serde_json::from_str(r#"{"max_bytes":null}"#).expect("null is none");
        assert_eq!(none.max_bytes, None);
        for (bad, said) in [
            (r#"{"ttl":1.5}"#, "or whole milliseconds"),
            (r#"{"ttl":99999999999999999999}"#, "or whole milliseconds"),
            (r#"{"ttl":true}"#, "or whole milliseconds"),
            (r#"{"max_bytes":1.5}"#, "a whole number of bytes"),
            (r#"{"max_bytes":-1}"#, "a whole number of bytes"),
            (r#"{"max_bytes":"much"}"#, "is not a size: write a number and a unit"),
        ] {
            let error = serde_json::from_str::<Policy>(bad).expect_err(bad).to_string();
            assert!(error.contains(said), "{bad}: {error}");
        }
    }
}

//! Words of ours behind the needed ones: `PUB orders id=8f3 key=customer-7 ttl=60000`.
//!
//! nsqd ignores what it does not need, so a client may send them to any server. Words that are none of
//! ours are ignored here too.

use std::time::Duration;

use super::number::decimal;
use super::refusal::Refusal;

/// Longest `id=` or `key=`, in bytes.
pub const WORD_BYTES_MAX: usize = 128;

/// What a publisher said besides topic and body.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Extra {
    /// Publishing the same id again within the topic's window has no effect. In an `MPUB` each message's
    /// id is this one, a dot and its place in the batch.
    pub id: Option<Box<str>>,
    /// Messages of one key are delivered in order where the topic's policy says so.
    pub key: Option<Box<str>>,
    /// Not worth delivering after this.
    pub ttl: Option<Duration>,
}

impl Extra {
    /// Reads the words behind the needed ones; `None` if none is ours.
    ///
    /// # Errors
    /// `E_INVALID` for one of ours that cannot be understood.
    pub(super) fn parse<'a>(
        command: &str,
        words: impl Iterator<Item = &'a [u8]>,
    ) -> Result<Option<Box<Self>>, Refusal> {
        let mut extra: Option<Box<Self>> = None;
        for word in words {
            let Some(equals) = memchr::memchr(b'=', word) else { continue };
            let (name, value) = (&word[..equals], &word[equals + 1..]);
            match name {
                b"id" => extra.get_or_insert_default().id = Some(text(command, "id", value)?),
                b"key" => extra.get_or_insert_default().key = Some(text(command, "key", value)?),
                b"ttl" => {
                    let ms = decimal(value).filter(|&ms| ms > 0).ok_or_else(|| bad(command, "ttl", value))?;
                    extra.get_or_insert_default().ttl = Some(Duration::from_millis(ms));
                }
                _ => {}
            }
        }
        Ok(extra)
    }
}

fn text(command: &str, name: &str, value: &[u8]) -> Result<Box<str>, Refusal> {
    std::str::from_utf8(value)
        .ok()
        .filter(|text| !text.is_empty() && text.len() <= WORD_BYTES_MAX)
        .map(Box::from)
        .ok_or_else(|| bad(command, name, value))
}

fn bad(command: &str, name: &str, value: &[u8]) -> Refusal {
    let mut text = format!("{command} could not parse {name} ").into_bytes();
    text.extend_from_slice(value);
    Refusal::invalid(text)
}

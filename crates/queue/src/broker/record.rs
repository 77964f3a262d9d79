//! A message as a record of the log: a few fields, then the body. Drawn in `docs/internals/queue.md`.

use bytes::{Buf, Bytes};

use super::message::Message;
use crate::Error;

/// Kind of the log's records that hold a message of the broker.
pub(crate) const KIND: u8 = 2;
/// Version of the fields.
const VERSION: u8 = 1;
const DELIVER_AT: u8 = 1;
const EXPIRES: u8 = 2;
const KEY: u8 = 4;
const ID: u8 = 8;
/// Of a dead letter of the first versions; passed over.
const ATTEMPTS: u8 = 16;
/// Bytes of the fields that are always there.
const FIXED_BYTES: usize = 18;
/// Longest key, and longest id given by a publisher, in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// The fields before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Fields<'a> {
    pub(crate) seq: u64,
    pub(crate) published_ns: i64,
    /// Zero: at once.
    pub(crate) deliver_at_ms: i64,
    /// Zero: never.
    pub(crate) expires_ms: i64,
    pub(crate) key: Option<&'a str>,
    pub(crate) id: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Appends the fields.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let flags = flag(self.deliver_at_ms != 0, DELIVER_AT)
            | flag(self.expires_ms != 0, EXPIRES)
            | flag(self.key.is_some(), KEY)
            | flag(self.id.is_some(), ID);
        out.extend_from_slice(&[VERSION, flags]);
        out.extend_from_slice(&self.seq.to_le_bytes());
        out.extend_from_slice(&self.published_ns.to_le_bytes());
        for time in [self.deliver_at_ms, self.expires_ms] {
            if time != 0 {
                out.extend_from_slice(&time.to_le_bytes());
            }
        }
        for name in [self.key, self.id].into_iter().flatten() {
            // Checked when the message was taken in.
            out.push(name.len().min(NAME_BYTES_MAX) as u8);
            out.extend_from_slice(&name.as_bytes()[..name.len().min(NAME_BYTES_MAX)]);
        }
    }

    /// Takes the fields from the front of a payload; `None` if these are not they.
    pub(crate) fn decode(from: &mut &'a [u8]) -> Option<Self> {
        if from.len() < FIXED_BYTES || from[0] != VERSION {
            return None;
        }
        let flags = from[1];
        from.advance(2);
        let mut fields = Self { seq: from.get_u64_le(), published_ns: from.get_i64_le(), ..Self::default() };
        if flags & DELIVER_AT != 0 {
            fields.deliver_at_ms = from.try_get_i64_le().ok()?;
        }
        if flags & EXPIRES != 0 {
            fields.expires_ms = from.try_get_i64_le().ok()?;
        }
        if flags & KEY != 0 {
            fields.key = Some(take_name(from)?);
        }
        if flags & ID != 0 {
            fields.id = Some(take_name(from)?);
        }
        if flags & ATTEMPTS != 0 {
            from.try_get_u16_le().ok()?;
        }
        Some(fields)
    }
}

fn take_name<'a>(from: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::from(from.try_get_u8().ok()?);
    let (name, rest) = from.split_at_checked(length)?;
    *from = rest;
    std::str::from_utf8(name).ok()
}

/// Whether this can be a key or an id.
pub(crate) fn check_name(what: &str, name: Option<&str>) -> Result<(), Error> {
    match name {
        Some(name) if name.is_empty() || name.len() > NAME_BYTES_MAX => {
            Err(Error::Invalid(format!("a message's {what} has 1 to {NAME_BYTES_MAX} bytes")))
        }
        _ => Ok(()),
    }
}

/// By which messages of one key are known; never zero. Two keys that share it are only kept in one
/// order without need.
pub(crate) fn key_hash(key: Option<&str>) -> u64 {
    key.map_or(0, |key| {
        // FNV-1a: the same over restarts.
        let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        hash.max(1)
    })
}

/// The message of a record; `None` if the payload is none of ours.
pub(crate) fn message(position: u64, payload: &Bytes) -> Option<Message> {
    let mut rest = &payload[..];
    let fields = Fields::decode(&mut rest)?;
    Some(Message {
        position,
        seq: fields.seq,
        published_ns: fields.published_ns,
        deliver_at_ms: fields.deliver_at_ms,
        expires_ms: fields.expires_ms,
        key_hash: key_hash(fields.key),
        attempts: 0,
        in_order: fields.deliver_at_ms == 0,
        body: payload.slice(payload.len() - rest.len()..),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back() {
        for bits in 0..16_u8 {
            let has = |bit: u8| bits & bit != 0;
            let fields = Fields {
                seq: u64::MAX - 5,
                published_ns: -7,
                deliver_at_ms: i64::from(has(1)) * 99,
                expires_ms: i64::from(has(2)) * -4,
                key: has(4).then_some("a key"),
                id: has(8).then_some("ä"),
            };
            let mut payload = Vec::new();
            fields.encode(&mut payload);
            let length = payload.len();
            payload.extend_from_slice(b"body");
            assert_eq!(Fields::decode(&mut &payload[..]), Some(fields));
            let message = message(8, &Bytes::from(payload.clone())).expect("a message");
            assert_eq!((message.seq, &message.body[..]), (u64::MAX - 5, &b"body"[..]));
            for cut in 0..length {
                assert_eq!(Fields::decode(&mut &payload[..cut]), None, "cut to {cut}");
            }
        }
        assert_eq!(Fields::decode(&mut &[2; 40][..]), None, "another version");
    }

    #[test]
    fn attempts_that_an_old_dead_letter_brought_along_are_passed_over() {
        let mut payload = Vec::new();
        Fields { seq: 3, ..Fields::default() }.encode(&mut payload);
        payload[1] |= ATTEMPTS;
        payload.extend_from_slice(&5_u16.to_le_bytes());
        payload.extend_from_slice(b"letter");
        let message = message(8, &Bytes::from(payload)).expect("a message");
        assert_eq!((message.seq, message.attempts, &message.body[..]), (3, 0, &b"letter"[..]));
    }

    #[test]
    fn keys_have_a_hash_and_none_has_not() {
        assert_eq!(key_hash(None), 0);
        assert_ne!(key_hash(Some("a")), key_hash(Some("b")));
    }
}

//! Messages: what publishers hand over, what consumers get, and what a channel keeps of one.

use std::fmt;
use std::time::Duration;

use base::Timestamp;
use bytes::Bytes;

/// Bits of an id that are the position in the log; the node's number lies above.
const POSITION_BITS: u32 = 54;
/// Greatest number of a node.
pub const NODE_ID_MAX: u16 = 1_023;

/// Names a message: the node's number and the position of its record in the log. It stays the same
/// over restarts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(pub u64);

impl MessageId {
    /// From the sixteen hexadecimal digits that stand for it on the wire, of either case.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let digits: &[u8; 16] = digits.try_into().ok()?;
        let mut id = 0;
        for digit in digits {
            id = id << 4 | u64::from(char::from(*digit).to_digit(16)?);
        }
        Some(Self(id))
    }

    /// As it stands on the wire.
    pub fn digits(self) -> [u8; 16] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        std::array::from_fn(|at| DIGITS[(self.0 >> (60 - 4 * at)) as usize & 15])
    }

    pub(crate) fn new(node_id: u16, position: u64) -> Self {
        Self(u64::from(node_id) << POSITION_BITS | position & ((1 << POSITION_BITS) - 1))
    }

    /// The position in the log, if this is the node that gave the id.
    pub(crate) fn position(self, node_id: u16) -> Option<u64> {
        (self.0 >> POSITION_BITS == u64::from(node_id)).then_some(self.0 & ((1 << POSITION_BITS) - 1))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({self})")
    }
}

/// A message to be published.
#[derive(Clone, Debug, Default)]
pub struct NewMessage {
    /// What it says.
    pub body: Bytes,
    /// Not delivered before so much time has passed. Zero: at once.
    pub delay: Duration,
    /// The publisher's own name for it, by which the topic's dedup window knows a repetition.
    pub id: Option<Box<str>>,
    /// Messages of one key are delivered one after the other where the topic's policy says `ordered`.
    pub key: Option<Box<str>>,
    /// Not delivered any more when so much time has passed; the topic's policy may say sooner.
    pub ttl: Option<Duration>,
    /// What it was before it came here, if it was.
    pub origin: Option<Origin>,
}

/// The past of a message that was taken over from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// When it was first published, nanoseconds since the epoch.
    pub published_ns: i64,
}

impl From<Bytes> for NewMessage {
    fn from(body: Bytes) -> Self {
        Self { body, ..Self::default() }
    }
}

/// A message handed to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// By which it is finished, requeued or touched.
    pub id: MessageId,
    /// When it was published, nanoseconds since the epoch.
    pub timestamp_ns: i64,
    /// How often it was handed out, this time included.
    pub attempts: u16,
    /// What it says.
    pub body: Bytes,
}

/// What [`Channel::peek`](super::Channel::peek) shows of a message.
#[derive(Clone, Debug)]
pub struct Peeked {
    /// Its id.
    pub id: MessageId,
    /// Where it is.
    pub place: Place,
    /// When it was published, nanoseconds since the epoch.
    pub timestamp_ns: i64,
    /// How often it was handed out.
    pub attempts: u16,
    /// What it says.
    pub body: Bytes,
}

/// Where a message of a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It waits for a consumer.
    Ready,
    /// A consumer has it, until then.
    InFlight(Timestamp),
    /// It waits for its time.
    Deferred(Timestamp),
}

/// What a channel keeps of a message.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Position in the log, or a number of an ephemeral topic's own.
    pub(crate) position: u64,
    pub(crate) seq: u64,
    pub(crate) published_ns: i64,
    /// Zero: at once.
    pub(crate) deliver_at_ms: i64,
    /// Zero: never.
    pub(crate) expires_ms: i64,
    /// Of its key; zero: none.
    #[allow(dead_code, reason = "the rule that keeps messages of one key in order lands beside it")]
    pub(crate) key_hash: u64,
    pub(crate) attempts: u16,
    /// It came in the order of its number, so that the "delivered" mark speaks of it.
    pub(crate) in_order: bool,
    pub(crate) body: Bytes,
}

impl Message {
    /// Whether it is too old to be delivered.
    pub(crate) fn has_expired(&self, now_ms: i64) -> bool {
        self.expires_ms != 0 && self.expires_ms <= now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_sixteen_digits() {
        let id = MessageId::new(513, 0x1234_5678);
        assert_eq!(id.to_string(), "8040000012345678");
        assert_eq!(&id.digits()[..], id.to_string().as_bytes());
        assert_eq!(MessageId::parse(&id.digits()), Some(id));
        assert_eq!(MessageId::parse(b"8040000012345678".to_ascii_uppercase().as_slice()), Some(id));
        assert_eq!((id.position(513), id.position(1)), (Some(0x1234_5678), None));
        for bad in
            [&b""[..], b"804000001234567", b"80400000123456789", b"+040000012345678", b"80400000 2345678"]
        {
            assert_eq!(MessageId::parse(bad), None, "{bad:?}");
        }
    }
}

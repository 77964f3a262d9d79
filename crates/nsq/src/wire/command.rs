//! What a client asks for, parsed and checked as far as that needs no server.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::extra::Extra;
use super::parser::Limits;
use super::refusal::Refusal;

/// A message id as it is on the wire: 16 bytes of whatever the server chose.
pub type RawId = [u8; 16];

/// A valid name of a topic or a channel, held without an allocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    len: u8,
    bytes: [u8; queue::NAME_BYTES_MAX],
}

impl Name {
    /// The name these bytes are; `None` if none may be called that.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| queue::check_name(text).is_ok())?;
        let mut name = Self { len: u8::try_from(text.len()).ok()?, bytes: [0; queue::NAME_BYTES_MAX] };
        name.bytes[..text.len()].copy_from_slice(bytes);
        Some(name)
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("names are ASCII")
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A command with everything that belongs to it.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Who the client is and what it wants of the connection, as JSON.
    Identify(Bytes),
    /// A secret for the authority.
    Auth(Bytes),
    /// Wants a channel's messages.
    Sub(Name, Name),
    /// Publishes one message.
    Pub {
        /// To where.
        topic: Name,
        /// Not before this has passed; `None` for `PUB`, given (perhaps zero) for `DPUB`.
        delay: Option<Duration>,
        /// What.
        body: Bytes,
        /// Our own words behind the needed ones.
        extra: Option<Box<Extra>>,
    },
    /// Publishes many messages.
    Mpub {
        /// To where.
        topic: Name,
        /// What.
        batch: Batch,
        /// Our own words behind the needed ones.
        extra: Option<Box<Extra>>,
    },
    /// Takes up to so many messages at a time.
    Rdy(u32),
    /// Is done with a message.
    Fin(RawId),
    /// Gives a message back.
    Req {
        /// Which.
        id: RawId,
        /// For how long, within the limit.
        delay: Duration,
        /// Whether this delivery shall not count as an attempt (our own third parameter, `uncounted`).
        uncounted: bool,
    },
    /// Needs more time for a message.
    Touch(RawId),
    /// Wants no more messages.
    Cls,
    /// Lives.
    Nop,
}

/// The messages of an `MPUB`, checked: none is empty or too large.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Batch {
    /// Each message's length as int32 and its bytes; exactly `count` of them.
    messages: Bytes,
    count: u32,
}

impl Batch {
    pub(super) fn checked(messages: Bytes, count: u32) -> Self {
        Self { messages, count }
    }

    /// Reads the body of a binary `mpub` over HTTP: int32 count, then the messages. What follows them
    /// is ignored.
    ///
    /// # Errors
    /// As `MPUB` answers them; a body that ends early is `E_BAD_BODY` or `E_BAD_MESSAGE`.
    pub fn parse(mut body: Bytes, limits: &Limits) -> Result<Self, Refusal> {
        let mut scan = Scan::default();
        match scan.run(&body, limits)? {
            Some(end) => {
                body.truncate(end);
                body.advance(COUNT_BYTES);
                Ok(Self::checked(body, scan.count))
            }
            None => Err(scan.cut()),
        }
    }

    /// How many messages there are; at least one.
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// The messages in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.messages[..];
        std::iter::from_fn(move || {
            let (len, tail) = rest.split_first_chunk::<4>()?;
            let (message, tail) = tail.split_at_checked(u32::from_be_bytes(*len) as usize)?;
            rest = tail;
            Some(message)
        })
    }

    /// All bytes of all messages, their lengths not counted.
    pub fn body_bytes(&self) -> usize {
        self.messages.len() - 4 * self.count()
    }
}

const COUNT_BYTES: usize = 4;

/// A walk over the messages of an `MPUB`, which goes on where it stopped when more has arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Scan {
    /// 0 before it is known.
    pub(super) count: u32,
    found: u32,
    /// Whether the size of the next message is there, and the message is not.
    in_body: bool,
    /// The bytes already walked over.
    at: usize,
}

impl Scan {
    /// Walks on over `body`, which starts with the count. Where the batch ends, `None` if more must
    /// arrive.
    pub(super) fn run(&mut self, body: &[u8], limits: &Limits) -> Result<Option<usize>, Refusal> {
        if self.count == 0 {
            let Some(count) = int32(body) else { return Ok(None) };
            // The least a message takes is its length and one byte.
            let most = (limits.body_bytes_max.saturating_sub(COUNT_BYTES)) / 5;
            self.count = u32::try_from(count)
                .ok()
                .filter(|&count| count > 0 && count as usize <= most)
                .ok_or_else(|| Refusal::fatal("E_BAD_BODY", format!("MPUB invalid message count {count}")))?;
            self.at = COUNT_BYTES;
        }
        while self.found < self.count {
            let Some(size) = body.get(self.at..).and_then(int32) else { return Ok(None) };
            let found = self.found;
            let size = usize::try_from(size).ok().filter(|&size| size > 0).ok_or_else(|| {
                Refusal::fatal("E_BAD_MESSAGE", format!("MPUB invalid message({found}) body size {size}"))
            })?;
            if size > limits.message_bytes_max {
                let max = limits.message_bytes_max;
                return Err(Refusal::fatal("E_BAD_MESSAGE", format!("MPUB message too big {size} > {max}")));
            }
            let end = self.at + 4 + size;
            // nsqd never looks at the sum; without this a small declared size would buy any amount of memory.
            if end > limits.body_bytes_max.max(4 + COUNT_BYTES + limits.message_bytes_max) {
                let max = limits.body_bytes_max;
                return Err(Refusal::fatal("E_BAD_BODY", format!("MPUB body too big {end} > {max}")));
            }
            self.in_body = body.len() < end;
            if self.in_body {
                return Ok(None);
            }
            self.at = end;
            self.found += 1;
        }
        Ok(Some(self.at))
    }

    /// The answer where the body ends here.
    pub(super) fn cut(&self) -> Refusal {
        if self.count == 0 {
            return Refusal::fatal("E_BAD_BODY", "MPUB failed to read message count");
        }
        if self.in_body {
            return Refusal::fatal("E_BAD_MESSAGE", "MPUB failed to read message body");
        }
        Refusal::fatal("E_BAD_MESSAGE", format!("MPUB failed to read message({}) body size", self.found))
    }
}

/// The big-endian int32 these bytes start with.
pub(super) fn int32(bytes: &[u8]) -> Option<i32> {
    bytes.first_chunk().copied().map(i32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binary_body_over_http_is_a_batch() {
        let limits = Limits::default();
        let body = Bytes::from_static(b"\0\0\0\x02\0\0\0\x01a\0\0\0\x02bc-behind");
        let batch = Batch::parse(body, &limits).unwrap();
        assert_eq!(batch.iter().collect::<Vec<_>>(), [&b"a"[..], b"bc"]);
        assert_eq!((batch.count(), batch.body_bytes()), (2, 3));
        for (body, answer) in [
            (&b"\0\0\0"[..], "E_BAD_BODY MPUB failed to read message count"),
            (b"\0\0\0\0", "E_BAD_BODY MPUB invalid message count 0"),
            (b"\0\0\0\x02\0\0\0\x01a", "E_BAD_MESSAGE MPUB failed to read message(1) body size"),
            (b"\0\0\0\x02\0\0\0\x01a\0\0\0", "E_BAD_MESSAGE MPUB failed to read message(1) body size"),
            (b"\0\0\0\x02\0\0\0\x01a\0\0\0\x02", "E_BAD_MESSAGE MPUB failed to read message body"),
            (b"\0\0\0\x02\0\0\0\x01a\0\0\0\x02b", "E_BAD_MESSAGE MPUB failed to read message body"),
            (b"\0\0\0\x02\0\0\0\x01a\xff\xff\xff\xff", "E_BAD_MESSAGE MPUB invalid message(1) body size -1"),
        ] {
            let refusal = Batch::parse(Bytes::from_static(body), &limits).unwrap_err();
            assert_eq!(refusal.to_string(), answer);
        }
    }

    #[test]
    fn a_batch_is_no_larger_than_a_body_may_be() {
        let limits = Limits { body_bytes_max: 40, message_bytes_max: 20, ..Limits::default() };
        let mut body = vec![0, 0, 0, 3];
        for _ in 0..3 {
            body.extend_from_slice(&[0, 0, 0, 20]);
            body.extend_from_slice(&[b'x'; 20]);
        }
        let refusal = Batch::parse(Bytes::from(body), &limits).unwrap_err();
        assert_eq!(refusal.to_string(), "E_BAD_BODY MPUB body too big 52 > 40");
    }
}

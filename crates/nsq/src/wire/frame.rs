//! Frames: what a server sends. `size | type | data`, the two first as big-endian int32, where size
//! counts the type and the data.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::refusal::Refusal;

/// The type of an answer or a heartbeat.
pub const RESPONSE: u32 = 0;
/// The type of an error.
pub const ERROR: u32 = 1;
/// The type of a message.
pub const MESSAGE: u32 = 2;

/// Bytes of a frame before its data.
pub const HEAD_BYTES: usize = 8;
/// Bytes of a message before its body: timestamp, attempts, id.
pub const MESSAGE_HEAD_BYTES: usize = 8 + 2 + 16;

/// Appends an answer.
pub fn put_response(out: &mut BytesMut, data: &[u8]) {
    put_head(out, RESPONSE, data.len());
    out.extend_from_slice(data);
}

/// Appends an error.
pub fn put_refusal(out: &mut BytesMut, refusal: &Refusal) {
    put_head(out, ERROR, refusal.data_len());
    out.extend_from_slice(refusal.code.as_bytes());
    if !refusal.text.is_empty() {
        out.put_u8(b' ');
        out.extend_from_slice(&refusal.text);
    }
}

/// Appends a message.
pub fn put_message(out: &mut BytesMut, timestamp_ns: i64, attempts: u16, id: &[u8; 16], body: &[u8]) {
    const HEAD: usize = HEAD_BYTES + MESSAGE_HEAD_BYTES;
    let mut head = [0_u8; HEAD];
    head[..4].copy_from_slice(&size(MESSAGE_HEAD_BYTES + body.len()).to_be_bytes());
    head[4..8].copy_from_slice(&MESSAGE.to_be_bytes());
    head[8..16].copy_from_slice(&timestamp_ns.to_be_bytes());
    head[16..18].copy_from_slice(&attempts.to_be_bytes());
    head[18..].copy_from_slice(id);
    out.reserve(HEAD + body.len());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
}

fn put_head(out: &mut BytesMut, kind: u32, data_bytes: usize) {
    out.reserve(HEAD_BYTES + data_bytes);
    out.put_u32(size(data_bytes));
    out.put_u32(kind);
}

fn size(data_bytes: usize) -> u32 {
    u32::try_from(data_bytes + 4).expect("a frame is far smaller than 4 GiB: bodies are limited")
}

/// A frame that arrived.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// An answer; a heartbeat if it says [`super::HEARTBEAT`].
    Response(Bytes),
    /// An error, `CODE text`.
    Error(Bytes),
    /// A message; [`MessageView::of`] takes it apart.
    Message(Bytes),
}

/// Why a stream of frames cannot be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// A size that cannot be, or is above the limit.
    #[error("{}", odd_size("a frame", *.0))]
    Size(u32),
    /// A type nobody knows.
    #[error("a frame of type {0}")]
    Type(u32),
    /// A message shorter than its own head.
    #[error("a message of {0} bytes")]
    Message(usize),
}

/// A size that cannot be, in words. What begins with the letters `HTTP` comes from a web server.
pub(crate) fn odd_size(what: &str, size: u32) -> String {
    if size.to_be_bytes() == *b"HTTP" {
        "it answers in HTTP; is that the HTTP port? The TCP port is needed here".to_owned()
    } else {
        format!("{what} of {size} bytes")
    }
}

/// Takes frames off a stream: the client's side.
#[derive(Clone, Copy, Debug)]
pub struct FrameReader {
    /// The largest size accepted.
    pub size_max: u32,
}

impl FrameReader {
    /// The next frame of `input`, `None` until all of it is there.
    ///
    /// # Errors
    /// [`FrameError::Size`] and [`FrameError::Type`]; the stream is useless then.
    pub fn next(&self, input: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some((size, rest)) = input.split_first_chunk::<4>() else { return Ok(None) };
        let size = u32::from_be_bytes(*size);
        if size < 4 || size > self.size_max {
            return Err(FrameError::Size(size));
        }
        let data_bytes = size as usize - 4;
        let Some((kind, data)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let kind = u32::from_be_bytes(*kind);
        if kind > MESSAGE {
            return Err(FrameError::Type(kind));
        }
        if data.len() < data_bytes {
            return Ok(None);
        }
        input.advance(HEAD_BYTES);
        let data = input.split_to(data_bytes).freeze();
        Ok(Some(match kind {
            RESPONSE => Frame::Response(data),
            ERROR => Frame::Error(data),
            _ => Frame::Message(data),
        }))
    }
}

/// The parts of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageView {
    /// When it was published, nanoseconds since the epoch.
    pub timestamp_ns: i64,
    /// How often it was delivered, this time included.
    pub attempts: u16,
    /// Its id, opaque.
    pub id: [u8; 16],
    /// Its body.
    pub body: Bytes,
}

impl MessageView {
    /// Takes the data of a [`Frame::Message`] apart.
    ///
    /// # Errors
    /// [`FrameError::Message`] if it is too short.
    pub fn of(mut data: Bytes) -> Result<Self, FrameError> {
        if data.len() < MESSAGE_HEAD_BYTES {
            return Err(FrameError::Message(data.len()));
        }
        let (timestamp_ns, attempts) = (data.get_i64(), data.get_u16());
        let mut id = [0; 16];
        data.copy_to_slice(&mut id);
        Ok(Self { timestamp_ns, attempts, id, body: data })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_those_of_nsqd_to_the_byte() {
        let mut out = BytesMut::new();
        put_response(&mut out, b"OK");
        put_refusal(&mut out, &Refusal::invalid("x"));
        put_refusal(&mut out, &Refusal::bad_protocol());
        put_message(&mut out, 0x18e9_e25c_c7d8_bd6a, 1, b"18a266328b669000", b"hello");
        assert_eq!(
            &out[..],
            b"\0\0\0\x06\0\0\0\0OK\0\0\0\x0f\0\0\0\x01E_INVALID x\0\0\0\x12\0\0\0\x01E_BAD_PROTOCOL\
              \0\0\0\x23\0\0\0\x02\x18\xe9\xe2\x5c\xc7\xd8\xbd\x6a\0\x0118a266328b669000hello"
        );
    }

    #[test]
    fn a_web_server_that_answers_is_told_by_its_name() {
        let next = |bytes: &[u8]| FrameReader { size_max: 256 << 20 }.next(&mut BytesMut::from(bytes));
        let said = |bytes| next(bytes).expect_err("no frame").to_string();
        let http = "it answers in HTTP; is that the HTTP port? The TCP port is needed here";
        assert_eq!(said(b"HTTP/1.1 400 Bad Request\r\n"), http);
        assert_eq!(said(b"\0\0\0\x03"), "a frame of 3 bytes");
    }

    #[test]
    fn a_frame_is_read_however_it_is_split() {
        let mut all = BytesMut::new();
        put_message(&mut all, 7, 2, b"0123456789abcdef", b"body");
        put_response(&mut all, b"OK");
        let reader = FrameReader { size_max: 1 << 20 };
        for cut in 0..all.len() {
            let mut input = BytesMut::from(&all[..cut]);
            let mut seen = Vec::new();
            while let Some(frame) = reader.next(&mut input).unwrap() {
                seen.push(frame);
            }
            input.extend_from_slice(&all[cut..]);
            while let Some(frame) = reader.next(&mut input).unwrap() {
                seen.push(frame);
            }
            let [Frame::Message(message), Frame::Response(ok)] = &seen[..] else { panic!("{seen:?}") };
            let message = MessageView::of(message.clone()).unwrap();
            assert_eq!((message.timestamp_ns, message.attempts, &message.body[..]), (7, 2, &b"body"[..]));
            assert_eq!(&ok[..], b"OK");
        }
    }

    #[test]
    fn what_is_no_frame_is_refused_before_it_is_read() {
        let reader = FrameReader { size_max: 100 };
        let mut input = BytesMut::from(&b"\0\0\0\x03"[..]);
        assert_eq!(reader.next(&mut input), Err(FrameError::Size(3)));
        let mut input = BytesMut::from(&b"\0\0\0\x65"[..]);
        assert_eq!(reader.next(&mut input), Err(FrameError::Size(101)));
        let mut input = BytesMut::from(&b"\0\0\0\x05\0\0\0\x03"[..]);
        assert_eq!(reader.next(&mut input), Err(FrameError::Type(3)));
        assert_eq!(MessageView::of(Bytes::from_static(&[0; 25])), Err(FrameError::Message(25)));
    }
}

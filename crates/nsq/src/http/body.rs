//! Reading a request's body under a limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use axum::extract::Request;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_LENGTH, EXPECT};
use http::request::Parts;
use http_body_util::BodyExt as _;

use super::answer::Failure;

/// How much of a body that is too large is still read, so that the answer reaches whoever sends
/// first and listens later: a socket closed with unread bytes resets the connection.
pub const DISCARDED_BYTES_MAX: usize = 64 << 20;

/// Most that is reserved at once because of a promised length.
const RESERVED_BYTES_MAX: usize = 1 << 20;

/// Why a body could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// More than the limit; what was sent beyond it has been thrown away.
    TooLarge,
    /// The sender broke off, sent rubbish, or was too slow.
    Broken,
    /// All requests together hold as much as the listener may.
    Busy,
}

/// Memory for the bodies that a listener is receiving, all requests together. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    bytes_max: usize,
    used: Arc<AtomicUsize>,
}

/// What one body takes of the room, until it is read.
struct Held<'a> {
    room: Option<&'a Room>,
    bytes: usize,
}

impl Room {
    /// For so many bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, used: Arc::default() }
    }
}

impl Held<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Unread> {
        let Some(room) = self.room else { return Ok(()) };
        let before = room.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if before + bytes > room.bytes_max { Err(Unread::Busy) } else { Ok(()) }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.room {
            room.used.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

impl Unread {
    /// As an answer: 413 with the word for "too large" on this path, else `500 INTERNAL_ERROR`, which is
    /// what NSQ says.
    pub fn failure(self, too_large: &str) -> Failure {
        match self {
            Self::TooLarge => Failure::too_large(too_large),
            Self::Broken => Failure::internal(),
            Self::Busy => Failure::unavailable("BUSY"),
        }
    }
}

/// The whole body of `request`, at most `bytes_max` of it.
///
/// # Errors
/// [`Unread`]: nothing of the body may be used then.
pub async fn read(request: Request, bytes_max: usize) -> Result<Bytes, Unread> {
    let (parts, body) = request.into_parts();
    read_body(&parts, body, bytes_max).await
}

/// As [`read`] where the head has been taken off.
///
/// # Errors
/// The same.
pub async fn read_body(parts: &Parts, mut body: Body, bytes_max: usize) -> Result<Bytes, Unread> {
    let promised = check_length(parts, &mut body, bytes_max).await?;
    let Some(first) = next_chunk(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > bytes_max {
        discard(&mut body).await;
        return Err(Unread::TooLarge);
    }
    // The common body is one chunk and is never copied.
    let Some(second) = next_chunk(&mut body).await? else { return Ok(first) };
    let so_far = first.len() + second.len();
    let mut held = Held { room: parts.extensions.get::<Room>(), bytes: 0 };
    held.grow(first.len())?;
    let mut whole = BytesMut::with_capacity(promised.unwrap_or(0).min(RESERVED_BYTES_MAX).max(so_far));
    whole.extend_from_slice(&first);
    let mut next = Some(second);
    while let Some(chunk) = next {
        if whole.len() + chunk.len() > bytes_max {
            discard(&mut body).await;
            return Err(Unread::TooLarge);
        }
        held.grow(chunk.len())?;
        whole.extend_from_slice(&chunk);
        next = next_chunk(&mut body).await?;
    }
    Ok(whole.freeze())
}

/// The length that a body is said to have, if that is said; to be asked before anything else is looked at
/// where the length is the first thing that can be wrong.
///
/// # Errors
/// [`Unread::TooLarge`]; what was sent has been thrown away.
pub async fn check_length(parts: &Parts, body: &mut Body, bytes_max: usize) -> Result<Option<usize>, Unread> {
    let promised = promised_length(&parts.headers);
    if promised.is_some_and(|length| length > bytes_max) {
        // Whoever waits for `100 Continue` has sent nothing yet and hears it now.
        if !parts.headers.contains_key(EXPECT) {
            discard(body).await;
        }
        return Err(Unread::TooLarge);
    }
    Ok(promised)
}

fn promised_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, Unread> {
    loop {
        match body.frame().await {
            None => return Ok(None),
            Some(Err(_)) => return Err(Unread::Broken),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.is_empty() => return Ok(Some(data)),
                _ => {}
            },
        }
    }
}

async fn discard(body: &mut Body) {
    let mut left = DISCARDED_BYTES_MAX;
    while left > 0
        && let Ok(Some(chunk)) = next_chunk(body).await
    {
        left = left.saturating_sub(chunk.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use hyper::body::Frame;

    /// Chunks in the order given, then the end or an error.
    struct Chunks(std::vec::IntoIter<Result<&'static str, std::io::Error>>);

    impl hyper::body::Body for Chunks {
        type Data = Bytes;
        type Error = std::io::Error;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            Poll::Ready(
                self.0.next().map(|next| next.map(|text| Frame::data(Bytes::from_static(text.as_bytes())))),
            )
        }
    }

    fn body(chunks: &[&'static str], broken: bool) -> Body {
        let mut frames: Vec<_> = chunks.iter().map(|chunk| Ok(*chunk)).collect();
        frames.extend(broken.then(|| Err(std::io::Error::other("gone"))));
        Body::new(Chunks(frames.into_iter()))
    }

    #[tokio::test]
    async fn bodies_end_at_their_limit() {
        let check = async |chunks: &[&'static str], broken, expected: Result<&str, Unread>| {
            let got = read(Request::new(body(chunks, broken)), 6).await;
            assert_eq!(got, expected.map(|text| Bytes::copy_from_slice(text.as_bytes())), "{chunks:?}");
        };
        check(&[], false, Ok("")).await;
        check(&["abc"], false, Ok("abc")).await;
        check(&["abc", "", "def"], false, Ok("abcdef")).await;
        check(&["a", "b", "c", "def"], false, Ok("abcdef")).await;
        check(&["abcdefg"], false, Err(Unread::TooLarge)).await;
        check(&["abc", "defg"], false, Err(Unread::TooLarge)).await;
        check(&["abc"], true, Err(Unread::Broken)).await;
        check(&["abc", "d"], true, Err(Unread::Broken)).await;
    }

    #[tokio::test]
    async fn all_bodies_together_have_a_limit() {
        let room = Room::new(5);
        let ask = async |chunks: &[&'static str]| {
            let mut request = Request::new(body(chunks, false));
            request.extensions_mut().insert(room.clone());
            read(request, 100).await.map(|body| body.len())
        };
        assert_eq!(ask(&["ab", "cde"]).await, Ok(5));
        assert_eq!(ask(&["ab", "cdef"]).await, Err(Unread::Busy));
        // Another one holds most of it.
        let mut other = Held { room: Some(&room), bytes: 0 };
        other.grow(4).expect("there is room");
        assert_eq!(ask(&["a", "b"]).await, Err(Unread::Busy));
        assert_eq!(ask(&["abcdefg"]).await, Ok(7), "what came at once is here already");
        drop(other);
        assert_eq!(ask(&["a", "b"]).await, Ok(2));
        assert_eq!(room.used.load(Ordering::Relaxed), 0);
    }
}

//! A request's body, whole, within its limits.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use http_body::Body;
use http_body_util::BodyExt;

use crate::limits::Limits;

/// Why there is no whole body.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum BodyError {
    /// More than `Limits::body`, as sent or decompressed.
    #[error("the body is larger than {0}")]
    TooLarge(base::size::Bytes),
    /// All connections together hold more than `Limits::bodies`.
    #[error("too many bodies are being received")]
    Busy,
    /// The connection ended before the body did, or its chunks are none.
    #[error("the body is not whole: it ends before the length it declared, or its chunks are broken")]
    CutShort,
    /// A `Content-Encoding` that is not ours.
    #[error("the Content-Encoding is not supported: send gzip, deflate or none")]
    Encoding,
    /// Not what its `Content-Encoding` says.
    #[error("the body is not what its Content-Encoding says")]
    Damaged,
}

/// Memory held by bodies that are being received.
pub(crate) struct Room<'a> {
    held: &'a AtomicU64,
    mine: u64,
    max: u64,
}

impl<'a> Room<'a> {
    pub(crate) fn new(held: &'a AtomicU64, limits: &Limits) -> Self {
        Self { held, mine: 0, max: limits.bodies.0 }
    }

    fn take(&mut self, bytes: usize) -> Result<(), BodyError> {
        let bytes = bytes as u64;
        let before = self.held.fetch_add(bytes, Ordering::Relaxed);
        self.mine += bytes;
        if before + bytes > self.max { Err(BodyError::Busy) } else { Ok(()) }
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if self.mine > 0 {
            self.held.fetch_sub(self.mine, Ordering::Relaxed);
        }
    }
}

/// Reads a body to its end. A declared length beyond the limit is refused unread.
pub(crate) async fn read<B>(
    mut body: B,
    headers: &HeaderMap,
    limits: &Limits,
    held: &AtomicU64,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let max = limits.body_len();
    let too_large = || BodyError::TooLarge(limits.body);
    if body.size_hint().lower() > max as u64 {
        return Err(too_large());
    }
    let mut room = Room::new(held, limits);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::CutShort)?.into_data() else { continue };
        if first.len() + all.len() + data.len() > max {
            return Err(too_large());
        }
        room.take(data.len())?;
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(body.size_hint().lower() as usize + first.len() + data.len());
            all.extend_from_slice(&std::mem::take(&mut first));
        }
        all.extend_from_slice(&data);
    }
    let body = if all.is_empty() { first } else { all.freeze() };
    match headers.get(CONTENT_ENCODING) {
        None => Ok(body),
        Some(encoding) => decompress(body, encoding.as_bytes(), max).map_err(|error| match error {
            BodyError::TooLarge(_) => too_large(),
            other => other,
        }),
    }
}

fn decompress(body: Bytes, encoding: &[u8], max: usize) -> Result<Bytes, BodyError> {
    let limited = |reader: &mut dyn Read| -> Result<Bytes, BodyError> {
        let mut out = Vec::new();
        reader.take(max as u64 + 1).read_to_end(&mut out).map_err(|_| BodyError::Damaged)?;
        if out.len() > max { Err(BodyError::TooLarge(base::size::Bytes(0))) } else { Ok(out.into()) }
    };
    match encoding.trim_ascii().to_ascii_lowercase().as_slice() {
        b"" | b"identity" => Ok(body),
        _ if body.is_empty() => Ok(body),
        b"gzip" | b"x-gzip" => limited(&mut flate2::read::MultiGzDecoder::new(&body[..])),
        // The name means zlib; some send the bare stream.
        b"deflate" => match limited(&mut flate2::read::ZlibDecoder::new(&body[..])) {
            Err(BodyError::Damaged) => limited(&mut flate2::read::DeflateDecoder::new(&body[..])),
            done => done,
        },
        _ => Err(BodyError::Encoding),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use std::io::Write;

    fn gzip(data: &[u8]) -> Bytes {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(data).expect("to memory");
        encoder.finish().expect("to memory").into()
    }

    #[test]
    fn compressed_bodies_are_opened() {
        let data = b"stat=a&count=1";
        assert_eq!(decompress(gzip(data), b" GZIP", 100), Ok(Bytes::from_static(data)));
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(data).expect("to memory");
        let zlib = zlib.finish().expect("to memory");
        assert_eq!(decompress(zlib.into(), b"deflate", 100), Ok(Bytes::from_static(data)));
        let mut bare = flate2::write::DeflateEncoder::new(Vec::new(), Compression::fast());
        bare.write_all(data).expect("to memory");
        let bare = bare.finish().expect("to memory");
        assert_eq!(decompress(bare.into(), b"deflate", 100), Ok(Bytes::from_static(data)));
    }

    #[test]
    fn bombs_and_damage_are_refused() {
        let bomb = gzip(&vec![0; 10 << 20]);
        assert!(bomb.len() < 20_000);
        assert!(matches!(decompress(bomb, b"gzip", 1 << 20), Err(BodyError::TooLarge(_))));
        assert_eq!(decompress(Bytes::from_static(b"plain"), b"gzip", 100), Err(BodyError::Damaged));
        assert_eq!(decompress(Bytes::from_static(b"plain"), b"br", 100), Err(BodyError::Encoding));
    }

    #[tokio::test]
    async fn room_is_limited_and_given_back() {
        let held = AtomicU64::new(0);
        let limits = Limits { bodies: base::size::Bytes(10), ..Limits::default() };
        let body = |text: &'static str| http_body_util::Full::new(Bytes::from_static(text.as_bytes()));
        let headers = HeaderMap::new();
        assert_eq!(read(body("0123456789"), &headers, &limits, &held).await, Ok("0123456789".into()));
        assert_eq!(read(body("0123456789a"), &headers, &limits, &held).await, Err(BodyError::Busy));
        assert_eq!(held.load(Ordering::Relaxed), 0);
        let small = Limits { body: base::size::Bytes(4), ..Limits::default() };
        let too_large = Err(BodyError::TooLarge(base::size::Bytes(4)));
        assert_eq!(read(body("01234"), &headers, &small, &held).await, too_large);
    }
}

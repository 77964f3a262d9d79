//! The buffers between a socket and what is said over it, with encryption and compression in between.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::socket::{Socket, Stream};
use crate::nsqd::tls::Secured;
use crate::wire::compression::{Decoder, Encoder};

/// Least and most bytes that are read at once.
const READ_BYTES: (usize, usize) = (16 * 1024, 256 * 1024);
/// Buffers larger than this are given back when they are empty.
const KEPT_BYTES_MAX: usize = 256 * 1024;
/// Decompressed bytes that may wait to be understood.
const PLAIN_BYTES: usize = 256 * 1024;
/// How long a handshake may take.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5);
/// How long a client may take to read what is said before a change or an end.
const WRITE_TIME: Duration = Duration::from_secs(30);
/// How long, and how many bytes of, what a client still sends is read after the last word, so that it
/// gets to read that word.
const LINGER: (Duration, usize) = (Duration::from_secs(1), 8 << 20);

#[derive(Debug)]
pub(super) struct Transport {
    /// Absent only while it is being wrapped into another one.
    stream: Option<Stream>,
    codec: Option<(Encoder, Decoder)>,
    /// What arrived and is not understood yet.
    pub(super) input: BytesMut,
    /// What arrived and is still compressed.
    raw: BytesMut,
    /// Decompression may have more without anything arriving.
    has_more: bool,
    read_bytes: usize,
    /// What is to be said.
    pub(super) out: BytesMut,
    /// What is being written, and how much of it was.
    writing: BytesMut,
    written: usize,
    /// TLS has taken bytes that may not be out yet.
    unflushed: bool,
}

/// What [`Transport::poll_write`] did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wrote {
    /// Nothing was to be done.
    Nothing,
    /// All of it is out.
    All,
    /// The other side does not take more right now; whether it took anything.
    Stuck(bool),
}

impl Transport {
    pub(super) fn new(socket: Socket) -> Self {
        Self {
            stream: Some(Stream::Plain(socket)),
            codec: None,
            input: BytesMut::new(),
            raw: BytesMut::new(),
            has_more: false,
            read_bytes: READ_BYTES.0,
            out: BytesMut::new(),
            writing: BytesMut::new(),
            written: 0,
            unflushed: false,
        }
    }

    /// Reads once. Ready with whether the other side goes on; `wanted` bytes are known to come.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, wanted: usize) -> Poll<io::Result<bool>> {
        if self.has_more {
            self.decode()?;
            return Poll::Ready(Ok(true));
        }
        let Some(stream) = &mut self.stream else { return Poll::Ready(Ok(false)) };
        ready!(stream.poll_readable(cx))?;
        let buffer = if self.codec.is_some() { &mut self.raw } else { &mut self.input };
        let room = self.read_bytes.max(wanted.min(READ_BYTES.1));
        if buffer.capacity() - buffer.len() < room.min(READ_BYTES.0).max(wanted.min(READ_BYTES.1)) {
            buffer.reserve(room);
        }
        let space = buffer.capacity() - buffer.len();
        let bytes = ready!(pin!(stream.read_buf(buffer)).poll(cx))?;
        // A client that fills what it is given gets more, one that does not less.
        if bytes == space {
            self.read_bytes = (self.read_bytes * 2).min(READ_BYTES.1);
        } else if bytes < self.read_bytes / 4 {
            self.read_bytes = (self.read_bytes / 2).max(READ_BYTES.0);
        }
        if bytes > 0 && self.codec.is_some() {
            self.decode()?;
        }
        Poll::Ready(Ok(bytes > 0))
    }

    /// Decompresses what is there, within the limit.
    fn decode(&mut self) -> io::Result<()> {
        let Some((_, decoder)) = &mut self.codec else { return Ok(()) };
        let enough = self.input.len() + PLAIN_BYTES;
        let done = decoder.decode(&mut self.raw, &mut self.input, enough);
        self.has_more = self.input.len() >= enough;
        done.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Bytes that are not out yet.
    pub(super) fn pending(&self) -> usize {
        self.out.len() + self.writing.len() - self.written
    }

    /// Writes what is being written, and with `flush` then all there is to say.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, flush: bool) -> io::Result<Wrote> {
        let Some(stream) = &mut self.stream else { return Ok(Wrote::Nothing) };
        let mut wrote = false;
        loop {
            if self.written == self.writing.len() {
                self.writing.clear();
                self.written = 0;
                if self.writing.capacity() > KEPT_BYTES_MAX {
                    self.writing = BytesMut::new();
                }
                if !flush || self.out.is_empty() {
                    break;
                }
                match &mut self.codec {
                    None => std::mem::swap(&mut self.out, &mut self.writing),
                    Some((encoder, _)) => {
                        encoder.encode(&self.out, &mut self.writing);
                        self.out.clear();
                    }
                }
                if self.out.capacity() > KEPT_BYTES_MAX {
                    self.out = BytesMut::new();
                }
            }
            match Pin::new(&mut *stream).poll_write(cx, &self.writing[self.written..]) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(bytes)) => {
                    self.written += bytes;
                    self.unflushed = true;
                    wrote = true;
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(Wrote::Stuck(wrote)),
            }
        }
        if self.unflushed {
            match Pin::new(stream).poll_flush(cx) {
                Poll::Ready(done) => done?,
                Poll::Pending => return Ok(Wrote::Stuck(wrote)),
            }
            self.unflushed = false;
            wrote = true;
        }
        Ok(if wrote { Wrote::All } else { Wrote::Nothing })
    }

    /// Writes all there is to say.
    pub(super) async fn write_all(&mut self) -> io::Result<()> {
        let all = poll_fn(|cx| match self.poll_write(cx, true) {
            Ok(Wrote::Nothing | Wrote::All) => Poll::Ready(Ok(())),
            Ok(Wrote::Stuck(_)) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        });
        let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "it did not read our last words"));
        tokio::time::timeout(WRITE_TIME, all).await.unwrap_or_else(late)
    }

    /// Goes on encrypted. Everything before must be written.
    pub(super) async fn encrypt(&mut self, config: Arc<ServerConfig>) -> io::Result<Secured> {
        let Some(Stream::Plain(mut socket)) = self.stream.take() else {
            return Err(io::Error::other("TLS is on already"));
        };
        socket.early = self.input.split();
        let handshake = TlsAcceptor::from(config).accept(socket);
        let stream = tokio::time::timeout(HANDSHAKE_TIME, handshake)
            .await
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "TLS handshake timed out"))??;
        let secured = Secured::of(&stream);
        self.stream = Some(Stream::Tls(Box::new(stream)));
        Ok(secured)
    }

    /// Goes on compressed. Everything before must be written.
    pub(super) fn compress(&mut self, codec: (Encoder, Decoder)) -> io::Result<()> {
        self.raw = self.input.split();
        self.codec = Some(codec);
        self.decode()
    }

    /// Whether it is compressed.
    pub(super) fn is_compressed(&self) -> bool {
        self.codec.is_some()
    }

    /// Bytes of memory that the buffers hold, full or not.
    #[cfg(test)]
    fn held(&self) -> usize {
        [&self.input, &self.raw, &self.out, &self.writing].map(BytesMut::capacity).iter().sum()
    }

    /// Gives back memory that is not in use right now.
    pub(super) fn rest(&mut self) {
        for buffer in [&mut self.input, &mut self.raw, &mut self.out, &mut self.writing] {
            if buffer.is_empty() {
                *buffer = BytesMut::new();
            }
        }
    }

    /// A last word is out: no more is said, and what still comes is passed over for a moment.
    pub(super) async fn hang_up(mut self) {
        let Some(mut stream) = self.stream.take() else { return };
        drop((self.input, self.out));
        let farewell = async {
            stream.shutdown().await?;
            let (mut passed, mut scrap) = (0, vec![0; READ_BYTES.0]);
            while passed < LINGER.1 {
                match stream.read(&mut scrap).await? {
                    0 => break,
                    bytes => passed += bytes,
                }
            }
            io::Result::Ok(())
        };
        // However it goes, the connection is over.
        let _ = tokio::time::timeout(LINGER.0, farewell).await;
    }
}

#[cfg(test)]
mod tests;

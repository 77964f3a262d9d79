//! One connection to an nsqd, from the magic to the last upgrade: frames in, bytes out.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{ClientConfig, SupportedProtocolVersion};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Config, Error};
use crate::http::listener::is_unix;
use crate::wire::compression::{self, Decoder, Encoder};
use crate::wire::{Frame, FrameReader, HEARTBEAT, MAGIC, OK, TlsVersion, encode};

/// Largest frame that is taken: far above what any nsqd lets through by default.
const FRAME_BYTES_MAX: u32 = 256 << 20;

/// How much is written at a time: what of it is taken is progress. TLS tells only of all of it.
const PIECE_BYTES: usize = 16 << 10;

/// How much is decompressed at a time.
const DECODED_BYTES: usize = 64 << 10;

/// What is spoken where nothing older will do.
static NEWEST: [&SupportedProtocolVersion; 1] = [&TLS13];

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection that is ready for commands.
pub(super) struct Connection {
    address: String,
    stream: Box<dyn Stream>,
    /// As it arrived.
    raw: BytesMut,
    /// Decompressed; frames are taken off it.
    plain: BytesMut,
    frames: FrameReader,
    codec: Option<(Encoder, Decoder)>,
    write_timeout: std::time::Duration,
    read_timeout: std::time::Duration,
    /// Most that this nsqd lets a client have in flight.
    pub(super) max_rdy_count: u32,
}

#[derive(Serialize)]
struct Identify<'a> {
    client_id: &'a str,
    hostname: &'a str,
    user_agent: &'a str,
    feature_negotiation: bool,
    heartbeat_interval: i64,
    sample_rate: u32,
    tls_v1: bool,
    deflate: bool,
    deflate_level: u32,
    snappy: bool,
    output_buffer_size: i64,
    output_buffer_timeout: i64,
    msg_timeout: i64,
}

/// What nsqd agreed to.
#[derive(Deserialize)]
#[serde(default)]
struct Agreed {
    max_rdy_count: u32,
    tls_v1: bool,
    deflate: bool,
    snappy: bool,
    auth_required: bool,
    deflate_level: u32,
}

impl Default for Agreed {
    /// Of an nsqd that agrees to nothing.
    fn default() -> Self {
        Self {
            max_rdy_count: 2_500,
            tls_v1: false,
            deflate: false,
            snappy: false,
            auth_required: false,
            deflate_level: 6,
        }
    }
}

impl Connection {
    /// Connects, introduces itself, and becomes what both sides agree on.
    ///
    /// # Errors
    /// [`Error::Connect`], or [`Error::Refused`] if nsqd says no.
    pub(super) async fn open(address: &str, config: &Config) -> Result<Self, Error> {
        let connect = |reason: String| Error::Connect { address: address.to_owned(), reason };
        let stream = timeout(config.dial_timeout, dial(address, config)).await;
        let stream = match stream {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(connect(error.to_string())),
            Err(_) => return Err(connect(format!("no answer within {:?}", config.dial_timeout))),
        };
        let mut connection = Self::over(stream, address, config);
        match timeout(config.read_timeout, connection.greet(config)).await {
            Ok(Ok(())) => Ok(connection),
            Ok(Err(Error::Lost { reason, .. })) => Err(connect(reason)),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(connect(format!("not ready within {:?}", config.read_timeout))),
        }
    }

    /// Before anything was said.
    fn over(stream: Box<dyn Stream>, address: &str, config: &Config) -> Self {
        Self {
            address: address.to_owned(),
            stream,
            raw: BytesMut::new(),
            plain: BytesMut::new(),
            frames: FrameReader { size_max: FRAME_BYTES_MAX },
            codec: None,
            write_timeout: config.write_timeout,
            read_timeout: config.read_timeout,
            max_rdy_count: 0,
        }
    }

    async fn greet(&mut self, config: &Config) -> Result<(), Error> {
        let mut out = BytesMut::from(&MAGIC[..]);
        encode::identify(&mut out, &identify(config));
        self.send(&out).await?;
        let agreed = match self.answer().await? {
            answer if answer == OK => Agreed::default(),
            answer => serde_json::from_slice(&answer).map_err(|error| self.odd(&error))?,
        };
        self.max_rdy_count = agreed.max_rdy_count;
        if agreed.tls_v1 {
            self.encrypt(config).await?;
            self.expect_ok().await?;
        } else if config.tls_v1 {
            return Err(self.odd(&"it does not speak TLS"));
        }
        if agreed.snappy {
            self.codec = Some(compression::snappy());
        } else if agreed.deflate {
            self.codec = Some(compression::deflate(agreed.deflate_level.clamp(1, 9)));
        }
        if self.codec.is_some() {
            // What arrived behind the last plain answer is compressed.
            self.raw = self.plain.split();
            self.expect_ok().await?;
        }
        if agreed.auth_required {
            if config.auth_secret.is_empty() {
                return Err(self.odd(&"it wants to know who we are: give auth_secret"));
            }
            out.clear();
            encode::auth(&mut out, config.auth_secret.as_bytes());
            self.send(&out).await?;
            self.answer().await?;
        }
        Ok(())
    }

    async fn encrypt(&mut self, config: &Config) -> Result<(), Error> {
        let tls = config.tls();
        let versions = match config.tls_min_version {
            TlsVersion::Tls13 => &NEWEST[..],
            _ => rustls::DEFAULT_VERSIONS,
        };
        let built = tokio::task::spawn_blocking(move || tls.config_of(versions)).await;
        let client: ClientConfig = match built {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => return Err(self.odd(&error)),
            Err(error) => return Err(self.odd(&error)),
        };
        let host = self.address.rsplit_once(':').map_or(self.address.as_str(), |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|error| self.odd(&error))?;
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()));
        let encrypted = TlsConnector::from(Arc::new(client)).connect(name, plain).await;
        self.stream = Box::new(encrypted.map_err(|error| self.odd(&error))?);
        Ok(())
    }

    async fn expect_ok(&mut self) -> Result<(), Error> {
        let answer = self.answer().await?;
        if answer == OK { Ok(()) } else { Err(self.odd(&answer.escape_ascii())) }
    }

    /// The next answer that is no heartbeat.
    pub(super) async fn answer(&mut self) -> Result<Bytes, Error> {
        loop {
            match self.next().await? {
                Frame::Response(data) if data == HEARTBEAT => self.beat().await?,
                Frame::Response(data) => return Ok(data),
                Frame::Error(text) => return Err(self.refused(&text)),
                Frame::Message(_) => return Err(self.odd(&"a message where an answer was due")),
            }
        }
    }

    /// Answers a heartbeat.
    pub(super) async fn beat(&mut self) -> Result<(), Error> {
        let mut out = BytesMut::new();
        encode::nop(&mut out);
        self.send(&out).await
    }

    /// The next frame. Cancel safe.
    pub(super) async fn next(&mut self) -> Result<Frame, Error> {
        loop {
            if let Some(frame) = self.frames.next(&mut self.plain).map_err(|error| self.odd(&error))? {
                return Ok(frame);
            }
            if let Some((_, decoder)) = &mut self.codec {
                let before = self.plain.len();
                let decoded = decoder.decode(&mut self.raw, &mut self.plain, before + DECODED_BYTES);
                decoded.map_err(|error| self.odd(&error))?;
                if self.plain.len() > before {
                    continue;
                }
            }
            let into = if self.codec.is_some() { &mut self.raw } else { &mut self.plain };
            match timeout(self.read_timeout, self.stream.read_buf(into)).await {
                Ok(Ok(0)) => return Err(self.lost(&"nsqd hung up")),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(self.lost(&error)),
                Err(_) => return Err(self.lost(&format!("silent for {:?}", self.read_timeout))),
            }
        }
    }

    /// Sends all of `bytes`, however long that takes while the other side reads. Not cancel safe.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let mut compressed = BytesMut::new();
        let bytes = match &mut self.codec {
            Some((encoder, _)) => {
                encoder.encode(bytes, &mut compressed);
                &compressed[..]
            }
            None => bytes,
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let piece = &rest[..rest.len().min(PIECE_BYTES)];
            let step = async {
                let taken = self.stream.write(piece).await?;
                self.stream.flush().await?;
                Ok::<usize, io::Error>(taken)
            };
            match timeout(self.write_timeout, step).await {
                Ok(Ok(0)) => return Err(self.lost(&io::Error::from(io::ErrorKind::WriteZero))),
                Ok(Ok(taken)) => rest = &rest[taken..],
                Ok(Err(error)) => return Err(self.lost(&error)),
                Err(_) => {
                    return Err(self.lost(&format!("it does not read for {:?}", self.write_timeout)));
                }
            }
        }
        Ok(())
    }

    /// Says goodbye, as far as it is still heard.
    pub(super) async fn close(mut self) {
        let _ = timeout(self.write_timeout, self.stream.shutdown()).await;
    }

    /// An error frame as an error.
    pub(super) fn refused(&self, text: &[u8]) -> Error {
        let text = String::from_utf8_lossy(text).into_owned();
        Error::Refused { address: self.address.clone(), text }
    }

    fn odd(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::Connect { address: self.address.clone(), reason: reason.to_string() }
    }

    fn lost(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::Lost { address: self.address.clone(), reason: reason.to_string() }
    }
}

fn identify(config: &Config) -> Vec<u8> {
    let ms = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let identify = Identify {
        client_id: &config.client_id,
        hostname: &config.hostname,
        user_agent: &config.user_agent,
        feature_negotiation: true,
        heartbeat_interval: ms(config.heartbeat_interval),
        sample_rate: config.sample_rate,
        tls_v1: config.tls_v1,
        deflate: config.deflate,
        deflate_level: config.deflate_level,
        snappy: config.snappy,
        output_buffer_size: config.output_buffer_size,
        output_buffer_timeout: ms(config.output_buffer_timeout),
        msg_timeout: ms(config.msg_timeout),
    };
    serde_json::to_vec(&identify).expect("strings and numbers are JSON")
}

async fn dial(address: &str, config: &Config) -> io::Result<Box<dyn Stream>> {
    if is_unix(address) {
        return Ok(Box::new(UnixStream::connect(address).await?));
    }
    let stream = if config.local_addr.is_empty() {
        TcpStream::connect(address).await?
    } else {
        let from = lookup_host(&config.local_addr).await?.next();
        let to = lookup_host(address).await?.next();
        let (Some(from), Some(to)) = (from, to) else { return Err(io::ErrorKind::AddrNotAvailable.into()) };
        let socket = if to.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.bind(from)?;
        socket.connect(to).await?
    };
    // Only a matter of latency: the connection works without.
    let _ = stream.set_nodelay(true);
    Ok(Box::new(stream))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// What becomes of 200 kilobytes to one that reads a kilobyte after each `pause`, and how long it took.
    async fn sent(pause: Duration) -> (Result<(), Error>, Duration) {
        let config = Config { write_timeout: Duration::from_secs(1), ..Config::default() };
        let (ours, mut theirs) = tokio::io::duplex(1 << 10);
        let reader = tokio::spawn(async move {
            let mut piece = [0; 1 << 10];
            loop {
                tokio::time::sleep(pause).await;
                let count = theirs.read(&mut piece).await.expect("it is open");
                assert!(count > 0, "ours stays until this one is stopped");
            }
        });
        let mut connection = Connection::over(Box::new(ours), "n:1", &config);
        let began = Instant::now();
        let outcome = connection.send(&vec![b'x'; 200 << 10]).await;
        reader.abort();
        (outcome, began.elapsed())
    }

    #[tokio::test]
    async fn who_reads_slowly_is_given_time_and_who_does_not_read_is_not() {
        let (outcome, took) = sent(Duration::from_millis(10)).await;
        assert_eq!(outcome, Ok(()));
        assert!(took > Duration::from_secs(1), "longer than nobody may read: {took:?}");
        let (outcome, _) = sent(Duration::from_secs(3600)).await;
        let reason = "it does not read for 1s".to_owned();
        assert_eq!(outcome, Err(Error::Lost { address: "n:1".to_owned(), reason }));
    }
}

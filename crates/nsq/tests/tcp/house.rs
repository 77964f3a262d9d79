//! An nsqd's TCP port in this process, and a client that sends raw bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use bytes::BytesMut;
use eyrie_nsq::http::{Client, Listener, client};
use eyrie_nsq::logging::{Level, Verbosity};
use eyrie_nsq::nsqd::auth::Authority;
use eyrie_nsq::nsqd::lookup::{Introduction, Lookup, Times};
use eyrie_nsq::nsqd::stats::{Filter, Stats};
use eyrie_nsq::nsqd::{Nsqd, Options, Parts, Ports, tcp, tls};
use eyrie_nsq::wire::frame::{Frame, FrameReader, MessageView};
use queue::broker::{Broker, Config};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// So long nothing may arrive where nothing should. A slow machine can only make such a check pass.
pub(crate) const QUIET: Duration = Duration::from_millis(150);

/// A served port over its own folder.
pub(crate) struct House {
    pub(crate) nsqd: Arc<Nsqd>,
    pub(crate) address: String,
    pub(crate) port: TaskGroup,
    broker: TaskGroup,
    log: log::Log,
    _dir: TempDir,
}

/// The path of a certificate or key made for these tests.
pub(crate) fn certificate(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name).display().to_string()
}

impl House {
    pub(crate) async fn open() -> Self {
        Self::with(Options::default()).await
    }

    pub(crate) async fn with(mut options: Options) -> Self {
        let dir = tempfile::tempdir().unwrap();
        if options.tcp_address == Options::default().tcp_address {
            options.tcp_address = "127.0.0.1:0".to_owned();
        } else {
            options.tcp_address = dir.path().join(&options.tcp_address).display().to_string();
        }
        let mut config = log::Config::new(dir.path().join("log"));
        config.segment_bytes = 16 << 20;
        let (log, _) = log::Log::open(config, Clock::system()).unwrap();
        let queue = queue::Queue::open(log.clone(), dir.path()).unwrap();
        let config = Config {
            durability: options.durability,
            channel_consumers_max: options.max_channel_consumers,
            reserved_prefixes: vec!["points.".to_owned()],
            ..Config::default()
        };
        let broker_tasks = TaskGroup::new();
        let (broker, _) = Broker::open(queue, dir.path(), config, Clock::system(), &broker_tasks).unwrap();
        let asking = Client::new(client::Options::default()).unwrap();
        let introduction = Introduction {
            version: String::new(),
            tcp_port: 0,
            http_port: 0,
            hostname: String::new(),
            broadcast_address: String::new(),
            topology_zone: String::new(),
            topology_region: String::new(),
        };
        let lookup = Lookup::new(introduction, Vec::new(), broker.clone(), asking.clone(), Times::default());
        let authority = (!options.auth_http_addresses.is_empty()).then(|| Authority {
            addresses: options.auth_http_addresses.clone(),
            post: false,
            client: asking,
        });
        let listener = Listener::bind(&options.tcp_address).await.unwrap();
        let address = listener.address();
        let nsqd = Arc::new(Nsqd::new(Parts {
            tls: tls::server_config(&options).unwrap(),
            options,
            ports: Ports::default(),
            broker,
            lookup,
            authority,
            verbosity: Verbosity::new(Level::Error),
            clock: Clock::system(),
        }));
        let port = TaskGroup::new();
        let (serving, stop) = (Arc::clone(&nsqd), port.stop_signal());
        port.spawn("tcp", async move {
            assert!(tcp::serve(serving, listener, stop).await, "all connections ended in time");
        });
        Self { nsqd, address, port, broker: broker_tasks, log, _dir: dir }
    }

    /// A client that has said which protocol it speaks.
    pub(crate) async fn client(&self) -> Wire<TcpStream> {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"  V2").await.unwrap();
        Wire::over(stream)
    }

    /// The same over a unix socket.
    pub(crate) async fn unix_client(&self) -> Wire<UnixStream> {
        let mut stream = UnixStream::connect(&self.address).await.unwrap();
        stream.write_all(b"  V2").await.unwrap();
        Wire::over(stream)
    }

    /// A client that consumes `topic/channel`.
    pub(crate) async fn consumer(&self, topic: &str, channel: &str, ready: u32) -> Wire<TcpStream> {
        let mut client = self.client().await;
        client.send(format!("SUB {topic} {channel}\n")).await;
        client.expect("OK").await;
        client.send(format!("RDY {ready}\n")).await;
        client
    }

    /// Statistics of a topic, with its clients.
    pub(crate) fn stats(&self, topic: &str) -> Stats {
        self.nsqd.stats(&Filter { topic: Some(topic), channel: None, clients: true })
    }

    /// Everything ends, connections first.
    pub(crate) async fn close(self) {
        assert!(self.port.drain(PATIENCE).await);
        self.nsqd.broker.close().await.unwrap();
        assert!(self.broker.drain(PATIENCE).await);
        let log = self.log;
        tokio::task::spawn_blocking(move || log.close()).await.unwrap().unwrap();
    }
}

/// What a client may hear.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Heard {
    Response(String),
    Error(String),
    Message(MessageView),
    /// The server hung up.
    End,
}

/// Raw bytes out, frames in.
pub(crate) struct Wire<S> {
    pub(crate) stream: S,
    pub(crate) input: BytesMut,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, input: BytesMut::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next frame, heartbeats included.
    pub(crate) async fn hear_any(&mut self) -> Heard {
        let reader = FrameReader { size_max: 16 << 20 };
        let text = |data: bytes::Bytes| String::from_utf8_lossy(&data).into_owned();
        loop {
            match reader.next(&mut self.input).expect("frames") {
                Some(Frame::Response(data)) => return Heard::Response(text(data)),
                Some(Frame::Error(data)) => return Heard::Error(text(data)),
                Some(Frame::Message(data)) => return Heard::Message(MessageView::of(data).unwrap()),
                None => {}
            }
            let read = self.stream.read_buf(&mut self.input);
            match tokio::time::timeout(PATIENCE, read).await.expect("something is said in time") {
                Ok(0) | Err(_) => return Heard::End,
                Ok(_) => {}
            }
        }
    }

    /// The next frame that is no heartbeat.
    pub(crate) async fn hear(&mut self) -> Heard {
        loop {
            match self.hear_any().await {
                Heard::Response(text) if text == "_heartbeat_" => self.send("NOP\n").await,
                heard => return heard,
            }
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> MessageView {
        match self.hear().await {
            Heard::Message(message) => message,
            other => panic!("not a message: {other:?}"),
        }
    }

    /// A response of this text comes next.
    pub(crate) async fn expect(&mut self, text: &str) {
        assert_eq!(self.hear().await, Heard::Response(text.to_owned()));
    }

    /// An error of this text comes next, and then the end.
    pub(crate) async fn refused(&mut self, text: &str) {
        assert_eq!(self.hear().await, Heard::Error(text.to_owned()));
        assert_eq!(self.hear().await, Heard::End);
    }

    /// Nothing comes for a moment.
    pub(crate) async fn quiet(&mut self) {
        if let Ok(heard) = tokio::time::timeout(QUIET, self.hear_any()).await {
            panic!("expected nothing: {heard:?}");
        }
    }

    /// Says who it is, and what it wants.
    pub(crate) async fn identify(&mut self, json: &str) -> String {
        let mut bytes = BytesMut::new();
        eyrie_nsq::wire::encode::identify(&mut bytes, json.as_bytes());
        self.send(bytes).await;
        match self.hear().await {
            Heard::Response(text) | Heard::Error(text) => text,
            other => panic!("no answer to IDENTIFY: {other:?}"),
        }
    }

    pub(crate) async fn fin(&mut self, id: &[u8; 16]) {
        self.send([b"FIN ", &id[..], b"\n"].concat()).await;
    }

    pub(crate) async fn publish(&mut self, topic: &str, body: &[u8]) {
        let mut bytes = BytesMut::new();
        eyrie_nsq::wire::encode::pub_(&mut bytes, topic, body);
        self.send(bytes).await;
        self.expect("OK").await;
    }
}

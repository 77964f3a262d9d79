//! For tests: an nsqd with one queue for all channels, that can be cut off and remembers what it was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use base::tasks::TaskGroup;
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::wire::compression::{self, Decoder, Encoder};
use crate::wire::{Command, HEARTBEAT, Parser, Phase, RawId, Session, frame};

/// A running fake.
#[derive(Clone)]
pub(crate) struct FakeNsqd {
    pub(crate) address: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    news: Notify,
    cut: Mutex<CancellationToken>,
}

/// What it has and what it was told.
#[derive(Default)]
pub(crate) struct State {
    queue: VecDeque<Stored>,
    in_flight: BTreeMap<RawId, (u64, Stored)>,
    next: u64,
    pub(crate) finished: Vec<Bytes>,
    pub(crate) requeued: Vec<(Bytes, Duration)>,
    pub(crate) published: Vec<(String, Bytes)>,
    /// Most that was in flight at once.
    pub(crate) most_in_flight: usize,
    pub(crate) connections: u64,
    /// IDENTIFY as it came.
    pub(crate) identified: Vec<String>,
    /// What is answered to the next publication instead of OK; the connection ends then.
    pub(crate) refusal: Option<&'static str>,
    /// Publications are taken and not answered.
    pub(crate) holds: bool,
    /// What is answered to the oldest of these instead of OK, although it was taken; the connection ends then.
    pub(crate) failure: Option<&'static str>,
    /// Longest message that is taken, if there is a limit.
    pub(crate) message_bytes_max: Option<usize>,
    /// Heartbeats that were answered, or at least followed, by NOP.
    pub(crate) nops: usize,
}

#[derive(Clone)]
struct Stored {
    id: RawId,
    attempts: u16,
    body: Bytes,
}

impl FakeNsqd {
    /// Listens on a port of its own until `tasks` stop.
    pub(crate) async fn start(tasks: &TaskGroup) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback can be bound");
        let address = listener.local_addr().expect("bound").to_string();
        let shared = Arc::<Shared>::default();
        let (serving, stop, group) = (Arc::clone(&shared), tasks.stop_signal(), tasks.clone());
        tasks.spawn("fake nsqd", async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stop.requested() => return,
                };
                let (stream, _) = accepted.expect("a connection");
                // As nsqds do: a refusal is sent before the connection is reset.
                stream.set_nodelay(true).expect("a live socket");
                let cut = serving.cut.lock().clone();
                let (serving, stop) = (Arc::clone(&serving), group.stop_signal());
                group.spawn("fake connection", async move {
                    let id = {
                        let mut state = serving.state.lock();
                        state.connections += 1;
                        state.connections
                    };
                    let mut connection = FakeConnection::new(id, stream, Arc::clone(&serving));
                    tokio::select! {
                        () = connection.run() => {}
                        () = cut.cancelled() => {}
                        () = stop.requested() => {}
                    }
                    serving.give_back(id);
                });
            }
        });
        Self { address, shared }
    }

    /// Messages for whoever subscribes.
    pub(crate) fn push<'a>(&self, bodies: impl IntoIterator<Item = &'a str>) {
        let mut state = self.shared.state.lock();
        for body in bodies {
            state.next += 1;
            let id = format!("{:016x}", state.next).into_bytes().try_into().expect("16 digits");
            state.queue.push_back(Stored { id, attempts: 0, body: Bytes::copy_from_slice(body.as_bytes()) });
        }
        drop(state);
        self.shared.news.notify_waiters();
    }

    /// Breaks every connection.
    pub(crate) fn cut(&self) {
        let mut cut = self.shared.cut.lock();
        cut.cancel();
        *cut = CancellationToken::new();
    }

    /// Answers what was held back, and holds back nothing more.
    pub(crate) fn release(&self) {
        self.look(|state| state.holds = false);
        self.shared.news.notify_waiters();
    }

    /// Looks at what it knows.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.shared.state.lock())
    }

    /// The bodies that were finished, each once, in order.
    pub(crate) fn finished(&self) -> Vec<String> {
        let mut bodies: Vec<String> =
            self.look(|s| s.finished.iter().map(|body| String::from_utf8_lossy(body).into_owned()).collect());
        bodies.sort();
        bodies.dedup();
        bodies
    }
}

impl Shared {
    fn give_back(&self, connection: u64) {
        let mut state = self.state.lock();
        let (gone, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut state.in_flight).into_iter().partition(|(_, (of, _))| *of == connection);
        state.in_flight = kept;
        state.queue.extend(gone.into_values().map(|(_, stored)| stored));
        drop(state);
        self.news.notify_waiters();
    }
}

struct FakeConnection {
    id: u64,
    stream: TcpStream,
    shared: Arc<Shared>,
    parser: Parser,
    session: Session,
    ready: u32,
    raw: BytesMut,
    plain: BytesMut,
    out: BytesMut,
    codec: Option<(Encoder, Decoder)>,
    over: bool,
    /// Publications that were taken and not answered.
    owed: usize,
}

impl FakeConnection {
    fn new(id: u64, stream: TcpStream, shared: Arc<Shared>) -> Self {
        let parser = Parser::new(crate::wire::Limits::default());
        let (raw, plain, out) = (BytesMut::new(), BytesMut::new(), BytesMut::new());
        let session = Session::default();
        Self {
            id,
            stream,
            shared,
            parser,
            session,
            ready: 0,
            raw,
            plain,
            out,
            codec: None,
            over: false,
            owed: 0,
        }
    }

    async fn run(&mut self) {
        let mut magic = [0; 4];
        if self.stream.read_exact(&mut magic).await.is_err() || magic != *b"  V2" {
            return;
        }
        let shared = Arc::clone(&self.shared);
        let mut beat = tokio::time::interval(Duration::from_millis(100));
        loop {
            let news = shared.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            self.deliver();
            if !self.flush().await || self.over {
                return;
            }
            tokio::select! {
                read = self.stream.read_buf(&mut self.raw) => {
                    if !matches!(read, Ok(n) if n > 0) || !self.take().await {
                        return;
                    }
                }
                () = news => {}
                _ = beat.tick() => {
                    if self.session.phase != Phase::Init {
                        frame::put_response(&mut self.out, HEARTBEAT);
                    }
                }
            }
        }
    }

    /// Sends what waits, compressed if that was agreed on.
    async fn flush(&mut self) -> bool {
        let plain = self.out.split();
        let mut bytes = BytesMut::new();
        match &mut self.codec {
            Some((encoder, _)) => encoder.encode(&plain, &mut bytes),
            None => bytes = plain,
        }
        self.stream.write_all(&bytes).await.is_ok()
    }

    fn deliver(&mut self) {
        let mut state = self.shared.state.lock();
        if self.owed > 0
            && !state.holds
            && let Some(text) = state.failure.take()
        {
            frame::put_refusal(&mut self.out, &crate::wire::Refusal::publish_failed("PUB", text));
            self.over = true;
            return;
        }
        if !state.holds {
            (0..std::mem::take(&mut self.owed)).for_each(|_| frame::put_response(&mut self.out, b"OK"));
        }
        let mine = |state: &State| state.in_flight.values().filter(|(of, _)| *of == self.id).count();
        while self.session.phase == Phase::Subscribed && mine(&state) < self.ready as usize {
            let Some(mut stored) = state.queue.pop_front() else { break };
            stored.attempts += 1;
            frame::put_message(&mut self.out, 1, stored.attempts, &stored.id, &stored.body);
            state.in_flight.insert(stored.id, (self.id, stored));
            state.most_in_flight = state.most_in_flight.max(state.in_flight.len());
        }
    }

    /// Carries out every command that has arrived.
    async fn take(&mut self) -> bool {
        loop {
            match &mut self.codec {
                Some((_, decoder)) => {
                    decoder.decode(&mut self.raw, &mut self.plain, 1 << 20).expect("what was agreed on");
                }
                None => self.plain.unsplit(self.raw.split()),
            }
            if self.over {
                return true;
            }
            let Some(command) = self.parser.next(&mut self.plain, &self.session) else { return true };
            let upgraded = self.obey(command.expect("our own client makes no mistakes"));
            if upgraded.is_some() {
                if !self.flush().await {
                    return false;
                }
                self.codec = upgraded;
                self.raw = self.plain.split();
                frame::put_response(&mut self.out, b"OK");
            }
        }
    }

    fn obey(&mut self, command: Command) -> Option<(Encoder, Decoder)> {
        let shared = Arc::clone(&self.shared);
        let mut state = shared.state.lock();
        let mut published = |state: &mut State, out: &mut BytesMut, topic: &str, bodies: Vec<Bytes>| {
            let long = |body: &Bytes| state.message_bytes_max.is_some_and(|most| body.len() > most);
            let refusal = if bodies.iter().any(long) { Some("too big") } else { state.refusal.take() };
            if let Some(text) = refusal {
                frame::put_refusal(out, &crate::wire::Refusal::fatal("E_BAD_MESSAGE", text));
                self.over = true;
                return;
            }
            state.published.extend(bodies.into_iter().map(|body| (topic.to_owned(), body)));
            if state.holds {
                self.owed += 1;
            } else {
                frame::put_response(out, b"OK");
            }
        };
        match command {
            Command::Identify(json) => {
                let text = String::from_utf8_lossy(&json).into_owned();
                let asked: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
                let (snappy, deflate) = (asked["snappy"] == true, asked["deflate"] == true);
                let agreed = serde_json::json!({ "max_rdy_count": 2500, "snappy": snappy, "deflate": deflate, "deflate_level": 6 });
                frame::put_response(&mut self.out, agreed.to_string().as_bytes());
                state.identified.push(text);
                return match (snappy, deflate) {
                    (true, _) => Some(compression::snappy()),
                    (_, true) => Some(compression::deflate(6)),
                    _ => None,
                };
            }
            Command::Sub(..) => {
                self.session.phase = Phase::Subscribed;
                frame::put_response(&mut self.out, b"OK");
            }
            Command::Pub { topic, body, .. } => published(&mut state, &mut self.out, &topic, vec![body]),
            Command::Mpub { topic, batch, .. } => {
                let bodies = batch.iter().map(Bytes::copy_from_slice).collect();
                published(&mut state, &mut self.out, &topic, bodies);
            }
            Command::Rdy(count) => self.ready = count,
            Command::Fin(id) => {
                if let Some((_, stored)) = state.in_flight.remove(&id) {
                    state.finished.push(stored.body);
                }
            }
            Command::Req { id, delay, .. } => {
                if let Some((_, stored)) = state.in_flight.remove(&id) {
                    state.requeued.push((stored.body.clone(), delay));
                    state.queue.push_back(stored);
                }
            }
            Command::Cls => {
                self.session.phase = Phase::Closing;
                frame::put_response(&mut self.out, b"CLOSE_WAIT");
            }
            Command::Nop => state.nops += 1,
            Command::Touch(_) | Command::Auth(_) => {}
        }
        None
    }
}

//! One client: a task that reads commands, publishes, hands out messages and keeps time.
//!
//! ```text
//!            ┌─ Parser ─▶ commands ─▶ Topic::publish ─▶ Replies ─┐
//!  Transport ┤            (publishing, identity)                 ├─ out ─▶ Transport
//!            └─ heartbeats, timeouts (Timing)   Consumer::take ──┘
//! ```
//! Each turn does whatever can be done without waiting, writes once, and waits for all of it together.
//! Messages wait in `out` until it is as large as the client wishes, the client takes no more, or there
//! is nothing more to take.
//!
//! **Invariant**: answers stand in the order of their commands, however long a publish takes.
//!
//! **Invariant**: every buffer has a limit at which the connection stops reading or taking, never one
//! at which it drops something.

mod bodies;
mod commands;
mod identity;
mod publishing;
mod replies;
mod socket;
mod timing;
mod transport;
mod upgrade;

use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use base::tasks::Stop;
use queue::broker::{Consumer, Delivery};
use tokio::time::Instant;

use super::client::{Client, host_of};
use super::clients::Listed;
use super::identify::Settings;
use super::tcp::Service;
use crate::wire::{HEARTBEAT, MAGIC, Parser, Refusal, Session, frame};
use identity::Identity;
use publishing::Publishing;
use replies::{Replies, Reply};
pub(super) use socket::Socket;
use timing::{Due, Timing};
use transport::{Transport, Wrote};

/// Most messages taken from a channel at once.
const TAKE_MAX: usize = 256;
/// With so many bytes to be written, nothing more is read or taken.
const OUT_BYTES_MAX: usize = 1 << 20;

/// Everything about one client.
struct Connection {
    service: Arc<Service>,
    client: Arc<Client>,
    /// Keeps the client in statistics.
    listed: Listed,
    transport: Transport,
    parser: Parser,
    session: Session,
    settings: Settings,
    timing: Timing,
    replies: Replies,
    publishing: Publishing,
    identity: Identity,
    consumer: Option<Consumer>,
    /// What the client allows, as it last said.
    ready: u32,
    /// Taken and not yet in `out`, from `sent` on.
    deliveries: Vec<Delivery>,
    sent: usize,
    /// Something stands in `out` that must not wait.
    urgent: bool,
    /// Nothing is read any more.
    deaf: bool,
}

/// Serves one client until it leaves, errs, or `stop`.
pub(super) async fn run(service: Arc<Service>, socket: Socket, remote: String, stop: Stop) {
    let settings = Settings::new(&service.rules, host_of(&remote));
    let clients = &service.nsqd.clients;
    let client = Arc::new(Client::new(clients.next_id(), remote, service.nsqd.clock.now().seconds()));
    let mut connection = Connection {
        listed: clients.list(client.id, Arc::clone(&client) as _),
        client,
        transport: Transport::new(socket),
        parser: Parser::new(service.limits),
        session: Session {
            tls_missing: service.tls_required,
            heartbeats: settings.heartbeat.is_some(),
            ..Session::default()
        },
        timing: Timing::new(Instant::now(), settings.heartbeat, settings.output_buffer_timeout),
        settings,
        replies: Replies::default(),
        publishing: Publishing::default(),
        identity: Identity::default(),
        consumer: None,
        ready: 0,
        deliveries: Vec::new(),
        sent: 0,
        urgent: false,
        deaf: false,
        service,
    };
    let mut stopped = pin!(stop.requested());
    let ended = tokio::select! {
        biased;
        () = &mut stopped => None,
        ended = connection.serve() => Some(ended),
    };
    let remote = connection.client.remote_address.clone();
    match ended {
        Some(Ok(())) => tracing::info!("PROTOCOL(V2): [{remote}] exiting ioloop"),
        Some(Err(error)) => tracing::info!("client({remote}) - {error}"),
        None => {
            // What was promised is said; nothing new is begun.
            connection.consumer = None;
            let _ = connection.say_the_rest().await;
        }
    }
    connection.leave().await;
}

impl Connection {
    async fn serve(&mut self) -> io::Result<()> {
        if !self.greet().await? {
            return Ok(());
        }
        let mut alarm = pin!(tokio::time::sleep_until(self.timing.next()));
        loop {
            self.obey().await?;
            if self.deaf {
                return self.finish().await;
            }
            self.hand_out();
            let next = self.timing.next();
            if next < alarm.deadline() || alarm.is_elapsed() {
                alarm.as_mut().reset(next);
            }
            match self.turn(alarm.as_mut()).await? {
                Turn::Went => {}
                Turn::Over => {
                    self.consumer = None;
                    return self.say_the_rest().await.map(drop);
                }
                Turn::Left => {
                    self.obey().await?;
                    self.deaf = true;
                    // Whoever left gets nothing more, and what it had goes to others at once.
                    self.consumer = None;
                }
            }
            let now = Instant::now();
            match self.timing.due(now) {
                Due::Nothing => {}
                Due::Heartbeat => {
                    frame::put_response(&mut self.transport.out, HEARTBEAT);
                    self.urgent = true;
                    self.rest();
                }
                Due::Rest => self.rest(),
                Due::End(why) => return Err(io::Error::new(io::ErrorKind::TimedOut, why)),
            }
        }
    }

    /// Reads the four bytes of the protocol's name. False if it is another one.
    async fn greet(&mut self) -> io::Result<bool> {
        let deadline = Instant::now() + 2 * super::identify::HEARTBEAT_DEFAULT;
        while self.transport.input.len() < MAGIC.len() {
            let read = poll_fn(|cx| self.transport.poll_read(cx, 0));
            match tokio::time::timeout_at(deadline, read).await {
                Ok(Ok(true)) => {}
                Ok(Ok(false)) => return Ok(false),
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(io::Error::new(io::ErrorKind::TimedOut, "it did not say its protocol")),
            }
        }
        let magic = self.transport.input.split_to(MAGIC.len());
        let now = Instant::now();
        self.timing = Timing::new(now, self.settings.heartbeat, self.settings.output_buffer_timeout);
        if magic == MAGIC[..] {
            return Ok(true);
        }
        let shown = magic.escape_ascii();
        tracing::error!("client({}) bad protocol magic '{shown}'", self.client.remote_address);
        frame::put_refusal(&mut self.transport.out, &Refusal::bad_protocol());
        self.transport.write_all().await?;
        Ok(false)
    }

    /// Does what the client said, as far as it is there and there is room for the answers.
    async fn obey(&mut self) -> io::Result<()> {
        while !self.deaf && !self.replies.is_full() && self.transport.pending() < OUT_BYTES_MAX {
            let Some(command) = self.parser.next(&mut self.transport.input, &self.session) else { break };
            let done = match command {
                Ok(command) => self.execute(command).await?,
                Err(refusal) => Err(refusal),
            };
            if let Err(refusal) = done {
                self.refuse(refusal);
            }
        }
        Ok(())
    }

    fn refuse(&mut self, refusal: Refusal) {
        tracing::error!("[{}] - {refusal}", self.client.remote_address);
        self.deaf |= refusal.fatal;
        self.replies.push(Reply::Refusal(refusal));
    }

    /// Puts taken messages into `out`, as far as there is room.
    fn hand_out(&mut self) {
        let limit = self.settings.output_buffer_size.max(1);
        let transport = &mut self.transport;
        for delivery in &self.deliveries[self.sent..] {
            if transport.out.len() >= limit {
                break;
            }
            self.sent += 1;
            let Delivery { id, timestamp_ns, attempts, body } = delivery;
            frame::put_message(&mut transport.out, *timestamp_ns, *attempts, &id.digits(), body);
        }
        if self.sent == self.deliveries.len() {
            self.deliveries.clear();
            self.sent = 0;
        }
    }

    /// Waits until something went on: bytes either way, an answer, messages, or the alarm.
    async fn turn(&mut self, mut alarm: std::pin::Pin<&mut tokio::time::Sleep>) -> io::Result<Turn> {
        let mut hands = Hands {
            transport: &mut self.transport,
            replies: &mut self.replies,
            timing: &mut self.timing,
            urgent: &mut self.urgent,
            wanted: 0,
            output_buffer_size: self.settings.output_buffer_size,
        };
        hands.wanted = self.parser.wants(&hands.transport.input);
        let has_room = hands.transport.pending() < OUT_BYTES_MAX;
        let may_read = has_room && !hands.replies.is_full();
        if !may_read {
            // It is not silent: nobody listens.
            hands.timing.read(Instant::now());
        }
        let may_take =
            self.deliveries.is_empty() && hands.transport.out.len() < hands.output_buffer_size.max(1);
        let ready = u64::from(self.ready);
        let satisfied = !hands.transport.out.is_empty()
            && self.consumer.as_ref().is_some_and(|consumer| consumer.in_flight() >= ready);
        let mut hungry = self.consumer.is_some() && may_take;
        let (consumer, deliveries) = (&mut self.consumer, &mut self.deliveries);
        let remote = &self.client.remote_address;
        let mut take = pin!(async move {
            match consumer {
                Some(consumer) if may_take => consumer.take(TAKE_MAX, deliveries).await,
                _ => pending().await,
            }
        });
        poll_fn(|cx| {
            let took = if hungry { take.as_mut().poll(cx) } else { Poll::Pending };
            if took.is_ready() {
                hungry = false;
            }
            let mut went = match took {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(Ok(Turn::Over)),
                Poll::Pending => false,
            };
            match hands.answer(cx) {
                Poll::Ready(true) => return Poll::Ready(Ok(Turn::Over)),
                Poll::Ready(false) => went = true,
                Poll::Pending => {}
            }
            if may_read {
                match hands.transport.poll_read(cx, hands.wanted) {
                    Poll::Ready(Ok(true)) => {
                        hands.timing.read(Instant::now());
                        went = true;
                    }
                    Poll::Ready(Ok(false)) => return Poll::Ready(Ok(Turn::Left)),
                    Poll::Ready(Err(error)) => {
                        // What came before may still be understood.
                        tracing::info!("client({remote}) - {error}");
                        return Poll::Ready(Ok(Turn::Left));
                    }
                    Poll::Pending => {}
                }
            }
            match hands.write(cx, went, satisfied) {
                Ok(wrote) => went |= wrote,
                Err(error) => return Poll::Ready(Err(error)),
            }
            // The write may have decided to wait for more messages.
            if hands.timing.next() < alarm.deadline() {
                alarm.as_mut().reset(hands.timing.next());
            }
            went |= alarm.as_mut().poll(cx).is_ready();
            if went { Poll::Ready(Ok(Turn::Went)) } else { Poll::Pending }
        })
        .await
    }

    /// Says all answers that are still due, and writes everything.
    async fn finish(&mut self) -> io::Result<()> {
        // What it had goes to others at once, however long its last words take.
        self.consumer = None;
        if let Some(refusal) = self.parser.cut().filter(|_| !self.replies.is_full()) {
            self.replies.push(Reply::Refusal(refusal));
        }
        self.say_the_rest().await.map(drop)
    }

    /// Writes all answers up to here, however long what they are about takes. True if one was fatal.
    async fn say_the_rest(&mut self) -> io::Result<bool> {
        let fatal = poll_fn(|cx| {
            while !self.replies.is_empty() {
                match self.replies.poll(cx, &mut self.transport.out) {
                    Poll::Ready(true) => return Poll::Ready(true),
                    Poll::Ready(false) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
            Poll::Ready(false)
        })
        .await;
        self.transport.write_all().await?;
        Ok(fatal)
    }

    /// Gives everything back, then the connection.
    async fn leave(self) {
        let Self { transport, consumer, listed, .. } = self;
        drop(consumer);
        drop(listed);
        transport.hang_up().await;
    }

    /// Gives back memory that an idle connection does not need.
    fn rest(&mut self) {
        self.transport.rest();
        self.publishing.rest();
        if self.deliveries.is_empty() {
            self.deliveries = Vec::new();
        }
    }
}

/// What a turn brought.
enum Turn {
    /// Something went on.
    Went,
    /// It is over: the channel is gone, or a fatal answer is the last word.
    Over,
    /// The client has said everything it will say.
    Left,
}

/// The parts of a connection that a turn moves, besides its consumer.
struct Hands<'a> {
    transport: &'a mut Transport,
    replies: &'a mut Replies,
    timing: &'a mut Timing,
    urgent: &'a mut bool,
    wanted: usize,
    output_buffer_size: usize,
}

impl Hands<'_> {
    fn answer(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let answered = self.replies.poll(cx, &mut self.transport.out);
        *self.urgent |= answered.is_ready();
        answered
    }

    /// Writes what must not wait, or what is worth a write, or, where nothing else goes on, anything.
    fn write(&mut self, cx: &mut Context<'_>, goes_on: bool, satisfied: bool) -> io::Result<bool> {
        let now = Instant::now;
        let out = self.transport.out.len();
        let flush = out > 0
            && (out >= self.output_buffer_size
                || !goes_on && (*self.urgent || satisfied || self.timing.may_flush(now())));
        Ok(match self.transport.poll_write(cx, flush)? {
            Wrote::Nothing => false,
            Wrote::All => {
                self.timing.wrote(now(), false);
                *self.urgent &= !flush;
                true
            }
            Wrote::Stuck(true) => {
                self.timing.wrote(now(), true);
                true
            }
            Wrote::Stuck(false) => {
                self.timing.waits(now());
                false
            }
        })
    }
}

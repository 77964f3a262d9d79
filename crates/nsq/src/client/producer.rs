//! A producer: publishes to one nsqd, many orders under way at once, answered in order.
//!
//! An order is handed to the task of a connection, which dials first if it must. Nobody holds a lock while
//! that happens, and everybody who waits for the same dial shares its outcome.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::connection::Connection;
use super::{Config, Error, code};
use crate::wire::{Frame, HEARTBEAT, encode};

/// Most orders that wait to be sent; whoever has another one waits.
const ORDERS_MAX: usize = 1_024;

/// Most orders that wait for nsqd's answer.
const UNANSWERED_MAX: usize = 4_096;

/// Orders are sent together up to so many bytes.
const TOGETHER_BYTES: usize = 256 << 10;

/// What nsqd refuses an order with that it did not carry out: it reads on from none of these.
const REFUSED_UNREAD: [&str; 4] = ["E_BAD_MESSAGE", "E_BAD_BODY", "E_BAD_TOPIC", "E_UNAUTHORIZED"];

/// Publishes to one nsqd. Cheap to clone; every clone uses the same connection, which is made when it is
/// needed and made again after it broke.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    address: Arc<str>,
    config: Arc<Config>,
    tasks: TaskGroup,
    orders: Mutex<Option<mpsc::Sender<Order>>>,
}

struct Order {
    bytes: BytesMut,
    answer: oneshot::Sender<Answer>,
}

/// What became of an order.
enum Answer {
    Taken,
    Failed(Error),
    /// nsqd refused one before it unread and hung up: it never looked at this one.
    NotSeen(BytesMut),
}

impl Producer {
    /// For the nsqd at `address`; its connection lives in `tasks` and ends with them, once nsqd has answered
    /// everything that was sent.
    pub fn new(address: &str, config: Config, tasks: &TaskGroup) -> Self {
        let shared = Shared {
            address: address.into(),
            config: Arc::new(config),
            tasks: tasks.clone(),
            orders: Mutex::new(None),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Where it publishes.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Publishes one message; returns when nsqd has it.
    ///
    /// # Errors
    /// nsqd is not there or says no, or the connection broke; [`Error::leaves_open`] says whether it may have
    /// the message.
    pub async fn publish(&self, topic: &str, body: &[u8]) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        encode::pub_(&mut bytes, topic, body);
        self.order(bytes).await
    }

    /// Publishes many messages; nsqd takes all or none.
    ///
    /// # Errors
    /// As [`Producer::publish`].
    pub async fn publish_many(&self, topic: &str, bodies: &[Bytes]) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        encode::mpub(&mut bytes, topic, bodies);
        self.order(bytes).await
    }

    /// Publishes one message that is delivered after `delay`.
    ///
    /// # Errors
    /// As [`Producer::publish`].
    pub async fn publish_later(&self, topic: &str, delay: Duration, body: &[u8]) -> Result<(), Error> {
        let mut bytes = BytesMut::new();
        encode::dpub(&mut bytes, topic, delay, body);
        self.order(bytes).await
    }

    async fn order(&self, mut bytes: BytesMut) -> Result<(), Error> {
        loop {
            let (answer, answered) = oneshot::channel();
            if let Err(unsent) = self.orders()?.send(Order { bytes, answer }).await {
                // That connection ended before it took this: it is one for the next.
                bytes = unsent.0.bytes;
                continue;
            }
            match answered.await {
                Ok(Answer::Taken) => return Ok(()),
                Ok(Answer::Failed(error)) => return Err(error),
                Ok(Answer::NotSeen(again)) => bytes = again,
                Err(_) => {
                    let address = self.shared.address.to_string();
                    return Err(Error::Lost { address, reason: "it broke off".to_owned() });
                }
            }
        }
    }

    /// The way to the connection, which is made if there is none.
    fn orders(&self) -> Result<mpsc::Sender<Order>, Error> {
        let shared = &self.shared;
        let mut orders = shared.orders.lock();
        if let Some(open) = orders.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        let stop = shared.tasks.stop_signal();
        if stop.is_requested() {
            return Err(Error::Stopped);
        }
        let (sender, receiver) = mpsc::channel(ORDERS_MAX);
        let link = Link {
            address: Arc::clone(&shared.address),
            config: Arc::clone(&shared.config),
            orders: receiver,
            unanswered: VecDeque::new(),
            stop,
        };
        shared.tasks.spawn("producer", link.run());
        *orders = Some(sender.clone());
        Ok(sender)
    }
}

/// One connection with its orders, from dialling to the last answer.
struct Link {
    address: Arc<str>,
    config: Arc<Config>,
    orders: mpsc::Receiver<Order>,
    /// Sent, oldest first.
    unanswered: VecDeque<Order>,
    stop: Stop,
}

impl Link {
    /// Sends orders and hands out answers until the connection breaks, or until the stop and nothing is open.
    async fn run(mut self) {
        let opened = tokio::select! {
            opened = Connection::open(&self.address, &self.config) => opened,
            () = self.stop.requested() => Err(Error::Stopped),
        };
        let mut connection = match opened {
            Ok(connection) => connection,
            Err(error) => return self.fail(&error),
        };
        tracing::info!("({}) connected to nsqd", self.address);
        match self.exchange(&mut connection).await {
            Ok(()) => connection.close().await,
            Err(error) => self.broke(&error),
        }
    }

    /// There is no connection for whoever waits.
    fn fail(mut self, error: &Error) {
        self.orders.close();
        while let Ok(order) = self.orders.try_recv() {
            // Whoever does not wait any more need not know; so below.
            let _ = order.answer.send(Answer::Failed(error.clone()));
        }
    }

    /// The connection ended before its time. A refusal is that of the oldest order: nsqd answers in order and
    /// hangs up then. What it refused unread is as far as it read; but one that it could not keep may have
    /// others behind it that it keeps, which it began with before it said so. After any other end nobody knows.
    fn broke(mut self, error: &Error) {
        self.orders.close();
        let (unseen, behind) = match error {
            Error::Refused { address, text } => {
                let reason = format!("nsqd hung up behind what it answered before: {text}");
                let unseen = REFUSED_UNREAD.contains(&code(text));
                (unseen, Error::Lost { address: address.clone(), reason })
            }
            _ => (false, error.clone()),
        };
        if self.unanswered.is_empty() && self.orders.is_empty() {
            // Who waits for an answer says what it means; here nobody does.
            tracing::warn!("{error}");
        }
        if let Some(oldest) = self.unanswered.pop_front() {
            let _ = oldest.answer.send(Answer::Failed(error.clone()));
        }
        while let Some(order) = self.unanswered.pop_front() {
            let answer = if unseen { Answer::NotSeen(order.bytes) } else { Answer::Failed(behind.clone()) };
            let _ = order.answer.send(answer);
        }
        while let Ok(order) = self.orders.try_recv() {
            let _ = order.answer.send(Answer::NotSeen(order.bytes));
        }
    }

    async fn exchange(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let mut out = BytesMut::new();
        let (mut stopping, mut more) = (false, true);
        while more || !self.unanswered.is_empty() {
            let sent = tokio::select! {
                frame = connection.next() => match frame? {
                    Frame::Response(data) if data == HEARTBEAT => connection.beat().await,
                    frame => {
                        self.hear(connection, frame)?;
                        continue;
                    }
                },
                order = self.orders.recv(), if more && self.unanswered.len() < UNANSWERED_MAX => {
                    // Closed by the stop or by the last producer that went away; what was sent is waited for.
                    let Some(order) = order else { more = false; continue };
                    out.clear();
                    self.gather(order, &mut out);
                    connection.send(&out).await
                }
                () = self.stop.requested(), if !stopping => {
                    stopping = true;
                    self.orders.close();
                    continue;
                }
            };
            if let Err(error) = sent {
                return Err(self.last_words(connection).await.unwrap_or(error));
            }
        }
        Ok(())
    }

    /// One order and those that are there already.
    fn gather(&mut self, mut order: Order, out: &mut BytesMut) {
        loop {
            out.extend_from_slice(&order.bytes);
            self.unanswered.push_back(order);
            if out.len() >= TOGETHER_BYTES || self.unanswered.len() >= UNANSWERED_MAX {
                return;
            }
            match self.orders.try_recv() {
                Ok(next) => order = next,
                Err(_) => return,
            }
        }
    }

    fn hear(&mut self, connection: &Connection, frame: Frame) -> Result<(), Error> {
        match frame {
            Frame::Response(data) if data == HEARTBEAT => {}
            Frame::Response(_) => {
                if let Some(order) = self.unanswered.pop_front() {
                    let _ = order.answer.send(Answer::Taken);
                }
            }
            // Every refusal of a publication ends the connection, but not what was taken before it.
            Frame::Error(text) => return Err(connection.refused(&text)),
            Frame::Message(_) => {}
        }
        Ok(())
    }

    /// nsqd hung up while it was written to: often it has said why, and taken what came before.
    async fn last_words(&mut self, connection: &mut Connection) -> Option<Error> {
        let patience = self.config.write_timeout;
        let heard = async {
            while let Ok(frame) = connection.next().await {
                if let Err(refusal) = self.hear(connection, frame) {
                    return Some(refusal);
                }
            }
            None
        };
        timeout(patience, heard).await.ok().flatten()
    }
}

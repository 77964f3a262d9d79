//! A producer: publishes to one nsqd, many orders under way at once, answered in order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use bytes::{Bytes, BytesMut};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::connection::Connection;
use super::{Config, Error};
use crate::wire::{Frame, HEARTBEAT, encode};

/// Most orders that wait to be sent; whoever has another one waits.
const ORDERS_MAX: usize = 1_024;

/// Most orders that wait for nsqd's answer.
const UNANSWERED_MAX: usize = 4_096;

/// Orders are sent together up to so many bytes.
const TOGETHER_BYTES: usize = 256 << 10;

/// Publishes to one nsqd. Cheap to clone; every clone uses the same connection, which is made when it is
/// needed and made again after it broke.
#[derive(Clone)]
pub struct Producer {
    shared: Arc<Shared>,
}

struct Shared {
    address: String,
    config: Config,
    tasks: TaskGroup,
    orders: Mutex<Option<mpsc::Sender<Order>>>,
}

struct Order {
    bytes: BytesMut,
    answer: oneshot::Sender<Result<(), Error>>,
}

impl Producer {
    /// For the nsqd at `address`; its connection lives in `tasks` and ends with them.
    pub fn new(address: &str, config: Config, tasks: &TaskGroup) -> Self {
        let shared =
            Shared { address: address.to_owned(), config, tasks: tasks.clone(), orders: Mutex::new(None) };
        Self { shared: Arc::new(shared) }
    }

    /// Where it publishes.
    pub fn address(&self) -> &str {
        &self.shared.address
    }

    /// Publishes one message; returns when nsqd has it.
    ///
    /// # Errors
    /// nsqd is not there or says no, or the connection broke, in which case it may have the message.
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

    /// Connects now, for who wants to know early.
    ///
    /// # Errors
    /// nsqd is not there or does not want us.
    pub async fn connect(&self) -> Result<(), Error> {
        self.orders().await.map(drop)
    }

    async fn order(&self, bytes: BytesMut) -> Result<(), Error> {
        let lost = || Error::Lost { address: self.shared.address.clone(), reason: "it broke off".to_owned() };
        let (answer, answered) = oneshot::channel();
        self.orders().await?.send(Order { bytes, answer }).await.map_err(|_| lost())?;
        answered.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The way to the connection, which is made if there is none.
    async fn orders(&self) -> Result<mpsc::Sender<Order>, Error> {
        let shared = &self.shared;
        let mut orders = shared.orders.lock().await;
        if let Some(open) = orders.as_ref().filter(|open| !open.is_closed()) {
            return Ok(open.clone());
        }
        let stop = shared.tasks.stop_signal();
        if stop.is_requested() {
            return Err(Error::Stopped);
        }
        let connection = Connection::open(&shared.address, &shared.config).await?;
        tracing::info!("({}) connected to nsqd", shared.address);
        let (sender, receiver) = mpsc::channel(ORDERS_MAX);
        shared.tasks.spawn("producer", run(connection, receiver, stop));
        *orders = Some(sender.clone());
        Ok(sender)
    }
}

/// Sends orders and hands out answers until the connection breaks, or until the stop and nothing is open.
async fn run(mut connection: Connection, mut orders: mpsc::Receiver<Order>, stop: Stop) {
    let mut unanswered: VecDeque<oneshot::Sender<Result<(), Error>>> = VecDeque::new();
    let outcome = exchange(&mut connection, &mut orders, &mut unanswered, stop).await;
    orders.close();
    match outcome {
        Ok(()) => connection.close().await,
        Err(error) => {
            tracing::error!("{error}");
            let waiting = std::iter::from_fn(|| orders.try_recv().ok()).map(|order| order.answer);
            for answer in unanswered.into_iter().chain(waiting) {
                // Whoever does not wait any more need not know.
                let _ = answer.send(Err(error.clone()));
            }
        }
    }
}

async fn exchange(
    connection: &mut Connection,
    orders: &mut mpsc::Receiver<Order>,
    unanswered: &mut VecDeque<oneshot::Sender<Result<(), Error>>>,
    stop: Stop,
) -> Result<(), Error> {
    let mut out = BytesMut::new();
    let mut stopping = false;
    loop {
        if stopping && unanswered.is_empty() && orders.is_empty() {
            return Ok(());
        }
        tokio::select! {
            frame = connection.next() => match frame? {
                Frame::Response(data) if data == HEARTBEAT => connection.beat().await?,
                Frame::Response(_) => {
                    if let Some(answer) = unanswered.pop_front() {
                        let _ = answer.send(Ok(()));
                    }
                }
                // Every refusal of a publication ends the connection, but not what was taken before it.
                Frame::Error(text) => return Err(connection.refused(&text)),
                Frame::Message(_) => {}
            },
            order = orders.recv(), if unanswered.len() < UNANSWERED_MAX => {
                let Some(mut order) = order else { return Ok(()) };
                out.clear();
                loop {
                    out.extend_from_slice(&order.bytes);
                    unanswered.push_back(order.answer);
                    if out.len() >= TOGETHER_BYTES || unanswered.len() >= UNANSWERED_MAX {
                        break;
                    }
                    match orders.try_recv() {
                        Ok(next) => order = next,
                        Err(_) => break,
                    }
                }
                connection.send(&out).await?;
            }
            () = stop.requested(), if !stopping => {
                stopping = true;
                orders.close();
            }
        }
    }
}

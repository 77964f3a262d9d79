//! One connection of a consumer: SUB, then messages one way and RDY, FIN, REQ, TOUCH the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use base::tasks::Stop;
use bytes::BytesMut;
use tokio::sync::mpsc;

use super::connection::Connection;
use super::ready::Id;
use super::{Config, Error, Message};
use crate::wire::{CLOSE_WAIT, Frame, HEARTBEAT, MessageView, RawId, encode};

/// What a connection is told.
#[derive(Debug)]
pub(super) enum Order {
    Ready(u32),
    Finish(RawId),
    Requeue {
        id: RawId,
        attempts: u16,
        delay: Option<Duration>,
        slow_down: bool,
    },
    Touch(RawId),
    /// Take nothing new, and end when nothing is in flight.
    Close,
}

/// What a connection tells.
#[derive(Debug)]
pub(super) enum Event {
    /// It is subscribed.
    Up { id: Id, most: u32, orders: mpsc::Sender<Order>, load: Arc<Load> },
    /// A message did well, or badly enough to slow down.
    Done { well: bool },
    /// It is over.
    Down { id: Id, error: Option<Error> },
}

/// How much of what it may have a connection has.
#[derive(Debug, Default)]
pub(super) struct Load {
    pub(super) in_flight: AtomicU32,
    pub(super) ready: AtomicU32,
    /// Whether a message came since somebody looked.
    pub(super) is_news: AtomicBool,
}

/// What one connection needs.
pub(super) struct Subscription {
    pub(super) id: Id,
    pub(super) address: Arc<str>,
    pub(super) topic: Arc<str>,
    pub(super) channel: Arc<str>,
    pub(super) config: Arc<Config>,
    pub(super) messages: mpsc::Sender<Message>,
    pub(super) events: mpsc::Sender<Event>,
    /// Whether a success is news: only while the consumer backs off.
    pub(super) cautious: Arc<AtomicBool>,
    pub(super) stop: Stop,
}

impl Subscription {
    /// Connects, subscribes, and runs until it is told to close or the connection breaks.
    pub(super) async fn run(self) {
        let error = self.live().await.err();
        // Whoever does not listen any more need not know.
        let _ = self.events.send(Event::Down { id: self.id, error }).await;
    }

    async fn live(&self) -> Result<(), Error> {
        let mut connection = tokio::select! {
            connection = self.subscribe() => connection?,
            () = self.stop.requested() => return Ok(()),
        };
        let capacity = 2 * self.config.max_in_flight as usize + 64;
        let (sender, orders) = mpsc::channel(capacity);
        let load = Arc::<Load>::default();
        let up = Event::Up {
            id: self.id,
            most: connection.max_rdy_count,
            orders: sender.clone(),
            load: Arc::clone(&load),
        };
        if self.events.send(up).await.is_err() {
            return Ok(());
        }
        let outcome = self.exchange(&mut connection, orders, &sender, &load).await;
        load.in_flight.store(0, Ordering::Relaxed);
        if outcome.is_ok() {
            connection.close().await;
        }
        outcome
    }

    async fn subscribe(&self) -> Result<Connection, Error> {
        let mut connection = Connection::open(&self.address, &self.config).await?;
        let mut out = BytesMut::new();
        encode::sub(&mut out, &self.topic, &self.channel);
        connection.send(&out).await?;
        connection.answer().await?;
        Ok(connection)
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        mut orders: mpsc::Receiver<Order>,
        sender: &mpsc::Sender<Order>,
        load: &Load,
    ) -> Result<(), Error> {
        let (mut asked, mut closing) = (false, false);
        let mut out = BytesMut::new();
        loop {
            if closing && load.in_flight.load(Ordering::Relaxed) == 0 {
                return Ok(());
            }
            tokio::select! {
                // The wish for no more goes before whatever makes room for more.
                biased;
                () = self.stop.requested(), if !asked => {
                    asked = true;
                    out.clear();
                    self.carry_out(&Order::Close, load, &mut out);
                    connection.send(&out).await?;
                }
                frame = connection.next() => match frame? {
                    Frame::Response(data) if data == HEARTBEAT => connection.beat().await?,
                    Frame::Response(data) if data == CLOSE_WAIT => closing = true,
                    Frame::Response(_) => {}
                    Frame::Error(text) => self.heed(connection.refused(&text))?,
                    Frame::Message(data) => {
                        let view = MessageView::of(data).map_err(|error| Error::Lost {
                            address: self.address.to_string(),
                            reason: error.to_string(),
                        })?;
                        load.in_flight.fetch_add(1, Ordering::Relaxed);
                        load.is_news.store(true, Ordering::Relaxed);
                        if let Some(order) = self.deliver(view, sender).await {
                            out.clear();
                            self.carry_out(&order, load, &mut out);
                            connection.send(&out).await?;
                        }
                    }
                },
                order = orders.recv() => {
                    out.clear();
                    let mut next = order;
                    while let Some(order) = next {
                        self.carry_out(&order, load, &mut out);
                        next = orders.try_recv().ok();
                    }
                    connection.send(&out).await?;
                }
            }
        }
    }

    /// Hands a message on; or what becomes of it where it was tried too often.
    async fn deliver(&self, view: MessageView, orders: &mpsc::Sender<Order>) -> Option<Order> {
        let most = self.config.max_attempts;
        if most > 0 && view.attempts > most {
            let id = view.id.escape_ascii().to_string();
            tracing::error!("msg {id} attempted {} times, giving up", view.attempts);
            return Some(Order::Finish(view.id));
        }
        let message = Message {
            body: view.body,
            id: view.id,
            attempts: view.attempts,
            timestamp_ns: view.timestamp_ns,
            address: Arc::clone(&self.address),
            orders: orders.clone(),
            answered: false,
        };
        // Nobody receives any more: dropped, it is requeued.
        let _ = self.messages.send(message).await;
        None
    }

    fn carry_out(&self, order: &Order, load: &Load, out: &mut BytesMut) {
        let done = match order {
            Order::Ready(count) => {
                load.ready.store(*count, Ordering::Relaxed);
                encode::rdy(out, *count);
                return;
            }
            Order::Touch(id) => return encode::touch(out, id),
            Order::Close => return encode::cls(out),
            Order::Finish(id) => {
                encode::fin(out, id);
                Some(true)
            }
            Order::Requeue { id, attempts, delay, slow_down } => {
                encode::req(out, id, delay.unwrap_or_else(|| self.delay(*attempts)));
                slow_down.then_some(false)
            }
        };
        let _ = load.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
        if let Some(well) = done
            && (!well || self.cautious.load(Ordering::Relaxed))
        {
            // Where there is no room many of the same kind are on their way.
            let _ = self.events.try_send(Event::Done { well });
        }
    }

    /// How long a message that failed so often stays away.
    fn delay(&self, attempts: u16) -> Duration {
        let delay = self.config.default_requeue_delay.saturating_mul(u32::from(attempts));
        delay.min(self.config.max_requeue_delay)
    }

    /// A FIN, REQ or TOUCH that came too late is no reason to end; every other error is.
    fn heed(&self, error: Error) -> Result<(), Error> {
        let text = error.to_string();
        let late = ["E_FIN_FAILED", "E_REQ_FAILED", "E_TOUCH_FAILED"].iter().any(|code| text.contains(code));
        if late {
            tracing::warn!("{text}");
            return Ok(());
        }
        Err(error)
    }
}

//! A message in our hands.

use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::subscription::Order;
use crate::wire::RawId;

/// A message in our hands: to be finished or requeued. Dropped without either it is requeued at once.
#[derive(Debug)]
pub struct Message {
    /// What was published.
    pub body: Bytes,
    /// Its id, 16 bytes.
    pub id: RawId,
    /// How often it was delivered, this time included.
    pub attempts: u16,
    /// When it was published, nanoseconds since the epoch.
    pub timestamp_ns: i64,
    /// Of which nsqd.
    pub address: std::sync::Arc<str>,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) answered: bool,
}

impl Message {
    /// It is done. If the connection is gone the message comes again, from nsqd's side.
    pub async fn finish(mut self) {
        self.answered = true;
        let _ = self.orders.send(Order::Finish(self.id)).await;
    }

    /// It failed: back into the queue, by default for as long as its attempts tell; and the consumer slows
    /// down.
    pub async fn fail(mut self, delay: Option<Duration>) {
        self.answered = true;
        let order = Order::Requeue { id: self.id, attempts: self.attempts, delay, slow_down: true };
        let _ = self.orders.send(order).await;
    }

    /// Back into the queue, without slowing down.
    pub async fn requeue(mut self, delay: Duration) {
        self.answered = true;
        let order =
            Order::Requeue { id: self.id, attempts: self.attempts, delay: Some(delay), slow_down: false };
        let _ = self.orders.send(order).await;
    }

    /// It needs more time.
    pub async fn touch(&self) {
        let _ = self.orders.send(Order::Touch(self.id)).await;
    }
}

impl Drop for Message {
    fn drop(&mut self) {
        if !self.answered {
            let delay = Some(Duration::ZERO);
            let order = Order::Requeue { id: self.id, attempts: self.attempts, delay, slow_down: false };
            // Where there is no room for the order it times out at nsqd instead.
            let _ = self.orders.try_send(order);
        }
    }
}

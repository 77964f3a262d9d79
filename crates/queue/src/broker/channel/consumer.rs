//! A consumer's hand on a channel.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Channel, consumers};
use crate::Error;
use crate::broker::message::{Delivery, MessageId};
use crate::broker::stats::ConsumerStats;

/// One subscribed connection. Dropping it requeues at once what it has.
#[derive(Debug)]
pub struct Consumer {
    channel: Arc<Channel>,
    place: u32,
}

impl Consumer {
    pub(crate) fn new(channel: Arc<Channel>, place: u32) -> Self {
        Self { channel, place }
    }

    /// The channel it is of.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// It wants at most so many messages at once. Zero at first.
    pub fn set_ready(&self, count: u32) {
        self.with(|consumer| consumer.ready_count = count);
    }

    /// It wants no more messages; what it has may still be finished.
    pub fn start_close(&self) {
        self.with(|consumer| consumer.is_closing = true);
    }

    /// Whether [`start_close`](Self::start_close) was called.
    pub fn is_closing(&self) -> bool {
        self.stats().is_closing
    }

    /// Messages it has.
    pub fn in_flight(&self) -> u64 {
        self.stats().in_flight
    }

    /// How it is.
    pub fn stats(&self) -> ConsumerStats {
        let state = self.channel.state.lock();
        state.core.consumers.get(self.place).map_or_else(ConsumerStats::default, consumers::Consumer::stats)
    }

    /// Waits for at least one message that can be had, then appends at most `max` to `out`, and no more
    /// once they have [`TAKE_BYTES_MAX`](super::TAKE_BYTES_MAX) bytes. Waits for ever while the channel is
    /// paused, the consumer closing, or its ready count used up. Nothing is lost when it is dropped before it
    /// resolves.
    ///
    /// # Errors
    /// [`Error::Exiting`]: the channel was deleted or the broker closes.
    pub fn take<'a>(
        &'a mut self,
        max: usize,
        out: &'a mut Vec<Delivery>,
    ) -> impl Future<Output = Result<(), Error>> + 'a {
        Take { consumer: self, max: max.max(1), out, is_waiting: false }
    }

    /// It is done with a message.
    ///
    /// # Errors
    /// [`Error::NotInFlight`] or [`Error::NotOwner`].
    pub fn finish(&self, id: MessageId) -> Result<(), Error> {
        self.channel.change(|state| {
            let published_ns = state.core.finish(self.place, id)?;
            if let Some(latencies) = &mut state.latencies {
                let now_ns = self.channel.ground.clock.now_nanos();
                let took = Duration::from_nanos(u64::try_from(now_ns - published_ns).unwrap_or(0));
                latencies.insert(u64::try_from(now_ns / 1_000_000).unwrap_or(0), took);
            }
            Ok(())
        })
    }

    /// It gives a message back, to be delivered again after a delay.
    ///
    /// # Errors
    /// The same.
    pub fn requeue(&self, id: MessageId, delay: Duration) -> Result<(), Error> {
        let now_ms = self.channel.ground.clock.steady().millis();
        let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        self.channel.change(|state| state.core.requeue(self.place, id, delay_ms, now_ms))
    }

    /// As [`requeue`](Self::requeue), for a message it did not try: the delivery does not count as an
    /// attempt.
    ///
    /// # Errors
    /// The same.
    pub fn hand_back(&self, id: MessageId, delay: Duration) -> Result<(), Error> {
        let now_ms = self.channel.ground.clock.steady().millis();
        let delay_ms = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        self.channel.change(|state| state.core.hand_back(self.place, id, delay_ms, now_ms))
    }

    /// It needs more time for a message: its timeout begins anew, within the longest there is.
    ///
    /// # Errors
    /// The same.
    pub fn touch(&self, id: MessageId) -> Result<(), Error> {
        let now_ms = self.channel.ground.clock.steady().millis();
        self.channel.change(|state| state.core.touch(self.place, id, now_ms))
    }

    fn with(&self, change: impl FnOnce(&mut consumers::Consumer)) {
        self.channel.change(|state| {
            state.core.consumers.change(self.place, change);
        });
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let now_ms = self.channel.ground.clock.steady().millis();
        let is_sent_away = self.channel.ground.is_stopping.load(Ordering::Acquire);
        let is_last = self.channel.change(|state| {
            state.waiting.leave(self.place, &mut state.core);
            state.core.leave(self.place, is_sent_away, now_ms);
            state.core.consumers.is_empty() && !state.core.is_closed
        });
        if is_last && self.channel.is_ephemeral() {
            let channel = self.channel.clone();
            let _inside = channel.ground.runtime.enter();
            channel.ground.clone().tasks.spawn("end of an ephemeral channel", async move {
                if let Some(topic) = channel.topic.upgrade() {
                    topic.end_ephemeral(&channel).await;
                }
            });
        }
    }
}

/// See [`Consumer::take`].
struct Take<'a> {
    consumer: &'a Consumer,
    max: usize,
    out: &'a mut Vec<Delivery>,
    is_waiting: bool,
}

impl Future for Take<'_> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let channel = &this.consumer.channel;
        let place = this.consumer.place;
        let now_ms = channel.ground.clock.steady().millis();
        let mut guard = channel.state.lock();
        let state = &mut *guard;
        if state.core.is_closed {
            this.is_waiting = false;
            return Poll::Ready(Err(Error::Exiting));
        }
        if this.is_waiting {
            state.waiting.leave(place, &mut state.core);
            this.is_waiting = false;
        }
        let mut taken = 0;
        if !state.core.consumers.is_behind(place) {
            // Those who wait as well get their part.
            let sharers = state.core.consumers.able() + 1;
            let share = state.core.ready.len().div_ceil(sharers);
            taken = state.core.take(place, this.max.min(share), now_ms, this.out);
        }
        if taken == 0 {
            state.waiting.enter(place, context.waker(), &mut state.core);
            this.is_waiting = true;
        }
        // While it waits it may itself be the one to be woken, when its share was passed over.
        let effects = state.settle();
        drop(guard);
        channel.apply(effects);
        if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl Drop for Take<'_> {
    fn drop(&mut self) {
        if self.is_waiting {
            let place = self.consumer.place;
            // If it was woken and did not come, `settle` passes the baton on.
            self.consumer.channel.change(|state| state.waiting.leave(place, &mut state.core));
        }
    }
}

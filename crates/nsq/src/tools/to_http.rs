//! `nsq_to_http`: hands each message to one of several HTTP addresses, as a POST or within a GET.
//!
//! Read [`Options`], `target` (one request), then [`run`].

mod options;
mod target;

use std::sync::Arc;
use std::time::Instant;

use base::tasks::{Stop, TaskGroup};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::pool::Pool;
use super::reading::DRAIN_TIME;
use super::timing::Timing;
use crate::client::{Message, Outage, chance};
pub use options::Options;
use target::Target;

/// Hands messages on until `stop`. What an address does not take is requeued, and given up after the
/// consumer's `max_attempts`.
///
/// # Errors
/// In words, before anything is consumed: options that make no sense.
pub async fn run(options: Options, stop: Stop) -> Result<(), String> {
    let (reading, tasks) = (options.reading.clone(), TaskGroup::new());
    let config = reading.config("nsq_to_http")?;
    let patience = options.http_client_request_timeout + DRAIN_TIME;
    let places = Arc::new(Semaphore::new(options.publishers.max(1) as usize));
    let (topic, channel) = (options.topic.clone(), options.channel.clone());
    let house = Arc::new(House::new(options)?);
    let mut consumer = reading.consumer("nsq_to_http", &topic, &channel, &config, &tasks)?;
    loop {
        let message = tokio::select! {
            message = consumer.next() => message,
            () = stop.requested(), if !tasks.stop_signal().is_requested() => {
                tasks.request_stop();
                continue;
            }
        };
        let Some(message) = message else { break };
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { break };
        let house = Arc::clone(&house);
        tasks.spawn("nsq_to_http", async move {
            house.handle(message).await;
            drop(place);
        });
    }
    if !tasks.drain(patience).await {
        tracing::warn!("some requests did not end in time");
    }
    Ok(())
}

/// What all requests share.
struct House {
    sample: f64,
    targets: Vec<(Target, Timing, Outage)>,
    pool: Mutex<Pool>,
    all: Timing,
}

impl House {
    fn new(options: Options) -> Result<Self, String> {
        let every = options.status_every as usize;
        let targets = Target::all(&options)?;
        // One address alone would say what all of them say.
        let each = if targets.len() > 1 { every } else { 0 };
        let timed = |target: Target| {
            let timing = Timing::new(&format!("[{}]:", target.address()), each);
            (target, timing, Outage::default())
        };
        Ok(Self {
            sample: options.sample,
            pool: Mutex::new(Pool::new(options.mode, targets.len())),
            targets: targets.into_iter().map(timed).collect(),
            all: Timing::new("[aggregate]:", every),
        })
    }

    async fn handle(&self, message: Message) {
        if self.sample < 1.0 && chance() > self.sample {
            return message.finish().await;
        }
        let started = Instant::now();
        let at = self.pool.lock().pick(started, chance());
        let (target, timing, outage) = &self.targets[at];
        let outcome = target.hand(&message.body).await;
        let took = started.elapsed();
        self.pool.lock().mark(at, outcome.is_ok(), took, Instant::now());
        match outcome {
            Ok(()) => {
                if outage.is_over() {
                    tracing::info!("{} takes messages again", target.address());
                }
                timing.took(took);
                self.all.took(took);
                message.finish().await;
            }
            Err(error) => {
                if outage.is_news(&error) {
                    tracing::error!("{} - {error}; messages that fail come again", target.address());
                }
                message.fail(None).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;

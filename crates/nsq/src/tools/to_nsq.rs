//! `nsq_to_nsq`: publishes what it consumes to other nsqds, all of it or what passes a filter of JSON.
//!
//! Read [`Options`], `filter`, then [`run`].

mod filter;
mod options;

use std::sync::Arc;
use std::time::{Duration, Instant};

use base::tasks::{Stop, TaskGroup};
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::common;
use super::pool::Pool;
use super::timing::Timing;
use crate::client::{Message, Outage, Producer, chance};
use filter::{Filter, Passed};
pub use options::Options;

/// How long publications that are under way get to end.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Publishes until `stop`. What a destination does not take is requeued, and given up (finished without being
/// published) after the consumer's `max_attempts`, as NSQ's does.
///
/// # Errors
/// In words, before anything is consumed: options that make no sense.
pub async fn run(options: Options, stop: Stop) -> Result<(), String> {
    let config = options.reading.config("nsq_to_nsq")?;
    let producing = common::config("nsq_to_nsq", 1, &options.producer_opts)?;
    // Producers go on until what was consumed is answered.
    let (tasks, publishing) = (TaskGroup::new(), TaskGroup::new());
    let addresses = &options.destination_nsqd_tcp_addresses;
    let every = options.status_every as usize;
    let each = if addresses.len() > 1 { every } else { 0 };
    let destination = |address: &String| {
        let timing = Timing::new(&format!("[{address}]:"), each);
        (Producer::new(address, producing.clone(), &publishing), timing, Outage::default())
    };
    let house = Arc::new(House {
        destinations: addresses.iter().map(destination).collect(),
        pool: Mutex::new(Pool::new(options.mode, addresses.len())),
        filter: Filter::new(&options),
        all: Timing::new("[aggregate]:", every),
    });
    let (failed, mut all_done) = mpsc::channel::<()>(1);
    for topic in &options.topics {
        let mut consumer =
            options.reading.consumer("nsq_to_nsq", topic, &options.channel, &config, &tasks)?;
        let to: Arc<str> = match options.destination_topic.as_str() {
            "" => topic.as_str().into(),
            other => other.into(),
        };
        let (house, group, alive) = (Arc::clone(&house), tasks.clone(), failed.clone());
        tasks.spawn("nsq_to_nsq of a topic", async move {
            // At most max_in_flight of these run at once: nsqd sends no more.
            while let Some(message) = consumer.next().await {
                let (house, to, alive) = (Arc::clone(&house), Arc::clone(&to), alive.clone());
                group.spawn("nsq_to_nsq", async move {
                    house.handle(message, &to).await;
                    drop(alive);
                });
            }
        });
    }
    drop(failed);
    stop.requested().await;
    tasks.request_stop();
    // Nothing is ever sent: it ends when all who hold a sender are done.
    let _ = tokio::time::timeout(DRAIN_TIME, all_done.recv()).await;
    if !(tasks.drain(DRAIN_TIME).await && publishing.drain(DRAIN_TIME).await) {
        tracing::warn!("some messages were not answered in time");
    }
    Ok(())
}

/// What all messages share.
struct House {
    destinations: Vec<(Producer, Timing, Outage)>,
    pool: Mutex<Pool>,
    filter: Filter,
    all: Timing,
}

impl House {
    async fn handle(&self, message: Message, topic: &str) {
        let body = match self.filter.pass(&message.body) {
            Passed::AsIs => message.body.clone(),
            Passed::As(body) => body,
            Passed::Not => return message.finish().await,
            Passed::Unfit => return message.fail(None).await,
        };
        let started = Instant::now();
        let at = self.pool.lock().pick(started, chance());
        let (producer, timing, outage) = &self.destinations[at];
        let outcome = producer.publish(topic, &body).await;
        let took = started.elapsed();
        self.pool.lock().mark(at, outcome.is_ok(), took, Instant::now());
        timing.took(took);
        self.all.took(took);
        match outcome {
            Ok(()) => {
                if outage.is_over() {
                    tracing::info!("({}) takes messages again", producer.address());
                }
                message.finish().await;
            }
            Err(error) => {
                if outage.is_news(&error.to_string()) {
                    tracing::error!("{error}; messages that fail come again");
                }
                message.fail(None).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;

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
use crate::client::{Consumer, Message, Producer, chance};
use filter::{Filter, Passed};
pub use options::Options;

/// How long publications that are under way get to end.
const DRAIN_TIME: Duration = Duration::from_secs(10);

/// Publishes until `stop`. What no destination takes is requeued.
///
/// # Errors
/// In words, before anything is consumed: options that make no sense.
pub async fn run(options: Options, stop: Stop) -> Result<(), String> {
    let config = common::config("nsq_to_nsq", options.max_in_flight, &options.consumer_opts)?;
    let producing = common::config("nsq_to_nsq", 1, &options.producer_opts)?;
    let sources = common::sources(&options.nsqd_tcp_addresses, &options.lookupd_http_addresses);
    // Producers go on until what was consumed is answered.
    let (tasks, publishing) = (TaskGroup::new(), TaskGroup::new());
    let addresses = &options.destination_nsqd_tcp_addresses;
    let every = options.status_every as usize;
    let each = if addresses.len() > 1 { every } else { 0 };
    let destination = |address: &String| {
        let timing = Timing::new(&format!("[{address}]:"), each);
        (Producer::new(address, producing.clone(), &publishing), timing)
    };
    let house = Arc::new(House {
        destinations: addresses.iter().map(destination).collect(),
        pool: Mutex::new(Pool::new(options.mode, addresses.len())),
        filter: Filter::new(&options),
        all: Timing::new("[aggregate]:", every),
    });
    let (failed, mut all_done) = mpsc::channel::<()>(1);
    for topic in &options.topics {
        let asking = common::asking("nsq_to_nsq", config.dial_timeout, config.lookupd_poll_timeout);
        let mut consumer =
            Consumer::start(topic, &options.channel, config.clone(), &sources, asking, &tasks)?;
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
    destinations: Vec<(Producer, Timing)>,
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
        let (producer, timing) = &self.destinations[at];
        let outcome = producer.publish(topic, &body).await;
        let took = started.elapsed();
        self.pool.lock().mark(at, outcome.is_ok(), took, Instant::now());
        timing.took(took);
        self.all.took(took);
        match outcome {
            Ok(()) => message.finish().await,
            Err(error) => {
                tracing::error!("{error}");
                message.fail(None).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;

//! How a topic is. Channels are asked, and percentiles worked out, when publishers can go on.

use super::Topic;
use crate::broker::quantiles::Quantiles;
use crate::broker::stats::TopicStats;

impl Topic {
    /// How it is, channels included.
    pub fn stats(&self) -> TopicStats {
        let (channels, depth, message_count, message_bytes, paused) = {
            let state = self.state.lock();
            let depth = match self.stream {
                Some(_) => state.next_seq - state.given.0,
                None => state.held.len() as u64,
            };
            let channels = state.channels.clone();
            (channels, depth, state.message_count, state.message_bytes, state.is_paused)
        };
        let config = &self.ground.config;
        let is_timed = !config.percentiles.is_empty() && !channels.is_empty();
        let percentiles = is_timed.then(|| {
            let now_ms = u64::try_from(self.ground.clock.steady().millis()).unwrap_or(0);
            let latencies = channels.iter().filter_map(|channel| channel.state.lock().latencies.clone());
            Quantiles::percentiles_of(&config.percentiles, &mut latencies.collect::<Vec<_>>(), now_ms)
        });
        TopicStats {
            name: self.name.clone(),
            depth,
            backend_depth: match self.stream {
                Some(_) => depth.saturating_sub(config.mem_queue_size as u64),
                None => 0,
            },
            message_count,
            message_bytes,
            paused,
            percentiles,
            channels: channels.iter().map(|channel| channel.stats()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use crate::broker::{Config, testkit};

    #[tokio::test(flavor = "multi_thread")]
    async fn nobody_waits_for_a_topic_whose_channels_are_asked() {
        let broker = testkit::broker(Config { percentiles: vec![0.99], ..Config::default() });
        let topic = broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        let held = channel.state.lock();
        let others = Arc::strong_count(&channel);
        let asked = topic.clone();
        let asking = std::thread::spawn(move || asked.stats());
        // It stands before the channel that is held here, for as long as that is.
        let (started, patience) = (Instant::now(), Duration::from_secs(10));
        let mut has_begun = false;
        while !has_begun && started.elapsed() < patience {
            let state = topic.state.try_lock_for(patience).expect("the topic is free meanwhile");
            drop(state);
            has_begun = Arc::strong_count(&channel) > others || asking.is_finished();
            std::thread::yield_now();
        }
        drop(held);
        assert_eq!(asking.join().unwrap().channels.len(), 1);
    }
}

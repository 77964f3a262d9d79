//! From the broker's and the connections' figures to what `/stats` shows.

use queue::broker::{self, Broker, Percentiles};

use super::{ChannelStats, ClientStats, Filter, Latency, Quantile, Stats, TopicStats};
use crate::nsqd::clients::Clients;

/// The state of a client that consumes.
const SUBSCRIBED: i32 = 3;
/// The state of a client that said `CLS`.
const CLOSING: i32 = 4;

/// What there is and how it is, as far as it was asked for.
pub(in crate::nsqd) fn collect(broker: &Broker, clients: &Clients, filter: &Filter<'_>) -> Stats {
    let topics = match filter.topic {
        None => broker.topics(),
        Some(name) => match broker.find_topic(name) {
            Some(topic) => vec![topic],
            None => return Stats::default(),
        },
    };
    let shown = |name: &str| filter.channel.is_none_or(|wanted| wanted == name);
    let topics = topics
        .iter()
        .map(|topic| topic.stats())
        .filter(|topic| filter.channel.is_none() || topic.channels.iter().any(|channel| shown(&channel.name)))
        .map(|topic| TopicStats {
            channels: topic
                .channels
                .into_iter()
                .filter(|channel| shown(&channel.name))
                .map(|stats| channel(stats, clients, filter))
                .collect(),
            topic_name: topic.name,
            depth: topic.depth,
            backend_depth: topic.backend_depth,
            message_count: topic.message_count,
            message_bytes: topic.message_bytes,
            paused: topic.paused,
            e2e_processing_latency: latency(topic.percentiles),
        })
        .collect();
    let producers: Vec<_> = if filter.clients {
        clients.producers().iter().map(|client| client.stats(filter.topic)).collect()
    } else {
        Vec::new()
    };
    Stats { topics: Some(topics), producers: (!producers.is_empty()).then_some(producers) }
}

fn channel(stats: broker::ChannelStats, clients: &Clients, filter: &Filter<'_>) -> ChannelStats {
    let shown = filter.clients.then(|| {
        stats.consumers.iter().filter_map(|consumer| client(consumer, clients, filter.topic)).collect()
    });
    ChannelStats {
        channel_name: stats.name,
        depth: stats.depth,
        backend_depth: stats.backend_depth,
        in_flight_count: stats.in_flight_count,
        deferred_count: stats.deferred_count,
        message_count: stats.message_count,
        zone_local_msg_count: stats.zone_local_count,
        region_local_msg_count: stats.region_local_count,
        global_msg_count: stats.global_count,
        requeue_count: stats.requeue_count,
        timeout_count: stats.timeout_count,
        client_count: stats.client_count,
        clients: shown,
        paused: stats.paused,
        e2e_processing_latency: latency(stats.percentiles),
    }
}

/// A consumer; none if its connection has ended since.
fn client(consumer: &broker::ConsumerStats, clients: &Clients, topic: Option<&str>) -> Option<ClientStats> {
    let mut stats = clients.find(consumer.id)?.stats(topic);
    stats.state = if consumer.is_closing { CLOSING } else { SUBSCRIBED };
    stats.ready_count = consumer.ready_count.into();
    stats.in_flight_count = consumer.in_flight;
    stats.message_count = consumer.messages;
    stats.finish_count = consumer.finished;
    stats.requeue_count = consumer.requeued;
    Some(stats)
}

fn latency(percentiles: Option<Percentiles>) -> Latency {
    percentiles.map_or_else(Latency::default, |told| Latency {
        count: told.count,
        percentiles: Some(
            told.percentiles
                .iter()
                .map(|one| Quantile { quantile: one.quantile, value: one.value })
                .collect(),
        ),
    })
}

//! `/topics/{topic}/{channel}`: one channel, node by node, and who consumes it.

use axum::extract::Path;
use nsq::admin::rates::Of;
use nsq::cluster::read::Part;
use nsq::cluster::{ChannelStats, ClientStats, Problem};
use serde::Serialize;

use super::figures::{
    ChannelLine, Chart, Door, any_door, depth_chart, door, is_ephemeral, rate_chart, rows, tidied,
};
use super::missing;
use super::topic::{is_measured, is_unknown};
use super::visit::{Answer, Sorry, Visit};

/// Clients that are listed; a channel with more shows these and says how many there are.
const CLIENTS_MAX: usize = 500;

#[derive(Serialize)]
struct View {
    topic: String,
    channel: String,
    ephemeral: bool,
    total: ChannelLine,
    depth_chart: Chart,
    rate_chart: Chart,
    nodes: Vec<ChannelLine>,
    clients: Vec<ClientStats>,
    clients_all: usize,
    measured: bool,
    door: Door,
    problems: Vec<Problem>,
}

/// `GET /topics/{topic}/{channel}`
pub(super) async fn channel(visit: Visit, Path((topic, channel)): Path<(String, String)>) -> Answer {
    let admin = visit.admin().clone();
    let cluster = admin.cluster();
    let mut problems = Vec::new();
    let producers = match cluster.topic_producers(&topic).await {
        Ok(seen) => seen.note(&mut problems),
        Err(error) if is_unknown(&error.problems) => {
            return Err(missing::channel(&admin, &topic, &channel).await);
        }
        Err(error) => return Err(error.into()),
    };
    problems.retain(|problem| !is_unknown(std::slice::from_ref(problem)));
    let part = Part { topic: Some(&topic), channel: Some(&channel), clients: true };
    let rows = rows(&cluster, &producers, part, &mut problems).await;
    let found: Vec<&ChannelStats> = (rows.iter().flat_map(|row| row.channels.iter().flatten()))
        .filter(|row| row.channel_name == channel)
        .collect();
    let Some(mut total) = ChannelStats::total(&channel, found.iter().copied()) else {
        return absent(&visit, topic, channel, problems).await;
    };
    let mut clients = total.clients.take().unwrap_or_default();
    let clients_all = clients.len();
    clients.truncate(CLIENTS_MAX);
    let rates = admin.rates();
    let of = Of::Channel(&topic, &channel);
    let moved = rates.of(of);
    let nodes: Vec<ChannelLine> = found
        .iter()
        .map(|row| ChannelLine::of(row, rates.of(Of::ChannelAt(&topic, &channel, &row.node))))
        .collect();
    visit.present(
        "channel",
        View {
            ephemeral: is_ephemeral(&channel),
            depth_chart: depth_chart(&admin, &format!("Messages waiting in {channel}"), of, &moved),
            rate_chart: rate_chart(&admin, &format!("Messages a second into {channel}"), of, &moved),
            measured: is_measured(nodes.iter().map(|line| &line.stats.e2e_processing_latency)),
            door: door(&admin, &producers),
            total: ChannelLine::of(&total, moved),
            problems: tidied(problems),
            nodes,
            clients,
            clients_all,
            topic,
            channel,
        },
    )
}

/// A channel that nsqlookupds know and no nsqd has.
#[derive(Serialize)]
struct Promised {
    topic: String,
    channel: String,
    door: Door,
}

/// What is shown of a channel that no nsqd has told of.
async fn absent(visit: &Visit, topic: String, channel: String, problems: Vec<Problem>) -> Answer {
    let admin = visit.admin();
    if !problems.is_empty() {
        return Err(Sorry::nobody("No nsqd that may have this channel answered.", problems));
    }
    let cluster = admin.cluster();
    let promised = match cluster.has_lookupds() {
        true => cluster.channels(&topic).await.map(|seen| seen.value).unwrap_or_default(),
        false => Vec::new(),
    };
    if !promised.contains(&channel) {
        return Err(missing::channel(admin, &topic, &channel).await);
    }
    let door = any_door(admin, &[]).await;
    visit.present("promised", Promised { topic, channel, door })
}

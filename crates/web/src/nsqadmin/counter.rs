//! `/counter`: one large number that counts up, and the channels that move it.

use nsq::admin::rates::Of;
use nsq::cluster::Problem;
use serde::Serialize;

use super::figures::{Chart, Door, chart, door, recent, whole};
use super::visit::{Answer, Visit};

/// Channels below the number.
const BUSIEST_MAX: usize = 8;

#[derive(Serialize)]
struct View {
    /// Messages that all channels got.
    messages: i64,
    /// Of all of them, a second.
    rate: Option<f64>,
    chart: Chart,
    busiest: Vec<Line>,
    nodes: usize,
    door: Door,
    problems: Vec<Problem>,
}

#[derive(Serialize)]
struct Line {
    topic: String,
    channel: String,
    messages: i64,
    rate: Option<f64>,
    spark: Vec<Option<f64>>,
}

/// `GET /counter`
pub(super) async fn counter(visit: Visit) -> Answer {
    let admin = visit.admin().clone();
    let whole = whole(&admin.cluster()).await?;
    let mut lines: Vec<Line> = Vec::new();
    for channel in whole.rows.iter().flat_map(|row| row.channels.iter().flatten()) {
        let known = lines
            .iter_mut()
            .find(|line| line.topic == channel.topic_name && line.channel == channel.channel_name);
        match known {
            Some(line) => line.messages += channel.message_count,
            None => {
                let moved = admin.rates().of(Of::Channel(&channel.topic_name, &channel.channel_name));
                lines.push(Line {
                    topic: channel.topic_name.clone(),
                    channel: channel.channel_name.clone(),
                    messages: channel.message_count,
                    rate: moved.now(),
                    spark: moved.rate,
                });
            }
        }
    }
    let known: Vec<f64> = lines.iter().filter_map(|line| line.rate).collect();
    // The sum of what is known at each moment; a moment of which nothing is known stays a gap.
    let mut sum: Vec<Option<f64>> = Vec::new();
    for line in &lines {
        sum.resize(line.spark.len(), None);
        for (sum, rate) in sum.iter_mut().zip(&line.spark) {
            *sum = rate.map(|rate| rate + sum.unwrap_or_default()).or(*sum);
        }
    }
    let messages = lines.iter().map(|line| line.messages).sum();
    lines.sort_by(|a, b| {
        let rates = b.rate.unwrap_or(-1.0).total_cmp(&a.rate.unwrap_or(-1.0));
        rates.then(b.messages.cmp(&a.messages))
    });
    lines.truncate(BUSIEST_MAX);
    for line in &mut lines {
        line.spark = recent(&line.spark);
    }
    let view = View {
        messages,
        rate: (!known.is_empty()).then(|| known.iter().sum()),
        chart: chart(&admin, "Messages a second, all channels", Of::Channel("*", "*"), &sum),
        busiest: lines,
        nodes: whole.producers.len(),
        door: door(&admin, &whole.producers),
        problems: whole.problems,
    };
    visit.present("counter", view)
}

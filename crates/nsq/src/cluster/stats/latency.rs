//! How long messages take from publishing to finishing, at some percentiles.

use serde::{Deserialize, Serialize, Serializer};

/// Percentiles of one queue, or of the same queue on all nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Messages they were measured on.
    pub count: i64,
    /// As the nsqds were told to measure; none: not measured.
    pub percentiles: Option<Vec<Percentile>>,
    /// The topic, in a total.
    pub topic: String,
    /// The channel, in a channel's total.
    pub channel: String,
    /// `*` in a total.
    pub host: String,
}

/// One percentile, in nanoseconds. Keys are in the order that the original writes them: by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Percentile {
    /// Over the nodes, weighed by their messages.
    #[serde(serialize_with = "short")]
    pub average: f64,
    /// Messages it was measured on.
    #[serde(serialize_with = "short")]
    pub count: f64,
    /// Of all nodes.
    #[serde(serialize_with = "short")]
    pub max: f64,
    /// Of all nodes.
    #[serde(serialize_with = "short")]
    pub min: f64,
    /// Which: 0.99.
    #[serde(serialize_with = "short")]
    pub quantile: f64,
    /// As one node said; a total has none.
    #[serde(serialize_with = "short_some", skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
}

impl Latency {
    /// The total of a topic or, with `channel`, of a channel; nothing added yet.
    pub(super) fn of(topic: &str, channel: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            channel: channel.to_owned(),
            host: super::ALL.to_owned(),
            ..Self::default()
        }
    }

    /// As the original does for one node: each percentile is its own minimum, maximum and average.
    pub(in crate::cluster) fn spread(&mut self) {
        for percentile in self.percentiles.iter_mut().flatten() {
            let value = percentile.value.unwrap_or_default();
            (percentile.min, percentile.max, percentile.average) = (value, value, value);
            #[expect(clippy::cast_precision_loss, reason = "a weight")]
            let count = self.count as f64;
            percentile.count = count;
        }
    }

    /// Adds one node's.
    pub(super) fn add(&mut self, other: Option<&Self>) {
        let Some(other) = other else { return };
        self.count += other.count;
        for added in other.percentiles.iter().flatten() {
            let own = self.percentiles.get_or_insert_default();
            match own.iter_mut().find(|own| own.quantile.total_cmp(&added.quantile).is_eq()) {
                None => own.push(Percentile { value: None, ..*added }),
                Some(own) => {
                    own.max = own.max.max(added.max);
                    own.min = own.min.min(added.min);
                    own.count += added.count;
                    let share = if own.count > 0.0 { added.count / own.count } else { 0.0 };
                    own.average += (added.average - own.average) * share;
                }
            }
        }
    }
}

/// A whole number without a point, as the original writes it.
fn short<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    /// Above it not every whole number is one of these floats.
    const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= WHOLE_MAX {
        #[expect(clippy::cast_possible_truncation, reason = "whole, and within its range")]
        let whole = *number as i64;
        serializer.serialize_i64(whole)
    } else {
        serializer.serialize_f64(*number)
    }
}

fn short_some<S: Serializer>(number: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    short(&number.unwrap_or_default(), serializer)
}

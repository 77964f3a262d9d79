//! How much a topic keeps: `max_bytes`, `ttl`, and the milestones both are reckoned by.
//!
//! What waits in a channel is what it is not done with, also what consumers have; what waits in a topic is
//! what waits in the channel with most. The bytes are known by [`Milestones`], which are kept for topics
//! whose policy asks for them.

use std::ops::Range;
use std::sync::{Arc, Weak};
use std::time::Duration;

use base::tasks::Stop;

use super::milestones::{Milestone, Milestones};
use crate::Error;
use crate::broker::channel::Channel;
use crate::broker::channel::core::Core;
use crate::broker::dedup::Dedup;
use crate::broker::message::Message;
use crate::broker::policy::{Overflow, Policy};
use crate::broker::ranges::RangeSet;
use crate::broker::topic::{State, Topic};
use crate::broker::{Broker, Inner};

/// Of what waits so many ranges are reckoned one by one; the rest counts as one, with what is finished in it.
const GAPS_MAX: usize = 256;
/// Expired messages are dropped so often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Whether a topic with this policy needs milestones.
pub(crate) fn needs_milestones(policy: &Policy) -> bool {
    policy.max_bytes.is_some() || policy.ttl.is_some() || policy.retain.is_some()
}

impl State {
    /// Takes over rules. If they need milestones and there were none, returns where those begin.
    pub(crate) fn set_policy(&mut self, policy: Policy, now_ms: i64) -> Option<Milestone> {
        let mut begin = None;
        if !needs_milestones(&policy) {
            self.milestones = None;
            self.surveyed_upto = None;
        } else if self.milestones.is_none() {
            let end =
                Milestone { seq: self.next_seq, position: self.next_position, time_ms: now_ms, bytes: 0 };
            self.milestones = Some(Milestones::starting(end));
            self.surveyed_upto = Some(end);
            begin = Some(end);
        }
        if policy.dedup_window.is_none() {
            self.publishes.set(Dedup::default());
        }
        self.policy = policy;
        begin
    }

    /// Whether so many more bytes of bodies may come.
    ///
    /// # Errors
    /// [`Error::TopicFull`]; [`Error::BeyondTopic`] if they do not fit into an empty topic either.
    pub(crate) fn check_room(&self, topic: &str, bytes: impl FnOnce() -> u64) -> Result<(), Error> {
        let (Some(max), Some(milestones)) = (self.policy.max_bytes, &self.milestones) else { return Ok(()) };
        let bytes = bytes();
        if bytes > max {
            return Err(Error::BeyondTopic { topic: topic.to_owned(), bytes, bytes_max: max });
        }
        let waiting = |channel: &Arc<Channel>| self.waiting(milestones, &channel.state.lock().core.finished);
        let fits = match self.policy.overflow {
            Overflow::DropOldest => true,
            Overflow::Reject => {
                let none = || milestones.bytes_of(self.given.0..self.next_seq);
                self.channels.iter().map(waiting).max().unwrap_or_else(none) + bytes <= max
            }
        };
        if fits { Ok(()) } else { Err(Error::TopicFull { topic: topic.to_owned(), bytes_max: max }) }
    }

    /// Bytes of the messages that are not in this set.
    fn waiting(&self, milestones: &Milestones, finished: &RangeSet) -> u64 {
        gaps(finished, self.next_seq).map(|gap| milestones.bytes_of(gap)).sum()
    }

    /// Notes where messages lie that were just appended.
    pub(crate) fn note(&mut self, appended: &[(Message, u64)], now_ms: i64) {
        let Some(milestones) = &mut self.milestones else { return };
        for (message, next_position) in appended {
            let bytes = message.body.len() as u64;
            milestones.add(message.seq, message.position, now_ms, bytes, *next_position);
        }
    }

    /// Drops the oldest messages of each channel that has too many bytes, if the policy says so.
    pub(crate) fn drop_beyond_max(&mut self) {
        let (Some(max), Overflow::DropOldest) = (self.policy.max_bytes, self.policy.overflow) else { return };
        let Some(milestones) = &self.milestones else { return };
        if self.channels.is_empty() {
            let excess = milestones.bytes_of(self.given.0..self.next_seq).saturating_sub(max);
            if excess > 0 {
                let place = milestones.behind_bytes(milestones.bytes_before(self.given.0) + excess);
                self.given = self.given.max((place.seq, place.position));
            }
            return;
        }
        let mut dropped = Vec::with_capacity(self.channels.len());
        for channel in &self.channels {
            let place = channel.change(|of| {
                let waiting = self.waiting(milestones, &of.core.finished);
                let place = beyond(milestones, &of.core, self.next_seq, waiting.checked_sub(max)?)?;
                of.core.drop_below((place.seq, place.position));
                Some((place.seq, place.position))
            });
            dropped.extend(place);
        }
        if dropped.len() == self.channels.len() {
            self.given = dropped.into_iter().min().unwrap_or_default().max(self.given);
        }
    }

    /// Drops messages that are too old to be delivered.
    pub(crate) fn drop_expired(&mut self, now_ms: i64) {
        let (Some(ttl), Some(milestones)) = (self.policy.ttl, &self.milestones) else { return };
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let last_ms = now_ms.saturating_sub(ttl_ms);
        let place = milestones.at_time(last_ms);
        if place.time_ms >= last_ms {
            return;
        }
        let mark = (place.seq, place.position);
        for channel in &self.channels {
            channel.change(|of| {
                if of.core.finished.floor() < mark.0 {
                    of.core.drop_below(mark);
                }
            });
        }
        self.given = self.given.max(mark);
    }

    /// Nothing at or behind this position may be freed, because the policy keeps it.
    pub(crate) fn kept_from(&self, now_ms: i64) -> u64 {
        let (Some(retain), Some(milestones)) = (self.policy.retain, &self.milestones) else {
            return u64::MAX;
        };
        if self.surveyed_upto.is_some() {
            // Not known yet.
            return 0;
        }
        let retain_ms = i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        milestones.at_time(now_ms.saturating_sub(retain_ms)).position
    }
}

/// What is not in the set, up to but not including a number: the first ranges, and the rest as one.
fn gaps(set: &RangeSet, upto: u64) -> impl Iterator<Item = Range<u64>> + '_ {
    let rest = set.gaps(upto).nth(GAPS_MAX).map(|gap| gap.start..upto);
    set.gaps(upto).take(GAPS_MAX).chain(rest)
}

/// Behind so many bytes of what can be dropped: neither finished nor with a consumer. None if nothing need be.
fn beyond(milestones: &Milestones, core: &Core, upto: u64, mut excess: u64) -> Option<Milestone> {
    if excess == 0 {
        return None;
    }
    for (number, piece) in core.droppable(upto, GAPS_MAX + 1).into_iter().enumerate() {
        let piece = if number == GAPS_MAX { piece.start..upto } else { piece };
        let bytes = milestones.bytes_of(piece.clone());
        if bytes >= excess {
            return Some(milestones.behind_bytes(milestones.bytes_before(piece.start) + excess));
        }
        excess -= bytes;
    }
    Some(milestones.end())
}

/// The task that drops expired messages, so that they do not keep the log where nobody consumes.
pub(crate) async fn sweep(broker: Weak<Inner>, stop: Stop) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(SWEEP_EVERY) => {}
            () = stop.requested() => return,
        }
        let Some(broker) = broker.upgrade().map(Broker) else { return };
        for topic in broker.topics() {
            sweep_topic(&topic).await;
        }
    }
}

/// Drops what is too old by the topic's rules, and then passes over messages whose own time is over, as a
/// consumer would. Channels do that one by one, when publishers can go on, and let others have their turn.
async fn sweep_topic(topic: &Topic) {
    let now_ms = topic.ground.clock.steady().millis();
    let channels = {
        let mut state = topic.state.lock();
        state.drop_expired(now_ms);
        state.channels.clone()
    };
    for channel in channels {
        let is_any = channel.state.lock().core.may_pass_over(now_ms);
        if is_any {
            channel.change(|of| of.core.pass_over_expired(now_ms));
            tokio::task::yield_now().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::broker::{Config, testkit};

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_waits_for_a_topic_whose_channels_look_for_what_has_expired() {
        let broker = testkit::broker(Config::default());
        let topic = broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        let others = Arc::strong_count(&channel);
        let swept = topic.clone();
        let (sweeping, has_begun) = {
            let held = channel.state.lock();
            let sweeping = tokio::spawn(async move { sweep_topic(&swept).await });
            // It stands before the channel that is held here, for as long as that is.
            let (started, patience) = (Instant::now(), Duration::from_secs(10));
            let mut has_begun = false;
            while !has_begun && started.elapsed() < patience {
                drop(topic.state.try_lock_for(patience).expect("the topic is free meanwhile"));
                has_begun = Arc::strong_count(&channel) > others;
                std::thread::yield_now();
            }
            drop(held);
            (sweeping, has_begun)
        };
        sweeping.await.unwrap();
        assert!(has_begun);
    }
}

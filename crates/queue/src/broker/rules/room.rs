//! How much a topic keeps: `max_bytes`, `ttl`, and the milestones both are reckoned by.
//!
//! What waits reaches from the oldest message that some channel is not done with to the newest. Its bytes
//! are known by [`Milestones`], which are kept for topics whose policy asks for them.

use std::sync::Weak;
use std::time::Duration;

use base::tasks::Stop;

use super::milestones::{Milestone, Milestones};
use crate::Error;
use crate::broker::dedup::Dedup;
use crate::broker::message::Message;
use crate::broker::policy::{Overflow, Policy};
use crate::broker::topic::State;
use crate::broker::{Broker, Inner};

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
        } else if self.milestones.is_none() {
            let end =
                Milestone { seq: self.next_seq, position: self.next_position, time_ms: now_ms, bytes: 0 };
            self.milestones = Some(Milestones::starting(end));
            begin = Some(end);
        }
        if policy.dedup_window.is_none() {
            self.publishes.set(Dedup::default());
        }
        self.policy = policy;
        begin
    }

    /// The first message that some channel is not done with, or that none was given.
    pub(crate) fn floor(&self) -> u64 {
        let floors = self.channels.iter().map(|channel| channel.state.lock().core.finished.floor());
        floors.min().unwrap_or(self.given.0)
    }

    /// Whether so many more bytes of bodies may come.
    ///
    /// # Errors
    /// [`Error::TopicFull`].
    pub(crate) fn check_room(&self, topic: &str, bytes: u64) -> Result<(), Error> {
        let (Some(max), Some(milestones)) = (self.policy.max_bytes, &self.milestones) else { return Ok(()) };
        let waiting = milestones.bytes_from(self.floor());
        if waiting + bytes <= max || self.policy.overflow == Overflow::DropOldest && bytes <= max {
            return Ok(());
        }
        Err(Error::TopicFull { topic: topic.to_owned(), bytes_max: max })
    }

    /// Notes where messages lie that were just appended.
    pub(crate) fn note(&mut self, appended: &[(Message, u64)], now_ms: i64) {
        let Some(milestones) = &mut self.milestones else { return };
        for (message, next_position) in appended {
            let bytes = message.body.len() as u64;
            milestones.add(message.seq, message.position, now_ms, bytes, *next_position);
        }
    }

    /// Drops the oldest messages if there are too many bytes and the policy says so.
    pub(crate) fn drop_beyond_max(&mut self) {
        let (Some(max), Overflow::DropOldest) = (self.policy.max_bytes, self.policy.overflow) else { return };
        let floor = self.floor();
        let Some(milestones) = self.milestones.as_ref().filter(|all| all.bytes_from(floor) > max) else {
            return;
        };
        let place = milestones.with_at_most(max);
        self.drop_below(place);
    }

    /// Nothing at or behind this position may be freed, because the policy keeps it.
    pub(crate) fn kept_from(&self, now_ms: i64) -> u64 {
        let (Some(retain), Some(milestones)) = (self.policy.retain, &self.milestones) else {
            return u64::MAX;
        };
        let retain_ms = i64::try_from(retain.as_millis()).unwrap_or(i64::MAX);
        milestones.at_time(now_ms.saturating_sub(retain_ms)).position
    }

    /// Drops messages that are too old to be delivered.
    pub(crate) fn drop_expired(&mut self, now_ms: i64) {
        let (Some(ttl), Some(milestones)) = (self.policy.ttl, &self.milestones) else { return };
        let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
        let place = milestones.at_time(now_ms.saturating_sub(ttl_ms));
        if place.seq > self.floor() {
            self.drop_below(place);
        }
    }

    /// Channels count messages before this place as finished, but those that consumers have.
    fn drop_below(&mut self, place: Milestone) {
        let mark = (place.seq, place.position);
        for channel in &self.channels {
            channel.change(|of| of.core.drop_below(mark));
        }
        self.given = self.given.max(mark);
    }
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
            let now_ms = topic.ground.clock.now().millis();
            topic.state.lock().drop_expired(now_ms);
        }
    }
}

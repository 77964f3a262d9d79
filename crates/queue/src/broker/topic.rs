//! A topic: numbers its messages, hands them to the log and to its channels.

mod publish;
mod stats;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use log::{Durability, StreamId};
use parking_lot::Mutex;

pub use publish::Published;

use super::Inner;
use super::channel::Channel;
use super::ground::Ground;
use super::image::TopicImage;
use super::journal::entry::Entry;
use super::message::Message;
use super::policy::Policy;
use super::rules::milestones::{Milestone, Milestones};
use super::rules::publishes::{Publishes, Unsettled};
use super::snapshot::Control;
use super::stats::Event;
use crate::{Error, check_name, is_ephemeral};

/// Most channels of a topic.
pub const CHANNELS_MAX: usize = 1_000;

/// A channel that was asked for.
enum Made {
    There(Arc<Channel>),
    /// And whether the journal takes it, unless it need not know.
    New(Arc<Channel>, Option<Result<log::Append, Error>>),
}

/// A stream of messages, of which each channel gets a copy.
#[derive(Debug)]
pub struct Topic {
    pub(crate) ground: Arc<Ground>,
    pub(crate) broker: Weak<Inner>,
    pub(crate) name: Arc<str>,
    /// None: it lives in memory only.
    pub(crate) stream: Option<StreamId>,
    /// Position of the record that made it.
    pub(crate) born: u64,
    /// Below this position its records may have been freed.
    released: AtomicU64,
    pub(crate) state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) next_seq: u64,
    /// Behind the record of the last message.
    pub(crate) next_position: u64,
    /// Channels were given everything below this number, and no record behind lies below this position.
    pub(crate) given: (u64, u64),
    pub(crate) is_paused: bool,
    pub(crate) is_closed: bool,
    /// By name.
    pub(crate) channels: Vec<Arc<Channel>>,
    pub(crate) message_count: u64,
    pub(crate) message_bytes: u64,
    pub(crate) policy: Policy,
    pub(crate) publishes: Publishes,
    /// Where the policy needs them.
    pub(crate) milestones: Option<Milestones>,
    /// What was published before this is still being read for them: until then they are not all, and a
    /// restart has to read it.
    pub(crate) surveyed_upto: Option<Milestone>,
    /// Of an ephemeral topic: what was not given yet.
    pub(crate) held: Vec<(Message, u64)>,
    /// Of its bodies.
    pub(crate) held_bytes: usize,
}

impl State {
    fn find(&self, name: &str) -> Result<usize, usize> {
        self.channels.binary_search_by(|channel| (*channel.name).cmp(name))
    }

    /// Drops messages from this number on, which is not behind what channels were given.
    pub(crate) fn drop_from(&mut self, from: u64) {
        let dropped = from..self.next_seq;
        for channel in &self.channels {
            channel.change(|of| {
                of.core.end = of.core.end.max(dropped.end);
                of.core.empty(dropped.clone());
            });
        }
        self.given = (self.next_seq, self.next_position);
    }

    /// Gives channels what they have not been given, if they may have it.
    pub(crate) fn give(&mut self, now_ms: i64) {
        if self.is_paused || self.channels.is_empty() {
            return;
        }
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        for channel in &self.channels {
            channel.admit(held.iter().cloned(), now_ms);
            channel.change(|state| {
                state.core.extend((self.next_seq, self.next_position));
                if channel.stream.is_none() {
                    // What was dropped for want of room.
                    state.core.missing(self.next_seq);
                }
            });
        }
        self.given = (self.next_seq, self.next_position);
    }
}

impl Topic {
    pub(crate) fn new(
        ground: &Arc<Ground>,
        broker: Weak<Inner>,
        name: &str,
        stream: Option<StreamId>,
        born: u64,
    ) -> Arc<Self> {
        let state = State { next_position: born, given: (0, born), ..State::default() };
        Arc::new(Self {
            ground: ground.clone(),
            broker,
            name: name.into(),
            stream,
            born,
            released: AtomicU64::new(born),
            state: Mutex::new(state),
        })
    }

    /// As it was before a restart. Its channels are not started yet.
    pub(crate) fn recovered(
        ground: &Arc<Ground>,
        broker: Weak<Inner>,
        stream: StreamId,
        image: TopicImage,
    ) -> Arc<Self> {
        let topic = Self::new(ground, broker, &image.name, Some(stream), image.born);
        let now_ms = ground.clock.steady().millis();
        let floor = image.floor();
        // How much more was kept is known when it is known where what lies.
        let known = image.policy.retain.is_none() || image.milestones.is_some();
        topic.released.store(if known { floor } else { image.born }, Ordering::Release);
        let given = image.given;
        let channels = image.channels.into_iter();
        let channels = channels.map(|(number, of)| Channel::recovered(ground, &topic, number, of, given));
        let mut channels: Vec<_> = channels.collect();
        channels.sort_by(|a, b| a.name.cmp(&b.name));
        let mut state = State {
            next_seq: image.next.0,
            next_position: image.next.1,
            given: image.given,
            is_paused: image.is_paused,
            channels,
            message_count: image.message_count,
            message_bytes: image.message_bytes,
            milestones: image.milestones,
            ..State::default()
        };
        for channel in &state.channels {
            channel.change(|of| of.core.set_rules(&image.policy));
            channel.recall_keys();
        }
        state.publishes.set(image.ids);
        if let Some(begin) = state.set_policy(image.policy, now_ms) {
            let before = topic.survey_now(begin);
            state.milestones = Some(before.followed_by(Milestones::starting(begin)));
            state.surveyed_upto = None;
        }
        topic.released.store(floor.min(state.kept_from(now_ms)), Ordering::Release);
        *topic.state.lock() = state;
        topic
    }

    /// What must be known to go on with it, its channels included; and publishes that it knows and the log may
    /// not take yet.
    pub(crate) fn image(&self) -> (TopicImage, Unsettled) {
        let now_ms = self.ground.clock.steady().millis();
        let state = self.state.lock();
        let channels = state
            .channels
            .iter()
            .filter_map(|channel| Some((channel.number?, channel.state.lock().core.image(&channel.name))));
        let (ids, unsettled) = state.publishes.ids(u64::try_from(now_ms).unwrap_or(0));
        let image = TopicImage {
            name: self.name.to_string(),
            born: self.born,
            next: (state.next_seq, state.next_position),
            given: state.given,
            is_paused: state.is_paused,
            message_count: state.message_count,
            message_bytes: state.message_bytes,
            policy: state.policy.clone(),
            ids,
            milestones: state.milestones.clone().filter(|_| state.surveyed_upto.is_none()),
            channels: channels.collect(),
        };
        (image, unsettled)
    }

    /// The one place where it is decided which of its records are not needed any more: those below
    /// this position. Whoever asks frees them.
    pub(crate) fn floor(&self, image: &TopicImage) -> u64 {
        let mut state = self.state.lock();
        let floor = image.floor().min(state.kept_from(self.ground.clock.steady().millis()));
        let released = self.released.fetch_max(floor, Ordering::AcqRel).max(floor);
        if let Some(milestones) = &mut state.milestones {
            milestones.forget_below(released);
        }
        floor
    }

    /// Below this position its records may have been freed.
    pub(crate) fn released(&self) -> u64 {
        self.released.load(Ordering::Acquire)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it ends with its last channel.
    pub fn is_ephemeral(&self) -> bool {
        is_ephemeral(&self.name)
    }

    /// Whether channels are given nothing.
    pub fn is_paused(&self) -> bool {
        self.state.lock().is_paused
    }

    /// The channel of this name, if there is one.
    pub fn find_channel(&self, name: &str) -> Option<Arc<Channel>> {
        let state = self.state.lock();
        state.find(name).ok().map(|at| state.channels[at].clone())
    }

    /// All channels, by name.
    pub fn channels(&self) -> Vec<Arc<Channel>> {
        self.state.lock().channels.clone()
    }

    /// Finds or makes a channel. The first one gets what the topic has kept, a later one what comes
    /// from now on. On a full disk as well: who consumes makes room.
    ///
    /// # Errors
    /// Not a name, too many channels, [`Error::Exiting`] when the topic was deleted, or nothing can be
    /// written.
    pub async fn channel(self: &Arc<Self>, name: &str) -> Result<Arc<Channel>, Error> {
        if let Some(channel) = self.find_channel(name) {
            return Ok(channel);
        }
        check_name(name)?;
        let broker = self.broker.upgrade().ok_or(Error::Exiting)?;
        let control = self.ground.control.lock().await;
        let from = self.state.lock().given;
        let (channel, appended) = match self.make_channel(name)? {
            Made::There(channel) => return Ok(channel),
            Made::New(channel, appended) => (channel, appended),
        };
        if let Some(appended) = appended
            && let Err(error) = broker.confirm(appended, &control).await
        {
            let mut state = self.state.lock();
            state.channels.retain(|other| !Arc::ptr_eq(other, &channel));
            channel.close();
            if state.channels.is_empty() {
                // What it was given is the topic's again.
                state.given = from;
            }
            return Err(error);
        }
        self.ground.tell(Event::ChannelMade { topic: self.name.clone(), channel: channel.name.clone() });
        Ok(channel)
    }

    fn make_channel(self: &Arc<Self>, name: &str) -> Result<Made, Error> {
        let mut state = self.state.lock();
        if state.is_closed {
            return Err(Error::Exiting);
        }
        let at = match state.find(name) {
            Ok(at) => return Ok(Made::There(state.channels[at].clone())),
            Err(at) => at,
        };
        if state.channels.len() >= CHANNELS_MAX {
            return Err(Error::Invalid(format!("a topic has at most {CHANNELS_MAX} channels")));
        }
        let stream = self.stream.filter(|_| !is_ephemeral(name));
        let number = stream.map(|_| self.ground.next_channel.fetch_add(1, Ordering::AcqRel));
        let mut appended = None;
        if let (Some(stream), Some(channel)) = (stream, number) {
            let entry =
                Entry::ChannelMade { stream: stream.0, channel, name: name.to_owned(), from: state.given };
            appended = Some(self.ground.journal.append(&entry, Durability::Os));
        }
        let channel = Channel::new(&self.ground, self, name, number, state.given);
        channel.change(|of| of.core.set_rules(&state.policy));
        state.channels.insert(at, channel.clone());
        channel.start();
        state.give(self.ground.clock.steady().millis());
        Ok(Made::New(channel, appended))
    }

    /// Deletes a channel and all it keeps.
    ///
    /// # Errors
    /// [`Error::ChannelNotFound`], or nothing can be written.
    pub async fn delete_channel(&self, name: &str) -> Result<(), Error> {
        self.remove_channel(name, |_| true).await
    }

    /// Deletes a channel if, once nothing else is made or deleted, it still `may` go.
    async fn remove_channel(&self, name: &str, may: impl Fn(&Arc<Channel>) -> bool) -> Result<(), Error> {
        let control = self.ground.control.lock().await;
        let (channel, given, is_last) = {
            let mut state = self.state.lock();
            let at = state.find(name).map_err(|_| Error::ChannelNotFound(name.to_owned()))?;
            if !may(&state.channels[at]) {
                return Ok(());
            }
            let channel = state.channels.remove(at);
            channel.close();
            (channel, state.given, state.channels.is_empty())
        };
        self.ground.tell(Event::ChannelDeleted { topic: self.name.clone(), channel: channel.name.clone() });
        if let Some(channel) = channel.number {
            self.confirm(&control, |stream| Entry::ChannelDeleted { stream, channel, given }).await?;
        }
        drop(control);
        if is_last && self.is_ephemeral() {
            self.end().await;
        }
        Ok(())
    }

    /// The last consumer of an ephemeral channel has gone.
    pub(crate) async fn end_ephemeral(&self, channel: &Arc<Channel>) {
        let is_over = |ours: &Arc<Channel>| {
            let mut state = channel.state.lock();
            let is_over = Arc::ptr_eq(ours, channel) && state.core.consumers.is_empty();
            // Nobody comes in between.
            state.core.is_closed |= is_over;
            is_over
        };
        // Who deleted it first did the same.
        let _ = self.remove_channel(&channel.name, is_over).await;
    }

    /// An ephemeral topic without channels goes.
    async fn end(&self) {
        if let Some(broker) = self.broker.upgrade() {
            let is_over = |topic: &Self| std::ptr::eq(topic, self) && self.state.lock().channels.is_empty();
            let _ = broker.delete_topic(&self.name, is_over).await;
        }
    }

    /// Stops or resumes giving messages to channels.
    ///
    /// # Errors
    /// The log takes nothing.
    pub async fn set_paused(&self, is_paused: bool) -> Result<(), Error> {
        let control = self.ground.control.lock().await;
        let given = {
            let mut state = self.state.lock();
            state.is_paused = is_paused;
            state.give(self.ground.clock.steady().millis());
            state.given
        };
        self.confirm(&control, |stream| Entry::TopicPaused { stream, is_paused, given }).await
    }

    /// Drops what no channel has been given. What channels have they keep.
    ///
    /// # Errors
    /// The log takes nothing.
    pub async fn empty(&self) -> Result<(), Error> {
        let control = self.ground.control.lock().await;
        let (from, given) = {
            let mut state = self.state.lock();
            state.held.clear();
            state.held_bytes = 0;
            let from = state.given.0;
            state.drop_from(from);
            (from, state.given)
        };
        self.confirm(&control, |stream| Entry::TopicEmptied { stream, from, given }).await
    }

    /// Its rules.
    pub fn policy(&self) -> Policy {
        self.state.lock().policy.clone()
    }

    /// Changes its rules.
    ///
    /// # Errors
    /// `Invalid` for a rule the broker cannot hold to.
    pub async fn set_policy(&self, policy: Policy) -> Result<(), Error> {
        policy.check()?;
        let control = self.ground.control.lock().await;
        let json = serde_json::to_vec(&policy).map_err(|error| Error::Invalid(error.to_string()))?;
        let begin = {
            let mut state = self.state.lock();
            for channel in &state.channels {
                channel.change(|of| of.core.set_rules(&policy));
            }
            state.set_policy(policy, self.ground.clock.steady().millis())
        };
        self.confirm(&control, |stream| Entry::TopicRuled { stream, policy: json }).await?;
        // Reading all that the topic keeps can take long: nobody else waits for it.
        drop(control);
        if let Some(begin) = begin {
            self.survey(begin).await;
        }
        Ok(())
    }

    /// Makes a change that was made in memory known to the journal.
    async fn confirm(&self, control: &Control<'_>, entry: impl FnOnce(u32) -> Entry) -> Result<(), Error> {
        let Some(stream) = self.stream else { return Ok(()) };
        let broker = self.broker.upgrade().ok_or(Error::Exiting)?;
        let appended = self.ground.journal.append(&entry(stream.0), Durability::Os);
        broker.confirm(appended, control).await
    }

    /// Ends it and its channels.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        for channel in &state.channels {
            channel.close();
        }
    }
}

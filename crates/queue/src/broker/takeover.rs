//! Taking over an nsqd's data folder; what is in it is read by [`crate::import`].
//!
//! Messages that waited in channels are published to the topic first, while it gives its channels nothing;
//! each channel then counts as finished what was not waiting in it, and gets the rest. Messages that waited
//! in the topic follow, for all.
//!
//! All of it is on the device before the folder is marked. A start that died before that is known by a
//! file which says what topics it made, and how others were before: the former are deleted and made again,
//! of the latter what was published to them since counts as finished.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::Lsn;

use super::ranges::RangeSet;
use super::topic::State;
use super::{Broker, NewMessage, Origin, Topic};
use crate::Error;
use crate::import::{self, Before, Begun, Destination, Import, Message, Messages};

/// Most messages published at once, and about how many bytes of them.
const AT_ONCE: usize = 500;
const BYTES_AT_ONCE: usize = 1 << 20;

/// What was taken over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Topics.
    pub topics: usize,
    /// Channels.
    pub channels: usize,
    /// Messages; one that waited in several channels counts once.
    pub messages: u64,
    /// Files and parts of files that could not be taken over.
    pub complaints: Vec<String>,
}

/// What a channel needs to know of the messages that were published for it and others.
#[derive(Debug, Default)]
struct Share {
    /// Were not waiting in it.
    others: RangeSet,
    /// Those that were tried in it before.
    attempts: Vec<(u64, u16)>,
}

impl Broker {
    /// Takes over what an nsqd left in a folder, once; none if there is nothing. To be called before anybody
    /// is served: topics that are taken over should have no consumers yet.
    ///
    /// # Errors
    /// The folder is in use or cannot be read, or nothing can be written. Then nothing is marked, and the
    /// next call begins anew.
    pub async fn import(&self, dir: &Path) -> Result<Option<Imported>, Error> {
        let dir: PathBuf = dir.to_owned();
        let Some(import) = blocking(move || Import::open(&dir)).await? else { return Ok(None) };
        let import = Arc::new(import);
        let mut imported = Imported { complaints: import.complaints().to_vec(), ..Imported::default() };
        let begun = self.take_back(&import, &mut imported).await?;
        let log = &self.0.ground.log;
        // What was there before is told by its numbers, which therefore must not come again.
        log.sync(Lsn(log.end().0)).await?;
        let begins = import.clone();
        blocking(move || begins.begin(&begun)).await?;
        for of in import.topics() {
            self.import_topic(&import, of, &mut imported).await?;
        }
        self.snapshot().await?;
        log.sync(Lsn(log.end().0)).await?;
        let left = blocking(move || import.finish()).await?;
        imported.complaints.extend(left);
        Ok(Some(imported))
    }

    /// Undoes what somebody did who died. Returns how the topics are of what begins now.
    async fn take_back(&self, import: &Import, imported: &mut Imported) -> Result<Vec<Begun>, Error> {
        let mut begun = Vec::new();
        for topic in import.begun() {
            let Some(before) = &topic.before else {
                match self.delete_topic(&topic.name).await {
                    Ok(()) | Err(Error::TopicNotFound(_)) => continue,
                    Err(error) => return Err(error),
                }
            };
            let Some(found) = self.find_topic(&topic.name) else { continue };
            let mut state = found.state.lock();
            state.is_paused = before.paused;
            if !state.take_back(before.next) {
                let name = &topic.name;
                imported.complaints.push(format!("{name}: messages may come twice, a start died over them"));
            }
            begun.push(topic.clone());
        }
        for topic in import.topics() {
            if begun.iter().any(|begun| begun.name == topic.name) {
                continue;
            }
            let before = self.find_topic(&topic.name).map(|found| {
                let state = found.state.lock();
                Before { paused: state.is_paused, next: state.next_seq }
            });
            begun.push(Begun { name: topic.name.clone(), before });
        }
        Ok(begun)
    }

    async fn import_topic(
        &self,
        import: &Arc<Import>,
        of: &import::Topic,
        imported: &mut Imported,
    ) -> Result<(), Error> {
        let topic = self.topic(&of.name).await?;
        let was_paused = topic.is_paused();
        for channel in &of.channels {
            let made = topic.channel(&channel.name).await?;
            made.set_paused(channel.paused).await?;
        }
        // A snapshot may know of it: how it was before is in the file of what has begun.
        let first = {
            let mut state = topic.state.lock();
            state.is_paused = true;
            state.next_seq
        };
        let (reads, wanted) = (import.clone(), of.clone());
        let mut messages = blocking(move || reads.messages(&wanted)).await?;
        let mut shares: Vec<Share> = of.channels.iter().map(|_| Share::default()).collect();
        // Given to channels so far: everything, or what waited in them.
        let mut is_shared = false;
        loop {
            let (back, batch) = blocking(move || next_batch(messages)).await?;
            messages = back;
            let (for_all, for_some): (VecDeque<_>, VecDeque<_>) =
                batch.into_iter().partition(|message| message.to == Destination::Topic);
            let is_end = for_all.is_empty() && for_some.is_empty();
            imported.messages += (for_all.len() + for_some.len()) as u64;
            publish(&topic, for_some, &mut shares).await?;
            if !is_shared && (is_end || !for_all.is_empty()) {
                share(&topic, of, std::mem::take(&mut shares), first);
                is_shared = true;
            }
            publish(&topic, for_all, &mut []).await?;
            if is_end {
                break;
            }
        }
        topic.set_paused(of.paused || was_paused).await?;
        imported.topics += 1;
        imported.channels += of.channels.len();
        imported.complaints.extend(messages.complaints().iter().cloned());
        Ok(())
    }
}

impl State {
    /// Everything from this number on was published by somebody who died over it: for all channels it counts
    /// as finished. False if that cannot be said, because no channel is there to whom.
    fn take_back(&mut self, from: u64) -> bool {
        if self.given.0 >= from {
            self.drop_from(from);
            return true;
        }
        // What was there before is held back, and stays so.
        let mut others = RangeSet::default();
        others.insert_range(from..self.next_seq);
        for channel in &self.channels {
            channel.change(|of| of.core.take_over(&others, Vec::new()));
        }
        from >= self.next_seq || !self.channels.is_empty()
    }
}

/// Publishes messages; those for some channels are noted for the others.
async fn publish(topic: &Topic, messages: VecDeque<Message>, shares: &mut [Share]) -> Result<(), Error> {
    if messages.is_empty() {
        return Ok(());
    }
    let first = topic.state.lock().next_seq;
    let new = |message: &Message| NewMessage {
        body: message.body.clone(),
        origin: Some(Origin { published_ns: message.timestamp_ns }),
        ..NewMessage::default()
    };
    topic.publish_taken_over(&messages.iter().map(new).collect::<Vec<_>>())?.await?;
    for (message, seq) in messages.iter().zip(first..) {
        let Destination::Channels(copies) = &message.to else { continue };
        for (channel, share) in shares.iter_mut().enumerate() {
            match copies.iter().find(|copy| copy.channel == channel) {
                None => {
                    share.others.insert(seq);
                }
                Some(copy) if copy.attempts > 0 => share.attempts.push((seq, copy.attempts)),
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// Gives the channels what waited in them, of what was published from the `first` number on. Channels that
/// were there before and nsqd did not have get none of it.
fn share(topic: &Topic, of: &import::Topic, shares: Vec<Share>, first: u64) {
    let mut state = topic.state.lock();
    let mut all = RangeSet::default();
    all.insert_range(first..state.next_seq);
    for channel in &state.channels {
        if !of.channels.iter().any(|known| known.name == channel.name()) {
            channel.change(|of| of.core.take_over(&all, Vec::new()));
        }
    }
    for (channel, share) in of.channels.iter().zip(shares) {
        let found = state.channels.iter().find(|found| found.name() == channel.name);
        if let Some(found) = found {
            found.change(|of| of.core.take_over(&share.others, share.attempts));
        }
    }
    state.is_paused = false;
    state.give(topic.ground.clock.steady().millis());
    state.is_paused = true;
}

/// Some messages, none at the end.
fn next_batch(mut messages: Messages) -> Result<(Messages, Vec<Message>), Error> {
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while batch.len() < AT_ONCE && bytes < BYTES_AT_ONCE {
        let Some(message) = messages.next().transpose()? else { break };
        bytes += message.body.len();
        batch.push(message);
    }
    Ok((messages, batch))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Exiting)?
}

//! Going back, or ahead: from where a channel reads on.
//!
//! What the topic has kept can be delivered again: since the oldest message that some channel is not done
//! with, or as long as the policy's `retain` says. What a channel's consumers have at that moment is theirs
//! no more, and all attempts are counted anew.

use base::Timestamp;
use log::{Durability, Log, Lsn, StreamId};

use crate::Error;
use crate::broker::channel::Channel;
use crate::broker::journal::entry::{Entry, Mark};
use crate::broker::message::MessageId;
use crate::broker::record::{self, Fields};
use crate::broker::topic::Topic;

/// Bytes of records read at once.
const PIECE_BYTES: usize = 1 << 20;

/// Where a channel reads on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeekTo {
    /// At the oldest message that is kept.
    Start,
    /// Behind the newest.
    End,
    /// At the first message that was published at this time or later.
    Time(Timestamp),
    /// At this message.
    Id(MessageId),
}

impl Channel {
    /// Reads on from there, over restarts too. What was finished is delivered again, what is passed over
    /// counts as finished; consumers that have messages of this channel cannot finish them any more.
    ///
    /// # Errors
    /// `Invalid` if the channel is ephemeral or the message is not kept, [`Error::Exiting`] if the topic was
    /// deleted, or nothing can be written or read.
    pub async fn seek(&self, to: SeekTo) -> Result<(), Error> {
        let topic = self.topic.upgrade().ok_or(Error::Exiting)?;
        let broker = topic.broker.upgrade().ok_or(Error::Exiting)?;
        let (Some(stream), Some(channel)) = (self.stream, self.number) else {
            return Err(Error::Invalid("an ephemeral channel keeps nothing to go back to".to_owned()));
        };
        let control = self.ground.control.lock().await;
        let found = topic.find_mark(stream, to).await?;
        let appended = {
            // Topic first, then channel. What became of messages before is told before.
            let state = topic.state.lock();
            let to = found.filter(|found| found.0 < state.given.0).unwrap_or(state.given);
            let _telling = self.telling.lock();
            self.change(|of| of.core.seek(to));
            self.ground
                .journal
                .append(&Entry::ChannelSought { stream: stream.0, channel, to }, Durability::Os)
        };
        broker.confirm(appended, &control).await
    }
}

impl Topic {
    /// The place of the first message asked for; none: behind the last one.
    async fn find_mark(&self, stream: StreamId, to: SeekTo) -> Result<Option<Mark>, Error> {
        let released = self.released();
        let from = match (to, &self.state.lock().milestones) {
            (SeekTo::Time(time), Some(milestones)) => {
                milestones.at_time(time.millis()).position.max(released)
            }
            _ => released,
        };
        let log = self.ground.log.clone();
        let node_id = self.ground.config.node_id;
        let find = move || match to {
            SeekTo::End => Ok(None),
            SeekTo::Start => first(&log, stream, from, |_| true),
            SeekTo::Time(time) => {
                let ns = time.millis().saturating_mul(1_000_000);
                first(&log, stream, from, |fields| fields.published_ns >= ns)
            }
            SeekTo::Id(id) => {
                let position = id.position(node_id).filter(|position| *position >= released);
                let found = position.map(|position| log.read(Lsn(position))).transpose()?.flatten();
                let found = found.filter(|found| found.stream == stream && found.kind == record::KIND);
                let seq = found.and_then(|found| Some(Fields::decode(&mut &found.payload[..])?.seq));
                let kept = seq.zip(position);
                kept.map(Some).ok_or_else(|| Error::Invalid(format!("message {id} is not kept")))
            }
        };
        // What was published is to be seen, though it may be on its way.
        self.ground.log.written().await;
        tokio::task::spawn_blocking(find).await.map_err(|_| Error::Exiting)?
    }
}

/// The first message behind a position of which this holds.
fn first(
    log: &Log,
    stream: StreamId,
    from: u64,
    wanted: impl Fn(&Fields<'_>) -> bool,
) -> Result<Option<Mark>, Error> {
    let mut reader = log.reader(&[stream], Lsn(from));
    loop {
        let piece = reader.try_next_batch(PIECE_BYTES)?;
        if piece.is_empty() {
            return Ok(None);
        }
        for found in piece.iter().filter(|found| found.kind == record::KIND) {
            let fields = Fields::decode(&mut &found.payload[..]);
            if let Some(fields) = fields.filter(&wanted) {
                return Ok(Some((fields.seq, found.lsn.0)));
            }
        }
    }
}

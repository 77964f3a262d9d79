//! Looking at a channel's messages without taking them: those in memory, and of the others as many as
//! are asked for, read from the log.

use base::Timestamp;
use log::{Log, Lsn, StreamId};

use super::Channel;
use crate::Error;
use crate::broker::message::{Message, MessageId, Peeked, Place};
use crate::broker::ranges::RangeSet;
use crate::broker::record;

/// Most messages one call of [`Channel::peek`] shows.
pub const PEEK_MAX: usize = 1_000;
/// Of bodies that are not in memory so many bytes are read for one call, and the one that goes beyond.
const BODIES_BYTES_MAX: usize = 4 << 20;
/// Bytes of records read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Most pieces of the backlog looked through.
const PIECES_MAX: usize = 64;

/// A message that was seen, or what is known of one whose body is in the log.
#[derive(Debug)]
enum Seen {
    Whole(Message, Place),
    InLog { position: u64, attempts: u16, place: Place },
}

/// Messages and where they are, and those of the backlog.
type Found = (Vec<(Message, Place)>, Vec<Message>);

/// Where the backlog begins, and what of it is in memory.
#[derive(Debug)]
struct Backlog {
    from: u64,
    end: u64,
    loaded: RangeSet,
    wanted: usize,
}

impl Channel {
    /// Shows at most `max` (and at most [`PEEK_MAX`]) of the messages that are ready, in flight and
    /// deferred, in this order and some of each; of those that are in the log only, no more than 4 MiB.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn peek(&self, max: usize) -> Result<Vec<Peeked>, Error> {
        let (seen, backlog) = self.look(max.min(PEEK_MAX));
        let (log, stream) = (self.ground.log.clone(), self.stream);
        let reading = move || read(&log, stream, seen, backlog);
        let (mut seen, waiting) =
            tokio::task::spawn_blocking(reading).await.map_err(|_| Error::Exiting)??;
        {
            let state = self.state.lock();
            let core = &state.core;
            // Those that were taken into memory meanwhile are not shown twice.
            let still = waiting.into_iter().filter(|message| !core.loaded.contains(message.seq));
            seen.extend(still.map(|message| {
                let before = message.attempts + u16::from(message.seq < core.delivered);
                let attempts = core.recalled.get(&message.seq).copied().unwrap_or(before);
                (Message { attempts, ..message }, Place::Ready)
            }));
        }
        seen.sort_by_key(|(_, place)| match place {
            Place::Ready => 0,
            Place::InFlight(_) => 1,
            Place::Deferred(_) => 2,
        });
        let node_id = self.ground.config.node_id;
        let show = |(message, place): (Message, Place)| Peeked {
            id: MessageId::new(node_id, message.position),
            place,
            timestamp_ns: message.published_ns,
            attempts: message.attempts,
            body: message.body,
        };
        Ok(seen.into_iter().map(show).collect())
    }

    /// What is in memory.
    fn look(&self, max: usize) -> (Vec<Seen>, Backlog) {
        let state = self.state.lock();
        let core = &state.core;
        let backlog = usize::try_from(core.backlog()).unwrap_or(usize::MAX);
        let in_memory = core.ready.len() + core.rules.parked_count() + core.due.len();
        let counts = [in_memory.saturating_add(backlog), core.in_flight.len(), core.deferred.len()];
        let [ready, in_flight, deferred] = shares(max, counts);
        let waiting = core.ready.iter().chain(core.rules.parked());
        let waiting = waiting.map(|message| Seen::Whole(message.clone(), Place::Ready));
        let due = core.due.values().map(|due| Seen::InLog {
            position: due.position,
            attempts: due.attempts,
            place: Place::Ready,
        });
        let held = core.in_flight.iter().map(|held| {
            Seen::Whole(held.message.clone(), Place::InFlight(Timestamp::from_millis(held.deadline_ms)))
        });
        let later = core.deferred.iter().map(|((deliver_at_ms, position), of)| {
            let place = Place::Deferred(Timestamp::from_millis(*deliver_at_ms));
            match &of.message {
                Some(message) => Seen::Whole((**message).clone(), place),
                None => Seen::InLog { position: *position, attempts: of.attempts, place },
            }
        });
        let seen = waiting.chain(due).take(ready).chain(held.take(in_flight)).chain(later.take(deferred));
        let wanted = ready.saturating_sub(in_memory);
        let loaded = if wanted > 0 { core.loaded.clone() } else { RangeSet::default() };
        (seen.collect(), Backlog { from: core.next_position, end: core.end, loaded, wanted })
    }
}

/// How many of each kind are shown: a third of all, and more where others need less.
fn shares(max: usize, counts: [usize; 3]) -> [usize; 3] {
    let mut shares = counts.map(|count| count.min(max / 3));
    let mut left = max - shares.iter().sum::<usize>();
    for (share, count) in shares.iter_mut().zip(counts) {
        let more = (count - *share).min(left);
        *share += more;
        left -= more;
    }
    shares
}

/// The bodies that are in the log, and messages of the backlog.
fn read(log: &Log, stream: Option<StreamId>, seen: Vec<Seen>, backlog: Backlog) -> Result<Found, Error> {
    let (mut whole, mut bytes) = (Vec::with_capacity(seen.len()), 0);
    for seen in seen {
        match seen {
            Seen::Whole(message, place) => whole.push((message, place)),
            Seen::InLog { .. } if bytes >= BODIES_BYTES_MAX => {}
            Seen::InLog { position, attempts, place } => {
                let found = log.read(Lsn(position))?.filter(|found| Some(found.stream) == stream);
                let found = found.and_then(|found| record::message(found.lsn.0, &found.payload));
                bytes += found.as_ref().map_or(0, |message| message.body.len());
                whole.extend(found.map(|message| (Message { attempts, ..message }, place)));
            }
        }
    }
    let mut waiting = Vec::new();
    if let (Some(stream), true) = (stream, backlog.wanted > 0) {
        let mut reader = log.reader(&[stream], Lsn(backlog.from));
        for _ in 0..PIECES_MAX {
            let piece = reader.try_next_batch(PIECE_BYTES)?;
            let is_end = piece.is_empty();
            let messages = piece.iter().filter(|found| found.kind == record::KIND);
            let messages = messages.filter_map(|found| record::message(found.lsn.0, &found.payload));
            let wanted =
                |message: &Message| message.seq < backlog.end && !backlog.loaded.contains(message.seq);
            for message in messages.filter(wanted) {
                if waiting.len() == backlog.wanted || bytes >= BODIES_BYTES_MAX {
                    return Ok((whole, waiting));
                }
                bytes += message.body.len();
                waiting.push(message);
            }
            if is_end {
                break;
            }
        }
    }
    Ok((whole, waiting))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_of_each_are_shown() {
        assert_eq!(shares(10, [100, 100, 100]), [4, 3, 3]);
        assert_eq!(shares(10, [1, 100, 2]), [1, 7, 2]);
        assert_eq!(shares(10, [2, 1, 0]), [2, 1, 0]);
        assert_eq!(shares(1, [5, 5, 5]), [1, 0, 0]);
        assert_eq!(shares(0, [5, 5, 5]), [0, 0, 0]);
    }
}

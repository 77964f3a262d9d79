//! The task that reads a channel's backlog from the log, a piece at a time, when its consumers have
//! nearly used up what is in memory.

use std::sync::Arc;
use std::time::Duration;

use log::{Log, Lsn, StreamId};

use super::Channel;
use super::core::Due;
use crate::Error;
use crate::broker::message::Message;
use crate::broker::record;

/// Bytes of records read at once.
const PIECE_BYTES: usize = 256 << 10;
/// Due messages are read at once until their bodies have so many bytes; the others when there is room for
/// them again.
const DUE_BYTES: usize = 1 << 20;
/// How long it waits after an error, and for a log that has stopped.
const AGAIN: Duration = Duration::from_millis(250);

/// What was read.
struct Piece {
    messages: Vec<Message>,
    /// Everything below was looked at.
    position: u64,
    recalled: Vec<(Due, Option<Message>)>,
}

pub(crate) async fn run(channel: Arc<Channel>, stream: StreamId) {
    let stop = channel.ground.tasks.stop_signal();
    loop {
        tokio::select! {
            () = channel.reader.notified() => {}
            () = stop.requested() => return,
        }
        if channel.state.lock().core.is_closed {
            return;
        }
        tokio::select! {
            () = read_on(&channel, stream) => {}
            () = stop.requested() => return,
        }
    }
}

/// Reads until the channel wants no more.
async fn read_on(channel: &Channel, stream: StreamId) {
    let log = &channel.ground.log;
    // Due messages below this position were written, or given up by a full log.
    let mut settled = 0;
    loop {
        let (position, end, due, has_backlog, sought) = {
            let mut state = channel.state.lock();
            if !state.core.wants_reading() {
                state.is_reading = false;
                return;
            }
            let core = &state.core;
            (core.next_position, core.end, core.due(), core.wants_backlog(), core.sought)
        };
        // Everything below `end` was appended before it was told to the channel.
        let appended = log.end().0;
        let reading = {
            let log = log.clone();
            move || read(&log, stream, position, due, has_backlog)
        };
        let piece = match tokio::task::spawn_blocking(reading).await {
            Ok(Ok(piece)) => piece,
            Ok(Err(error)) => {
                tracing::error!(%error, channel = &*channel.name, "the backlog cannot be read; tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
            // The runtime goes down.
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                tracing::error!(%error, channel = &*channel.name, "reading the backlog failed; tried again");
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        let due_end = piece.recalled.iter().map(|(due, _)| due.position + 1).max().unwrap_or(0);
        let is_at_end = has_backlog && piece.messages.is_empty();
        let position = piece.position;
        let now_ms = channel.ground.clock.steady().millis();
        let is_early = channel.change(|state| {
            if state.core.sought != sought {
                // It reads on elsewhere.
                return false;
            }
            let mut is_early = false;
            for (due, message) in piece.recalled {
                if message.is_none() && due.position >= settled {
                    // Its time came before its record was written. The others keep their turn behind it.
                    is_early = true;
                    break;
                }
                state.core.recall(due, message);
            }
            if has_backlog {
                state.core.load(piece.messages.into_iter(), position, now_ms);
            }
            if is_at_end && position >= appended {
                // Given up by a full log.
                state.core.missing(end);
            }
            is_early
        });
        if is_early || is_at_end && position < appended {
            log.written().await;
            if log.status().poisoned.is_some() {
                tokio::time::sleep(AGAIN).await;
            } else {
                settled = settled.max(due_end);
            }
        }
    }
}

fn read(log: &Log, stream: StreamId, from: u64, due: Vec<Due>, has_backlog: bool) -> Result<Piece, Error> {
    let (mut recalled, mut bytes) = (Vec::with_capacity(due.len()), 0);
    for due in due {
        if bytes >= DUE_BYTES {
            break;
        }
        let found =
            log.read(Lsn(due.position))?.filter(|found| found.stream == stream && found.kind == record::KIND);
        let message = found.and_then(|found| record::message(found.lsn.0, &found.payload));
        // Where one was given up by a full log another may lie.
        let message = message.filter(|message| message.seq == due.seq);
        bytes += message.as_ref().map_or(0, |message| message.body.len());
        recalled.push((due, message));
    }
    let mut piece = Piece { messages: Vec::new(), position: from, recalled };
    if has_backlog {
        let mut reader = log.reader(&[stream], Lsn(from));
        let records = reader.try_next_batch(PIECE_BYTES)?;
        let ours = records.iter().filter(|record| record.kind == record::KIND);
        piece.messages = ours.filter_map(|found| record::message(found.lsn.0, &found.payload)).collect();
        piece.position = reader.position().0;
    }
    Ok(piece)
}

#[cfg(test)]
mod tests {
    use log::files::Faulty;
    use log::{Durability, NewRecord};

    use super::*;
    use crate::broker::record::Fields;

    #[tokio::test]
    async fn due_messages_are_read_until_they_have_so_many_bytes() {
        let clock = base::Clock::system();
        let (log, _) = Log::open_on(Arc::new(Faulty::new()), log::Config::new("/log"), clock).unwrap();
        let mut due = Vec::new();
        for seq in 0..8 {
            let mut payload = Vec::new();
            Fields { seq, ..Fields::default() }.encode(&mut payload);
            payload.resize(payload.len() + (300 << 10), 0);
            let record = NewRecord { stream: StreamId(1), kind: record::KIND, payload: payload.into() };
            let position = log.append(&[record], Durability::Os).unwrap().await.unwrap().0;
            due.push(Due { position, seq, attempts: 0 });
        }
        let piece = read(&log, StreamId(1), 0, due, false).unwrap();
        assert_eq!(piece.recalled.iter().map(|(due, _)| due.seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert!(piece.recalled.iter().all(|(_, message)| message.is_some()));
    }
}

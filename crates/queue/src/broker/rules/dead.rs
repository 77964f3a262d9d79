//! Where messages go that failed too often.
//!
//! A letter is published to its topic first, with its time, and is finished in its channel once that is
//! written. Both are records of one log, in this order: whoever dies between them may move the letter once
//! more, and never loses it. Its attempts begin anew: there it was never tried, and clients finish by
//! themselves what was tried too often. How often it failed before is what the policy says.

use std::sync::Arc;
use std::time::Duration;

use crate::broker::Broker;
use crate::broker::channel::Channel;
use crate::broker::message::{Message, NewMessage, Origin};
use crate::{Error, NAME_BYTES_MAX};

/// Ends the name of a dead-letter topic.
const DEAD: &str = ".dead";
/// Ends names of what need not outlive its consumers; a dead letter does.
const EPHEMERAL: &str = "#ephemeral";
/// Between two tries to move messages, when the log takes nothing: at first, and at most.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// Most letters moved at once, and about how many bytes of them.
const AT_ONCE: usize = 256;
const BYTES_AT_ONCE: usize = 1 << 20;

/// The topic for dead letters of a channel: `<topic>.<channel>.dead`, or as much of it as fits into a name
/// and a checksum that tells it from others.
pub fn dead_letter_topic(topic: &str, channel: &str) -> String {
    let stem = |name: &str| name.strip_suffix(EPHEMERAL).unwrap_or(name).to_owned();
    let whole = format!("{}.{}", stem(topic), stem(channel));
    if whole.len() + DEAD.len() <= NAME_BYTES_MAX {
        return whole + DEAD;
    }
    // FNV-1a: the same over restarts.
    let sum =
        whole.bytes().fold(0x811c_9dc5_u32, |sum, byte| (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let room = NAME_BYTES_MAX - DEAD.len() - 9;
    format!("{}-{sum:08x}{DEAD}", &whole[..room])
}

/// Moves a channel's dead letters until there are none.
pub(crate) async fn run(channel: Arc<Channel>) {
    let stop = channel.ground.tasks.stop_signal();
    let mut again = AGAIN;
    loop {
        let letters = {
            let mut state = channel.state.lock();
            let letters = some(state.core.rules.dead());
            if letters.is_empty() || state.core.is_closed {
                state.is_burying = false;
                return;
            }
            letters
        };
        match bury(&channel, &letters).await {
            Ok(()) => {
                again = AGAIN;
                channel.change(|state| {
                    letters.iter().for_each(|letter| state.core.buried(letter.seq));
                });
            }
            Err(error) => {
                tracing::warn!(%error, channel = channel.name(), "dead letters wait to be moved");
                tokio::select! {
                    () = tokio::time::sleep(again) => again = AGAIN_MAX.min(again * 2),
                    () = stop.requested() => return,
                }
            }
        }
    }
}

async fn bury(channel: &Channel, letters: &[Message]) -> Result<(), Error> {
    let topic = channel.topic.upgrade().ok_or(Error::Exiting)?;
    let broker = Broker(topic.broker.upgrade().ok_or(Error::Exiting)?);
    let letter = |letter: &Message| NewMessage {
        body: letter.body.clone(),
        origin: Some(Origin { published_ns: letter.published_ns }),
        ..NewMessage::default()
    };
    let dead = broker.topic(&dead_letter_topic(topic.name(), channel.name())).await?;
    dead.publish(&letters.iter().map(letter).collect::<Vec<_>>())?.await
}

/// The first letters, at least one if there is one.
fn some<'a>(dead: impl IntoIterator<Item = &'a Message>) -> Vec<Message> {
    let mut bytes = 0;
    let room = |letter: &&Message| {
        let has_room = bytes < BYTES_AT_ONCE;
        bytes += letter.body.len();
        has_room
    };
    dead.into_iter().take(AT_ONCE).take_while(room).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check_name;

    #[test]
    fn the_name_tells_where_a_letter_came_from_and_is_one() {
        assert_eq!(dead_letter_topic("orders", "mail"), "orders.mail.dead");
        assert_eq!(dead_letter_topic("orders#ephemeral", "mail#ephemeral"), "orders.mail.dead");
        let long = "x".repeat(64);
        let (one, two) = (dead_letter_topic(&long, "a"), dead_letter_topic(&long, "b"));
        assert_ne!(one, two);
        for name in
            [one, two, dead_letter_topic(&long, &long), dead_letter_topic(&"t".repeat(30), &"c".repeat(29))]
        {
            assert!(check_name(&name).is_ok(), "{name}");
            assert!(name.ends_with(DEAD), "{name}");
        }
    }
}

//! Where messages go that failed too often.
//!
//! A letter is published to its topic first, with its time, and is finished in its channel once that is
//! written, at the level of the topic it came from (or its own, if that is higher; at least `os`). Both are
//! records of one log, in this order, and a snapshot is never ahead of the log: whoever dies between them may
//! move the letter once more, and never loses it. Its attempts begin anew: there it was never tried, and clients finish by
//! themselves what was tried too often. How often it failed before is what the policy says.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::ErrorKind;
use log::Durability;

use crate::broker::Broker;
use crate::broker::channel::Channel;
use crate::broker::message::{Message, NewMessage, Origin};
use crate::{Error, NAME_BYTES_MAX};

/// Ends the name of a dead-letter topic.
const DEAD: &str = ".dead";
/// Ends names of what need not outlive its consumers; a dead letter does.
const EPHEMERAL: &str = "#ephemeral";
/// Between two tries to move messages, when they are not taken: at first, and at most.
const AGAIN: Duration = Duration::from_millis(500);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// Most letters moved at once, and about how many bytes of them. Where there is no room for so many it is
/// tried with half of them, down to one.
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
    run_by(channel, |channel, letters| async move { bury(&channel, &letters).await }).await;
}

/// Does that by a way to publish some of them.
async fn run_by<F>(channel: Arc<Channel>, bury: impl Fn(Arc<Channel>, Vec<Message>) -> F)
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let stop = channel.ground.tasks.stop_signal();
    let (mut again, mut most) = (AGAIN, AT_ONCE);
    // Letters that their topic may never hold let the others go before them.
    let (mut beyond, mut beyond_since) = (HashSet::new(), Instant::now());
    loop {
        if beyond_since.elapsed() >= AGAIN_MAX {
            // Its rules may have changed.
            beyond.clear();
        }
        let letters = {
            let mut state = channel.state.lock();
            let dead = state.core.rules.dead();
            if dead.is_empty() || state.core.is_closed {
                state.is_burying = false;
                return;
            }
            some(dead.iter().filter(|letter| !beyond.contains(&letter.seq)), most)
        };
        if letters.is_empty() {
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => continue,
                () = stop.requested() => return,
            }
        }
        // In a task of its own: a panic in it is tried again as an error is.
        match tokio::spawn(bury(channel.clone(), letters.clone())).await {
            Ok(Ok(())) => {
                (again, most) = (AGAIN, AT_ONCE.min(most * 2));
                channel.change(|state| {
                    letters.iter().for_each(|letter| state.core.buried(letter.seq));
                });
                continue;
            }
            // There may be no room for all of them, or there is one that never fits.
            Ok(Err(error))
                if matches!(error.kind(), ErrorKind::Busy | ErrorKind::Invalid) && letters.len() > 1 =>
            {
                most = letters.len() / 2;
                continue;
            }
            Ok(Err(error @ Error::BeyondTopic { .. })) => {
                if beyond.is_empty() {
                    beyond_since = Instant::now();
                    tracing::warn!(%error, channel = channel.name(), "a dead letter waits, others go before it");
                }
                beyond.extend(letters.iter().map(|letter| letter.seq));
                continue;
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, channel = channel.name(), "dead letters wait to be moved");
            }
            // The runtime goes down.
            Err(error) if error.is_cancelled() => return,
            Err(error) => {
                tracing::error!(%error, channel = channel.name(), "moving dead letters failed; tried again");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(again) => again = AGAIN_MAX.min(again * 2),
            () = stop.requested() => return,
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
    // A source finishes for good what is moved: the letter is as sure as the message was, whatever the
    // letters' topic is content with, and at least written.
    let level = topic.level().max(Durability::Os);
    dead.publish_at(level, &letters.iter().map(letter).collect::<Vec<_>>())?.await
}

/// The first letters, at least one if there is one.
fn some<'a>(dead: impl IntoIterator<Item = &'a Message>, most: usize) -> Vec<Message> {
    let mut bytes = 0;
    let room = |letter: &&Message| {
        let has_room = bytes < BYTES_AT_ONCE;
        bytes += letter.body.len();
        has_room
    };
    dead.into_iter().take(most).take_while(room).cloned().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::broker::{Config, Policy, Proximity, Subscriber, testkit};
    use crate::check_name;

    #[tokio::test]
    async fn a_panic_while_letters_are_moved_is_no_end() {
        let broker = testkit::broker(Config::default());
        let topic = broker.topic("t").await.unwrap();
        let channel = topic.channel("c").await.unwrap();
        topic.set_policy(Policy { dead_letter_after: Some(1), ..Policy::default() }).await.unwrap();
        // Only who is called here moves letters.
        channel.state.lock().is_burying = true;
        topic.publish(&[NewMessage::from(bytes::Bytes::from("x"))]).unwrap().await.unwrap();
        let minute = Duration::from_secs(60);
        let subscriber = Subscriber {
            id: 1,
            msg_timeout: minute,
            max_msg_timeout: minute,
            sample_rate: 0,
            proximity: Proximity::Global,
        };
        let mut consumer = channel.subscribe(subscriber).unwrap();
        consumer.set_ready(1);
        consumer.take(1, &mut Vec::new()).await.unwrap();
        drop(consumer);
        let tries = Arc::new(AtomicU32::new(0));
        let flaky = {
            let tries = tries.clone();
            move |channel: Arc<Channel>, letters: Vec<Message>| {
                let number = tries.fetch_add(1, Ordering::Relaxed);
                async move {
                    assert!(number > 0, "on purpose");
                    bury(&channel, &letters).await
                }
            }
        };
        run_by(channel.clone(), flaky).await;
        assert_eq!(tries.load(Ordering::Relaxed), 2);
        assert_eq!(broker.find_topic("t.c.dead").unwrap().stats().message_count, 1);
        assert!(!channel.state.lock().is_burying && channel.stats().depth == 0);
    }

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

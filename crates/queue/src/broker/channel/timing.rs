//! The task that does what a channel's time has come for.

use std::sync::Arc;
use std::time::Duration;

use super::Channel;
use crate::broker::rules::dead;

/// Looks at the clock so often while there is a deadline, in case the machine's clock was set.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(channel: Arc<Channel>) {
    let stop = channel.ground.tasks.stop_signal();
    while let Some(patience) = look(&channel) {
        let sleep = async {
            match patience {
                // Some is due still; others have their turn first.
                Some(Duration::ZERO) => tokio::task::yield_now().await,
                Some(patience) => tokio::time::sleep(patience).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sleep => {}
            () = channel.timer.notified() => {}
            () = stop.requested() => return,
        }
    }
}

/// Does what is due. Returns how long there is nothing to do (none: until told), or none when the
/// channel has ended.
fn look(channel: &Arc<Channel>) -> Option<Option<Duration>> {
    let now_ms = channel.ground.clock.steady().millis();
    let mut state = channel.state.lock();
    if state.core.is_closed {
        return None;
    }
    state.core.fire(now_ms);
    let deadline_ms = state.core.next_deadline();
    state.armed_ms = deadline_ms.unwrap_or(i64::MAX);
    let bury = !state.is_burying && !state.core.rules.dead().is_empty();
    state.is_burying |= bury;
    let effects = state.settle();
    drop(state);
    channel.apply(effects);
    if bury {
        channel.ground.tasks.spawn("dead letters", dead::run(channel.clone()));
    }
    let left_ms =
        deadline_ms.map(|deadline_ms| u64::try_from(deadline_ms.saturating_sub(now_ms)).unwrap_or(0));
    Some(left_ms.map(|left_ms| Duration::from_millis(left_ms).min(LOOK_EVERY)))
}

//! The one way to wait for a store that fails: pauses that double, a word in the log, and *not ready*
//! meanwhile.

use std::future::Future;
use std::time::Duration;

use crate::state::State;
use crate::writer::Halted;

/// First pause after an error of the store; it doubles.
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// How long to wait before the store is asked again.
pub(crate) struct Patience {
    pause: Duration,
    tried: bool,
}

impl Patience {
    pub(crate) fn new() -> Self {
        Self { pause: PAUSE_MIN, tried: false }
    }

    /// Counts an error and says so.
    pub(crate) fn failed(&mut self, state: &State, error: &store::Error) {
        self.tried = true;
        state.meters.store_errors.inc();
        tracing::warn!(%error, "the store failed; it is tried again");
        *state.health.store.lock() = Some(error.to_string());
    }

    /// Waits before the next attempt.
    ///
    /// # Errors
    /// Halted if everything stops.
    pub(crate) async fn pause(&mut self, state: &State) -> Result<(), Halted> {
        tokio::select! {
            () = state.stop.requested() => return Err(Halted),
            () = tokio::time::sleep(self.pause) => {}
        }
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        Ok(())
    }

    /// The store has answered.
    pub(crate) fn rewarded(&self, state: &State) {
        if self.tried {
            *state.health.store.lock() = None;
        }
    }
}

/// Asks the store until it answers or everything stops.
pub(crate) async fn patiently<T, F, Fut>(state: &State, mut ask: F) -> Result<T, Halted>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<T, store::Error>>,
{
    let mut patience = Patience::new();
    loop {
        match ask().await {
            Ok(answer) => {
                patience.rewarded(state);
                return Ok(answer);
            }
            Err(error) => patience.failed(state, &error),
        }
        patience.pause(state).await?;
    }
}

//! Files made ready to become segments: the keeper lays them out, the committer takes them.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::Error;
use crate::files::File;

/// Most files kept ready.
pub(crate) const SPARES_MAX: usize = 2;

/// A file of the right length that is nobody's segment yet.
#[derive(Debug)]
pub(crate) struct Spare {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn File>,
    pub(crate) bytes: u64,
}

/// Between keeper and committer.
#[derive(Debug, Default)]
pub(crate) struct Room {
    state: Mutex<State>,
    for_keeper: Condvar,
    for_committer: Condvar,
}

#[derive(Debug, Default)]
struct State {
    spares: Vec<Spare>,
    /// The committer waits for a file of this many bytes.
    wanted: Option<u64>,
    refused: Option<Error>,
    /// One will soon be needed.
    low: bool,
    look: bool,
    stop: bool,
}

/// Why the keeper was woken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) wanted: Option<u64>,
    pub(crate) low: bool,
    pub(crate) stop: bool,
}

impl Room {
    /// A file of `bytes`; waits for the keeper if there is none.
    pub(crate) fn take(&self, bytes: u64) -> Result<Spare, Error> {
        let mut state = self.state.lock();
        loop {
            if let Some(at) = state.spares.iter().position(|spare| spare.bytes == bytes) {
                state.wanted = None;
                state.refused = None;
                return Ok(state.spares.swap_remove(at));
            }
            if let Some(error) = state.refused.take() {
                state.wanted = None;
                return Err(error);
            }
            if state.stop {
                return Err(Error::Closed);
            }
            state.wanted = Some(bytes);
            self.for_keeper.notify_one();
            self.for_committer.wait(&mut state);
        }
    }

    /// Here is another.
    pub(crate) fn put(&self, spare: Spare) {
        let mut state = self.state.lock();
        // Answered, even if the committer has not come to take it yet.
        state.wanted = state.wanted.filter(|bytes| *bytes != spare.bytes);
        state.spares.push(spare);
        state.low = false;
        self.for_committer.notify_one();
    }

    /// There is none to be had.
    pub(crate) fn refuse(&self, error: &Error) {
        let mut state = self.state.lock();
        if state.wanted.is_some() {
            state.refused = Some(error.clone());
            self.for_committer.notify_one();
        }
    }

    /// The current segment fills: have the next one ready.
    pub(crate) fn hint(&self) {
        let mut state = self.state.lock();
        if state.spares.is_empty() {
            state.low = true;
            self.for_keeper.notify_one();
        }
    }

    /// Something may have become free.
    pub(crate) fn look(&self) {
        self.state.lock().look = true;
        self.for_keeper.notify_one();
    }

    /// Ends the keeper.
    pub(crate) fn stop(&self) {
        self.state.lock().stop = true;
        self.for_keeper.notify_one();
        self.for_committer.notify_one();
    }

    /// For the keeper: waits for a call, at most `patience`.
    pub(crate) fn wait(&self, patience: Duration) -> Call {
        let mut state = self.state.lock();
        let quiet = |state: &State| !state.stop && !state.look && !state.low && state.wanted.is_none();
        if quiet(&state) {
            self.for_keeper.wait_for(&mut state, patience);
        }
        state.look = false;
        Call { wanted: state.wanted, low: std::mem::take(&mut state.low), stop: state.stop }
    }

    /// How long one is that is ready.
    pub(crate) fn ready_bytes(&self) -> Option<u64> {
        self.state.lock().spares.first().map(|spare| spare.bytes)
    }

    /// How many are ready.
    pub(crate) fn spares(&self) -> usize {
        self.state.lock().spares.len()
    }

    /// Bytes of those that are ready.
    pub(crate) fn spare_bytes(&self) -> u64 {
        self.state.lock().spares.iter().map(|spare| spare.bytes).sum()
    }
}

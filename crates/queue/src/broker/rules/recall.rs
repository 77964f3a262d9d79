//! Who holds a key after a restart.

use log::Lsn;

use crate::broker::channel::Channel;
use crate::broker::record;

impl Channel {
    /// A message that failed and waits for its time holds its key, so that none of that key overtakes it.
    /// Blocking; one read of the log for each.
    pub(crate) fn recall_keys(&self) {
        let failed = {
            let state = self.state.lock();
            if state.core.rules.is_ordered() { state.core.failed_and_deferred() } else { Vec::new() }
        };
        for (seq, position) in failed {
            let found = self.ground.log.read(Lsn(position));
            match found.map(|found| found.and_then(|found| record::message(found.lsn.0, &found.payload))) {
                Ok(message) => {
                    let key_hash = message.map_or(0, |message| message.key_hash);
                    self.change(|of| of.core.rules.hold(key_hash, seq));
                }
                Err(error) => {
                    tracing::warn!(%error, channel = self.name(), "a message's key cannot be read; others may overtake it");
                }
            }
        }
    }
}

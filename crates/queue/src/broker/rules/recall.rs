//! Who holds a key after a restart.

use log::Lsn;

use crate::broker::channel::Channel;
use crate::broker::message::Message;
use crate::broker::record;

impl Channel {
    /// A message that was handed out and is not over holds its key, so that none of that key overtakes it,
    /// whether it waits for its time or lies far behind in the backlog. Blocking; one read of the log for
    /// each.
    pub(crate) fn recall_keys(&self) {
        let tried = {
            let core = &mut self.state.lock().core;
            if core.rules.is_ordered() { core.tried_before() } else { Vec::new() }
        };
        for (seq, position) in tried {
            let found = self.ground.log.read(Lsn(position));
            match found.map(|found| found.and_then(|found| record::message(found.lsn.0, &found.payload))) {
                Ok(message) => {
                    let is_it = |message: &Message| message.seq == seq;
                    let key_hash = message.filter(is_it).map_or(0, |message| message.key_hash);
                    self.change(|of| of.core.rules.hold(key_hash, seq));
                }
                Err(error) => {
                    tracing::warn!(%error, channel = self.name(), "a message's key cannot be read; others may overtake it");
                }
            }
        }
    }
}

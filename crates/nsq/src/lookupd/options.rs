//! What nsqlookupd can be told.

use std::time::Duration;

use crate::flag;
use crate::flags::{self, Flag};
use crate::{host, logging::Level};

/// What nsqlookupd can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub log_level: Level,
    pub log_prefix: String,
    pub tcp_address: String,
    pub http_address: String,
    pub broadcast_address: String,
    pub inactive_producer_timeout: Duration,
    pub tombstone_lifetime: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            log_level: Level::Info,
            log_prefix: "[nsqlookupd] ".to_owned(),
            tcp_address: "0.0.0.0:4160".to_owned(),
            http_address: "0.0.0.0:4161".to_owned(),
            broadcast_address: host::name(),
            inactive_producer_timeout: Duration::from_secs(300),
            tombstone_lifetime: Duration::from_secs(45),
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsqlookupd";
    const HAS_FILE: bool = true;

    fn logging(&self) -> (Level, &str) {
        (self.log_level, &self.log_prefix)
    }

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }
}

static FLAGS: &[Flag<Options>] = &[
    flag!(Options.log_level, "log-level", "the least that is logged: debug, info, warn, error or fatal"),
    flag!(Options.log_prefix, "log-prefix", "what every line of the log begins with"),
    Flag::deprecated("verbose", "use --log-level (deprecated)"),
    flag!(Options.tcp_address, "tcp-address", "where to listen for nsqd: <addr>:<port>"),
    flag!(Options.http_address, "http-address", "where to listen for HTTP: <addr>:<port>"),
    flag!(
        Options.broadcast_address,
        "broadcast-address",
        "under which name nsqd hear of this node (the host's own if not given)"
    ),
    flag!(
        Options.inactive_producer_timeout,
        "inactive-producer-timeout",
        "how long an nsqd counts as there after it was last heard of"
    ),
    flag!(
        Options.tombstone_lifetime,
        "tombstone-lifetime",
        "how long an nsqd stays hidden for a topic after it was tombstoned"
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::usage_table;

    #[test]
    fn flags_are_nsqs() {
        let mut table = usage_table::<Options>();
        table.retain(|(name, ..)| *name != "broadcast-address");
        assert_eq!(
            table,
            [
                ("config", "string", ""),
                ("http-address", "string", "\"0.0.0.0:4161\""),
                ("inactive-producer-timeout", "duration", "5m0s"),
                ("log-level", "value", "INFO"),
                ("log-prefix", "string", "\"[nsqlookupd] \""),
                ("tcp-address", "string", "\"0.0.0.0:4160\""),
                ("tombstone-lifetime", "duration", "45s"),
                ("verbose", "", ""),
                ("version", "", ""),
            ]
            .map(|(name, kind, default)| (name, kind, default.to_owned()))
        );
    }
}

//! What the tools that consume have in common: where they read, how much at a time, and the consumer of it.

use std::time::Duration;

use base::tasks::TaskGroup;

use super::common::{self, one_source};
use crate::client::{Config, Consumer, Sources};

/// Where a tool reads messages. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "reading_flags! says what each is")]
pub struct Reading {
    pub nsqd_tcp_addresses: Vec<String>,
    pub lookupd_http_addresses: Vec<String>,
    pub consumer_opts: Vec<String>,
    pub max_in_flight: u32,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            nsqd_tcp_addresses: Vec::new(),
            lookupd_http_addresses: Vec::new(),
            consumer_opts: Vec::new(),
            max_in_flight: 200,
        }
    }
}

/// The flags of a tool with a field `reading`, its own behind them.
macro_rules! reading_flags {
    ($of:ident: $($own:expr),* $(,)?) => {
        &[
            $crate::flag!(
                $of.reading.nsqd_tcp_addresses,
                "nsqd-tcp-address",
                "an nsqd to read from; may be given many times"
            ),
            $crate::flag!(
                $of.reading.lookupd_http_addresses,
                "lookupd-http-address",
                "a lookupd to ask for nsqds; may be given many times"
            ),
            $crate::flag!(
                $of.reading.consumer_opts,
                "consumer-opt",
                "an option of the consumer, by go-nsq's name, as name,value; may be given many times"
            ),
            $crate::flag!($of.reading.max_in_flight, "max-in-flight", "most messages at a time"),
            $($own),*
        ]
    };
}
pub(super) use reading_flags;

impl Reading {
    /// nsqds or lookupds, not both and not neither.
    pub(super) fn check(&self) -> Result<(), String> {
        one_source("tcp", &self.nsqd_tcp_addresses, &self.lookupd_http_addresses)
    }

    /// The consumer's options, as `program` was given them.
    pub(super) fn config(&self, program: &str) -> Result<Config, String> {
        common::config(program, self.max_in_flight, &self.consumer_opts)
    }

    /// Whether the consumer's option `name` was given.
    pub(super) fn gives(&self, name: &str) -> bool {
        let is_it = |given: &String| given.split(',').next().is_some_and(|n| n.replace('-', "_") == name);
        self.consumer_opts.iter().any(is_it)
    }

    /// Subscribes to a channel; it ends with `tasks`.
    pub(super) fn consumer(
        &self,
        program: &str,
        topic: &str,
        channel: &str,
        config: &Config,
        tasks: &TaskGroup,
    ) -> Result<Consumer, String> {
        let asking = common::asking(program, config.dial_timeout, config.lookupd_poll_timeout);
        let sources =
            Sources { nsqds: self.nsqd_tcp_addresses.clone(), lookupds: self.lookupd_http_addresses.clone() };
        Consumer::start(topic, channel, config.clone(), &sources, asking, tasks)
    }

    /// For tests: from this nsqd only, trying again at once.
    #[cfg(test)]
    pub(super) fn of(address: &str) -> Self {
        Self {
            nsqd_tcp_addresses: vec![address.to_owned()],
            consumer_opts: ["backoff_multiplier,1ms", "default_requeue_delay,1ms"]
                .map(str::to_owned)
                .to_vec(),
            ..Self::default()
        }
    }
}

/// How long a tool that ends waits for what is under way, beyond the time it may take anyway.
pub(super) const DRAIN_TIME: Duration = Duration::from_secs(5);

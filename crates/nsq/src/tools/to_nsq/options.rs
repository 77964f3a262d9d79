//! What nsq_to_nsq can be told.

use crate::flag;
use crate::flags::{self, Flag};
use crate::tools::common::require;
use crate::tools::pool::{MODE, Mode};
use crate::tools::reading::{Reading, reading_flags};

/// What nsq_to_nsq can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub topics: Vec<String>,
    pub channel: String,
    pub destination_topic: String,
    pub reading: Reading,
    pub status_every: u32,
    pub mode: Mode,
    pub destination_nsqd_tcp_addresses: Vec<String>,
    pub whitelist_json_fields: Vec<String>,
    pub require_json_field: String,
    pub require_json_value: String,
    pub producer_opts: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            channel: "nsq_to_nsq".to_owned(),
            destination_topic: String::new(),
            reading: Reading::default(),
            status_every: 250,
            mode: Mode::HostPool,
            destination_nsqd_tcp_addresses: Vec::new(),
            whitelist_json_fields: Vec::new(),
            require_json_field: String::new(),
            require_json_value: String::new(),
            producer_opts: Vec::new(),
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsq_to_nsq";

    const EXAMPLES: &'static [&'static str] = &[
        "nsq_to_nsq -topic=orders -nsqd-tcp-address=127.0.0.1:4150 \\",
        "  -destination-nsqd-tcp-address=10.0.0.2:4150",
        "nsq_to_nsq -topic=orders -destination-topic=paid -require-json-field=state \\",
        "  -require-json-value=paid \\",
        "  -lookupd-http-address=127.0.0.1:4161 -destination-nsqd-tcp-address=10.0.0.2:4150",
        "nsq_to_nsq -topic=orders -lookupd-http-address=127.0.0.1:4161 \\",
        "  -destination-nsqd-tcp-address=10.0.0.2:4150 \\",
        "  -consumer-opt=max_attempts,0    # never gives a message up; after 5 attempts otherwise",
    ];

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        let valid = |name: &str| queue::check_name(name).is_ok();
        require(!self.topics.is_empty() && !self.channel.is_empty(), "--topic and --channel are required")?;
        require(self.topics.iter().all(|topic| valid(topic)), "--topic is invalid")?;
        require(
            self.destination_topic.is_empty() || valid(&self.destination_topic),
            "--destination-topic is invalid",
        )?;
        require(valid(&self.channel), "--channel is invalid")?;
        self.reading.check()?;
        require(!self.destination_nsqd_tcp_addresses.is_empty(), "--destination-nsqd-tcp-address required")
    }
}

static FLAGS: &[Flag<Options>] = reading_flags! {
    Options:
    flag!(Options.topics, "topic", "a topic to read; may be given many times"),
    flag!(Options.channel, "channel", "the channel to subscribe to"),
    flag!(
        Options.destination_topic,
        "destination-topic",
        "the topic to publish to (the one it was read from if not given)"
    ),
    flag!(Options.status_every, "status-every", "log how long publications take after so many; 0 for never"),
    flag!(Options.mode, "mode", MODE),
    flag!(
        Options.destination_nsqd_tcp_addresses,
        "destination-nsqd-tcp-address",
        "an nsqd to publish to, each message goes to one; may be given many times"
    ),
    flag!(
        Options.whitelist_json_fields,
        "whitelist-json-field",
        "of JSON, hand on this field; may be given many times"
    ),
    flag!(Options.require_json_field, "require-json-field", "hand on JSON with this field only"),
    flag!(
        Options.require_json_value,
        "require-json-value",
        "hand on JSON with this value of that field only"
    ),
    flag!(
        Options.producer_opts,
        "producer-opt",
        "an option of the producers, by go-nsq's name, as name,value; may be given many times"
    ),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::usage_table;

    #[test]
    fn flags_are_nsqs() {
        let flags: Vec<_> = usage_table::<Options>().iter().map(|(n, k, d)| format!("{n}|{k}|{d}")).collect();
        let expected = [
            "channel|string|\"nsq_to_nsq\"",
            "consumer-opt|value|",
            "destination-nsqd-tcp-address|value|",
            "destination-topic|string|",
            "lookupd-http-address|value|",
            "max-in-flight|int|200",
            "mode|string|\"hostpool\"",
            "nsqd-tcp-address|value|",
            "producer-opt|value|",
            "require-json-field|string|",
            "require-json-value|string|",
            "status-every|int|250",
            "topic|value|",
            "version||",
            "whitelist-json-field|value|",
        ];
        assert_eq!(flags, expected);
    }
}

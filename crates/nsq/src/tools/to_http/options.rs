//! What nsq_to_http can be told.

use std::time::Duration;

use crate::flag;
use crate::flags::{self, Flag};
use crate::tools::common::require;
use crate::tools::pool::{MODE, Mode};
use crate::tools::reading::{Reading, reading_flags};

/// The kind of body that nobody named.
const CONTENT_TYPE: &str = "application/octet-stream";

/// What nsq_to_http can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub topic: String,
    pub channel: String,
    pub reading: Reading,
    pub publishers: u32,
    pub mode: Mode,
    pub sample: f64,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    pub status_every: u32,
    pub content_type: String,
    pub gets: Vec<String>,
    pub posts: Vec<String>,
    pub headers: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topic: String::new(),
            channel: "nsq_to_http".to_owned(),
            reading: Reading::default(),
            publishers: 100,
            mode: Mode::HostPool,
            sample: 1.0,
            http_client_connect_timeout: Duration::from_secs(2),
            http_client_request_timeout: Duration::from_secs(20),
            status_every: 250,
            content_type: CONTENT_TYPE.to_owned(),
            gets: Vec::new(),
            posts: Vec::new(),
            headers: Vec::new(),
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsq_to_http";

    const EXAMPLES: &'static [&'static str] = &[
        "nsq_to_http -topic=orders -post=http://127.0.0.1:8000/in \\",
        "  -nsqd-tcp-address=127.0.0.1:4150",
        "nsq_to_http -topic=orders -get='http://127.0.0.1:8000/in?m=%s' \\",
        "  -nsqd-tcp-address=127.0.0.1:4150",
        "nsq_to_http -topic=orders -post=http://127.0.0.1:8000/in \\",
        "  -lookupd-http-address=127.0.0.1:4161 \\",
        "  -consumer-opt=max_attempts,0    # never gives a message up; after 5 attempts otherwise",
    ];

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        require(!self.topic.is_empty() && !self.channel.is_empty(), "--topic and --channel are required")?;
        require(
            self.content_type == CONTENT_TYPE || !self.posts.is_empty(),
            "--content-type only used with --post",
        )?;
        require(!self.content_type.is_empty(), "--content-type requires a value when used")?;
        self.reading.check()?;
        require(!(self.gets.is_empty() && self.posts.is_empty()), "--get or --post required")?;
        require(self.gets.is_empty() || self.posts.is_empty(), "use --get or --post not both")?;
        let one_place = |address: &String| address.matches("%s").count() == 1;
        require(self.gets.iter().all(one_place), "invalid GET address - must be a printf string")?;
        require((0.0..=1.0).contains(&self.sample), "ERROR: --sample must be between 0.0 and 1.0")
    }
}

static FLAGS: &[Flag<Options>] = reading_flags! {
    Options:
    flag!(Options.topic, "topic", "the topic to read"),
    flag!(Options.channel, "channel", "the channel to subscribe to"),
    flag!(Options.publishers, "n", "most requests at a time"),
    flag!(Options.mode, "mode", MODE),
    flag!(Options.sample, "sample", "which part of the messages to hand on, 0.0 to 1.0"),
    flag!(
        Options.http_client_connect_timeout,
        "http-client-connect-timeout",
        "how long an address may take to accept"
    ),
    flag!(
        Options.http_client_request_timeout,
        "http-client-request-timeout",
        "how long an address may take to answer"
    ),
    flag!(Options.status_every, "status-every", "log how long requests take after so many; 0 for never"),
    flag!(Options.content_type, "content-type", "the Content-Type of a POST"),
    flag!(Options.gets, "get", "a URL to GET, where %s becomes the message; may be given many times"),
    flag!(Options.posts, "post", "a URL to POST messages to; may be given many times"),
    flag!(Options.headers, "header", "a header for requests, as 'name: value'; may be given many times"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::usage_table;

    #[test]
    fn flags_are_nsqs() {
        let flags: Vec<_> = usage_table::<Options>().iter().map(|(n, k, d)| format!("{n}|{k}|{d}")).collect();
        let expected = [
            "channel|string|\"nsq_to_http\"",
            "consumer-opt|value|",
            "content-type|string|\"application/octet-stream\"",
            "get|value|",
            "header|value|",
            "http-client-connect-timeout|duration|2s",
            "http-client-request-timeout|duration|20s",
            "lookupd-http-address|value|",
            "max-in-flight|int|200",
            "mode|string|\"hostpool\"",
            "n|int|100",
            "nsqd-tcp-address|value|",
            "post|value|",
            "sample|float|1",
            "status-every|int|250",
            "topic|string|",
            "version||",
        ];
        assert_eq!(flags, expected);
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let check = |words: &str, expected: &str| {
            let words = words.split_whitespace().map(str::to_owned);
            let stop = flags::parse::<Options>(words).expect_err("refused");
            assert_eq!(stop, flags::Stop::Refused(expected.to_owned()));
        };
        check("-get=http://x/%s", "--topic and --channel are required");
        check("-topic=t -nsqd-tcp-address=a", "--get or --post required");
        check("-topic=t -nsqd-tcp-address=a -get=x -post=y", "use --get or --post not both");
        check("-topic=t -nsqd-tcp-address=a -get=http://x/", "invalid GET address - must be a printf string");
        check(
            "-topic=t -nsqd-tcp-address=a -get=http://x/%s -content-type=x",
            "--content-type only used with --post",
        );
        check(
            "-topic=t -nsqd-tcp-address=a -post=http://x -sample=1.5",
            "ERROR: --sample must be between 0.0 and 1.0",
        );
    }
}

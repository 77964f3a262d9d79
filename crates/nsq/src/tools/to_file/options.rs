//! What nsq_to_file can be told.

use std::time::Duration;

use crate::flag;
use crate::flags::{self, Flag};
use crate::logging::Level;
use crate::tools::common::require;
use crate::tools::reading::{Reading, reading_flags};

/// What nsq_to_file can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub topics: Vec<String>,
    pub topic_pattern: String,
    pub topic_refresh: Duration,
    pub channel: String,
    pub reading: Reading,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    pub log_prefix: String,
    pub log_level: Level,
    pub output_dir: String,
    pub work_dir: String,
    pub datetime_format: String,
    pub filename_format: String,
    pub host_identifier: String,
    pub gzip_level: u32,
    pub gzip: bool,
    pub skip_empty_files: bool,
    pub rotate_size: u64,
    pub rotate_interval: Duration,
    pub sync_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topics: Vec::new(),
            topic_pattern: String::new(),
            topic_refresh: Duration::from_secs(60),
            channel: "nsq_to_file".to_owned(),
            reading: Reading::default(),
            http_client_connect_timeout: Duration::from_secs(2),
            http_client_request_timeout: Duration::from_secs(5),
            log_prefix: "[nsq_to_file] ".to_owned(),
            log_level: Level::Info,
            output_dir: "/tmp".to_owned(),
            work_dir: String::new(),
            datetime_format: "%Y-%m-%d_%H".to_owned(),
            filename_format: "<TOPIC>.<HOST><REV>.<DATETIME>.log".to_owned(),
            host_identifier: String::new(),
            gzip_level: 6,
            gzip: false,
            skip_empty_files: false,
            rotate_size: 0,
            rotate_interval: Duration::ZERO,
            sync_interval: Duration::from_secs(30),
        }
    }
}

impl Options {
    /// Where files are written before they are finished.
    pub(super) fn working(&self) -> &str {
        if self.work_dir.is_empty() { &self.output_dir } else { &self.work_dir }
    }

    /// Whether finished files are moved.
    pub(super) fn moves(&self) -> bool {
        self.working() != self.output_dir
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsq_to_file";
    const REFUSES_WORDS: bool = true;
    const EXAMPLES: &'static [&'static str] = &[
        "nsq_to_file -topic=orders -output-dir=/archive -lookupd-http-address=127.0.0.1:4161",
        "nsq_to_file -topic-pattern='^log' -gzip -output-dir=/archive \\",
        "  -lookupd-http-address=127.0.0.1:4161",
        "nsq_to_file -topic=orders -nsqd-tcp-address=127.0.0.1:4150 -rotate-size=100000000 \\",
        "  -work-dir=/archive/now -output-dir=/archive/done    # whole files only in done",
    ];

    fn logging(&self) -> (Level, &str) {
        (self.log_level, &self.log_prefix)
    }

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        require(!self.channel.is_empty(), "--channel is required")?;
        require(
            !self.http_client_connect_timeout.is_zero(),
            "--http-client-connect-timeout should be positive",
        )?;
        require(
            !self.http_client_request_timeout.is_zero(),
            "--http-client-request-timeout should be positive",
        )?;
        require(!self.sync_interval.is_zero(), "--sync-interval should be positive")?;
        require(!self.topic_refresh.is_zero(), "--topic-refresh should be positive")?;
        self.reading.check()?;
        require(
            (1..=9).contains(&self.gzip_level),
            &format!("invalid --gzip-level value ({}), should be 1-9", self.gzip_level),
        )?;
        require(
            !(self.topics.is_empty() && self.topic_pattern.is_empty()),
            "--topic or --topic-pattern required",
        )?;
        require(
            !(self.topics.is_empty() && self.reading.lookupd_http_addresses.is_empty()),
            "--lookupd-http-address must be specified when no --topic specified",
        )?;
        let numbered = self.gzip || self.rotate_size > 0 || !self.rotate_interval.is_zero() || self.moves();
        require(
            !numbered || self.filename_format.contains("<REV>"),
            "missing <REV> in --filename-format when gzip, rotation, or work dir enabled",
        )
    }
}

static FLAGS: &[Flag<Options>] = reading_flags! {
    Options:
    flag!(Options.topics, "topic", "a topic to write; may be given many times"),
    flag!(Options.topic_pattern, "topic-pattern", "a regular expression for the topics to write"),
    flag!(Options.topic_refresh, "topic-refresh", "time between looks for new topics"),
    flag!(Options.channel, "channel", "the channel to subscribe to"),
    flag!(
        Options.http_client_connect_timeout,
        "http-client-connect-timeout",
        "how long to wait for a lookupd to accept"
    ),
    flag!(
        Options.http_client_request_timeout,
        "http-client-request-timeout",
        "how long to wait for a lookupd to answer"
    ),
    flag!(Options.log_prefix, "log-prefix", "what every line of the log begins with"),
    flag!(Options.log_level, "log-level", "the least that is logged: debug, info, warn, error or fatal"),
    flag!(Options.output_dir, "output-dir", "the folder for files"),
    flag!(
        Options.work_dir,
        "work-dir",
        "the folder for files that are not finished yet; then they are moved"
    ),
    flag!(Options.datetime_format, "datetime-format", "what <DATETIME> becomes, in the words of strftime"),
    flag!(
        Options.filename_format,
        "filename-format",
        "names of files: <TOPIC>, <HOST>, <PID>, <DATETIME> and <REV> are replaced; <REV> counts up where a file is there already"
    ),
    flag!(
        Options.host_identifier,
        "host-identifier",
        "what <HOST> becomes; <SHORT_HOST> and <HOSTNAME> are replaced in it"
    ),
    flag!(Options.gzip_level, "gzip-level", "how hard gzip tries, 1 to 9"),
    flag!(Options.gzip, "gzip", "compress files; each sync ends a member"),
    flag!(Options.skip_empty_files, "skip-empty-files", "make no files that nothing is written to"),
    flag!(Options.rotate_size, "rotate-size", "begin another file when it has more than so many bytes"),
    flag!(Options.rotate_interval, "rotate-interval", "begin another file when it is so old"),
    flag!(Options.sync_interval, "sync-interval", "longest time between syncs"),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::usage_table;

    #[test]
    fn flags_are_nsqs() {
        let table: Vec<String> = usage_table::<Options>()
            .iter()
            .map(|(name, kind, default)| format!("{name}|{kind}|{default}"))
            .collect();
        assert_eq!(
            table,
            [
                "channel|string|\"nsq_to_file\"",
                "consumer-opt|value|",
                "datetime-format|string|\"%Y-%m-%d_%H\"",
                "filename-format|string|\"<TOPIC>.<HOST><REV>.<DATETIME>.log\"",
                "gzip||",
                "gzip-level|int|6",
                "host-identifier|string|",
                "http-client-connect-timeout|duration|2s",
                "http-client-request-timeout|duration|5s",
                "log-level|value|INFO",
                "log-prefix|string|\"[nsq_to_file] \"",
                "lookupd-http-address|value|",
                "max-in-flight|int|200",
                "nsqd-tcp-address|value|",
                "output-dir|string|\"/tmp\"",
                "rotate-interval|duration|",
                "rotate-size|int|",
                "skip-empty-files||",
                "sync-interval|duration|30s",
                "topic|value|",
                "topic-pattern|string|",
                "topic-refresh|duration|1m0s",
                "version||",
                "work-dir|string|",
            ]
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let check = |words: &str, expected: &str| {
            let words = words.split_whitespace().map(str::to_owned);
            let stop = flags::parse::<Options>(words).expect_err("refused");
            assert_eq!(stop, flags::Stop::Refused(expected.to_owned()));
        };
        check("-topic=t", "--nsqd-tcp-address or --lookupd-http-address required");
        check(
            "-topic=t -nsqd-tcp-address=a -lookupd-http-address=b",
            "use --nsqd-tcp-address or --lookupd-http-address not both",
        );
        check("-nsqd-tcp-address=a", "--topic or --topic-pattern required");
        check(
            "-nsqd-tcp-address=a -topic-pattern=x",
            "--lookupd-http-address must be specified when no --topic specified",
        );
        check(
            "-nsqd-tcp-address=a -topic=t -gzip -gzip-level=10",
            "invalid --gzip-level value (10), should be 1-9",
        );
        check(
            "-nsqd-tcp-address=a -topic=t -gzip -filename-format=x",
            "missing <REV> in --filename-format when gzip, rotation, or work dir enabled",
        );
    }
}

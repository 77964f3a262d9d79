//! `nsq_stat`: prints a channel's figures again and again, over all nsqds.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::tasks::Stop;
use serde_json::json;

use super::common::{self, one_source, require};
use crate::cluster::read::Part;
use crate::cluster::{Addresses, ChannelStats, Cluster};
use crate::flag;
use crate::flags::{self, Flag, Value};
use crate::http::Client;

/// Rows between two headings.
const ROWS_MAX: u64 = 25;

/// What nsq_stat can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub topic: String,
    pub channel: String,
    pub interval: Duration,
    pub http_client_connect_timeout: Duration,
    pub http_client_request_timeout: Duration,
    pub count: Count,
    pub nsqd_http_addresses: Vec<String>,
    pub lookupd_http_addresses: Vec<String>,
}

/// How many rows; `None` for ever more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Count(pub Option<u32>);

impl Value for Count {
    fn kind(&self) -> &'static str {
        "value"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        self.0 = Some(text.parse().map_err(|_| "parse error")?);
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn shown(&self) -> Option<String> {
        None
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topic: String::new(),
            channel: String::new(),
            interval: Duration::from_secs(2),
            http_client_connect_timeout: Duration::from_secs(2),
            http_client_request_timeout: Duration::from_secs(5),
            count: Count::default(),
            nsqd_http_addresses: Vec::new(),
            lookupd_http_addresses: Vec::new(),
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsq_stat";

    const EXAMPLES: &'static [&'static str] = &[
        "nsq_stat -topic=orders -channel=archive -nsqd-http-address=127.0.0.1:4151",
        "nsq_stat -topic=orders -channel=archive -count=3 -lookupd-http-address=127.0.0.1:4161",
    ];

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        require(!self.topic.is_empty() && !self.channel.is_empty(), "--topic and --channel are required")?;
        require(!self.interval.is_zero(), "--interval should be positive")?;
        require(
            !self.http_client_connect_timeout.is_zero(),
            "--http-client-connect-timeout should be positive",
        )?;
        require(
            !self.http_client_request_timeout.is_zero(),
            "--http-client-request-timeout should be positive",
        )?;
        require(self.count.0 != Some(0), "--count should be positive")?;
        one_source("http", &self.nsqd_http_addresses, &self.lookupd_http_addresses)?;
        let bare = |addresses: &[String]| !addresses.iter().any(|address| address.starts_with("http"));
        let advice = "address should not contain scheme";
        require(bare(&self.nsqd_http_addresses), &format!("--nsqd-http-address error - {advice}"))?;
        require(bare(&self.lookupd_http_addresses), &format!("--lookupd-http-address error - {advice}"))
    }
}

static FLAGS: &[Flag<Options>] = &[
    flag!(Options.topic, "topic", "the topic"),
    flag!(Options.channel, "channel", "the channel"),
    flag!(Options.interval, "interval", "time between rows"),
    flag!(
        Options.http_client_connect_timeout,
        "http-client-connect-timeout",
        "how long to wait for an HTTP server to accept"
    ),
    flag!(
        Options.http_client_request_timeout,
        "http-client-request-timeout",
        "how long to wait for an HTTP server to answer"
    ),
    flag!(Options.count, "count", "end after so many rows"),
    flag!(Options.nsqd_http_addresses, "nsqd-http-address", "an nsqd to ask; may be given many times"),
    flag!(
        Options.lookupd_http_addresses,
        "lookupd-http-address",
        "a lookupd to ask for nsqds; may be given many times"
    ),
];

/// Prints rows to `out` until there are enough of them or `stop`.
///
/// # Errors
/// In words: nobody answers, nobody has the channel, or `out` cannot be written to.
pub async fn run(options: Options, mut out: impl Write, stop: Stop) -> Result<(), String> {
    let asking =
        common::asking("nsq_stat", options.http_client_connect_timeout, options.http_client_request_timeout);
    let client = Client::new(asking).map_err(|error| error.to_string())?;
    let addresses = Addresses {
        lookupds: options.lookupd_http_addresses.clone(),
        nsqds: options.nsqd_http_addresses.clone(),
    };
    let cluster = Cluster::new(Arc::new(client), Clock::system(), addresses);
    let mut before: Option<ChannelStats> = None;
    let mut turns = tokio::time::interval(options.interval);
    for turn in 0_u64.. {
        tokio::select! {
            _ = turns.tick() => {}
            () = stop.requested() => return Ok(()),
        }
        let now = ask(&cluster, &options).await?;
        let mut text = String::new();
        if turn.is_multiple_of(ROWS_MAX) {
            text.push_str(&heading());
        }
        if let Some(before) = &before {
            text.push_str(&row(before, &now, options.interval));
        }
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        written.map_err(|error| format!("cannot print: {error}"))?;
        if options.count.0.is_some_and(|count| turn >= u64::from(count)) {
            return Ok(());
        }
        before = Some(now);
    }
    Ok(())
}

/// The channel over all nsqds that have its topic.
async fn ask(cluster: &Cluster, options: &Options) -> Result<ChannelStats, String> {
    let wrong = |what: &str, error: &dyn std::fmt::Display| format!("failed to get {what} - {error}");
    let (topic, channel) = (options.topic.as_str(), options.channel.as_str());
    let producers =
        cluster.topic_producers(topic).await.map_err(|error| wrong("topic producers", &error))?.value;
    let part = Part { topic: Some(topic), channel: Some(channel), ..Part::default() };
    let rows = cluster.stats(&producers, part).await.map_err(|error| wrong("nsqd stats", &error))?.value;
    let channels = rows.iter().flat_map(|row| row.channels.iter().flatten());
    ChannelStats::total(channel, channels.filter(|row| row.channel_name == channel))
        .ok_or_else(|| format!("failed to find channel({channel}) in stats metadata for topic({topic})"))
}

fn heading() -> String {
    format!(
        "------rate------+----------------depth----------------+--------------metadata---------------\n\
         {:>7} {:>7} | {:>7} {:>7} {:>7} {:>5} {:>5} | {:>7} {:>7} {:>12} {:>7}\n",
        "ingress", "egress", "total", "mem", "disk", "inflt", "def", "req", "t-o", "msgs", "clients"
    )
}

fn row(before: &ChannelStats, now: &ChannelStats, interval: Duration) -> String {
    let a_second = |count: i64| (count as f64 / interval.as_secs_f64()) as i64;
    let came = now.message_count - before.message_count;
    format!(
        "{:>7} {:>7} | {:>7} {:>7} {:>7} {:>5} {:>5} | {:>7} {:>7} {:>12} {:>7}\n",
        a_second(came),
        a_second(came - (now.depth - before.depth)),
        now.depth,
        now.memory_depth,
        now.backend_depth,
        now.in_flight_count,
        now.deferred_count,
        now.requeue_count,
        now.timeout_count,
        now.message_count,
        now.client_count
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flags::usage_table;
    use crate::http::{Limits, Listener, serve};
    use axum::Router;
    use axum::routing::get;
    use base::tasks::TaskGroup;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// Something that answers as an nsqd whose channel gets 100 messages between questions.
    async fn nsqd(tasks: &TaskGroup, channel: &'static str) -> Options {
        let listener = Listener::bind("127.0.0.1:0").await.expect("loopback");
        let port = listener.port().expect("bound");
        let asked = Arc::new(AtomicI64::new(0));
        let stats = move |uri: axum::http::Uri| {
            // The first question of each turn is which topics there are.
            let of_channel = uri.query().unwrap_or_default().contains("channel=");
            let turn = asked.fetch_add(i64::from(of_channel), Ordering::Relaxed);
            let channels = json!([{
                "channel_name": channel, "depth": 10 + turn, "backend_depth": 4, "in_flight_count": 2,
                "deferred_count": 1, "message_count": 100 * turn, "requeue_count": 5, "timeout_count": 6,
                "client_count": 7, "clients": [], "paused": false,
            }]);
            let topics = json!([{ "topic_name": "t", "channels": channels, "depth": 0, "message_count": 1 }]);
            async move {
                json!({ "version": "1.3.0", "health": "OK", "start_time": 1, "topics": topics }).to_string()
            }
        };
        let info = move || async move {
            json!({
                "version": "1.3.0", "broadcast_address": "127.0.0.1", "hostname": "h",
                "http_port": port, "tcp_port": 1,
            })
            .to_string()
        };
        let router = Router::new().route("/stats", get(stats)).route("/info", get(info));
        let (stop, limits) = (tasks.stop_signal(), Limits::default());
        tasks.spawn("nsqd", async move {
            serve(listener, router, stop, limits).await;
        });
        Options {
            topic: "t".to_owned(),
            channel: "c".to_owned(),
            interval: Duration::from_millis(500),
            nsqd_http_addresses: vec![format!("127.0.0.1:{port}")],
            ..Options::default()
        }
    }

    #[tokio::test]
    async fn rows_are_nsqs() {
        let tasks = TaskGroup::new();
        let options = Options { count: Count(Some(2)), ..nsqd(&tasks, "c").await };
        let mut out = Vec::new();
        run(options, &mut out, tasks.stop_signal()).await.expect("it ends well");
        insta::assert_snapshot!(String::from_utf8(out).expect("text"), @r"
        ------rate------+----------------depth----------------+--------------metadata---------------
        ingress  egress |   total     mem    disk inflt   def |     req     t-o         msgs clients
            200     198 |      11       7       4     2     1 |       5       6          100       7
            200     198 |      12       8       4     2     1 |       5       6          200       7
        ");
    }

    #[tokio::test]
    async fn a_channel_that_nobody_has_is_an_error() {
        let tasks = TaskGroup::new();
        let options = nsqd(&tasks, "other").await;
        let error = run(options, Vec::new(), tasks.stop_signal()).await.expect_err("not there");
        assert_eq!(error, "failed to find channel(c) in stats metadata for topic(t)");
    }

    #[test]
    fn flags_are_nsqs() {
        let flags: Vec<_> = usage_table::<Options>().iter().map(|(n, k, d)| format!("{n}|{k}|{d}")).collect();
        let expected = [
            "channel|string|",
            "count|value|",
            "http-client-connect-timeout|duration|2s",
            "http-client-request-timeout|duration|5s",
            "interval|duration|2s",
            "lookupd-http-address|value|",
            "nsqd-http-address|value|",
            "topic|string|",
            "version||",
        ];
        assert_eq!(flags, expected);
    }
}

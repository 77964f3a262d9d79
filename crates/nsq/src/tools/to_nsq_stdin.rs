//! `to_nsq`: publishes what it reads, a message each line.
//!
//! ```text
//! stdin ──▶ thread: batches of lines ──▶ each nsqd: MPUB; what it refuses is halved until the line is found
//! ```
//! **Invariant**: a line that nsqd refuses is named with its number and costs no other line.

mod lines;

use std::collections::BTreeSet;
use std::io::{BufReader, Read};
use std::sync::Arc;
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

use super::common::{self, require};
use super::reading::DRAIN_TIME;
use crate::client::{Error, Producer};
use crate::flag;
use crate::flags::{self, Flag};
use lines::{Batch, LINE_BYTES_MAX, Line};

/// Batches that wait to be published.
const WAITING_MAX: usize = 4;

/// What refuses a message and not whoever sends it.
const ABOUT_THE_MESSAGE: [&str; 2] = ["E_BAD_MESSAGE", "E_BAD_BODY"];

/// What to_nsq can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub topic: String,
    pub delimiter: String,
    pub nsqd_tcp_addresses: Vec<String>,
    pub producer_opts: Vec<String>,
    pub rate: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            topic: String::new(),
            delimiter: "\n".to_owned(),
            nsqd_tcp_addresses: Vec::new(),
            producer_opts: Vec::new(),
            rate: 0,
        }
    }
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "to_nsq";

    const EXAMPLES: &'static [&'static str] = &[
        "tail -F access.log | to_nsq -topic=access -nsqd-tcp-address=127.0.0.1:4150",
        "to_nsq -topic=access -rate=100 -nsqd-tcp-address=127.0.0.1:4150 <lines",
        "to_nsq -topic=access -delimiter=, -nsqd-tcp-address=10.0.0.1:4150 \\",
        "  -nsqd-tcp-address=10.0.0.2:4150 <list",
    ];

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        require(!self.topic.is_empty(), "--topic required")?;
        require(queue::check_name(&self.topic).is_ok(), "--topic is invalid")?;
        require(self.delimiter.len() == 1, "--delimiter must be a single byte")?;
        require(!self.nsqd_tcp_addresses.is_empty(), "--nsqd-tcp-address required")
    }
}

static FLAGS: &[Flag<Options>] = &[
    flag!(Options.topic, "topic", "the topic to publish to"),
    flag!(Options.delimiter, "delimiter", "the byte between messages"),
    flag!(
        Options.nsqd_tcp_addresses,
        "nsqd-tcp-address",
        "an nsqd to publish to, each gets all; may be given many times"
    ),
    flag!(
        Options.producer_opts,
        "producer-opt",
        "an option of the producer, by go-nsq's name, as name,value; may be given many times"
    ),
    flag!(Options.rate, "rate", "most messages a second; 0 for no limit"),
];

/// Publishes what `input` holds until its end or `stop`; after that, what was read already.
///
/// # Errors
/// In words: lines were refused, which are named in the log while the others are published; or an nsqd does
/// not answer, or `input` cannot be read, which end it: everything before was published, and where nsqd may
/// have what it did not answer, it says so.
pub async fn run(
    options: Options,
    input: BufReader<impl Read + Send + 'static>,
    stop: Stop,
) -> Result<(), String> {
    let config = common::config("to_nsq", 1, &options.producer_opts)?;
    if options.rate > 0 {
        tracing::info!("Throttling messages rate to max:{}/second", options.rate);
    }
    let tasks = TaskGroup::new();
    let producers: Vec<Producer> = options
        .nsqd_tcp_addresses
        .iter()
        .map(|address| Producer::new(address, config.clone(), &tasks))
        .collect();
    let (sender, batches) = mpsc::channel(WAITING_MAX);
    let (delimiter, together) = (options.delimiter.as_bytes()[0], options.rate == 0);
    // It may wait in a read for ever, so nobody waits for this thread.
    let reading = std::thread::Builder::new().name("stdin".to_owned());
    reading
        .spawn(move || lines::read(input, delimiter, together, &sender))
        .map_err(|error| error.to_string())?;
    let too_late = async {
        stop.requested().await;
        sleep(DRAIN_TIME).await;
    };
    let outcome = tokio::select! {
        outcome = publish(&options, &producers, batches, stop.clone()) => outcome,
        () = too_late => Err(format!("not everything that was read was published within {DRAIN_TIME:?}")),
    };
    tasks.drain(DRAIN_TIME).await;
    outcome
}

async fn publish(
    options: &Options,
    producers: &[Producer],
    mut batches: mpsc::Receiver<std::io::Result<Batch>>,
    stop: Stop,
) -> Result<(), String> {
    let topic: Arc<str> = options.topic.as_str().into();
    let mut pace = (options.rate > 0).then(|| Pace::new(options.rate));
    let mut refused = 0;
    let mut last = 0;
    loop {
        let batch = tokio::select! {
            batch = batches.recv() => batch,
            () = stop.requested(), if !batches.is_closed() => {
                // What waits already is published, what was not read stays where it is.
                batches.close();
                pace = None;
                continue;
            }
        };
        let Some(batch) = batch else { break };
        let batch = batch.map_err(|error| format!("cannot read behind line {last}: {error}"))?;
        last = batch
            .lines
            .iter()
            .map(|line| line.number)
            .chain(batch.too_long.iter().copied())
            .max()
            .unwrap_or(last);
        for number in &batch.too_long {
            tracing::error!("line {number} was not published: it has more than {LINE_BYTES_MAX} bytes");
        }
        refused += batch.too_long.len();
        if let Some(pace) = &mut pace {
            tokio::select! {
                () = pace.wait() => {}
                () = stop.requested() => {}
            }
        }
        refused += to_all(producers, &topic, batch.lines).await?;
    }
    if stop.is_requested() {
        tracing::info!("stopped behind line {last}");
    }
    if refused == 0 { Ok(()) } else { Err(format!("{refused} of {last} lines were not published")) }
}

/// Publishes lines to every nsqd at once; how many were refused by any of them.
async fn to_all(producers: &[Producer], topic: &Arc<str>, lines: Vec<Line>) -> Result<usize, String> {
    let lines: Arc<[Line]> = lines.into();
    let mut publishing = JoinSet::new();
    for producer in producers {
        publishing.spawn(to_one(producer.clone(), Arc::clone(topic), Arc::clone(&lines)));
    }
    let mut refused = BTreeSet::new();
    let mut outcome = Ok(());
    while let Some(done) = publishing.join_next().await {
        match done.map_err(|error| error.to_string())? {
            Ok(numbers) => refused.extend(numbers),
            Err(error) => outcome = Err(error),
        }
    }
    outcome.map(|()| refused.len())
}

/// Publishes lines to one nsqd; the numbers of those that it refuses. Many are published as one, which nsqd
/// takes whole or not at all: a part that it refuses is halved until the lines are found that are to blame.
async fn to_one(producer: Producer, topic: Arc<str>, lines: Arc<[Line]>) -> Result<Vec<u64>, String> {
    let mut refused = Vec::new();
    let mut parts = vec![(0, lines.len())];
    while let Some((start, end)) = parts.pop() {
        let outcome = match &lines[start..end] {
            [] => continue,
            [one] => producer.publish(&topic, &one.body).await,
            many => {
                let bodies: Vec<Bytes> = many.iter().map(|line| line.body.clone()).collect();
                producer.publish_many(&topic, &bodies).await
            }
        };
        let number = lines[start].number;
        match outcome {
            Ok(()) => {}
            Err(Error::Refused { text, .. }) if end - start > 1 && is_about_the_message(&text) => {
                let middle = start + (end - start) / 2;
                // The first half is next.
                parts.extend([(middle, end), (start, middle)]);
            }
            Err(error @ Error::Refused { .. }) if is_about_the_message(&error.to_string()) => {
                tracing::error!("line {number} was not published: {error}");
                refused.push(number);
            }
            Err(error) if error.leaves_open() => {
                let (which, behind) = match lines[end - 1].number {
                    last if last == number => (format!("line {number} was"), "it"),
                    last => (format!("lines {number} to {last} were"), "them"),
                };
                return Err(format!(
                    "it is not known whether {which} published, those behind {behind} were not: {error}"
                ));
            }
            Err(error) => {
                return Err(format!("line {number} and those behind it were not published: {error}"));
            }
        }
    }
    Ok(refused)
}

fn is_about_the_message(text: &str) -> bool {
    ABOUT_THE_MESSAGE.iter().any(|code| text.contains(code))
}

/// Lets so many go a second, evenly; what was not used up to a second may follow at once.
struct Pace {
    between: Duration,
    next: Instant,
}

impl Pace {
    fn new(rate: u32) -> Self {
        Self { between: Duration::from_secs(1) / rate, next: Instant::now() }
    }

    async fn wait(&mut self) {
        let earliest = Instant::now().checked_sub(Duration::from_secs(1)).unwrap_or(self.next);
        self.next = self.next.max(earliest);
        sleep_until(self.next).await;
        self.next += self.between;
    }
}

#[cfg(test)]
mod tests;

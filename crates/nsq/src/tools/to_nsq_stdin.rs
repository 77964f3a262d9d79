//! `to_nsq`: publishes what it reads, a message each line.

use std::io::{self, BufRead};
use std::time::Duration;

use base::tasks::{Stop, TaskGroup};
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::common::{self, require};
use crate::client::Producer;
use crate::flag;
use crate::flags::{self, Flag};

/// Lines that wait to be published.
const WAITING_MAX: usize = 1_024;

/// Lines that are there already are published together, up to so many bytes: well below what any nsqd takes.
const TOGETHER_BYTES: usize = 256 << 10;

/// How long connections may take to end.
const DRAIN_TIME: Duration = Duration::from_secs(5);

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

/// Publishes what `input` holds until its end or `stop`.
///
/// # Errors
/// In words: an nsqd does not take a message, or `input` cannot be read. Everything before that was
/// published.
pub async fn run(options: Options, input: impl BufRead + Send + 'static, stop: Stop) -> Result<(), String> {
    let config = common::config("to_nsq", 1, &options.producer_opts)?;
    let tasks = TaskGroup::new();
    let producers: Vec<Producer> = options
        .nsqd_tcp_addresses
        .iter()
        .map(|address| Producer::new(address, config.clone(), &tasks))
        .collect();
    let (sender, lines) = mpsc::channel(WAITING_MAX);
    let delimiter = options.delimiter.as_bytes()[0];
    // It may wait in a read for ever, so nobody waits for this thread.
    let reading = std::thread::Builder::new().name("stdin".to_owned());
    reading.spawn(move || read(input, delimiter, &sender)).map_err(|error| error.to_string())?;
    let outcome = tokio::select! {
        outcome = publish(&options, &producers, lines) => outcome,
        () = stop.requested() => Ok(()),
    };
    tasks.drain(DRAIN_TIME).await;
    outcome
}

/// Hands on every line that is not empty, the last one too if nothing ends it.
fn read(mut input: impl BufRead, delimiter: u8, lines: &mpsc::Sender<io::Result<Bytes>>) {
    loop {
        let mut line = Vec::new();
        let read = input.read_until(delimiter, &mut line);
        let ended = matches!(read, Ok(0) | Err(_));
        if line.last() == Some(&delimiter) {
            line.pop();
        }
        let outcome = read.map(|_| Bytes::from(line));
        let empty = outcome.as_ref().is_ok_and(Bytes::is_empty);
        if (!empty && lines.blocking_send(outcome).is_err()) || ended {
            return;
        }
    }
}

async fn publish(
    options: &Options,
    producers: &[Producer],
    mut lines: mpsc::Receiver<io::Result<Bytes>>,
) -> Result<(), String> {
    let mut pace = (options.rate > 0).then(|| Pace::new(options.rate));
    let mut batch = Vec::new();
    while let Some(first) = lines.recv().await {
        batch.push(first.map_err(|error| format!("cannot read: {error}"))?);
        let mut failed = None;
        let mut bytes = batch[0].len();
        match &mut pace {
            Some(pace) => pace.wait().await,
            None => {
                while bytes < TOGETHER_BYTES
                    && let Ok(next) = lines.try_recv()
                {
                    match next {
                        Ok(line) => {
                            bytes += line.len();
                            batch.push(line);
                        }
                        Err(error) => {
                            failed = Some(format!("cannot read: {error}"));
                            break;
                        }
                    }
                }
            }
        }
        for producer in producers {
            let outcome = match batch.as_slice() {
                [one] => producer.publish(&options.topic, one).await,
                many => producer.publish_many(&options.topic, many).await,
            };
            outcome.map_err(|error| error.to_string())?;
        }
        batch.clear();
        if let Some(error) = failed {
            return Err(error);
        }
    }
    Ok(())
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
mod tests {
    use super::*;
    use crate::client::fake::FakeNsqd;
    use crate::flags::usage_table;
    use std::io::Cursor;

    async fn published(input: &'static str, change: impl Fn(&mut Options)) -> Vec<Vec<String>> {
        let (serving, work) = (TaskGroup::new(), TaskGroup::new());
        let nsqds = [FakeNsqd::start(&serving).await, FakeNsqd::start(&serving).await];
        let mut options = Options {
            topic: "t".to_owned(),
            nsqd_tcp_addresses: nsqds.iter().map(|nsqd| nsqd.address.clone()).collect(),
            ..Options::default()
        };
        change(&mut options);
        run(options, Cursor::new(input), work.stop_signal()).await.expect("it ends well");
        let bodies = |nsqd: &FakeNsqd| {
            let published = nsqd.look(|state| state.published.clone());
            published.into_iter().map(|(_, body)| String::from_utf8(body.to_vec()).expect("text")).collect()
        };
        nsqds.iter().map(bodies).collect()
    }

    #[tokio::test]
    async fn every_line_goes_to_every_nsqd() {
        let both = |bodies: &[&str]| vec![bodies.iter().map(|b| (*b).to_owned()).collect::<Vec<_>>(); 2];
        let check = async |input: &'static str, delimiter: &str, expected: &[&str]| {
            let got = published(input, |options| options.delimiter = delimiter.to_owned()).await;
            assert_eq!(got, both(expected), "{input:?}");
        };
        check("one\ntwo\n", "\n", &["one", "two"]).await;
        check("one\n\n\ntwo", "\n", &["one", "two"]).await;
        check("a,b\nc,", ",", &["a", "b\nc"]).await;
        check("", "\n", &[]).await;
    }

    #[tokio::test]
    async fn the_rate_is_kept() {
        let started = Instant::now();
        let got = published("1\n2\n3\n4\n5\n6\n", |options| options.rate = 50).await;
        assert_eq!(got[1].len(), 6);
        assert!(started.elapsed() >= Duration::from_millis(100), "five pauses of 20 ms");
    }

    #[tokio::test]
    async fn what_an_nsqd_refuses_ends_it() {
        let (serving, work) = (TaskGroup::new(), TaskGroup::new());
        let nsqd = FakeNsqd::start(&serving).await;
        nsqd.look(|state| state.refusal = Some("no"));
        let nsqd_tcp_addresses = vec![nsqd.address.clone()];
        let options = Options { topic: "t".to_owned(), nsqd_tcp_addresses, ..Options::default() };
        let error = run(options, Cursor::new("x\n"), work.stop_signal()).await.expect_err("refused");
        assert!(error.contains("E_BAD_MESSAGE no"), "{error}");
    }

    #[test]
    fn flags_are_nsqs() {
        let flags: Vec<_> = usage_table::<Options>().iter().map(|(n, k, d)| format!("{n}|{k}|{d}")).collect();
        let expected = [
            "delimiter|string|\"\\n\"",
            "nsqd-tcp-address|value|",
            "producer-opt|value|",
            "rate|int|",
            "topic|string|",
            "version||",
        ];
        assert_eq!(flags, expected);
    }
}

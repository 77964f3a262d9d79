//! `nsq_tail`: prints messages as they come, a line each.

use std::io::{self, Write};
use std::sync::Arc;

use base::tasks::{Stop, TaskGroup};
use tokio::sync::mpsc;

use super::common::require;
use super::reading::{DRAIN_TIME, Reading, reading_flags};
use crate::client::Message;
use crate::flag;
use crate::flags::{self, Flag};

/// Messages that wait to be printed.
const WAITING_MAX: usize = 64;

/// What nsq_tail can be told. Fields are flags.
#[derive(Clone, PartialEq, Debug, Default)]
#[expect(missing_docs, reason = "FLAGS below says what each is")]
pub struct Options {
    pub topics: Vec<String>,
    pub channel: String,
    pub reading: Reading,
    pub total: u64,
    pub print_topic: bool,
}

impl flags::Options for Options {
    const PROGRAM: &'static str = "nsq_tail";

    const EXAMPLES: &'static [&'static str] = &[
        "nsq_tail -topic=orders -nsqd-tcp-address=127.0.0.1:4150",
        "nsq_tail -topic=orders -n=10 -lookupd-http-address=127.0.0.1:4161",
        "nsq_tail -topic=orders -topic=returns -print-topic \\",
        "  -lookupd-http-address=127.0.0.1:4161",
    ];

    fn flags() -> &'static [Flag<Self>] {
        FLAGS
    }

    fn check(&self) -> Result<(), String> {
        self.reading.check()?;
        require(!self.topics.is_empty(), "--topic required")
    }
}

static FLAGS: &[Flag<Options>] = reading_flags! {
    Options:
    flag!(Options.topics, "topic", "a topic to print; may be given many times"),
    flag!(
        Options.channel,
        "channel",
        "the channel to subscribe to; one of its own, which ends with it, if not given"
    ),
    flag!(Options.total, "n", "end after so many messages; 0 for never"),
    flag!(Options.print_topic, "print-topic", "print each message's topic in front of it"),
};

/// Prints to `out` until it has printed enough or `stop`. Whoever closes `out` has seen enough too.
///
/// # Errors
/// In words: names or options that make no sense, or `out` cannot be written to.
pub async fn run(options: Options, out: impl Write + Send + 'static, stop: Stop) -> Result<(), String> {
    let channel = match options.channel.as_str() {
        "" => format!("tail-{}#ephemeral", base::id::random(8)),
        given => given.to_owned(),
    };
    let most = if options.total == 0 { u32::MAX } else { u32::try_from(options.total).unwrap_or(u32::MAX) };
    let reading =
        Reading { max_in_flight: options.reading.max_in_flight.min(most), ..options.reading.clone() };
    let config = reading.config("nsq_tail")?;
    let tasks = TaskGroup::new();
    let (sender, messages) = mpsc::channel(WAITING_MAX);
    for topic in &options.topics {
        tracing::info!("Adding consumer for topic: {topic}");
        let mut consumer = reading.consumer("nsq_tail", topic, &channel, &config, &tasks)?;
        let (topic, sender) = (Arc::<str>::from(topic.as_str()), sender.clone());
        tasks.spawn("tail of a topic", async move {
            while let Some(message) = consumer.next().await {
                // Nobody prints any more: dropped, it is requeued.
                if sender.send((Arc::clone(&topic), message)).await.is_err() {
                    break;
                }
            }
        });
    }
    drop(sender);
    let printed = tokio::select! {
        printed = print(&options, messages, out) => printed,
        () = stop.requested() => Ok(()),
    };
    tasks.drain(DRAIN_TIME).await;
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(|error| format!("failed to write to os.Stdout - {error}")),
    }
}

async fn print(
    options: &Options,
    mut messages: mpsc::Receiver<(Arc<str>, Message)>,
    mut out: impl Write + Send + 'static,
) -> io::Result<()> {
    let mut printed = 0;
    let mut batch = Vec::new();
    while messages.recv_many(&mut batch, WAITING_MAX).await > 0 {
        if options.total > 0 {
            // What is too much is dropped, and so requeued.
            batch.truncate(usize::try_from(options.total - printed).unwrap_or(usize::MAX));
        }
        let mut lines = Vec::new();
        for (topic, message) in &batch {
            if options.print_topic {
                lines.extend_from_slice(topic.as_bytes());
                lines.extend_from_slice(b" | ");
            }
            lines.extend_from_slice(&message.body);
            lines.push(b'\n');
        }
        let (back, written) = tokio::task::spawn_blocking(move || {
            let written = out.write_all(&lines).and_then(|()| out.flush());
            (out, written)
        })
        .await
        .map_err(io::Error::other)?;
        out = back;
        written?;
        printed += batch.len() as u64;
        for (_, message) in batch.drain(..) {
            message.finish().await;
        }
        if options.total > 0 && printed >= options.total {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::fake::FakeNsqd;
    use crate::flags::usage_table;
    use base::testkit::eventually;
    use parking_lot::Mutex;
    use std::time::Duration;

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Screen {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().clone()).expect("text")
        }
    }

    impl Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    async fn nsqd(tasks: &TaskGroup, bodies: &[&str]) -> (FakeNsqd, Options) {
        let nsqd = FakeNsqd::start(tasks).await;
        nsqd.push(bodies.iter().copied());
        let reading = Reading::of(&nsqd.address);
        (nsqd, Options { topics: vec!["t".to_owned()], reading, ..Options::default() })
    }

    #[tokio::test]
    async fn it_prints_as_many_as_it_was_told_and_finishes_those() {
        let (serving, work) = (TaskGroup::new(), TaskGroup::new());
        let (nsqd, options) = nsqd(&serving, &["one", "two", "three"]).await;
        let screen = Screen::default();
        let options = Options { total: 2, print_topic: true, ..options };
        run(options, screen.clone(), work.stop_signal()).await.expect("it ends well");
        assert_eq!(screen.text(), "t | one\nt | two\n");
        eventually(Duration::from_secs(10), "both are finished", || async {
            (nsqd.finished() == ["one", "two"]).then_some(())
        })
        .await;
    }

    #[tokio::test]
    async fn it_goes_on_until_it_is_stopped() {
        let (serving, work) = (TaskGroup::new(), TaskGroup::new());
        let (nsqd, options) = nsqd(&serving, &["one"]).await;
        let screen = Screen::default();
        let running = tokio::spawn(run(options, screen.clone(), work.stop_signal()));
        for expected in ["one\n", "one\ntwo\n"] {
            eventually(Duration::from_secs(10), "it is printed", || async {
                (screen.text() == expected).then_some(())
            })
            .await;
            nsqd.push(["two"]);
        }
        work.request_stop();
        running.await.expect("no panic").expect("it ends well");
    }

    #[tokio::test]
    async fn who_closes_the_pipe_has_seen_enough_and_nothing_is_finished() {
        let (serving, work) = (TaskGroup::new(), TaskGroup::new());
        let (nsqd, options) = nsqd(&serving, &["one"]).await;
        run(options, Closed, work.stop_signal()).await.expect("it ends well");
        assert!(nsqd.finished().is_empty());
    }

    #[test]
    fn flags_are_nsqs() {
        let flags: Vec<_> = usage_table::<Options>().iter().map(|(n, k, d)| format!("{n}|{k}|{d}")).collect();
        let expected = [
            "channel|string|",
            "consumer-opt|value|",
            "lookupd-http-address|value|",
            "max-in-flight|int|200",
            "n|int|",
            "nsqd-tcp-address|value|",
            "print-topic||",
            "topic|value|",
            "version||",
        ];
        assert_eq!(flags, expected);
    }
}

//! Each program: its flags, its log, its signals, and the room of [`nsq`] that does the work.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use base::Clock;
use base::tasks::{Stop, TaskGroup};
use nsq::flags::{self, Options};
use nsq::logging::{self, Verbosity};
use nsq::tools::{stat, tail, to_file, to_http, to_nsq, to_nsq_stdin};
use nsq::{admin, lookupd, nsqd};

use crate::{descriptors, signals};

/// How long the task that watches signals gets to end.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// How much of stdin is read at a time.
const INPUT_BYTES: usize = 64 << 10;

/// One of NSQ's programs.
pub(crate) struct Program {
    /// What it is called.
    pub(crate) name: &'static str,
    /// Runs it with the words behind its name.
    pub(crate) run: fn(Vec<String>) -> ExitCode,
}

/// All of them, daemons first, then tools.
pub(crate) static PROGRAMS: &[Program] = &[
    Program { name: "nsqd", run: nsqd },
    Program { name: "nsqlookupd", run: nsqlookupd },
    Program { name: "nsqadmin", run: nsqadmin },
    Program { name: "nsq_to_file", run: nsq_to_file },
    Program { name: "nsq_to_http", run: nsq_to_http },
    Program { name: "nsq_to_nsq", run: nsq_to_nsq },
    Program { name: "to_nsq", run: stdin_to_nsq },
    Program { name: "nsq_tail", run: nsq_tail },
    Program { name: "nsq_stat", run: nsq_stat },
];

/// The program that is called `name`.
pub(crate) fn named(name: &str) -> Option<&'static Program> {
    PROGRAMS.iter().find(|program| program.name == name)
}

fn nsqd(words: Vec<String>) -> ExitCode {
    start(words, |options: nsqd::Options, start| async move {
        let ended = nsqd::run(options, start.verbosity, start.clock, start.stop).await;
        ended.map_err(|error| error.to_string())
    })
}

fn nsqlookupd(words: Vec<String>) -> ExitCode {
    start(words, |options: lookupd::Options, start| async move {
        let lookupd =
            lookupd::Lookupd::bind(options, start.clock).await.map_err(|error| error.to_string())?;
        lookupd.run(start.stop).await;
        Ok(())
    })
}

fn nsqadmin(words: Vec<String>) -> ExitCode {
    start(words, |options: admin::Options, start| {
        admin::run(options, start.verbosity, start.clock, start.stop, web::nsqadmin::router)
    })
}

fn nsq_to_file(words: Vec<String>) -> ExitCode {
    start(words, |options: to_file::Options, start| to_file::run(options, start.stop))
}

fn nsq_to_http(words: Vec<String>) -> ExitCode {
    start(words, |options: to_http::Options, start| to_http::run(options, start.stop))
}

fn nsq_to_nsq(words: Vec<String>) -> ExitCode {
    start(words, |options: to_nsq::Options, start| to_nsq::run(options, start.stop))
}

fn stdin_to_nsq(words: Vec<String>) -> ExitCode {
    start(words, |options: to_nsq_stdin::Options, start| {
        to_nsq_stdin::run(
            options,
            std::io::BufReader::with_capacity(INPUT_BYTES, std::io::stdin()),
            start.stop,
        )
    })
}

fn nsq_tail(words: Vec<String>) -> ExitCode {
    start(words, |options: tail::Options, start| tail::run(options, std::io::stdout(), start.stop))
}

fn nsq_stat(words: Vec<String>) -> ExitCode {
    start(words, |options: stat::Options, start| stat::run(options, std::io::stdout(), start.stop))
}

/// What a program is given besides its options.
struct Start {
    verbosity: Verbosity,
    clock: Clock,
    stop: Stop,
}

/// Reads the words, starts the log and the runtime, and runs `program` until it ends or a signal has
/// drained it.
fn start<O, F>(words: Vec<String>, program: impl FnOnce(O, Start) -> F) -> ExitCode
where
    O: Options,
    F: Future<Output = Result<(), String>>,
{
    let given = match flags::parse::<O>(words) {
        Ok(given) => given,
        Err(stop) => return end(O::PROGRAM, &stop),
    };
    let (level, prefix) = given.options.logging();
    let (verbosity, prefix) = (Verbosity::new(level), prefix.to_owned());
    logging::start(&prefix, &verbosity);
    given.remarks.iter().for_each(|remark| tracing::warn!("{remark}"));
    // As a Go program does: each connection is a file, and the usual soft limit is a thousand.
    if let Err(error) = descriptors::raise_limit() {
        tracing::warn!("cannot raise the limit of open files - {error}");
    }
    match run(given.options, verbosity, program) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            logging::fatal(&prefix, &format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run<O, F>(options: O, verbosity: Verbosity, program: impl FnOnce(O, Start) -> F) -> anyhow::Result<()>
where
    F: Future<Output = Result<(), String>>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("nsq")
        .build()
        .context("cannot start")?;
    let outcome = runtime.block_on(async {
        let (watch, work) = (TaskGroup::new(), TaskGroup::new());
        let asked_to_stop = signals::watch(&watch)?;
        let start = Start { verbosity, clock: Clock::system(), stop: work.stop_signal() };
        let mut running = std::pin::pin!(program(options, start));
        let outcome = tokio::select! {
            outcome = &mut running => outcome,
            () = asked_to_stop.cancelled() => {
                work.request_stop();
                running.await
            }
        };
        watch.drain(LAST_TASKS).await;
        outcome.map_err(anyhow::Error::msg)
    });
    runtime.shutdown_background();
    outcome
}

/// Says why a program does not start, where Go says it.
fn end(program: &str, stop: &flags::Stop) -> ExitCode {
    match stop {
        flags::Stop::Version(text) => print!("{text}"),
        flags::Stop::Help(text) | flags::Stop::Misused(text) => eprint!("{text}"),
        flags::Stop::Refused(error) => logging::fatal(&format!("[{program}] "), error),
    }
    ExitCode::from(stop.exit_code())
}

//! The queue under load through its own wire, beside other brokers where they are installed.
//!
//! Each scenario is a few connections doing the same [`Step`] again and again: send a batch and wait for
//! what it is owed. [`nsq`] speaks to our own nsqd and a real one, [`redis`] and [`nats`] to the other rulers.

mod nats;
mod nsq;
mod redis;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use hdrhistogram::Histogram;

use super::process::Server;
use super::{grouped, load};

/// How to load the queue.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Connections, each with one batch under way.
    #[arg(long, default_value_t = 2)]
    connections: usize,
    /// Seconds a scenario and round.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// Rounds; scenarios take turns within each.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Size of a message's body.
    #[arg(long, default_value_t = 200)]
    bytes: usize,
    /// Messages in a batch, and in flight while consuming.
    #[arg(long, default_value_t = 200)]
    batch: usize,
    /// Only scenarios whose name holds this.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Leave redis-server and nats-server out.
    #[arg(long)]
    no_peers: bool,
    /// A real nsqd to measure beside ours.
    #[arg(long, value_name = "PROGRAM")]
    nsqd: Option<PathBuf>,
    /// Publish this many messages first and print what their backlog takes in memory.
    #[arg(long, value_name = "MESSAGES", default_value_t = 2_000_000)]
    backlog: u64,
}

/// Sends one batch and waits for what it is owed; how many messages that were.
type Step = Box<dyn FnMut() -> io::Result<u64> + Send>;

/// What a scenario needs to know to open a connection.
#[derive(Clone, Copy, Debug)]
struct Shape {
    address: SocketAddr,
    bytes: usize,
    batch: usize,
}

/// One server doing one thing.
struct Scenario {
    name: &'static str,
    /// Index into the servers.
    server: usize,
    open: fn(Shape) -> io::Result<Step>,
}

/// One scenario's figures over all rounds.
struct Tally {
    messages: u64,
    elapsed: Duration,
    cpu: Duration,
    best: f64,
    batches: Histogram<u64>,
}

/// Runs the rounds and prints a table.
pub(super) fn run(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let (servers, scenarios) = start(folder.path(), options)?;
    let mut tallies: Vec<Tally> = scenarios.iter().map(|_| Tally::new()).collect();
    for round in 1..=options.rounds {
        for (scenario, tally) in scenarios.iter().zip(&mut tallies) {
            eprintln!("round {round} of {}: {}", options.rounds, scenario.name);
            measure(options, scenario, &servers[scenario.server], tally)
                .with_context(|| scenario.name.to_owned())?;
        }
    }
    print(options, &scenarios, &tallies);
    drop(servers);
    backlog(options, folder.path())
}

/// The servers that are there and what they are asked to do.
fn start(folder: &Path, options: &Options) -> anyhow::Result<(Vec<Server>, Vec<Scenario>)> {
    let mut servers = Vec::new();
    let mut scenarios = Vec::new();
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let mut add = |server: &mut dyn FnMut() -> anyhow::Result<Option<Server>>,
                   all: &[(&'static str, Open)]| {
        let chosen: Vec<_> = all.iter().filter(|(name, _)| wanted(name)).collect();
        if chosen.is_empty() {
            return anyhow::Ok(());
        }
        let Some(server) = server()? else { return Ok(()) };
        servers.push(server);
        let server = servers.len() - 1;
        scenarios.extend(chosen.into_iter().map(|(name, open)| Scenario { name, server, open: *open }));
        Ok(())
    };
    for level in nsq::OURS {
        add(&mut || nsq::start(folder, level).map(Some), level.scenarios)?;
    }
    for (program, level) in options.nsqd.iter().flat_map(|it| nsq::REAL.iter().map(move |level| (it, level)))
    {
        add(&mut || nsq::start_real(program, folder, level).map(Some), level.scenarios)?;
    }
    if !options.no_peers {
        for mode in redis::MODES {
            add(&mut || redis::start(folder, mode), mode.scenarios)?;
        }
        add(&mut || nats::start(folder), nats::SCENARIOS)?;
    }
    Ok((servers, scenarios))
}

/// Opens a connection and gives its step.
type Open = fn(Shape) -> io::Result<Step>;

fn measure(options: &Options, scenario: &Scenario, server: &Server, tally: &mut Tally) -> anyhow::Result<()> {
    let shape = Shape { address: server.address, bytes: options.bytes, batch: options.batch };
    let steps: Vec<Step> =
        (0..options.connections).map(|_| (scenario.open)(shape)).collect::<io::Result<_>>()?;
    let before = server.cpu();
    let start = Instant::now();
    let end = start + Duration::from_secs(options.seconds);
    let connection = |mut step: Step| {
        std::thread::spawn(move || -> io::Result<(u64, Histogram<u64>)> {
            let (mut messages, mut batches) = (0, load::histogram());
            loop {
                let begun = Instant::now();
                if begun >= end {
                    return Ok((messages, batches));
                }
                messages += step()?;
                batches.saturating_record(begun.elapsed().as_micros().try_into().unwrap_or(u64::MAX).max(1));
            }
        })
    };
    let threads: Vec<_> = steps.into_iter().map(connection).collect();
    let mut total = 0;
    for thread in threads {
        let (messages, batches) = thread.join().map_err(|_| anyhow::anyhow!("a connection panicked"))??;
        total += messages;
        tally.batches.add(batches)?;
    }
    let elapsed = start.elapsed();
    tally.cpu += server.cpu() - before;
    tally.messages += total;
    tally.elapsed += elapsed;
    tally.best = tally.best.max(total as f64 / elapsed.as_secs_f64());
    Ok(())
}

impl Tally {
    fn new() -> Self {
        Self {
            messages: 0,
            elapsed: Duration::ZERO,
            cpu: Duration::ZERO,
            best: 0.0,
            batches: load::histogram(),
        }
    }
}

fn print(options: &Options, scenarios: &[Scenario], tallies: &[Tally]) {
    println!(
        "{} connections, {} bytes a message, batches of {}, {} × {} s",
        options.connections, options.bytes, options.batch, options.rounds, options.seconds
    );
    println!(
        "{:<34} {:>12} {:>12} {:>11} {:>10} {:>10}",
        "", "messages/s", "best", "CPU µs each", "p50 ms", "p99 ms"
    );
    for (scenario, tally) in scenarios.iter().zip(tallies) {
        let ms = |quantile: f64| tally.batches.value_at_quantile(quantile) as f64 / 1_000.0;
        println!(
            "{:<34} {:>12} {:>12} {:>11.2} {:>10.2} {:>10.2}",
            scenario.name,
            grouped((tally.messages as f64 / tally.elapsed.as_secs_f64()) as u64),
            grouped(tally.best as u64),
            tally.cpu.as_secs_f64() * 1e6 / tally.messages.max(1) as f64,
            ms(0.5),
            ms(0.99),
        );
    }
}

/// What a backlog takes in memory, at the default level.
fn backlog(options: &Options, folder: &Path) -> anyhow::Result<()> {
    if options.backlog == 0 {
        return Ok(());
    }
    let server = nsq::start_default(&folder.join("backlog"))?;
    let shape = Shape { address: server.address, bytes: options.bytes, batch: options.batch };
    let idle = server.resident_bytes();
    let mut step = nsq::fill(shape)?;
    let mut sent = 0;
    while sent < options.backlog {
        sent += step()?;
    }
    println!(
        "a backlog of {} messages: {} MiB in memory ({} MiB before)",
        grouped(sent),
        server.resident_bytes() >> 20,
        idle >> 20
    );
    Ok(())
}

//! `eyrie bench`: the figures of `docs/internals/numbers.md`, made by the program itself.
//!
//! Read in this order: [`process`] (a server as a child, its CPU), [`load`] (the load generator), [`engine`] (no HTTP),
//! [`ingest`], [`record`], [`query`], [`queue`].

mod engine;
mod ingest;
mod load;
mod process;
mod query;
mod queue;
mod record;

use clap::{Args, Subcommand};

/// Which part to measure.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Requests a second, latency and CPU of the HTTP edge, through to the log.
    #[command(after_help = "\
Examples:
  eyrie bench ingest                                  # closed loop, 256 connections, durable
  eyrie bench ingest --durability memory              # beside nginx, where it is installed
  eyrie bench ingest --rate 16700                     # open loop: a million a minute

Run a release build. Figures are of this machine at this moment: compare ratios within one run.")]
    Ingest(ingest::Options),
    /// Points a second through log, recorder and store, and bytes a bucket at rest.
    #[command(after_help = "\
Examples:
  eyrie bench record
  eyrie bench record --points 100000000 --durability os")]
    Record(record::Options),
    /// Time of a stat's page, of a year of one stat, of a day of 1,000 stats.
    #[command(after_help = "\
Examples:
  eyrie bench query
  eyrie bench query --stats 10000")]
    Query(query::Options),
    /// Messages a second and CPU a message of the NSQ daemon, beside Redis and NATS.
    #[command(after_help = "\
Examples:
  eyrie bench queue                                   # all levels; redis-server and nats-server if installed
  eyrie bench queue --only 'nsqd memory' --backlog 0

Run a release build. Figures are of this machine at this moment: compare ratios within one run.")]
    Queue(queue::Options),
}

/// Runs a benchmark and prints its figures.
pub(crate) fn run(bench: &Bench) -> anyhow::Result<()> {
    if cfg!(debug_assertions) {
        eprintln!("note: this is a debug build; its figures mean nothing. Use a release build.");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match &bench.what {
        What::Ingest(options) => runtime.block_on(ingest::run(options)),
        What::Record(options) => runtime.block_on(record::run(options)),
        What::Query(options) => runtime.block_on(query::run(options)),
        What::Queue(options) => queue::run(options),
    }
}

/// `1234567` as `1,234,567`.
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn thousands_are_grouped() {
        for (n, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (12_345_678, "12,345,678")] {
            assert_eq!(super::grouped(n), text);
        }
    }
}

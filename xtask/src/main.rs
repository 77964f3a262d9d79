//! The project's chores: `cargo xtask run|test|e2e|suites|fuzz|ci|layers`.
//!
//! Read in this order: [`chores`] (what each command does), [`tools`] (what tests need from the machine),
//! [`suites`] (other people's tests), [`layers`] (who may use whom, and which licences), [`shell`] (how
//! commands are run).

mod chores;
mod layers;
mod shell;
mod suites;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The project's chores.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    after_help = "\
Examples:
  cargo xtask run
  cargo xtask run --listen 127.0.0.1:9000
  cargo xtask test
  cargo xtask ci"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds everything, optimised, and runs `eyrie serve` with the arguments given.
    Run {
        /// Arguments of `eyrie serve`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Installs what the tests need and runs all of them, browser included.
    Test,
    /// Runs the browser tests only; arguments go to Playwright.
    E2e {
        /// Arguments of `playwright test`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Runs the test suites of NSQ's clients against our daemons.
    Suites {
        /// Which: nsqjs, gnsq, tokio-nsq; all by default.
        names: Vec<String>,
    },
    /// Fuzzes nsqd's protocol: the parser and whole sessions, each for so many seconds.
    Fuzz {
        /// How long each of the three goes on.
        #[arg(default_value_t = 60)]
        seconds: u64,
        /// Where chance begins; a number of the clock's by default.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// The part of `suites` that runs inside a network namespace.
    #[command(hide = true)]
    SuiteTokioNsq {
        /// Where the daemons keep their data.
        data: std::path::PathBuf,
    },
    /// What continuous integration runs: format, lints, types, layers, tests, docs.
    Ci,
    /// Checks who uses whom, licences, and crates that must not be in the tree.
    Layers,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Run { args } => chores::run(&args),
        Command::Test => chores::test(),
        Command::E2e { args } => chores::e2e(&args),
        Command::Suites { names } => chores::suites(&names),
        Command::Fuzz { seconds, seed } => chores::fuzz(seconds, seed),
        Command::SuiteTokioNsq { data } => suites::tokio_nsq_inside(&data),
        Command::Ci => chores::ci(),
        Command::Layers => layers::check(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! The binary: the command line, the configuration, the data folder, and the wiring of the rooms below.
//!
//! Read in this order: [`cli`] (what can be asked for), [`config`] (settings and their sources), [`folder`]
//! (the data folder and its lock), [`serve`] and [`house`] (all parts started and stopped in order),
//! [`descriptors`] (how many files and connections the system allows), [`ops`] (health and metrics),
//! [`account`] and [`backup`] (work beside a running server), [`nsq`] (NSQ's programs, by their names),
//! [`logging`], [`mod@bench`].
//!
//! **Invariant**: nothing here decides anything about numbers; it only parses, starts, stops and prints.

mod account;
mod backup;
mod bench;
mod cli;
mod config;
mod descriptors;
mod folder;
mod gauges;
mod house;
mod logging;
mod nsq;
mod ops;
mod serve;
mod signals;

use std::process::ExitCode;

use clap::Parser;
use cli::{AccountCommand, Cli, Command, ConfigCommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if let Some(called) = nsq::called(std::env::args_os()) {
        return called.run();
    }
    let cli = Cli::parse();
    let command = match cli.command {
        Command::Nsq(program) => return program.called().run(),
        other => other,
    };
    logging::start(cli.log.as_deref());
    match run(command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("eyrie: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Config(ConfigCommand::Show(overrides)) => config::show(&overrides),
        Command::Config(ConfigCommand::Check(overrides)) => config::check(&overrides),
        Command::Account(AccountCommand::Create(args)) => account::create(&args),
        Command::Account(AccountCommand::List(args)) => account::list(&args),
        Command::Account(AccountCommand::Reset(args)) => account::reset(&args),
        Command::Account(AccountCommand::Close(args)) => account::close(&args),
        Command::Backup(args) => backup::backup(&args),
        Command::Restore(args) => backup::restore(&args),
        Command::Bench(bench) => bench::run(&bench),
        Command::Link(args) => nsq::link(&args.dir),
        Command::Nsq(_) => unreachable!("main runs it without Eyrie's own log"),
    }
}

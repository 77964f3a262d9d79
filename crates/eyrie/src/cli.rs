//! What can be asked for on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::Bench;
use crate::config::Overrides;
use crate::folder;
use crate::nsq::NsqCommand;

/// Eyrie: send a number with one HTTP call, watch it on a live graph.
#[derive(Parser, Debug)]
#[command(
    name = "eyrie",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  eyrie serve
  curl -d \"stat=signups&count=1&ezkey=YOUR_EZ_KEY\" http://127.0.0.1:8080/ez

`eyrie serve` prints your EZ key and a sign-in link when it starts for the first time."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// What goes to the log on stderr: a level, or levels by part, such as `info,ingest=debug`.
    #[arg(long, global = true, value_name = "FILTER", env = "EYRIE_LOG", hide_env_values = true)]
    pub(crate) log: Option<String>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Takes numbers and serves the pages, until it is told to stop.
    #[command(after_help = "\
Examples:
  eyrie serve
  eyrie serve --data /var/lib/eyrie --listen 0.0.0.0:8080
  eyrie serve --listen 127.0.0.1:0           # any free port; the bound address is printed
  EYRIE_LOG_QUOTA='2 GiB' eyrie serve --config eyrie.toml

SIGTERM or SIGINT: it stops accepting, answers what is open, writes everything down and exits with 0.
A second signal ends it at once; nothing that was acknowledged is lost then either.")]
    Serve(ServeArgs),

    /// Shows or checks the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Makes, lists and resets accounts, while a server runs or not.
    #[command(subcommand)]
    Account(AccountCommand),

    /// Copies everything to an empty folder, while a server runs or not.
    #[command(after_help = "\
Examples:
  eyrie backup /backups/2026-11-21
  eyrie backup --data /var/lib/eyrie /backups/today

Everything that was acknowledged before the command started is in the copy, and the copy is checked.
It is a data folder itself: `eyrie serve --data /backups/today` runs on it.")]
    Backup(BackupArgs),

    /// Makes a data folder from a backup.
    #[command(after_help = "\
Examples:
  eyrie restore /backups/2026-11-21
  eyrie restore --data /var/lib/eyrie /backups/today

The data folder must be empty or absent: nothing is ever overwritten.")]
    Restore(RestoreArgs),

    /// Measures this machine: ingest, recording, queries.
    Bench(Bench),

    #[command(flatten)]
    Nsq(NsqCommand),

    /// Makes links to this binary by which it acts as NSQ's programs.
    #[command(after_help = "\
Examples:
  eyrie link /usr/local/bin
  eyrie link ~/bin && nsqd -data-path=/var/lib/nsq

Links that lead here already are left alone, and nothing else is ever replaced.")]
    Link(LinkArgs),
}

#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    /// The data folder [default: $XDG_DATA_HOME/eyrie, else ~/.local/share/eyrie].
    #[arg(long, value_name = "DIR", env = "EYRIE_DATA")]
    data: Option<PathBuf>,
}

impl DataArgs {
    /// The folder that was named, or the default one.
    pub(crate) fn folder(&self) -> anyhow::Result<PathBuf> {
        self.data.clone().map_or_else(folder::default_path, Ok)
    }
}

#[derive(Args, Debug)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    #[command(flatten)]
    pub(crate) overrides: Overrides,

    /// Starts although store and log do not belong together, as after half a restore or with one of them lost: numbers
    /// that only the missing one had stay missing.
    #[arg(long)]
    pub(crate) accept_log_gap: bool,

    /// Which parts to run.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all")]
    pub(crate) role: Vec<Role>,

    /// For tests of pages: time stands still at this moment.
    #[arg(long, value_name = "UNIX_SECONDS", hide = true)]
    pub(crate) frozen_clock: Option<i64>,
}

/// A part of Eyrie that a process can run.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Everything in one process.
    All,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// Prints the effective settings as TOML, each with where it came from.
    #[command(after_help = "\
Examples:
  eyrie config show
  eyrie config show > eyrie.toml             # a file to start from")]
    Show(Overrides),

    /// Says ok, or what is wrong and on which line.
    #[command(after_help = "\
Examples:
  eyrie config check --config eyrie.toml")]
    Check(Overrides),
}

#[derive(Subcommand, Debug)]
pub(crate) enum AccountCommand {
    /// Makes an account and prints its keys and a one-time sign-in link.
    #[command(after_help = "\
Examples:
  eyrie account create --email ann@example.com
  eyrie account create --email ci@example.com --ezkey ci-key --json

The first account is the owner's, who also sees Eyrie's own numbers; `eyrie serve` makes it if there is none.")]
    Create(AccountArgs),

    /// Prints all accounts.
    #[command(after_help = "\
Examples:
  eyrie account list
  eyrie account list --json")]
    List(ListArgs),

    /// Prints a new one-time sign-in link; the password and all sessions are gone.
    #[command(after_help = "\
Examples:
  eyrie account reset --email owner@localhost
  eyrie account reset --email owner@localhost --ezkey a-new-key")]
    Reset(AccountArgs),

    /// Shuts an account: nobody can send, read or sign in with what it has had.
    #[command(after_help = "\
Examples:
  eyrie account close --email ann@example.com

Its stats stay, and public pages of them too; `eyrie account reset` lets its owner in again, and in the settings the
EZ key can be switched on again.")]
    Close(CloseArgs),
}

#[derive(Args, Debug)]
pub(crate) struct CloseArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// The account's email.
    #[arg(long)]
    pub(crate) email: String,
}

#[derive(Args, Debug)]
pub(crate) struct AccountArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// The account's email.
    #[arg(long)]
    pub(crate) email: String,

    /// The EZ key to set; else a new account gets a random one and an old one keeps its own.
    #[arg(long, value_name = "KEY")]
    pub(crate) ezkey: Option<String>,

    /// Prints JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Prints JSON for scripts.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// Where to: a folder that is empty or absent.
    #[arg(value_name = "DIR")]
    pub(crate) to: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    pub(crate) data: DataArgs,

    /// A folder that `eyrie backup` made.
    #[arg(value_name = "DIR")]
    pub(crate) from: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct LinkArgs {
    /// Where to: a folder that is there.
    #[arg(value_name = "DIR")]
    pub(crate) dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_shows_examples() {
        fn check(command: &clap::Command) {
            if command.has_subcommands() && command.get_name() != "eyrie" {
                command.get_subcommands().for_each(check);
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("Examples:\n"), "{}", command.get_name());
                command.get_subcommands().for_each(check);
            }
        }
        check(&Cli::command());
    }
}

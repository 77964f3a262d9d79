//! NSQ's programs as `eyrie --help` shows them.

use std::ffi::OsString;

use clap::{Args, Subcommand};

use super::{Called, program};

#[derive(Subcommand, Debug)]
pub(crate) enum NsqCommand {
    /// NSQ's nsqd: takes messages, keeps them, and hands them out.
    #[command(
        name = "nsqd",
        disable_help_flag = true,
        after_help = "\
Examples:
  eyrie nsqd -data-path=/var/lib/nsqd
  eyrie nsqd -lookupd-tcp-address=127.0.0.1:4160 -broadcast-address=127.0.0.1
  eyrie nsqd -h                              # all flags, as Go shows them"
    )]
    Nsqd(Words),

    /// NSQ's nsqlookupd: knows which nsqd has which topic.
    #[command(
        name = "nsqlookupd",
        disable_help_flag = true,
        after_help = "\
Examples:
  eyrie nsqlookupd
  eyrie nsqlookupd -tcp-address=127.0.0.1:4160 -http-address=127.0.0.1:4161
  eyrie nsqlookupd -h                        # all flags, as Go shows them"
    )]
    Nsqlookupd(Words),

    /// NSQ's nsqadmin: shows and steers nsqds.
    #[command(
        name = "nsqadmin",
        disable_help_flag = true,
        after_help = "\
Examples:
  eyrie nsqadmin -lookupd-http-address=127.0.0.1:4161
  eyrie nsqadmin -nsqd-http-address=127.0.0.1:4151 -http-address=127.0.0.1:4171
  eyrie nsqadmin -h                          # all flags, as Go shows them"
    )]
    Nsqadmin(Words),
}

/// Everything behind the name, as it is.
#[derive(Args, Debug)]
pub(crate) struct Words {
    /// NSQ's own flags, with one dash or two.
    #[arg(value_name = "FLAGS", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<OsString>,
}

impl NsqCommand {
    /// The program that was asked for.
    pub(crate) fn called(self) -> Called {
        let (name, words) = match self {
            Self::Nsqd(words) => ("nsqd", words),
            Self::Nsqlookupd(words) => ("nsqlookupd", words),
            Self::Nsqadmin(words) => ("nsqadmin", words),
        };
        let words = words.words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
        Called { program: program::named(name).expect("every command has a program"), words }
    }
}

#[cfg(test)]
mod tests {
    use super::program::PROGRAMS;
    use clap::CommandFactory as _;

    #[test]
    fn every_program_is_a_command() {
        let cli = crate::cli::Cli::command();
        for program in PROGRAMS {
            assert!(cli.find_subcommand(program.name).is_some(), "{}", program.name);
        }
    }
}

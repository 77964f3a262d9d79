//! NSQ's programs as `eyrie --help` shows them.

use std::ffi::OsString;

use clap::{Args, Subcommand};
use nsq::flags::Options;
use nsq::tools::{stat, tail, to_file, to_http, to_nsq, to_nsq_stdin};

use super::{Called, program};

/// A tool's own examples, as words behind `eyrie`; what goes on below its first line stays as it is.
fn examples<O: Options>() -> String {
    let line = |line: &&str| {
        if line.starts_with(' ') {
            format!("  {line}\n")
        } else {
            format!("  {line}\n").replacen(O::PROGRAM, &format!("eyrie {}", O::PROGRAM), 1)
        }
    };
    let lines: String = O::EXAMPLES.iter().map(line).collect();
    format!("Examples:\n{lines}  eyrie {} -h    # all flags, as Go shows them", O::PROGRAM)
}

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

    /// NSQ's nsq_to_file: writes a topic's messages to files.
    #[command(
        name = "nsq_to_file",
        disable_help_flag = true,
        after_help = examples::<to_file::Options>()
    )]
    NsqToFile(Words),

    /// NSQ's nsq_to_http: hands a topic's messages to HTTP addresses.
    #[command(
        name = "nsq_to_http",
        disable_help_flag = true,
        after_help = examples::<to_http::Options>()
    )]
    NsqToHttp(Words),

    /// NSQ's nsq_to_nsq: copies topics to other nsqds.
    #[command(
        name = "nsq_to_nsq",
        disable_help_flag = true,
        after_help = examples::<to_nsq::Options>()
    )]
    NsqToNsq(Words),

    /// NSQ's to_nsq: publishes what it reads, a message each line.
    #[command(
        name = "to_nsq",
        disable_help_flag = true,
        after_help = examples::<to_nsq_stdin::Options>()
    )]
    ToNsq(Words),

    /// NSQ's nsq_tail: prints messages as they come.
    #[command(
        name = "nsq_tail",
        disable_help_flag = true,
        after_help = examples::<tail::Options>()
    )]
    NsqTail(Words),

    /// NSQ's nsq_stat: prints a channel's figures again and again.
    #[command(
        name = "nsq_stat",
        disable_help_flag = true,
        after_help = examples::<stat::Options>()
    )]
    NsqStat(Words),
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
            Self::NsqToFile(words) => ("nsq_to_file", words),
            Self::NsqToHttp(words) => ("nsq_to_http", words),
            Self::NsqToNsq(words) => ("nsq_to_nsq", words),
            Self::ToNsq(words) => ("to_nsq", words),
            Self::NsqTail(words) => ("nsq_tail", words),
            Self::NsqStat(words) => ("nsq_stat", words),
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

//! NSQ's programs: the same binary, by the name it is called by or by its first word. Their words are read
//! by [`nsq::flags`], not by clap, because Go's flags have one dash.

mod command;
mod program;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;

pub(crate) use command::NsqCommand;
use program::PROGRAMS;

/// One of NSQ's programs and the words it was given.
pub(crate) struct Called {
    program: &'static program::Program,
    words: Vec<String>,
}

/// Whether one of NSQ's programs is meant: by the name of the binary, or by the first word.
pub(crate) fn called(args: impl IntoIterator<Item = OsString>) -> Option<Called> {
    let mut args = args.into_iter().map(|arg| arg.to_string_lossy().into_owned());
    let own = args.next()?;
    let name = Path::new(&own).file_name()?.to_str()?;
    if let Some(program) = program::named(name) {
        return Some(Called { program, words: args.collect() });
    }
    let program = program::named(&args.next()?)?;
    Some(Called { program, words: args.collect() })
}

impl Called {
    /// Runs it to its end.
    pub(crate) fn run(self) -> ExitCode {
        (self.program.run)(self.words)
    }
}

/// `eyrie link`: one link for each program.
pub(crate) fn link(dir: &Path) -> anyhow::Result<()> {
    let binary = std::env::current_exe().context("cannot find this binary")?;
    for program in PROGRAMS {
        let link = dir.join(program.name);
        match std::os::unix::fs::symlink(&binary, &link) {
            Ok(()) => println!("{} -> {}", link.display(), binary.display()),
            Err(_) if std::fs::read_link(&link).is_ok_and(|target| target == binary) => {}
            Err(error) => return Err(error).with_context(|| format!("cannot make {}", link.display())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_meant_by_the_binarys_name_or_by_the_first_word() {
        let meant = |args: &[&str]| {
            called(args.iter().map(OsString::from)).map(|called| (called.program.name, called.words))
        };
        let check = |args: &[&str], name: &'static str, words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(meant(args), Some((name, words)), "{args:?}");
        };
        check(&["/usr/bin/nsqlookupd", "-h"], "nsqlookupd", &["-h"]);
        check(&["nsqlookupd", "nsqadmin"], "nsqlookupd", &["nsqadmin"]);
        check(&["./eyrie", "nsqlookupd", "--version"], "nsqlookupd", &["--version"]);
        assert_eq!(meant(&["eyrie", "serve", "nsqlookupd"]), None);
        assert_eq!(meant(&["eyrie"]), None);
        assert_eq!(meant(&[]), None);
    }
}

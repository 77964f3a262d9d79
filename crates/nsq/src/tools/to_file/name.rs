//! What files are called.

use jiff::Zoned;

use super::Options;
use crate::host;

/// A topic's file names: everything is replaced but the time and the revision.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Name {
    format: String,
    datetime: String,
}

impl Name {
    /// The names of a topic's files.
    ///
    /// # Errors
    /// In words: with this topic the format would lead to another folder. Topics may be called `.` and `..`,
    /// and with a pattern they are anybody's words.
    pub(super) fn new(options: &Options, topic: &str) -> Result<Self, String> {
        let (name, harmless) =
            (Self::of_host(options, topic, &host::name()), Self::of_host(options, "t", "h"));
        if name.steps() > harmless.steps() {
            let format = &options.filename_format;
            return Err(format!("the topic {topic:?} would lead {format} to another folder"));
        }
        Ok(name)
    }

    /// How often its path stays where it is or goes up.
    fn steps(&self) -> usize {
        let path = self.format.replace("<DATETIME>", &self.datetime);
        path.split('/').filter(|part| matches!(*part, "." | "..")).count()
    }

    fn of_host(options: &Options, topic: &str, hostname: &str) -> Self {
        let short = hostname.split('.').next().unwrap_or_default();
        let identifier = match options.host_identifier.as_str() {
            "" => short.to_owned(),
            given => given.replace("<SHORT_HOST>", short).replace("<HOSTNAME>", hostname),
        };
        let numbered =
            options.gzip || options.rotate_size > 0 || !options.rotate_interval.is_zero() || options.moves();
        let mut format = options.filename_format.clone();
        if !numbered {
            format = format.replace("<REV>", "");
        }
        format = format
            .replace("<TOPIC>", topic)
            .replace("<HOST>", &identifier)
            .replace("<PID>", &std::process::id().to_string());
        if options.gzip && !format.ends_with(".gz") {
            format.push_str(".gz");
        }
        Self { format, datetime: options.datetime_format.clone() }
    }

    /// The name at this time; it still holds `<REV>`.
    pub(super) fn at(&self, now: &Zoned) -> String {
        self.format.replace("<DATETIME>", &strftime(&self.datetime, now))
    }
}

/// The name with its revision.
pub(super) fn revised(name: &str, revision: u32) -> String {
    name.replace("<REV>", &format!("-{revision:06}"))
}

/// The words of strftime that nsq_to_file knows; others stay as they are.
fn strftime(format: &str, now: &Zoned) -> String {
    let mut out = String::new();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let word = rest[at..].chars().nth(1);
        match word {
            Some(known) if "BbmAadHIMSYypZz".contains(known) => {
                out.push_str(&now.strftime(&format!("%{known}")).to_string());
            }
            Some('%') => out.push('%'),
            Some(other) => out.extend(['%', other]),
            None => out.push('%'),
        }
        rest = &rest[at + 1 + word.map_or(0, char::len_utf8)..];
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn noon() -> Zoned {
        "2026-11-21T15:04:05[UTC]".parse().expect("a time")
    }

    #[test]
    fn names_are_nsqs() {
        let check = |change: &dyn Fn(&mut Options), expected: &str| {
            let mut options = Options::default();
            change(&mut options);
            let name = Name::of_host(&options, "orders", "h1.example.com");
            assert_eq!(name.at(&noon()), expected);
        };
        check(&|_| {}, "orders.h1.2026-11-21_15.log");
        check(&|o| o.gzip = true, "orders.h1<REV>.2026-11-21_15.log.gz");
        check(&|o| o.rotate_size = 1, "orders.h1<REV>.2026-11-21_15.log");
        check(&|o| o.rotate_interval = Duration::from_secs(1), "orders.h1<REV>.2026-11-21_15.log");
        check(&|o| o.work_dir = "/work".to_owned(), "orders.h1<REV>.2026-11-21_15.log");
        check(&|o| o.work_dir = "/tmp".to_owned(), "orders.h1.2026-11-21_15.log");
        check(
            &|o| o.host_identifier = "<HOSTNAME>-x".to_owned(),
            "orders.h1.example.com-x.2026-11-21_15.log",
        );
        let pid = std::process::id();
        check(&|o| o.filename_format = "<PID>/<TOPIC>".to_owned(), &format!("{pid}/orders"));
        assert_eq!(revised("a<REV>.log", 7), "a-000007.log");
    }

    #[test]
    fn a_topic_leads_to_no_other_folder() {
        let check = |format: &str, datetime: &str, topic: &str, expected: bool| {
            let (filename_format, datetime_format) = (format.to_owned(), datetime.to_owned());
            let options = Options { filename_format, datetime_format, ..Options::default() };
            let name = Name::new(&options, topic);
            assert_eq!(name.is_ok(), expected, "{format} {datetime} {topic}: {name:?}");
        };
        for topic in ["..", "."] {
            check("<TOPIC>/<DATETIME>.log", "%Y", topic, false);
            check("a/<TOPIC>/b", "%Y", topic, false);
            check("<TOPIC><REV>/a", "%Y", topic, false);
            check("<TOPIC><DATETIME>", "/%Y", topic, false);
            check("<TOPIC>.log", "%Y", topic, true);
            check("<TOPIC><DATETIME>", "%Y", topic, true);
        }
        check("a.<TOPIC>/b", "%Y", ".", true);
        check(".<TOPIC>/b", "%Y", ".", false);
        check("<TOPIC>/b", "%Y", "...", true);
        check("<TOPIC>/b", "%Y", "..#ephemeral", true);
        // Where the format itself leads is up to whoever wrote it.
        check("../<TOPIC>.log", "%Y", "orders", true);
        check("../<TOPIC>/a", "%Y", "..", false);
    }

    #[test]
    fn times_are_written_by_the_words_of_strftime() {
        let check =
            |format: &str, expected: &str| assert_eq!(strftime(format, &noon()), expected, "{format}");
        check("%Y-%m-%d_%H", "2026-11-21_15");
        check("%y%m%d %I:%M:%S %p %a %A %b %B", "261121 03:04:05 PM Sat Saturday Nov November");
        check("%Z %z", "UTC +0000");
        check("100%% %Q %", "100% %Q %");
        check("", "");
    }
}

//! What went wrong with one request, for programs and for people.

use crate::http::client;

/// A request that failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// Who was asked.
    pub address: String,
    /// Which kind of daemon is there: [`LOOKUPD`] or [`NSQD`].
    pub daemon: &'static str,
    /// From which follows what a person can do.
    pub cause: Cause,
    /// What went wrong, as the original says it: without the address.
    pub text: String,
}

/// As problems and errors name the two kinds of daemons.
pub const LOOKUPD: &str = "nsqlookupd";
/// See [`LOOKUPD`].
pub const NSQD: &str = "nsqd";

/// Why there is no answer to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Nobody there, or the connection broke.
    Unreachable,
    /// No whole answer in time.
    Late,
    /// An answer that says no.
    Refused,
    /// An answer of something else than such a daemon.
    Unreadable,
    /// It was not asked: it is none of the cluster.
    Stranger,
}

/// Why one request failed, before it is known who was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// In kind.
    pub cause: Cause,
    /// In words.
    pub text: String,
}

impl Fault {
    /// As a problem of whom was asked.
    pub fn of(self, daemon: &'static str, address: &str) -> Problem {
        Problem { address: address.to_owned(), daemon, cause: self.cause, text: self.text }
    }
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Self {
        let cause = match error {
            client::Error::Late { .. } => Cause::Late,
            client::Error::Refused { .. } => Cause::Refused,
            client::Error::TooLarge { .. } | client::Error::Json { .. } => Cause::Unreadable,
            client::Error::Url(_) | client::Error::Unreachable { .. } | client::Error::Tls(_) => {
                Cause::Unreachable
            }
        };
        Self { cause, text: error.to_string() }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.address, self.text)
    }
}

/// The texts in lines.
pub fn lines(problems: &[Problem]) -> String {
    let texts: Vec<&str> = problems.iter().map(|problem| problem.text.as_str()).collect();
    texts.join("\n")
}

//! Bytes that nobody would send, from a seed: against the parser alone, and as whole sessions against a
//! served port.
//!
//! A run of the tests tries a fixed number of cases. `cargo xtask fuzz SECONDS` goes on for so long, from a
//! seed of its own; what fails names its seed and its case, and `EYRIE_FUZZ_SEED` and `EYRIE_FUZZ_CASE` try
//! that one again.
//!
//! Read [`random`], [`corpus`] (what clients say), [`mutator`] (what becomes of it), then [`parser`] and
//! [`sessions`].

mod corpus;
mod mutator;
mod parser;
mod random;
mod sessions;

use std::time::{Duration, Instant};

/// The seed of runs that nobody gave one.
const SEED: u64 = 0x6e73_7131;

/// Which cases to try.
struct Run {
    seed: u64,
    only: Option<u64>,
    until: Option<Instant>,
    cases: u64,
}

impl Run {
    /// So many cases, unless the environment asks for others.
    fn of(cases: u64) -> Self {
        let number = |name: &str| {
            let text = std::env::var(name).ok()?;
            Some(text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")))
        };
        let until = number("EYRIE_FUZZ_SECONDS").map(|seconds| Instant::now() + Duration::from_secs(seconds));
        Self {
            seed: number("EYRIE_FUZZ_SEED").unwrap_or(SEED),
            only: number("EYRIE_FUZZ_CASE"),
            until,
            cases,
        }
    }

    /// The numbers of the cases, in order.
    fn cases(&self) -> impl Iterator<Item = u64> {
        let (until, cases) = (self.until, self.cases);
        let goes_on = move |case: &u64| match until {
            Some(until) => Instant::now() < until,
            None => *case < cases,
        };
        let range = self.only.map_or(0..u64::MAX, |only| only..only + 1);
        let is_alone = self.only.is_some();
        range.take_while(move |case| is_alone || goes_on(case))
    }

    /// To be held while a case is tried: if that fails, it says which it was, so that it can be tried again.
    fn case(&self, case: u64, said: &[u8]) -> Case {
        Case(format!("EYRIE_FUZZ_SEED={} EYRIE_FUZZ_CASE={case}: {}", self.seed, said.escape_ascii()))
    }
}

struct Case(String);

impl Drop for Case {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

//! The log as NSQ's daemons write it to stderr, because suites of clients and people's tools read it:
//! `[nsqd] 2026/11/21 10:00:00.123456 INFO: TCP: listening on 127.0.0.1:4150`. Times are local ones,
//! as Go writes them.
//!
//! Code logs with `tracing`; [`start`] turns what the house says into such lines. How much is said can be
//! changed while it runs: every clone of a [`Verbosity`] is the same one.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use jiff::Zoned;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::flags::Value;

/// How bad something must be to be said. Numbers are NSQ's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Level {
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Fatal = 5,
}

impl Level {
    /// The level called `name`, in any case; `None` if there is none.
    pub fn named(name: &str) -> Option<Self> {
        let levels = [Self::Debug, Self::Info, Self::Warn, Self::Error, Self::Fatal];
        let words = ["debug", "info", "warn", "error", "fatal"];
        let at = words.iter().position(|word| word.eq_ignore_ascii_case(name))?;
        Some(levels[at])
    }

    /// As lines and usage show it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARNING",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    fn of(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            _ => Self::Debug,
        }
    }
}

impl Value for Level {
    fn kind(&self) -> &'static str {
        "value"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("invalid log level '{text}' (debug, info, warn, error, fatal)");
        *self = Self::named(text).ok_or_else(wrong)?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(*self as u8)
    }

    fn shown(&self) -> Option<String> {
        Some(self.label().to_owned())
    }
}

/// The least that is said, changeable while the program runs. Every clone is the same one.
#[derive(Clone, Debug)]
pub struct Verbosity(Arc<AtomicU8>);

impl Verbosity {
    /// Says `level` and worse.
    pub fn new(level: Level) -> Self {
        Self(Arc::new(AtomicU8::new(level as u8)))
    }

    /// The least that is said.
    pub fn level(&self) -> Level {
        match self.0.load(Ordering::Relaxed) {
            1 => Level::Debug,
            2 => Level::Info,
            3 => Level::Warn,
            4 => Level::Error,
            _ => Level::Fatal,
        }
    }

    /// Says `level` and worse from now on.
    pub fn set(&self, level: Level) {
        self.0.store(level as u8, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    }
}

/// Starts logging for the whole process, and says panics the same way.
pub fn start(prefix: &str, verbosity: &Verbosity) {
    let lines = Lines { prefix: prefix.to_owned(), verbosity: verbosity.clone(), write: to_stderr };
    // A second start is a test that runs two programs: the first one's lines serve both.
    let _ = tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines));
    let prefix = prefix.to_owned();
    std::panic::set_hook(Box::new(move |panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("no message");
        to_stderr(&line(&prefix, Level::Error, &format!("a panic at {place}: {message}; please report it")));
    }));
}

/// Says why a program ends, whatever its level.
pub fn fatal(prefix: &str, message: &str) {
    to_stderr(&line(prefix, Level::Fatal, message));
}

fn to_stderr(line: &str) {
    // Who closed stderr does not want to read it.
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

fn line(prefix: &str, level: Level, message: &str) -> String {
    let now = Zoned::now().strftime("%Y/%m/%d %H:%M:%S%.6f").to_string();
    format!("{prefix}{now} {}: {message}\n", level.label())
}

struct Lines {
    prefix: String,
    verbosity: Verbosity,
    write: fn(&str),
}

/// Whether it is the house that speaks: libraries are only heard when something is wrong.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.target().starts_with("eyrie")
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let level = Level::of(*metadata.level());
        metadata.is_event() && level >= self.verbosity.level() && (is_ours(metadata) || level >= Level::Warn)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match self.verbosity.level() {
            Level::Debug => LevelFilter::TRACE,
            Level::Info => LevelFilter::INFO,
            Level::Warn => LevelFilter::WARN,
            Level::Error => LevelFilter::ERROR,
            Level::Fatal => LevelFilter::OFF,
        })
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        let text = message.text + &message.fields;
        (self.write)(&line(&self.prefix, Level::of(*event.metadata().level()), &text));
    }
}

/// An event as text: its message, then its fields as ` name=value`.
#[derive(Default)]
struct Message {
    text: String,
    fields: String,
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let _ = match field.name() {
            "message" => write!(self.text, "{value}"),
            name => write!(self.fields, " {name}={value}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parking_lot::Mutex;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    /// The part behind the time, which must have the form of Go's.
    fn behind_time(line: &str) -> String {
        let rest = line.strip_prefix("[toy] ").expect("the prefix");
        let (time, rest) = rest.split_at("2026/11/21 10:00:00.123456".len());
        let form: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(form, "0000/00/00 00:00:00.000000");
        rest.to_owned()
    }

    #[test]
    fn lines_are_gos_and_the_level_changes_while_it_runs() {
        let verbosity = Verbosity::new(Level::Info);
        let lines = Lines {
            prefix: "[toy] ".to_owned(),
            verbosity: verbosity.clone(),
            write: |line| SAID.lock().push(line.to_owned()),
        };
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), || {
            tracing::callsite::rebuild_interest_cache();
            let speak = || {
                tracing::debug!("quiet");
                tracing::info!("TCP: listening on {}", "127.0.0.1:4150");
                tracing::info!(target: "hyper", "a library speaks");
                tracing::warn!(name = "x", count = 3, "two fields");
            };
            speak();
            verbosity.set(Level::Debug);
            tracing::debug!("loud");
            verbosity.set(Level::Fatal);
            tracing::error!("not fatal");
        });
        let said: Vec<String> = SAID.lock().iter().map(|line| behind_time(line)).collect();
        assert_eq!(
            said,
            [
                " INFO: TCP: listening on 127.0.0.1:4150\n",
                " WARNING: two fields name=x count=3\n",
                " DEBUG: loud\n"
            ]
        );
    }

    #[test]
    fn levels_have_nsqs_names_and_numbers() {
        assert_eq!(Level::named("WARN"), Some(Level::Warn));
        assert_eq!(Level::named("warning"), None);
        assert_eq!(Level::Info.json().to_string(), "2");
        let verbosity = Verbosity::new(Level::Error);
        let clone = verbosity.clone();
        clone.set(Level::Debug);
        assert_eq!(verbosity.level(), Level::Debug);
    }
}

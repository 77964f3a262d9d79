//! Flags as Go programs take them, because scripts, images and suites of clients write them so.
//!
//! `-name value`, `-name=value`, with one dash or two; switches stand alone or as `-name=false`; flags that
//! repeat; `-config FILE` with TOML underneath; `-version`; `-h` in Go's layout on stderr. A program declares
//! its flags as data ([`Flag`]) over a plain struct ([`Options`]); the same table reads the file and answers
//! `GET /config/NAME`.
//!
//! Read in this order: [`mod@parse`], [`mod@value`] (what a flag can hold), [`mod@duration`], [`mod@file`], [`mod@usage`].
//! Exit codes are Go's: 0 after `-h` and `-version`, 2 for words that cannot be read, 1 for values that
//! cannot be right.

pub mod duration;
mod file;
mod parse;
mod usage;
pub mod value;

use std::borrow::Cow;

use crate::logging::Level;

pub use parse::{Given, Stop, parse};
pub use value::Value;

/// What a program can be told. `Default` holds the defaults that `-h` shows.
pub trait Options: Default + Send + Sync + 'static {
    /// What the program is called in usage, version and errors.
    const PROGRAM: &'static str;

    /// Whether it reads a file named by `-config`.
    const HAS_FILE: bool = false;

    /// The least that it logs, and what lines begin with.
    fn logging(&self) -> (Level, &str) {
        (Level::Info, "")
    }

    /// What `-h` shows behind the flags: lines of a shell, below 90 bytes so that nothing wraps them.
    const EXAMPLES: &'static [&'static str] = &[];

    /// Whether words behind the flags are a mistake; others ignore them, as NSQ's do.
    const REFUSES_WORDS: bool = false;

    /// Every flag but `-config`, `-version` and `-h`, in any order.
    fn flags() -> &'static [Flag<Self>];

    /// What does not hold within or between values, said so that it can be mended.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// Whether it has the form `<addr>:<port>`. Whether there is such a host is not asked: it may come later.
pub(crate) fn is_address(text: &str) -> bool {
    let is_host = |host: &str| !host.is_empty() && (!host.contains([':', '/']) || host.starts_with('['));
    !text.contains(char::is_whitespace)
        && text.rsplit_once(':').is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok())
}

/// Whether it is the URL of a web server.
pub(crate) fn is_url(text: &str) -> bool {
    let Ok(url) = text.parse::<http::Uri>() else { return false };
    let host = url.authority().and_then(|all| all.as_str().rsplit('@').next()).unwrap_or_default();
    let port = host.rsplit_once(':').map(|(_, port)| port);
    let fits = |port: &str| port.ends_with(']') || port.parse::<u16>().is_ok();
    let has_host = url.host().is_some_and(|host| !host.is_empty());
    has_host && matches!(url.scheme_str(), Some("http" | "https")) && port.is_none_or(fits)
}

/// An address as errors and logs may show it: `...@` for a user and password.
pub(crate) fn without_user(address: &str) -> Cow<'_, str> {
    let Some((before, host)) = address.rsplit_once('@') else { return address.into() };
    let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
    format!("{scheme}...@{host}").into()
}

/// Refuses what can never be reached, before anything tries again and again. `advice` says what to write.
pub(crate) fn require_addresses(
    flag: &str,
    given: &[String],
    is_right: impl Fn(&str) -> bool,
    advice: &str,
) -> Result<(), String> {
    let wrong = given.iter().find(|address| !is_right(address));
    wrong
        .map_or(Ok(()), |wrong| Err(format!("{flag}: `{}` cannot be reached; {advice}", without_user(wrong))))
}

/// One flag of `O`. Made by [`flag!`](crate::flag) and [`Flag::deprecated`].
pub struct Flag<O> {
    /// Without dashes.
    pub name: &'static str,
    /// What it is for.
    pub help: &'static str,
    /// Its name in the file and in `/config/NAME`, where that is not `name` with underscores.
    renamed: Option<&'static str>,
    /// What is said when somebody gives it although it does nothing here.
    note: Option<&'static str>,
    /// Whether it lets fewer in when it says something.
    guards: bool,
    slot: Slot<O>,
}

type Get<O> = fn(&O) -> &dyn Value;
type GetMut<O> = fn(&mut O) -> &mut dyn Value;

enum Slot<O> {
    Field(Get<O>, GetMut<O>),
    /// A switch that is taken and ignored.
    Nothing,
}

impl<O> Flag<O> {
    /// A flag over a field.
    pub const fn new(name: &'static str, help: &'static str, get: Get<O>, get_mut: GetMut<O>) -> Self {
        Self { name, help, renamed: None, note: None, guards: false, slot: Slot::Field(get, get_mut) }
    }

    /// A switch that once meant something; `advice` says what to do instead.
    pub const fn deprecated(name: &'static str, advice: &'static str) -> Self {
        Self { name, help: advice, renamed: None, note: Some(advice), guards: false, slot: Slot::Nothing }
    }

    /// The same flag under another name in the file.
    pub const fn in_file(mut self, name: &'static str) -> Self {
        self.renamed = Some(name);
        self
    }

    /// The same flag, taken and kept but without effect; `why` is said in the log.
    pub const fn without_effect(mut self, why: &'static str) -> Self {
        self.note = Some(why);
        self
    }

    /// The same flag over a list that lets everybody in where it has no entry: given, but with none that is not
    /// empty (a variable of a script that is not set), it keeps one, which is nobody's name or address.
    pub const fn guarding(mut self) -> Self {
        self.guards = true;
        self
    }

    /// Its name in the file and in `/config/NAME`.
    pub fn file_name(&self) -> Cow<'static, str> {
        self.renamed.map_or_else(|| self.name.replace('-', "_").into(), Cow::Borrowed)
    }

    /// What the log says when somebody gives this flag.
    fn remark(&self) -> Option<String> {
        self.note.map(|why| format!("--{} has no effect: {why}", self.name))
    }

    fn is_switch(&self, of: &O) -> bool {
        match self.slot {
            Slot::Field(get, _) => get(of).is_switch(),
            Slot::Nothing => true,
        }
    }

    fn value<'a>(&self, of: &'a O) -> Option<&'a dyn Value> {
        match self.slot {
            Slot::Field(get, _) => Some(get(of)),
            Slot::Nothing => None,
        }
    }

    fn value_mut<'a>(&self, of: &'a mut O) -> Option<&'a mut dyn Value> {
        match self.slot {
            Slot::Field(_, get_mut) => Some(get_mut(of)),
            Slot::Nothing => None,
        }
    }
}

/// `flag!(Options.field, "name", "help")`: a [`Flag`] over a field of a struct, or of one within it.
#[macro_export]
macro_rules! flag {
    ($of:ident.$($field:ident).+, $name:literal, $help:expr $(,)?) => {
        $crate::flags::Flag::new($name, $help, |of: &$of| &of.$($field).+, |of: &mut $of| &mut of.$($field).+)
    };
}

/// The value of the option called `name` in the file, as `GET /config/NAME` answers it: durations are
/// nanoseconds, levels and versions numbers. `None` if there is no such option.
pub fn json<O: Options>(options: &O, name: &str) -> Option<serde_json::Value> {
    let flag = O::flags().iter().find(|flag| flag.file_name() == name)?;
    flag.value(options).map(Value::json)
}

/// Sets the option that the file would call `name` to `text`, as a flag does. Lists grow.
///
/// # Errors
/// There is no such option, or `text` is not for it.
pub fn set<O>(flags: &[Flag<O>], options: &mut O, name: &str, text: &str) -> Result<(), String> {
    let flag = flags.iter().find(|flag| flag.file_name() == name);
    let value = flag.and_then(|flag| flag.value_mut(options));
    let value = value.ok_or_else(|| format!("there is no option `{name}`"))?;
    value.set(text).map_err(|error| format!("{name}: {error}"))
}

/// For tests: `(name, kind, default as usage shows it)` of every flag, by name.
#[cfg(test)]
pub(crate) fn usage_table<O: Options>() -> Vec<(&'static str, &'static str, String)> {
    let lines = usage::lines::<O>();
    lines.into_iter().map(|line| (line.name, line.kind, line.default.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests;

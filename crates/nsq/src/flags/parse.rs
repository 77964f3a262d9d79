//! From words to options.

use std::path::Path;

use super::{Flag, Options, file, usage};
use crate::version::banner;

/// What somebody asked for.
#[derive(Debug)]
pub struct Given<O> {
    /// Defaults, the file's values over them, the flags' over those.
    pub options: O,
    /// What the log must say: flags that are deprecated or mean nothing here.
    pub remarks: Vec<String>,
    /// Words behind the flags.
    pub words: Vec<String>,
}

/// Why a program does not start.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stop {
    /// `-h`: for stderr, exit code 0.
    Help(String),
    /// `-version`: for stdout, exit code 0.
    Version(String),
    /// Words that cannot be read: for stderr, exit code 2.
    Misused(String),
    /// Values that cannot be right: for stderr, exit code 1.
    Refused(String),
}

impl Stop {
    /// What the process ends with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Help(_) | Self::Version(_) => 0,
            Self::Misused(_) => 2,
            Self::Refused(_) => 1,
        }
    }
}

/// Reads the words behind the program's name.
pub fn parse<O: Options>(words: impl IntoIterator<Item = String>) -> Result<Given<O>, Stop> {
    let read = read::<O>(words)?;
    if read.version {
        return Err(Stop::Version(format!("{}\n", banner(O::PROGRAM))));
    }
    let mut options = O::default();
    let mut remarks = Vec::new();
    if let Some(path) = &read.file {
        file::read(Path::new(path), &mut options, &mut remarks)
            .map_err(|error| Stop::Refused(format!("{path}: {error}")))?;
    }
    read.given.write(&mut options).map_err(|(_, error)| Stop::Refused(error))?;
    for flag in O::flags() {
        if let Some(value) = flag.value_mut(&mut options) {
            value.drop_empty(flag.guards);
        }
    }
    remarks.extend(read.given.flags().filter_map(Flag::remark));
    if O::REFUSES_WORDS && !read.words.is_empty() {
        return Err(Stop::Refused(format!("unknown arguments: [{}]", read.words.join(" "))));
    }
    options.check().map_err(Stop::Refused)?;
    Ok(Given { options, remarks, words: read.words })
}

struct Read<O: 'static> {
    given: Assignments<O>,
    file: Option<String>,
    version: bool,
    words: Vec<String>,
}

/// What flags say, in order.
struct Assignments<O: 'static>(Vec<(&'static Flag<O>, String)>);

impl<O> Assignments<O> {
    /// Each flag that was given, once.
    fn flags(&self) -> impl Iterator<Item = &'static Flag<O>> {
        let first = |at: usize| !self.0[..at].iter().any(|(flag, _)| flag.name == self.0[at].0.name);
        (0..self.0.len()).filter(move |at| first(*at)).map(|at| self.0[at].0)
    }

    /// Writes them over what is there; a list is replaced by what flags say of it.
    fn write(&self, options: &mut O) -> Result<(), (&'static Flag<O>, String)> {
        for flag in self.flags() {
            if let Some(value) = flag.value_mut(options) {
                value.clear();
            }
        }
        for (flag, text) in &self.0 {
            if let Some(value) = flag.value_mut(options) {
                value.set(text).map_err(|error| (*flag, error))?;
            }
        }
        Ok(())
    }
}

fn read<O: Options>(words: impl IntoIterator<Item = String>) -> Result<Read<O>, Stop> {
    let mut words = words.into_iter();
    let mut read = Read { given: Assignments(Vec::new()), file: None, version: false, words: Vec::new() };
    let mut trial = O::default();
    while let Some(word) = words.next() {
        let Some((name, attached)) = split::<O>(&word)? else {
            if word != "--" {
                read.words.push(word);
            }
            break;
        };
        match name {
            "version" => read.version = switch::<O>(name, attached)?,
            "config" if O::HAS_FILE => read.file = Some(value::<O>(name, attached, &mut words)?),
            _ => {
                let Some(flag) = O::flags().iter().find(|flag| flag.name == name) else {
                    return Err(match name {
                        "h" | "help" => Stop::Help(usage::help::<O>()),
                        _ => misused::<O>(&format!("flag provided but not defined: -{name}")),
                    });
                };
                let text = match attached {
                    None if flag.is_switch(&trial) => "true".to_owned(),
                    _ => value::<O>(name, attached, &mut words)?,
                };
                match flag.value_mut(&mut trial) {
                    Some(value) => {
                        let switch = if value.kind().is_empty() { "boolean " } else { "" };
                        value.set(&text).map_err(|error| invalid::<O>(switch, &text, name, &error))?;
                    }
                    None => drop(switch::<O>(name, Some(&text))?),
                }
                read.given.0.push((flag, text));
            }
        }
    }
    read.words.extend(words);
    Ok(read)
}

/// The name of a flag and what stands behind its `=`; `None` where flags end.
fn split<O: Options>(word: &str) -> Result<Option<(&str, Option<&str>)>, Stop> {
    let Some(name) = word.strip_prefix('-').filter(|name| !name.is_empty()) else { return Ok(None) };
    let name = name.strip_prefix('-').unwrap_or(name);
    if word == "--" {
        return Ok(None);
    }
    if name.is_empty() || name.starts_with(['-', '=']) {
        return Err(misused::<O>(&format!("bad flag syntax: {word}")));
    }
    Ok(Some(name.split_once('=').map_or((name, None), |(name, value)| (name, Some(value)))))
}

fn value<O: Options>(
    name: &str,
    attached: Option<&str>,
    words: &mut impl Iterator<Item = String>,
) -> Result<String, Stop> {
    attached
        .map(str::to_owned)
        .or_else(|| words.next())
        .ok_or_else(|| misused::<O>(&format!("flag needs an argument: -{name}")))
}

fn switch<O: Options>(name: &str, attached: Option<&str>) -> Result<bool, Stop> {
    let text = attached.unwrap_or("true");
    super::value::switch(text).ok_or_else(|| invalid::<O>("boolean ", text, name, "parse error"))
}

fn invalid<O: Options>(switch: &str, text: &str, name: &str, error: &str) -> Stop {
    misused::<O>(&format!("invalid {switch}value {text:?} for flag -{name}: {error}"))
}

fn misused<O: Options>(error: &str) -> Stop {
    Stop::Misused(format!("{error}\n{}", usage::text::<O>()))
}

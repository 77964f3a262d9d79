//! The layers: flags over environment over file over defaults. Every name that does not exist is refused,
//! with the nearest one that does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::raw::Raw;
use super::setting::{SETTINGS, Setting};
use super::source::{Problem, Source, suggestion};
use super::{Config, Problems};

/// Largest configuration file that is read.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Variables that begin with `EYRIE_` and are no settings.
const OTHER_VARIABLES: &[&str] = &["EYRIE_CONFIG", "EYRIE_DATA", "EYRIE_LOG", "EYRIE_WEB_DIST"];

/// What the command line says about the configuration.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Overrides {
    /// A TOML file with settings; see `eyrie config show` for all of them.
    #[arg(long, value_name = "FILE", env = "EYRIE_CONFIG")]
    pub(crate) config: Option<PathBuf>,

    /// Address to listen on, repeatable; port 0 lets the system choose [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Vec<String>,
}

/// A checked configuration and where each of its values came from.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    sources: BTreeMap<&'static str, Source>,
}

impl Loaded {
    /// Where the value of a setting came from.
    pub(super) fn source(&self, setting: &Setting) -> &Source {
        self.sources.get(setting.name).unwrap_or(&Source::Default)
    }
}

/// Reads all layers of this process.
pub(crate) fn load(overrides: &Overrides) -> Result<Loaded, Problems> {
    let file = match &overrides.config {
        Some(path) => Some((path.as_path(), read(path).map_err(|problem| Problems(vec![problem]))?)),
        None => None,
    };
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())));
    combine(file.as_ref().map(|(path, text)| (*path, text.as_str())), variables, &overrides.listen)
}

fn read(path: &Path) -> Result<String, Problem> {
    let problem = |message: String| Problem { source: Source::Unread(path.to_owned()), message };
    let size = std::fs::metadata(path).map_err(|error| problem(format!("cannot read it: {error}")))?.len();
    if size > FILE_BYTES_MAX {
        return Err(problem(format!("the file has {size} bytes, the limit is {FILE_BYTES_MAX}")));
    }
    std::fs::read_to_string(path).map_err(|error| problem(format!("cannot read it: {error}")))
}

/// The pure part of [`load`].
pub(super) fn combine(
    file: Option<(&Path, &str)>,
    variables: impl Iterator<Item = (String, String)>,
    listen: &[String],
) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let mut written = Vec::new();
    if let Some((path, text)) = file {
        from_file(path, text, &mut written, &mut problems);
    }
    from_variables(variables, &mut written, &mut problems);
    if !listen.is_empty() {
        written.push(("server.listen", Raw::Texts(listen.to_vec()), Source::Flag("--listen")));
    }

    let mut loaded = Loaded { config: Config::default(), sources: BTreeMap::new() };
    for (name, raw, source) in written {
        let setting = SETTINGS.iter().find(|s| s.name == name).expect("only known names are written");
        match setting.write(&mut loaded.config, &raw) {
            Ok(()) => drop(loaded.sources.insert(setting.name, source)),
            Err(error) => problems.push(Problem { source, message: format!("{name}: {error}") }),
        }
    }
    if problems.is_empty() {
        for (name, advice) in loaded.config.contradictions() {
            let source = loaded.sources.get(name).cloned().unwrap_or(Source::Default);
            problems.push(Problem { source, message: format!("{name}: {advice}") });
        }
    }
    problems.sort_by_key(|problem| problem.source.place());
    if problems.is_empty() { Ok(loaded) } else { Err(Problems(problems)) }
}

type Written = (&'static str, Raw, Source);

fn from_file(path: &Path, text: &str, written: &mut Vec<Written>, problems: &mut Vec<Problem>) {
    let at = |byte: usize| {
        let line = 1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|b| **b == b'\n').count();
        Source::File(path.to_owned(), line)
    };
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            let source = at(error.span().map_or(0, |span| span.start));
            let message = format!("this is not TOML: {}", error.message());
            return problems.push(Problem { source, message });
        }
    };
    for (section, content) in document.get_ref() {
        let source = at(section.span().start);
        let name = section.get_ref().as_ref();
        if !SETTINGS.iter().any(|s| s.parts().0 == name) {
            let near = suggestion(name, SETTINGS.iter().map(|s| s.parts().0));
            problems.push(Problem { source, message: format!("there is no section `{name}`{near}") });
            continue;
        }
        let Some(table) = content.get_ref().as_table() else {
            let message = format!("`{name}` is a section: write [{name}] on a line of its own");
            problems.push(Problem { source, message });
            continue;
        };
        for (key, value) in table {
            let full = format!("{name}.{}", key.get_ref());
            let source = at(key.span().start);
            match SETTINGS.iter().find(|s| s.name == full) {
                Some(setting) => written.push((setting.name, Raw::of(value.get_ref()), source)),
                None => {
                    let near = suggestion(&full, SETTINGS.iter().map(|s| s.name));
                    problems.push(Problem { source, message: format!("there is no setting `{full}`{near}") });
                }
            }
        }
    }
}

fn from_variables(
    variables: impl Iterator<Item = (String, String)>,
    written: &mut Vec<Written>,
    problems: &mut Vec<Problem>,
) {
    let names: Vec<(String, &'static str)> = SETTINGS.iter().map(|s| (s.variable(), s.name)).collect();
    let mut ours: Vec<_> = variables.filter(|(name, _)| name.starts_with("EYRIE_")).collect();
    ours.sort();
    for (variable, value) in ours {
        if OTHER_VARIABLES.contains(&variable.as_str()) {
            continue;
        }
        match names.iter().find(|(name, _)| *name == variable) {
            Some((_, name)) => written.push((name, Raw::Text(value), Source::Variable(variable))),
            None => {
                let known =
                    names.iter().map(|(name, _)| name.as_str()).chain(OTHER_VARIABLES.iter().copied());
                let near = suggestion(&variable, known);
                problems.push(Problem {
                    source: Source::Variable(variable),
                    message: format!("no setting has this variable{near}"),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, variables: &[(&str, &str)], listen: &[&str], expected: &[&str]) {
        let listen: Vec<String> = listen.iter().map(ToString::to_string).collect();
        let variables = variables.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let outcome = combine(Some((Path::new("e.toml"), file)), variables, &listen);
        let lines = match &outcome {
            Ok(loaded) => SETTINGS
                .iter()
                .filter(|s| *loaded.source(s) != Source::Default)
                .map(|s| format!("{} = {} # {}", s.name, s.read(&loaded.config), loaded.source(s)))
                .collect::<Vec<_>>(),
            Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
        };
        assert_eq!(lines, expected, "{file}");
    }

    #[test]
    fn flags_beat_variables_beat_the_file() {
        check("", &[], &[], &[]);
        check(
            "[server]\nlisten = [\"127.0.0.1:1\"]\n[log]\nquota = \"1 GiB\"\nsegment = \"1 MiB\"\nrecord_max = 4096",
            &[("EYRIE_SERVER_LISTEN", "127.0.0.1:2"), ("EYRIE_LOG_QUOTA", "2 GiB"), ("EYRIE_WEB_DIST", "x")],
            &["127.0.0.1:3"],
            &[
                "server.listen = [\"127.0.0.1:3\"] # --listen",
                "log.segment = \"1 MiB\" # e.toml:5",
                "log.quota = \"2 GiB\" # EYRIE_LOG_QUOTA",
                "log.record_max = \"4 KiB\" # e.toml:6",
            ],
        );
    }

    #[test]
    fn unknown_names_are_refused_by_name_with_the_nearest_one() {
        check(
            "[sever]\na = 1\n[log]\nquotta = 3\n[stats]\ncolour = 1\n[ingest]\ndurability = 1\n",
            &[("EYRIE_LOG_QOTA", "1"), ("EYRIE_NONSENSE", "1"), ("EYRIE_URL", "x"), ("HOME", "/")],
            &[],
            &[
                "e.toml:1: there is no section `sever` (did you mean `server`?)",
                "e.toml:4: there is no setting `log.quotta` (did you mean `log.quota`?)",
                "e.toml:6: there is no setting `stats.colour`",
                "e.toml:8: ingest.durability: expected memory, os or disk, found 1",
                "EYRIE_LOG_QOTA: no setting has this variable (did you mean `EYRIE_LOG_QUOTA`?)",
                "EYRIE_NONSENSE: no setting has this variable",
                "EYRIE_URL: no setting has this variable (did you mean `EYRIE_LOG`?)",
            ],
        );
    }

    #[test]
    fn mistakes_are_shown_with_their_line() {
        check("[log\n", &[], &[], &["e.toml:1: this is not TOML: unclosed table, expected `]`"]);
        check("log = 3", &[], &[], &["e.toml:1: `log` is a section: write [log] on a line of its own"]);
        check(
            "[log]\n\nquota = [1]",
            &[],
            &[],
            &[
                "e.toml:3: log.quota: expected a size such as \"64 MiB\", found an array of other things than strings",
            ],
        );
        check(
            "[log]\nquota = \"1 MiB\"\n",
            &[],
            &[],
            &["e.toml:2: log.quota: make it at least two segments: see log.segment"],
        );
        check(
            "[account]\nowner = \"me@\"\n",
            &[],
            &[],
            &["e.toml:2: account.owner: write an email address, such as owner@localhost"],
        );
    }

    #[test]
    fn values_that_no_server_can_live_with_are_refused() {
        let refused = |name: &str, value: &str| {
            let (section, key) = name.split_once('.').expect("a setting");
            let file = format!("[{section}]\n{key} = {value}");
            let outcome = combine(Some((Path::new("e.toml"), &file)), std::iter::empty(), &[]);
            let problems = outcome.expect_err(&file).to_string();
            assert!(problems.starts_with(&format!("e.toml:2: {name}: make it ")), "{problems}");
        };
        for time in ["header_time", "body_time", "write_time", "idle_time", "drain_patience"] {
            refused(&format!("server.{time}"), "\"0s\"");
            refused(&format!("server.{time}"), "\"9999d\"");
        }
        refused("server.drain_time", "\"2d\"");
        refused("server.drain_patience", "\"10s\"");
        refused("server.connections", "0");
        refused("server.connections", "9999999999");
        refused("server.header", "10");
        refused("server.header", "\"1 GiB\"");
        refused("log.pending_max", "\"1 TiB\"");
        refused("stats.shards", "0");
        refused("stats.checkpoint", "\"0s\"");
        refused("stats.checkpoint", "\"2d\"");
        refused("stats.grace", "\"99999d\"");
        refused("stats.keep_hours", "\"99999d\"");
        refused("stats.keep_trash", "\"99999d\"");
        refused("store.size_max", "0");
        refused("web.live_streams", "9223372036854775807");
        refused("web.live_guests", "9223372036854775807");
        refused("web.public_url", "\"stats.example.com\"");
    }
}

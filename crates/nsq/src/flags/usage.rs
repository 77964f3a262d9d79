//! What `-h` prints: the layout of Go's flag package, which people and scripts know.

use std::fmt::Write as _;

use super::Options;

pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    help: &'static str,
    pub(super) default: Option<String>,
}

/// What `-h` shows: every flag, and examples where there are any.
pub(super) fn help<O: Options>() -> String {
    let mut out = text::<O>();
    if !O::EXAMPLES.is_empty() {
        out += "\nExamples:\n";
        O::EXAMPLES.iter().for_each(|example| {
            let _ = writeln!(out, "  {example}");
        });
    }
    out
}

/// Every flag by name, with its kind and its default.
pub(super) fn text<O: Options>() -> String {
    let mut out = format!("Usage of {}:\n", O::PROGRAM);
    for line in lines::<O>() {
        let gap = if line.kind.is_empty() { "" } else { " " };
        let default = line.default.map_or_else(String::new, |default| format!(" (default {default})"));
        // A switch of one letter has its help on the same line.
        let turn = if line.kind.is_empty() && line.name.len() == 1 { "\t" } else { "\n    \t" };
        let _ = writeln!(out, "  -{}{gap}{}{turn}{}{default}", line.name, line.kind, line.help);
    }
    out
}

/// Every flag by name.
pub(super) fn lines<O: Options>() -> Vec<Line> {
    let defaults = O::default();
    let mut lines: Vec<Line> = O::flags()
        .iter()
        .map(|flag| {
            let value = flag.value(&defaults);
            Line {
                name: flag.name,
                kind: value.map_or("", |value| value.kind()),
                help: flag.help,
                default: value.and_then(|value| value.shown()),
            }
        })
        .collect();
    lines.push(Line { name: "version", kind: "", help: "print the version and end", default: None });
    if O::HAS_FILE {
        lines.push(Line { name: "config", kind: "string", help: "a TOML file with options", default: None });
    }
    lines.sort_by_key(|line| line.name);
    lines
}

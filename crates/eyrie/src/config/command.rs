//! `eyrie config show|check`.

use std::fmt::Write as _;

use super::setting::SETTINGS;
use super::{Loaded, Overrides, load};

/// Prints the effective configuration as a file that can be used again.
pub(crate) fn show(overrides: &Overrides) -> anyhow::Result<()> {
    print!("{}", render(&load(overrides)?));
    Ok(())
}

/// Says ok, or fails with everything that is wrong.
pub(crate) fn check(overrides: &Overrides) -> anyhow::Result<()> {
    load(overrides)?;
    println!("ok");
    Ok(())
}

fn render(loaded: &Loaded) -> String {
    let mut out = String::new();
    let mut section = "";
    for setting in SETTINGS {
        let (its_section, key) = setting.parts();
        if its_section != section {
            section = its_section;
            let gap = if out.is_empty() { "" } else { "\n" };
            let _ = writeln!(out, "{gap}[{section}]");
        }
        let line = format!("{key} = {}", setting.read(&loaded.config));
        let _ = writeln!(out, "# {}\n{line:<42} # {}", setting.help, loaded.source(setting));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::layers::combine;
    use super::*;

    #[test]
    fn what_is_shown_can_be_loaded_again() {
        let defaults = combine(None, std::iter::empty(), &[]).expect("defaults are well");
        let shown = render(&defaults);
        let again = combine(Some(("shown".as_ref(), &shown)), std::iter::empty(), &[]).expect("it loads");
        let without_sources =
            |text: &str| text.lines().map(|l| l.split(" # ").next().map(str::to_owned)).collect::<Vec<_>>();
        assert_eq!(without_sources(&render(&again)), without_sources(&shown));
    }

    /// Rows of the guide's table read ``| `section.key` | `VARIABLE` | default | help |``.
    #[test]
    fn the_guide_lists_every_setting_with_its_default() {
        let guide = include_str!("../../../../docs/guide/configuration.md");
        let defaults = combine(None, std::iter::empty(), &[]).expect("defaults are well").config;
        let rows = SETTINGS
            .iter()
            .map(|s| {
                format!("| `{}` | `{}` | `{}` | {} |\n", s.name, s.variable(), s.read(&defaults), s.help)
            })
            .collect::<String>();
        assert!(guide.contains(&rows), "put this table into docs/guide/configuration.md:\n{rows}");
    }
}

//! Who may use whom (the table of the architecture), and what must not be in the tree at all.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use crate::shell;

/// Every crate of the house and its layer: arrows point to a lower layer, never sideways.
const LAYERS: &[(&str, u8)] = &[
    ("eyrie-base", 0),
    ("eyrie-log", 1),
    ("eyrie-stats", 1),
    ("eyrie-queue", 2),
    ("eyrie-store", 2),
    ("eyrie-app", 3),
    ("eyrie-nsq", 3),
    ("eyrie-ingest", 4),
    ("eyrie-web", 4),
    ("eyrie", 5),
];

/// Stands beside the house and uses none of it.
const OUTSIDE: &[&str] = &["xtask"];

/// Crates that must not be in the tree: C and C++ builds that this project does without.
const FORBIDDEN: &[&str] =
    &["openssl-sys", "openssl", "native-tls", "aws-lc-sys", "aws-lc-rs", "librocksdb-sys", "datafusion"];

/// Licences that a dependency may be had under.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OFL-1.1",
    "Ubuntu-font-1.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    path: Option<String>,
}

/// Reads `cargo metadata` and fails with everything that is wrong.
pub(crate) fn check() -> Result<()> {
    let text = shell::output(shell::cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo metadata")?;
    let mut faults = arrows(&metadata);
    faults.extend(tree(&metadata));
    if !faults.is_empty() {
        bail!("layers:\n  {}", faults.join("\n  "));
    }
    eprintln!("layers: {} crates of ours, {} in the tree: ok", LAYERS.len(), metadata.packages.len());
    Ok(())
}

fn arrows(metadata: &Metadata) -> Vec<String> {
    let layers: BTreeMap<&str, u8> = LAYERS.iter().copied().collect();
    let mut faults = Vec::new();
    for package in metadata.packages.iter().filter(|p| metadata.workspace_members.contains(&p.id)) {
        if OUTSIDE.contains(&package.name.as_str()) {
            let used = package.dependencies.iter().filter(|d| d.path.is_some());
            faults.extend(used.map(|d| format!("{} stands outside and uses {}", package.name, d.name)));
            continue;
        }
        let Some(own) = layers.get(package.name.as_str()) else {
            faults.push(format!("{} has no layer: give it one in xtask/src/layers.rs", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            if let Some(other) = layers.get(dependency.name.as_str())
                && other >= own
            {
                let name = &package.name;
                faults.push(format!(
                    "{name} (layer {own}) uses {} (layer {other}): arrows point down",
                    dependency.name
                ));
            }
        }
    }
    faults
}

fn tree(metadata: &Metadata) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let what = format!("{} {}", package.name, package.version);
        if FORBIDDEN.contains(&package.name.as_str()) {
            faults.push(format!("{what} must not be in the tree: see `cargo tree -i {}`", package.name));
        }
        match &package.license {
            Some(license) if permissive(license) => {}
            Some(license) => faults.push(format!("{what} is under `{license}`, which is not on our list")),
            None => faults.push(format!("{what} does not name its licence")),
        }
    }
    faults
}

/// Whether an SPDX expression can be satisfied from [`LICENCES`]. `AND` binds tighter than `OR`; the old
/// `MIT/Apache-2.0` is an `OR`.
fn permissive(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let mut words = expression.replace('(', " ( ").replace(')', " ) ");
    words.push(' ');
    let tokens: Vec<&str> = words.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    any_of(&mut rest) && rest.is_empty()
}

fn any_of(rest: &mut &[&str]) -> bool {
    let mut met = all_of(rest);
    while let [first, after @ ..] = *rest
        && *first == "OR"
    {
        *rest = after;
        met |= all_of(rest);
    }
    met
}

fn all_of(rest: &mut &[&str]) -> bool {
    let mut met = one(rest);
    while let [first, after @ ..] = *rest
        && *first == "AND"
    {
        *rest = after;
        met &= one(rest);
    }
    met
}

fn one(rest: &mut &[&str]) -> bool {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = any_of(rest);
            if let [")", after @ ..] = *rest {
                *rest = after;
            }
            met
        }
        [name, "WITH", exception, after @ ..] => {
            *rest = after;
            LICENCES.contains(&format!("{name} WITH {exception}").as_str())
        }
        [name, after @ ..] => {
            *rest = after;
            LICENCES.contains(name)
        }
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_or_not() {
        let check = |expression: &str, met: bool| assert_eq!(permissive(expression), met, "{expression}");
        check("MIT", true);
        check("MIT/Apache-2.0", true);
        check("GPL-3.0-only", false);
        check("MIT AND GPL-3.0-only", false);
        check("MIT OR LGPL-2.1-or-later", true);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("(MIT OR Apache-2.0) AND OpenSSL", false);
        check("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true);
        check("GPL-2.0 WITH Classpath-exception-2.0", false);
        check("", false);
    }

    #[test]
    fn arrows_point_down_and_every_crate_has_a_layer() {
        let package = |name: &str, uses: &[&str]| Package {
            id: name.to_owned(),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            license: Some("MIT".to_owned()),
            dependencies: uses
                .iter()
                .map(|u| Dependency { name: (*u).to_owned(), path: Some("x".to_owned()) })
                .collect(),
        };
        let metadata = Metadata {
            packages: vec![
                package("eyrie-log", &["eyrie-base", "eyrie-stats"]),
                package("eyrie-app", &["eyrie-web", "eyrie-store"]),
                package("eyrie-feeds", &[]),
                package("xtask", &["eyrie-base"]),
            ],
            workspace_members: ["eyrie-log", "eyrie-app", "eyrie-feeds", "xtask"]
                .map(str::to_owned)
                .into_iter()
                .collect(),
        };
        assert_eq!(
            arrows(&metadata),
            [
                "eyrie-log (layer 1) uses eyrie-stats (layer 1): arrows point down",
                "eyrie-app (layer 3) uses eyrie-web (layer 4): arrows point down",
                "eyrie-feeds has no layer: give it one in xtask/src/layers.rs",
                "xtask stands outside and uses eyrie-base",
            ]
        );
    }
}

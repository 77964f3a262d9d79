//! What each command does.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};

use crate::{layers, shell, suites as other_suites, tools};

/// Folders with TypeScript to check, each with a compiler of its own.
const TYPESCRIPT: &[&str] = &["crates/web/ui", "e2e"];

/// Builds, then becomes `eyrie serve`.
pub(crate) fn run(args: &[String]) -> Result<()> {
    shell::run(shell::cargo().args(["build", "--release", "--package", "eyrie"]))?;
    let mut serve = std::process::Command::new(binary("release"));
    let failed = serve.arg("serve").args(args).exec();
    Err(failed).context("cannot run eyrie")
}

/// Everything that `cargo test` runs, doc tests, the browser, and the suites of NSQ's clients.
pub(crate) fn test() -> Result<()> {
    tools::ensure()?;
    tests()?;
    browser(&[])?;
    clients(&[])
}

/// The browser tests.
pub(crate) fn e2e(args: &[String]) -> Result<()> {
    tools::ensure()?;
    browser(args)
}

/// Tries bytes that nobody would send, for so many seconds each: the parser, sessions, sessions with upgrades.
pub(crate) fn fuzz(seconds: u64, seed: Option<u64>) -> Result<()> {
    let seed = match seed {
        Some(seed) => seed,
        None => SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?.as_secs(),
    };
    let mut tests = shell::cargo();
    tests.args(["test", "--package", "eyrie-nsq", "--test", "tcp", "fuzz::", "--", "--nocapture"]);
    tests.env("EYRIE_FUZZ_SECONDS", seconds.to_string()).env("EYRIE_FUZZ_SEED", seed.to_string());
    shell::run(&mut tests)
}

/// The suites of NSQ's clients.
pub(crate) fn suites(names: &[String]) -> Result<()> {
    tools::ensure()?;
    clients(names)
}

/// Everything, cheapest first. Prints how long each part took.
pub(crate) fn ci() -> Result<()> {
    let mut times = Vec::new();
    let mut part = |name: &'static str, work: &dyn Fn() -> Result<()>| {
        let started = Instant::now();
        work().with_context(|| format!("ci: {name}"))?;
        times.push((name, started.elapsed()));
        anyhow::Ok(())
    };
    part("format", &|| shell::run(shell::cargo().args(["fmt", "--all", "--check"])))?;
    part("layers", &layers::check)?;
    part("tools", &tools::ensure)?;
    part("types", &types)?;
    part("clippy", &|| {
        let arguments = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
        shell::run(shell::cargo().args(arguments))
    })?;
    part("tests", &tests)?;
    part("browser", &|| browser(&[]))?;
    part("suites", &|| clients(&[]))?;
    part("docs", &|| {
        let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
        // Private items are documented too, so a link to one is no mistake.
        let flags = "-D warnings -A rustdoc::private_intra_doc_links";
        shell::run(shell::cargo().args(arguments).env("RUSTDOCFLAGS", flags))
    })?;
    let total: Duration = times.iter().map(|(_, time)| *time).sum();
    let parts: Vec<_> =
        times.iter().map(|(name, time)| format!("{name} {:.0} s", time.as_secs_f32())).collect();
    eprintln!("\nci: {}; together {:.0} s", parts.join(", "), total.as_secs_f32());
    Ok(())
}

fn tests() -> Result<()> {
    if shell::find("cargo-nextest").is_some() {
        shell::run(shell::cargo().args(["nextest", "run", "--workspace", "--locked"]))?;
    } else {
        shell::run(shell::cargo().args(["test", "--workspace", "--lib", "--bins", "--tests", "--locked"]))?;
    }
    shell::run(shell::cargo().args(["test", "--workspace", "--doc", "--locked"]))
}

fn types() -> Result<()> {
    for folder in TYPESCRIPT {
        let folder = shell::root().join(folder);
        tools::npm_packages(&folder)?;
        let mut tsc = shell::command("npx");
        shell::run(tsc.args(["--no-install", "tsc", "--noEmit"]).current_dir(folder))?;
    }
    Ok(())
}

/// The tests that NSQ's clients ship, against the development binary.
fn clients(names: &[String]) -> Result<()> {
    build_for_tests()?;
    other_suites::run(&binary("debug"), names)
}

/// Builds the development binary the way the tests build it, with the same features, so that after them
/// there is nothing to do.
fn build_for_tests() -> Result<()> {
    shell::run(shell::cargo().args(["build", "--workspace", "--test", "blackbox", "--locked"]))
}

/// The pages in Debian's Chromium; Playwright starts the development binary itself.
fn browser(args: &[String]) -> Result<()> {
    build_for_tests()?;
    let mut playwright = shell::command("npx");
    playwright.args(["--no-install", "playwright", "test"]).args(args).current_dir(shell::root().join("e2e"));
    shell::run(playwright.env("EYRIE_BIN", binary("debug")))
}

/// Where cargo puts the binary.
fn binary(profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| shell::root().join("target"), PathBuf::from);
    target.join(profile).join("eyrie")
}

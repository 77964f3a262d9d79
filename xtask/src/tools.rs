//! What the tests need from the machine: Debian packages and npm packages.
//!
//! As root they are installed; otherwise the exact command is printed and nothing is changed.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// Program, the Debian package it comes from, and who needs it.
const PROGRAMS: &[(&str, &str, &str)] = &[
    ("chromium", "chromium", "the browser tests"),
    ("promtool", "prometheus", "the test of /metrics"),
    ("python3", "python3-venv", "the suite of gnsq"),
    ("unshare", "util-linux", "the suites of NSQ's clients"),
    ("ip", "iproute2", "the suites of NSQ's clients"),
];

/// Folders with a package-lock.json of their own, and the folder that `npm ci` makes.
const NPM_FOLDERS: &[&str] = &["e2e", "e2e/clients"];

/// How often apt is asked before giving up: mirrors have bad moments.
const APT_ATTEMPTS: usize = 3;

/// A script that keeps Debian packages from starting their services.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing.
pub(crate) fn ensure() -> Result<()> {
    let missing: Vec<_> = PROGRAMS.iter().filter(|(program, ..)| !is_there(program)).collect();
    if !missing.is_empty() {
        let packages: Vec<&str> = missing.iter().map(|(_, package, _)| *package).collect();
        if !is_root() {
            let why: Vec<_> = missing.iter().map(|(program, _, why)| format!("{program} ({why})")).collect();
            bail!(
                "missing: {}. Install with\n  sudo apt-get update && sudo apt-get install --no-install-recommends -y {}",
                why.join(", "),
                packages.join(" ")
            );
        }
        install(&packages)?;
    }
    if shell::find("npm").is_none() {
        bail!("npm is missing: install Node.js 20 or later with npm");
    }
    for folder in NPM_FOLDERS {
        npm_packages(&shell::root().join(folder))?;
    }
    Ok(())
}

/// Whether a program can be used; Debian's Python comes without what makes environments.
fn is_there(program: &str) -> bool {
    if shell::find(program).is_none() {
        return false;
    }
    if program != "python3" {
        return true;
    }
    let mut python = Command::new(program);
    python.args(["-c", "import ensurepip, venv"]).stderr(std::process::Stdio::null());
    python.status().is_ok_and(|status| status.success())
}

/// Whether everything is allowed.
pub(crate) fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// `apt-get update` once, then the packages; services stay off.
fn install(packages: &[&str]) -> Result<()> {
    let _quiet = QuietServices::start();
    apt(&["update"])?;
    apt(&[&["install", "--no-install-recommends", "-y"], packages].concat())
}

fn apt(arguments: &[&str]) -> Result<()> {
    for attempt in 1.. {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", "DPkg::Lock::Timeout=120", "-o", "Acquire::Retries=3"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        match shell::run(&mut command) {
            Ok(()) => break,
            Err(error) if attempt == APT_ATTEMPTS => return Err(error),
            Err(error) => eprintln!("{error:#}: trying again"),
        }
    }
    Ok(())
}

/// While it lives, packages do not start services; a policy that was there already is left alone.
struct QuietServices(bool);

impl QuietServices {
    fn start() -> Self {
        let ours = !Path::new(POLICY).exists()
            && std::fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok()
            && std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755)).is_ok();
        Self(ours)
    }
}

impl Drop for QuietServices {
    fn drop(&mut self) {
        if self.0 && std::fs::remove_file(POLICY).is_err() {
            eprintln!("xtask: please remove {POLICY}");
        }
    }
}

/// `npm ci` unless it ran for this very lock file before.
pub(crate) fn npm_packages(folder: &Path) -> Result<()> {
    let lock = folder.join("package-lock.json");
    let stamp: PathBuf = folder.join("node_modules/.eyrie-installed");
    let Ok(wanted) = std::fs::read(&lock) else { return Ok(()) };
    if std::fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut npm = shell::command("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
    shell::run(&mut npm)?;
    std::fs::write(stamp, wanted)?;
    Ok(())
}

//! Says which compiler built this: NSQ's version lines name it, and clients' test suites read it.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let compiler = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(compiler).arg("--version").output().ok();
    let version = said
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .and_then(|line| line.split(' ').nth(1).map(str::to_owned))
        .unwrap_or_else(|| env!("CARGO_PKG_RUST_VERSION").to_owned());
    println!("cargo:rustc-env=EYRIE_RUSTC_VERSION={version}");
}

//! Builds the interface (`ui/`) with npm and esbuild into `OUT_DIR` and writes `assets.rs`, a table
//! of its files with `include_bytes!`. Never writes into the source tree.
//!
//! `EYRIE_WEB_DIST=FOLDER` takes a prebuilt folder instead and needs no npm; without the feature
//! `ui` the table is empty and pages go out unstyled.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

type Fallible<T> = Result<T, Box<dyn Error>>;

fn main() -> Fallible<()> {
    println!("cargo::rerun-if-env-changed=EYRIE_WEB_DIST");
    for part in [
        "build.rs",
        "ui/axes.mjs",
        "ui/build.mjs",
        "ui/images",
        "ui/package-lock.json",
        "ui/src",
        "ui/styles",
    ] {
        println!("cargo::rerun-if-changed={part}");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let table = if env::var_os("CARGO_FEATURE_UI").is_none() {
        "&[]".to_owned()
    } else if let Some(prebuilt) = env::var_os("EYRIE_WEB_DIST") {
        println!("cargo::rerun-if-changed={}", Path::new(&prebuilt).display());
        table(&fs::canonicalize(&prebuilt).map_err(|e| format!("EYRIE_WEB_DIST={prebuilt:?}: {e}"))?)?
    } else {
        table(&build(&out)?)?
    };
    fs::write(out.join("assets.rs"), table)?;
    Ok(())
}

/// Copies `ui/` aside, installs its packages when the lock file has changed, and bundles.
fn build(out: &Path) -> Fallible<PathBuf> {
    let source = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("ui");
    let work = out.join("ui");
    let dist = out.join("dist");
    copy(&source, &work)?;
    let lock = fs::read(source.join("package-lock.json"))?;
    let installed = work.join("node_modules/.eyrie-lock");
    if fs::read(&installed).ok().as_ref() != Some(&lock) {
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        let arguments = ["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
        run(Command::new(npm).args(arguments).current_dir(&work))?;
        fs::write(&installed, lock)?;
    }
    run(Command::new("node").arg("build.mjs").arg(&dist).current_dir(&work))?;
    Ok(dist)
}

fn run(command: &mut Command) -> Fallible<()> {
    let output = match command.output() {
        Ok(output) => output,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err("The web interface needs Node.js 20+ with npm. Install them, or set EYRIE_WEB_DIST \
                        to a prebuilt folder."
                .into());
        }
        Err(error) => return Err(error.into()),
    };
    if output.status.success() {
        return Ok(());
    }
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    Err(format!("{command:?} failed ({}):\n{said}", output.status).into())
}

/// Copies a folder; what npm installed in an earlier run stays.
fn copy(from: &Path, to: &Path) -> Fallible<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "node_modules" || entry.file_name() == "dist" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            if target.exists() {
                fs::remove_dir_all(&target)?;
            }
            copy(&source, &target)?;
        } else {
            fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

/// The files of a built folder as a Rust expression: `&[Asset { .. }, ..]`.
fn table(dist: &Path) -> Fallible<String> {
    let manifest = dist.join("manifest.txt");
    let lines = fs::read_to_string(&manifest).map_err(|e| format!("{}: {e}", manifest.display()))?;
    let mut table = "&[\n".to_owned();
    for line in lines.lines() {
        let (logical, hashed) = line.split_once(' ').ok_or("manifest.txt: a line needs two words")?;
        let path = dist.join(hashed);
        let brotli = dist.join(format!("{hashed}.br"));
        let brotli =
            if brotli.exists() { format!("Some(include_bytes!({brotli:?}))") } else { "None".to_owned() };
        writeln!(
            table,
            "    Asset {{ logical: {logical:?}, name: {hashed:?}, bytes: include_bytes!({path:?}), \
             brotli: {brotli} }},"
        )?;
    }
    table.push(']');
    Ok(table)
}

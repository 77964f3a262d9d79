//! The test suites that NSQ's clients ship in their packages, run against our daemons.
//!
//! Each runs in a network namespace of its own, because they use fixed ports. What is fetched and built
//! lies in `target/suites`; what is needed to fetch it in `suites/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;

use crate::{shell, tools};

/// The sdist whose tests are run.
const GNSQ: &str = "gnsq==1.0.2";
/// The crate whose tests are run.
const TOKIO_NSQ: &str = "tokio-nsq@0.14.0";
/// The hosts that the tests of tokio-nsq ask for, and the loopback addresses they get.
const HOSTS: &[(&str, &str)] = &[
    ("localhost", "127.0.0.1"),
    ("nsq", "127.0.0.2"),
    ("nsqwithauth", "127.0.0.3"),
    ("nsqlookupd", "127.0.0.4"),
    ("nsqauth", "127.0.0.5"),
];
/// How long a daemon may take to listen.
const START_PATIENCE: Duration = Duration::from_secs(20);

/// Runs one suite.
type Suite = fn(&Place) -> Result<()>;
/// The suites by name.
const SUITES: &[(&str, Suite)] = &[("nsqjs", nsqjs), ("gnsq", gnsq), ("tokio-nsq", tokio_nsq)];

/// Runs the suites named, all of them if none is; `eyrie` is the binary under test.
pub(crate) fn run(eyrie: &Path, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| SUITES.iter().all(|(known, _)| known != name)) {
        let known: Vec<_> = SUITES.iter().map(|(name, _)| *name).collect();
        bail!("no suite is called {unknown}; there are {}", known.join(", "));
    }
    let place = Place::make(eyrie)?;
    for (name, suite) in SUITES {
        if names.is_empty() || names.iter().any(|wanted| wanted == name) {
            suite(&place).with_context(|| format!("the suite {name}"))?;
        }
    }
    Ok(())
}

/// Where the suites lie and what they find on PATH.
struct Place {
    /// `suites/` of the repository.
    sources: PathBuf,
    /// `target/suites`.
    work: PathBuf,
    /// PATH with `nsqd` and the others first.
    path: std::ffi::OsString,
}

impl Place {
    fn make(eyrie: &Path) -> Result<Self> {
        let target = eyrie.ancestors().nth(2).context("the binary lies in target/PROFILE")?;
        let work = target.join("suites");
        let links = work.join("bin");
        fs::create_dir_all(&links)?;
        shell::run(Command::new(eyrie).arg("link").arg(&links))?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(links).chain(std::env::split_paths(&path)))?;
        Ok(Self { sources: shell::root().join("suites"), work, path })
    }

    /// A folder of its own, empty.
    fn fresh(&self, name: &str) -> Result<PathBuf> {
        let folder = self.work.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Runs a shell script in a network namespace of its own, loopback up.
    fn isolated(&self, script: &str, folder: &Path) -> Command {
        let mut command = Command::new("unshare");
        if !tools::is_root() {
            command.arg("--map-root-user");
        }
        command.args(["--net", "--mount", "--"]).args(["sh", "-ec"]);
        command.arg(format!("ip link set lo up\n{script}")).current_dir(folder).env("PATH", &self.path);
        command
    }
}

fn nsqjs(place: &Place) -> Result<()> {
    let folder = place.work.join("nsqjs");
    fs::create_dir_all(&folder)?;
    for name in ["package.json", "package-lock.json", ".npmrc"] {
        fs::copy(place.sources.join("nsqjs").join(name), folder.join(name))?;
    }
    tools::npm_packages(&folder)?;
    let tests = folder.join("node_modules/nsqjs");
    shell::run(&mut place.isolated("../.bin/mocha --reporter dot --exit", &tests))
}

fn gnsq(place: &Place) -> Result<()> {
    let python = place.work.join("python");
    let requirements = place.sources.join("gnsq/requirements.txt");
    let stamp = python.join("installed");
    let wanted = fs::read(&requirements)?;
    if fs::read(&stamp).ok() != Some(wanted.clone()) {
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&python))?;
        let mut pip = Command::new(python.join("bin/pip"));
        shell::run(pip.args(["install", "--quiet", "--requirement"]).arg(&requirements))?;
        fs::write(&stamp, wanted)?;
    }
    let folder = place.fresh("gnsq")?;
    let mut pip = Command::new(python.join("bin/pip"));
    pip.args(["download", "--quiet", "--no-deps", "--no-binary", "gnsq", GNSQ]).current_dir(&folder);
    shell::run(&mut pip)?;
    shell::run(
        shell::command("sh").args(["-ec", "tar xzf *.tar.gz --strip-components 1"]).current_dir(&folder),
    )?;
    let script = format!("PYTHONPATH=. '{}' -m pytest -q tests", python.join("bin/python").display());
    shell::run(&mut place.isolated(&script, &folder))
}

fn tokio_nsq(place: &Place) -> Result<()> {
    let folder = place.work.join("tokio-nsq");
    if !folder.join("Cargo.toml").exists() {
        let source = crate_source(place)?;
        shell::run(Command::new("cp").arg("-r").arg(&source).arg(&folder))?;
        // It is no member of our workspace.
        let manifest = folder.join("Cargo.toml");
        let own = fs::read_to_string(&manifest)? + "\n[workspace]\n";
        fs::remove_file(&manifest)?;
        fs::write(&manifest, own)?;
    }
    fs::copy(place.sources.join("tokio-nsq/Cargo.lock"), folder.join("Cargo.lock"))?;
    let arguments = ["test", "--quiet", "--locked", "--test", "test_live", "--target-dir", "target"];
    let build = |extra: &[&str]| {
        let mut cargo = shell::cargo();
        cargo.args(arguments).args(extra).current_dir(&folder).env("RUSTFLAGS", "--cap-lints allow");
        cargo
    };
    shell::run(&mut build(&["--no-run"]))?;
    let hosts: String = HOSTS.iter().map(|(name, address)| format!("{address} {name}\n")).collect();
    let data = place.fresh("tokio-nsq-data")?;
    fs::write(data.join("hosts"), hosts)?;
    // We are called again inside the namespace, where the daemons and the tests live together.
    let script = format!(
        "mount --bind '{}' /etc/hosts\nexec '{}' suite-tokio-nsq '{}'",
        data.join("hosts").display(),
        std::env::current_exe()?.display(),
        data.display()
    );
    let mut command = place.isolated(&script, &folder);
    shell::run(command.env("EYRIE_SUITES", &place.sources))
}

/// Where cargo unpacked the crate.
fn crate_source(place: &Place) -> Result<PathBuf> {
    let (name, version) = TOKIO_NSQ.split_once('@').context("a name and a version")?;
    let probe = place.fresh("tokio-nsq-source")?;
    fs::create_dir_all(probe.join("src"))?;
    fs::write(probe.join("src/lib.rs"), "")?;
    let manifest = format!(
        "[package]\nname = \"probe\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\n{name} = \"={version}\"\n[workspace]\n"
    );
    fs::write(probe.join("Cargo.toml"), manifest)?;
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        manifest_path: PathBuf,
    }
    let text = shell::output(shell::cargo().args(["metadata", "--format-version", "1"]).current_dir(&probe))?;
    let metadata: Metadata = serde_json::from_str(&text)?;
    let found = metadata.packages.into_iter().find(|package| package.name == name);
    let manifest = found.with_context(|| format!("cargo does not know {name}"))?.manifest_path;
    Ok(manifest.parent().context("a manifest lies in a folder")?.to_owned())
}

/// Inside the namespace: starts what the tests of tokio-nsq expect, runs them, ends it. The working
/// folder is the crate's.
pub(crate) fn tokio_nsq_inside(data: &Path) -> Result<()> {
    let sources = PathBuf::from(std::env::var_os("EYRIE_SUITES").context("called by `cargo xtask suites`")?);
    let mut daemons = Daemons(Vec::new());
    let mut auth = Command::new("python3");
    daemons
        .start(auth.arg(sources.join("tokio-nsq/auth.py")).args(["127.0.0.5", "8080"]), "127.0.0.5:8080")?;
    let mut lookupd = Command::new("nsqlookupd");
    lookupd.args(["--tcp-address", "127.0.0.4:4160", "--http-address", "127.0.0.4:4161"]);
    daemons.start(&mut lookupd, "127.0.0.4:4161")?;
    for (host, address, more) in [
        (
            "nsq",
            "127.0.0.2",
            &["--lookupd-tcp-address=nsqlookupd:4160", "--tls-cert=keys/cert.pem", "--tls-key=keys/key.pem"]
                [..],
        ),
        ("nsqwithauth", "127.0.0.3", &["--auth-http-address=nsqauth:8080"][..]),
    ] {
        let folder = data.join(host);
        fs::create_dir_all(&folder)?;
        let mut nsqd = Command::new("nsqd");
        nsqd.arg(format!("--tcp-address={address}:4150")).arg(format!("--http-address={address}:4151"));
        nsqd.arg(format!("--https-address={address}:4152")).arg(format!("--broadcast-address={host}"));
        nsqd.arg("--data-path").arg(folder).args(more);
        daemons.start(&mut nsqd, &format!("{address}:4151"))?;
    }
    let mut tests = Command::new("cargo");
    tests.args(["test", "--quiet", "--locked", "--offline", "--test", "test_live", "--target-dir", "target"]);
    shell::run(tests.env("RUSTFLAGS", "--cap-lints allow"))
}

/// Programs that end with us.
struct Daemons(Vec<Child>);

impl Daemons {
    /// Starts it and waits until it listens.
    fn start(&mut self, command: &mut Command, address: &str) -> Result<()> {
        let line = shell::shown(command);
        let mut child = command.spawn().with_context(|| format!("cannot run `{line}`"))?;
        let started = Instant::now();
        while std::net::TcpStream::connect(address).is_err() {
            let over = child.try_wait()?;
            ensure!(
                over.is_none() && started.elapsed() < START_PATIENCE,
                "`{line}` does not listen: {over:?}"
            );
            sleep(Duration::from_millis(20));
        }
        self.0.push(child);
        Ok(())
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may be gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

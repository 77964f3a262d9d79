//! A data folder in a temporary place, and servers that run on it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;

use crate::wire::{self, Answer, encode};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The key that tests send with.
pub(crate) const EZ_KEY: &str = "test-key";

/// A folder that vanishes with the test.
pub(crate) struct Home {
    place: TempDir,
    data: PathBuf,
}

impl Home {
    pub(crate) fn new() -> Self {
        let place = tempfile::tempdir().expect("a temporary folder");
        let data = place.path().join("data");
        Self { place, data }
    }

    /// A home whose data folder is somewhere else.
    pub(crate) fn with_data(data: &Path) -> Self {
        Self { data: data.to_owned(), ..Self::new() }
    }

    /// The data folder.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// A path beside the data folder.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The binary on this data folder, with nothing of the outer environment that it listens to.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_eyrie"));
        let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("EYRIE_"));
        for (name, _) in ours {
            command.env_remove(name);
        }
        command.args(arguments).env("EYRIE_DATA", &self.data).current_dir(self.place.path());
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Output {
        self.command(arguments).output().expect("the binary runs")
    }

    /// Runs it, and it must succeed; what it printed.
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs it, and it must fail; what it said.
    pub(crate) fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded: {}", text(&output.stdout));
        text(&output.stderr)
    }

    /// Serves on a free port.
    pub(crate) fn serve(&self) -> Server {
        self.serve_with(&[])
    }

    /// Serves with settings as variables.
    pub(crate) fn serve_with(&self, settings: &[(&str, &str)]) -> Server {
        let mut command = self.command(["serve", "--listen", "127.0.0.1:0"]);
        command.envs(settings.iter().copied());
        Server::start(command)
    }

    /// An account with [`EZ_KEY`], made before the first start; its access token.
    pub(crate) fn account(&self) -> String {
        let made =
            self.succeed(&["account", "create", "--email", "test@example.com", "--ezkey", EZ_KEY, "--json"]);
        let made: Value = serde_json::from_str(&made).expect("JSON");
        made["access_token"].as_str().expect("a token").to_owned()
    }
}

/// A running server. Dropping it kills it.
pub(crate) struct Server {
    child: Child,
    /// The first address it bound.
    pub(crate) address: SocketAddr,
    out: Lines,
    err: Lines,
}

/// What a child has printed so far.
pub(crate) type Lines = Arc<Mutex<Vec<String>>>;

impl Server {
    /// Starts it and waits until it listens.
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        let out = collect(child.stdout.take().expect("piped"));
        let err = collect(child.stderr.take().expect("piped"));
        let address = eventually("it listens", || {
            let address = find(&out, "listening on http://");
            if address.is_none()
                && let Some(status) = child.try_wait().expect("a child")
            {
                thread::sleep(Duration::from_millis(50));
                panic!("ended with {status}: {:?}", err.lock().expect("lines"));
            }
            address
        });
        Self { child, address: address.parse().expect("an address"), out, err }
    }

    /// Everything on stdout so far.
    pub(crate) fn printed(&self) -> String {
        self.out.lock().expect("lines").join("\n")
    }

    /// Everything on stderr so far.
    pub(crate) fn logged(&self) -> String {
        self.err.lock().expect("lines").join("\n")
    }

    /// What follows `label` on the line of stdout that begins with it.
    pub(crate) fn says(&self, label: &str) -> String {
        let printed = self.printed();
        let said = printed.lines().find_map(|line| line.trim_start().strip_prefix(label));
        said.unwrap_or_else(|| panic!("no `{label}` in {printed}")).trim().to_owned()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// No chance to do anything more.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
    }

    /// Asks politely.
    pub(crate) fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().expect("sh").success());
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("it ends", || self.child.try_wait().expect("a child"))
    }

    /// SIGTERM, and it must end well.
    pub(crate) fn stop(mut self) {
        self.signal("TERM");
        let status = self.ended();
        assert!(status.success(), "{status}: {}", self.logged());
    }

    /// Sends a count with [`EZ_KEY`].
    pub(crate) fn count(&self, stat: &str, count: f64, time: i64) {
        let form = format!("ezkey={EZ_KEY}&stat={}&count={count}&t={time}", encode(stat));
        let answer = wire::post(self.address, "/ez", &form);
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"status":200,"msg":"ok"}"#), "{form}");
    }

    /// A call of the export API. It is limited per minute: a test that asks too often waits.
    pub(crate) fn export(&self, token: &str, rest: &str) -> Answer {
        loop {
            let answer = wire::get(self.address, &format!("/x/{token}/{rest}"));
            if !answer.body.contains("Rate limit exceeded") {
                return answer;
            }
            thread::sleep(Duration::from_millis(500));
        }
    }

    /// Id of a stat, once it exists.
    pub(crate) fn id(&self, token: &str, stat: &str) -> Option<String> {
        let answer = self.export(token, &format!("stat?name={}", encode(stat)));
        (answer.status == 200).then(|| answer.json()["id"].as_str().expect("an id").to_owned())
    }

    /// Values of a stat over a timeframe that begins at `start`.
    pub(crate) fn values(&self, token: &str, stat: &str, timeframe: &str, start: i64) -> Option<Vec<f64>> {
        let id = self.id(token, stat)?;
        let answer = self.export(token, &format!("data/{id}?t={timeframe}&start={start}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        let points = answer.json()[0]["points"].as_array().expect("points").clone();
        Some(points.iter().map(|point| point["value"].as_f64().expect("a number")).collect())
    }

    /// Sum of the day that begins at `start`; 0 where the stat does not exist.
    pub(crate) fn total(&self, token: &str, stat: &str, start: i64) -> f64 {
        self.values(token, stat, "1d1h", start).map_or(0.0, |values| values.iter().sum())
    }

    /// Waits until the total is `expected`.
    pub(crate) fn reaches(&self, token: &str, stat: &str, start: i64, expected: f64) {
        let mut last = f64::NAN;
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            last = self.total(token, stat, start);
            if last == expected {
                return;
            }
            thread::sleep(PAUSE);
        }
        panic!("{stat}: {last} instead of {expected}: {}", self.logged());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- stdout\n{}\n--- stderr\n{}", self.printed(), self.logged());
        }
    }
}

/// Reads lines to the end on a thread of its own.
pub(crate) fn collect(from: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let into = lines.clone();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock().expect("lines").push(line);
        }
    });
    lines
}

/// What follows `label` on the first line that has it.
pub(crate) fn find(lines: &Lines, label: &str) -> Option<String> {
    let lines = lines.lock().expect("lines");
    lines.iter().find_map(|line| line.split_once(label)).map(|(_, rest)| rest.trim().to_owned())
}

/// Between two questions: the export API allows twenty calls a second for long.
const PAUSE: Duration = Duration::from_millis(25);

/// Asks until the answer is `Some`.
pub(crate) fn eventually<T>(what: &str, mut question: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(PAUSE);
    }
}

/// Seconds since the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_secs()).expect("before the year 292 billion")
}

/// The start of the hour `hours` ago.
pub(crate) fn hours_ago(hours: i64) -> i64 {
    (now() / 3600 - hours) * 3600
}

/// Bytes as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Says that a test did not run, and why.
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

//! NSQ's programs: called by link or by word, with Go's flags, until a signal.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::house::{Home, Lines, collect, eventually, find, text};
use crate::wire;

/// A running daemon. Dropping it kills it.
struct Daemon {
    child: Child,
    err: Lines,
}

impl Daemon {
    fn start(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let err = collect(child.stderr.take().expect("piped"));
        Self { child, err }
    }

    /// The address behind `label`, once it is logged.
    fn address(&self, label: &str) -> SocketAddr {
        let said = eventually(label, || find(&self.err, label));
        said.parse().expect("an address")
    }

    fn logged(&self) -> String {
        self.err.lock().expect("lines").join("\n")
    }

    fn stop(mut self, signal: &str) -> ExitStatus {
        let order = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().expect("sh").success());
        eventually("it ends", || self.child.try_wait().expect("a child"))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- stderr\n{}", self.logged());
        }
    }
}

/// A folder of links, made by `eyrie link`.
fn links(home: &Home) -> std::path::PathBuf {
    let dir = home.beside("links");
    std::fs::create_dir(&dir).expect("a folder");
    home.succeed(&["link", dir.to_str().expect("UTF-8")]);
    dir
}

fn run(dir: &Path, program: &str, words: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(dir.join(program)).args(words).output().expect("it runs");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn links_act_by_their_names_and_replace_nothing() {
    let home = Home::new();
    let dir = links(&home);
    let made = std::fs::read_dir(&dir).expect("a folder").count();
    for entry in std::fs::read_dir(&dir).expect("a folder") {
        let name = entry.expect("an entry").file_name().into_string().expect("UTF-8");
        let (code, out, _) = run(&dir, &name, &["--version"]);
        assert_eq!(code, Some(0), "{name}");
        let banner = format!("{name} v1.3.0-eyrie (built w/rust");
        assert!(out.starts_with(&banner) && out.ends_with(")\n"), "{out}");
        let (code, out, help) = run(&dir, &name, &["-h"]);
        assert_eq!((code, out.as_str()), (Some(0), ""), "{name}");
        assert!(help.starts_with(&format!("Usage of {name}:\n  -")), "{help}");
        assert_eq!(text(&home.run([name.as_str(), "-h"]).stderr), help, "by word it is the same");
        let (code, _, err) = run(&dir, &name, &["-nope"]);
        assert_eq!(code, Some(2), "{name}");
        assert!(err.starts_with("flag provided but not defined: -nope\nUsage of "), "{err}");
    }
    assert!(made > 0);
    home.succeed(&["link", dir.to_str().expect("UTF-8")]);

    let other = dir.join("nsqlookupd");
    std::fs::remove_file(&other).expect("a link");
    std::fs::write(&other, "somebody's own").expect("written");
    assert!(home.fail(&["link", dir.to_str().expect("UTF-8")]).contains("cannot make"));
    assert_eq!(std::fs::read_to_string(&other).expect("there"), "somebody's own");
}

#[test]
fn help_names_the_programs() {
    let home = Home::new();
    let help = home.succeed(&["--help"]);
    assert!(help.contains("nsqlookupd") && help.contains("nsqadmin") && help.contains("link"), "{help}");
    assert!(home.succeed(&["help", "nsqlookupd"]).contains("Examples:"));
}

#[test]
fn nsqlookupd_listens_and_drains() {
    let home = Home::new();
    let config = home.beside("nsqlookupd.cfg");
    std::fs::write(&config, "tcp_address = \"127.0.0.1:0\"\nlog_level = \"fatal\"\n").expect("written");
    for signal in ["TERM", "INT"] {
        let config = config.to_str().expect("UTF-8");
        let words =
            ["nsqlookupd", "-config", config, "--http-address=127.0.0.1:0", "-log-level=info", "--verbose"];
        let daemon = Daemon::start(home.command(words));
        daemon.address("INFO: TCP: listening on ");
        let http = daemon.address("INFO: HTTP: listening on ");
        assert_eq!(wire::get(http, "/ping").body, "OK");
        let logged = daemon.logged();
        assert!(logged.lines().all(|line| line.starts_with("[nsqlookupd] 2")), "{logged}");
        assert!(logged.contains("WARNING: --verbose has no effect: use --log-level"), "{logged}");
        assert!(logged.contains("INFO: nsqlookupd v1.3.0-eyrie (built w/rust"), "{logged}");
        assert!(daemon.stop(signal).success());
    }
}

/// An nsqd on the home's data folder, and where it answers HTTP.
fn nsqd(home: &Home) -> (Daemon, SocketAddr) {
    let data = format!("-data-path={}", home.data().display());
    let words = ["nsqd", &data, "-tcp-address=127.0.0.1:0", "-http-address=127.0.0.1:0"];
    let daemon = Daemon::start(home.command(words));
    daemon.address("INFO: TCP: listening on ");
    let http = daemon.address("INFO: HTTP: listening on ");
    (daemon, http)
}

fn depth(http: SocketAddr) -> u64 {
    let stats = wire::get(http, "/stats?format=json").json();
    stats["topics"][0]["channels"][0]["depth"].as_u64().expect("a depth")
}

/// Publishes over several connections until the server is gone; how many were answered with `OK`.
fn publish_until_it_ends(http: SocketAddr, end: impl FnOnce()) -> u64 {
    let publishers: Vec<_> = (0..PUBLISHERS)
        .map(|_| {
            std::thread::spawn(move || {
                let mut connection = wire::Connection::open(http).expect("it listens");
                let mut taken = 0;
                while connection.post("/pub?topic=t", "a message").is_ok_and(|answer| answer.status == 200) {
                    taken += 1;
                }
                taken
            })
        })
        .collect();
    eventually("some are taken", || (depth(http) > 100).then_some(()));
    end();
    publishers.into_iter().map(|publisher| publisher.join().expect("no panic")).sum()
}

/// Connections that publish at once.
const PUBLISHERS: u64 = 4;

#[test]
fn what_nsqd_answered_survives_kill_9_and_a_drain() {
    let home = Home::new();
    let (daemon, http) = nsqd(&home);
    assert_eq!(wire::post(http, "/topic/create?topic=t", "").status, 200);
    assert_eq!(wire::post(http, "/channel/create?topic=t&channel=c", "").status, 200);
    let taken = publish_until_it_ends(http, || drop(daemon));
    let (daemon, http) = nsqd(&home);
    let found = depth(http);
    // Each publisher may have been cut off between its message and the answer.
    assert!((taken..=taken + PUBLISHERS).contains(&found), "{taken} were answered, {found} are there");

    let data = home.data().display().to_string();
    let refused = home.fail(&["nsqd", "-data-path", &data, "-tcp-address=127.0.0.1:0", "-http-address="]);
    assert!(refused.contains("FATAL: failed to lock data-path: another nsqd (pid "), "{refused}");

    let mut status = None;
    let more = publish_until_it_ends(http, || status = Some(daemon.stop("TERM")));
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
    let (daemon, http) = nsqd(&home);
    let after = depth(http);
    assert!((found + more..=found + more + PUBLISHERS).contains(&after), "{found} and {more} make {after}");
    assert!(daemon.stop("INT").success());
}

#[test]
fn what_cannot_start_says_why_and_ends_with_1() {
    let home = Home::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
    let taken = taken.local_addr().expect("bound").to_string();
    let config = home.beside("bad.cfg");
    std::fs::write(&config, "tcp_adress = \"127.0.0.1:0\"\n").expect("written");
    let config = config.to_str().expect("UTF-8");
    let check = |words: &[&str], expected: &str| {
        let output = home.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let err = text(&output.stderr);
        assert!(err.contains("FATAL: ") && err.contains(expected), "{err}");
    };
    check(&["nsqlookupd", &format!("-tcp-address={taken}")], &taken);
    check(&["nsqlookupd", "-config", config], "there is no option `tcp_adress`");
    check(&["nsqlookupd", "-config=/nowhere/x"], "/nowhere/x: cannot read it");
    check(&["nsqadmin"], "--nsqd-http-address or --lookupd-http-address required");
}

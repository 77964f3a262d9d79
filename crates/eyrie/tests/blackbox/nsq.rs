//! NSQ's programs: called by link or by word, with Go's flags, until a signal.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::house::{Home, Lines, collect, eventually, find, hours_ago, text};
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

    fn signal(&self, name: &str) {
        let order = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &order]).status().expect("sh").success());
    }

    fn stop(mut self, signal: &str) -> ExitStatus {
        self.signal(signal);
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
        // Tools are started by hand, each time with other words.
        assert!(!name.contains('_') || help.contains("\n\nExamples:\n  "), "{help}");
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

/// The flag that names a folder, which is made: nsqd wants one that is there.
fn data_path(folder: &Path) -> String {
    std::fs::create_dir_all(folder).expect("a folder");
    format!("-data-path={}", folder.display())
}

/// An nsqd on the home's data folder, and where it answers HTTP.
fn nsqd(home: &Home) -> (Daemon, SocketAddr) {
    let data = data_path(home.data());
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
    assert!(refused.contains("FATAL: failed to lock data-path: another process (pid "), "{refused}");

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

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound").port()
}

#[test]
fn nsq_to_file_loses_nothing_that_it_finished_when_it_is_killed() {
    let home = Home::new();
    let data = data_path(&home.beside("nsqd"));
    let nsqd =
        Daemon::start(home.command(["nsqd", &data, "-tcp-address=127.0.0.1:0", "-http-address=127.0.0.1:0"]));
    let tcp = nsqd.address("TCP: listening on ");
    let http = nsqd.address("HTTP: listening on ");
    assert_eq!(wire::post(http, "/topic/create?topic=t", "").status, 200);
    assert_eq!(wire::post(http, "/channel/create?topic=t&channel=nsq_to_file", "").status, 200);

    let all: Vec<String> = (0..20_000).map(|n| format!("line {n:05}")).collect();
    let mut to_nsq = home
        .command(["to_nsq", "-topic=t", &format!("-nsqd-tcp-address={tcp}")])
        .stdin(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let lines = all.join("\n") + "\n";
    let mut stdin = to_nsq.stdin.take().expect("piped");
    let writing = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).expect("it reads"));
    assert!(to_nsq.wait().expect("it ends").success());
    writing.join().expect("no panic");

    let out = home.beside("archive");
    let depth = || {
        let stats = wire::get(http, "/stats?format=json&topic=t").json();
        let channel = &stats["topics"][0]["channels"][0];
        let count = |name: &str| channel[name].as_u64().expect(name);
        (count("depth") + count("in_flight_count") + count("deferred_count"), count("message_count"))
    };
    let start = |gzip: bool, max_in_flight: u32| {
        let mut words = vec![
            "nsq_to_file".to_owned(),
            format!("-max-in-flight={max_in_flight}"),
            "-topic=t".to_owned(),
            format!("-output-dir={}", out.display()),
            format!("-nsqd-tcp-address={tcp}"),
            "-filename-format=<TOPIC><REV>.log".to_owned(),
            "-sync-interval=20ms".to_owned(),
        ];
        words.extend(gzip.then(|| "--gzip".to_owned()));
        Daemon::start(home.command(words))
    };
    // Killed in the middle, again and again, as it writes plain files and gzip; slowly, so that there is a
    // middle.
    let mut kills = 0;
    while kills < 4 && depth().0 > 2_000 {
        let (before, _) = depth();
        let mut archive = start(kills % 2 == 1, 20);
        eventually("some are finished", || (depth().0 + 1_000 < before).then_some(()));
        archive.child.kill().expect("it runs");
        archive.child.wait().expect("it ended");
        kills += 1;
    }
    assert!(kills > 0 && depth().0 > 0, "it was killed in the middle");
    let archive = start(true, 200);
    eventually("all are finished", || (depth().0 == 0).then_some(()));
    assert!(archive.stop("TERM").success());
    assert_eq!(depth(), (0, 20_000));

    let mut written = std::collections::BTreeSet::new();
    for entry in std::fs::read_dir(&out).expect("a folder") {
        let path = entry.expect("an entry").path();
        // The last member of a file that was being written may be cut off.
        let read = if path.extension().is_some_and(|extension| extension == "gz") {
            Command::new("gzip").arg("-dc").arg(&path).output().expect("gzip").stdout
        } else {
            std::fs::read(&path).expect("readable")
        };
        written.extend(text(&read).lines().map(str::to_owned));
    }
    let lost: Vec<&String> = all.iter().filter(|line| !written.contains(*line)).collect();
    assert!(lost.is_empty(), "{} lost, such as {:?}", lost.len(), lost.first());
    assert!(nsqd.stop("TERM").success());
}

#[test]
fn files_are_opened_again_after_sighup() {
    let home = Home::new();
    let data = data_path(&home.beside("nsqd"));
    let nsqd =
        Daemon::start(home.command(["nsqd", &data, "-tcp-address=127.0.0.1:0", "-http-address=127.0.0.1:0"]));
    let tcp = nsqd.address("TCP: listening on ");
    let http = nsqd.address("HTTP: listening on ");
    let out = home.beside("archive");
    let archive = Daemon::start(home.command([
        "nsq_to_file",
        "-topic=t",
        &format!("-output-dir={}", out.display()),
        &format!("-nsqd-tcp-address={tcp}"),
        "-filename-format=t.log",
        "-sync-interval=10ms",
    ]));
    let file = out.join("t.log");
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(wire::post(http, "/pub?topic=t", "one").status, 200);
    eventually("it is written", || (read(&file) == "one\n").then_some(()));
    // What logrotate does.
    let aside = out.join("t.log.1");
    std::fs::rename(&file, &aside).expect("renamed");
    archive.signal("HUP");
    eventually("it heard", || find(&archive.err, "closed by SIGHUP"));
    assert_eq!(wire::post(http, "/pub?topic=t", "two").status, 200);
    eventually("it is written", || (read(&file) == "two\n").then_some(()));
    assert_eq!(read(&aside), "one\n");
    assert!(archive.stop("TERM").success());
    assert!(nsqd.stop("TERM").success());
}

#[test]
fn tools_work_together() {
    let home = Home::new();
    let port = free_port();
    let lookupd = Daemon::start(home.command([
        "nsqlookupd",
        &format!("-tcp-address=127.0.0.1:{port}"),
        "-http-address=127.0.0.1:0",
    ]));
    let lookup = lookupd.address("HTTP: listening on ");
    let data = data_path(&home.beside("nsqd"));
    let nsqd = Daemon::start(home.command([
        "nsqd",
        &data,
        "-tcp-address=127.0.0.1:0",
        "-http-address=127.0.0.1:0",
        "-broadcast-address=127.0.0.1",
        &format!("-lookupd-tcp-address=127.0.0.1:{port}"),
    ]));
    let http = nsqd.address("HTTP: listening on ");
    for n in 0..5 {
        assert_eq!(wire::post(http, "/pub?topic=t", &format!("m{n}")).status, 200);
    }
    let from = format!("-lookupd-http-address={lookup}");
    let tail = home.run(["nsq_tail", "-topic=t", "-channel=c", "-n=5", "-print-topic", &from]);
    assert!(tail.status.success(), "{}", text(&tail.stderr));
    let printed = text(&tail.stdout);
    let mut printed: Vec<&str> = printed.lines().collect();
    printed.sort_unstable();
    assert_eq!(printed, ["t | m0", "t | m1", "t | m2", "t | m3", "t | m4"]);

    let stat = home.run(["nsq_stat", "-topic=t", "-channel=c", "-count=1", "-interval=100ms", &from]);
    assert!(stat.status.success(), "{}", text(&stat.stderr));
    let row = text(&stat.stdout).lines().last().unwrap_or_default().to_owned();
    assert_eq!(row.split_whitespace().nth(11), Some("5"), "messages in {row}");
    assert!(nsqd.stop("TERM").success());
    assert!(lookupd.stop("TERM").success());
}

#[test]
fn eyrie_serves_nsq_on_its_own_queue_beside_numbers() {
    let home = Home::new();
    let token = home.account();
    let settings = [("EYRIE_NSQ_TCP", "127.0.0.1:0"), ("EYRIE_NSQ_HTTP", "127.0.0.1:0")];
    let time = hours_ago(2);
    let server = home.serve_with(&settings);
    let http: SocketAddr = server.says("serving NSQ on http://").parse().expect("an address");
    server.count("beside", 3.0, time);
    assert_eq!(wire::post(http, "/pub?topic=orders", "one").status, 200);
    assert_eq!(wire::post(http, "/channel/create?topic=orders&channel=c", "").status, 200);
    assert_eq!(wire::post(http, "/pub?topic=orders", "two").status, 200);
    let stats = wire::get(http, "/stats?format=json").json();
    let topics = stats["topics"].as_array().expect("topics");
    assert_eq!(topics.len(), 1, "the recorder's own topics are not shown: {stats}");
    // They cannot be written to either.
    assert_ne!(wire::post(http, "/pub?topic=points.0", "x").status, 200);
    server.reaches(&token, "beside", time, 3.0);
    server.kill();

    let server = home.serve_with(&settings);
    let tcp = server.says("serving NSQ on tcp://");
    let from = format!("-nsqd-tcp-address={tcp}");
    let tail = home.run(["nsq_tail", "-topic=orders", "-channel=c", "-n=2", &from]);
    let printed = text(&tail.stdout);
    let mut printed: Vec<&str> = printed.lines().collect();
    printed.sort_unstable();
    assert_eq!(printed, ["one", "two"], "{}", text(&tail.stderr));
    server.reaches(&token, "beside", time, 3.0);
    server.stop();

    let refused = home.fail(&["nsqd", "--data-path", &home.data().display().to_string()]);
    assert!(refused.contains("is the data folder of eyrie serve"), "{refused}");
    let server = home.serve();
    eventually("what is left of it is named", || {
        let logged = server.logged();
        (logged.contains("topics of NSQ are kept on the disk") && logged.contains("orders")).then_some(())
    });
    server.stop();
}

#[test]
fn eyrie_registers_its_nsqd_and_encrypts_it() {
    let home = Home::new();
    let port = free_port();
    let lookupd = Daemon::start(home.command([
        "nsqlookupd",
        &format!("-tcp-address=127.0.0.1:{port}"),
        "-http-address=127.0.0.1:0",
    ]));
    let lookup = lookupd.address("HTTP: listening on ");
    let certificates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../nsq/fixtures/tls");
    let file = |name: &str| certificates.join(name).display().to_string();
    let (cert, key, lookupd_address) = (file("server.pem"), file("server.key"), format!("127.0.0.1:{port}"));
    let server = home.serve_with(&[
        ("EYRIE_NSQ_TCP", "127.0.0.1:0"),
        ("EYRIE_NSQ_HTTP", "127.0.0.1:0"),
        ("EYRIE_NSQ_HTTPS", "127.0.0.1:0"),
        ("EYRIE_NSQ_LOOKUPD", &lookupd_address),
        ("EYRIE_NSQ_BROADCAST_ADDRESS", "localhost"),
        ("EYRIE_NSQ_TLS_CERT", &cert),
        ("EYRIE_NSQ_TLS_KEY", &key),
        ("EYRIE_NSQ_TLS_REQUIRED", "tcp"),
    ]);
    let http: SocketAddr = server.says("serving NSQ on http://").parse().expect("an address");
    let tcp = server.says("serving NSQ on tcp://");
    server.says("serving NSQ on https://");
    assert_eq!(wire::post(http, "/channel/create?topic=orders&channel=c", "").status, 404);
    assert_eq!(wire::post(http, "/topic/create?topic=orders", "").status, 200);
    assert_eq!(wire::post(http, "/channel/create?topic=orders&channel=c", "").status, 200);
    let found = eventually("it is registered", || {
        let answer = wire::get(lookup, "/lookup?topic=orders");
        (answer.status == 200 && answer.body.contains("\"c\"")).then(|| answer.json())
    });
    assert_eq!(found["producers"][0]["broadcast_address"], "localhost");
    assert_eq!(found["producers"][0]["http_port"], http.port());
    assert_eq!(wire::get(lookup, "/topics").body, r#"{"topics":["orders"]}"#, "the recorder's are not told");
    assert_eq!(wire::post(http, "/pub?topic=orders", "one").status, 200);
    let from = format!("-nsqd-tcp-address={tcp}");
    let tail = |more: &[&str]| {
        let mut words = vec!["nsq_tail", "-topic=orders", "-channel=c", "-n=1", from.as_str()];
        words.extend(more);
        home.command(words)
    };
    let secure = ["-consumer-opt=tls_v1,true", "-consumer-opt=tls_insecure_skip_verify,true"];
    let output = tail(&secure).output().expect("it runs");
    assert_eq!(text(&output.stdout), "one\n", "{}", text(&output.stderr));
    let plain = Daemon::start(tail(&[]));
    eventually("it is refused", || find(&plain.err, "in current state (TLS required)"));
    server.stop();
    assert!(lookupd.stop("TERM").success());
}

#[test]
fn an_nsqd_within_eyrie_that_cannot_be_is_refused_by_the_check() {
    let home = Home::new();
    let config = home.beside("eyrie.toml");
    let toml = "[nsq]\nlookupd = [\"nowhere\"]\nhttp_auth = true\ntls_cert = \"c.pem\"\n";
    std::fs::write(&config, toml).expect("written");
    let config = config.to_str().expect("UTF-8");
    let told = home.fail(&["config", "check", "--config", config]);
    for problem in [
        "eyrie.toml:2: nsq.lookupd: set nsq.tcp too",
        "eyrie.toml:3: nsq.http_auth: set nsq.auth too",
        "eyrie.toml:4: nsq.tls_cert: set nsq.tls_key too",
    ] {
        assert!(told.contains(problem), "{problem}: {told}");
    }
}

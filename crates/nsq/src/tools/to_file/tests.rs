use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use base::testkit::eventually;
use flate2::read::MultiGzDecoder;
use tokio::task::JoinHandle;

use super::*;
use crate::client::fake::FakeNsqd;
use crate::tools::reading::Reading;

const SOON: Duration = Duration::from_secs(20);

/// A running nsq_to_file, the nsqd it reads from, and its folder.
struct House {
    nsqd: FakeNsqd,
    work: TaskGroup,
    dir: tempfile::TempDir,
}

impl House {
    async fn open() -> Self {
        let serving = TaskGroup::new();
        let nsqd = FakeNsqd::start(&serving).await;
        Self { nsqd, work: TaskGroup::new(), dir: tempfile::tempdir().expect("a folder") }
    }

    fn options(&self) -> Options {
        Options {
            topics: vec!["t".to_owned()],
            reading: Reading { max_in_flight: 10, ..Reading::of(&self.nsqd.address) },
            output_dir: self.path("out"),
            filename_format: "<TOPIC><REV>.log".to_owned(),
            sync_interval: Duration::from_millis(50),
            ..Options::default()
        }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    fn run(&self, options: Options) -> JoinHandle<Result<(), String>> {
        tokio::spawn(run(options, self.work.stop_signal()))
    }

    /// Runs until all `bodies` are finished, then stops it.
    async fn archive(&self, options: Options, bodies: &[String]) {
        self.nsqd.push(bodies.iter().map(String::as_str));
        let running = self.run(options);
        let expected: BTreeSet<&String> = bodies.iter().collect();
        eventually(SOON, "all are finished", || async {
            let finished = self.nsqd.finished();
            expected.iter().all(|body| finished.contains(body)).then_some(())
        })
        .await;
        self.work.request_stop();
        running.await.expect("no panic").expect("it ends well");
    }
}

impl House {
    /// A second nsq_to_file on the same folder.
    fn restart(&mut self) {
        self.work = TaskGroup::new();
    }
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("message {n:04}")).collect()
}

/// The files of a folder with their lines.
fn files(dir: &str) -> Vec<(String, Vec<String>)> {
    let mut files: Vec<_> = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .map(|entry| {
            let path = entry.expect("an entry").path();
            let bytes = std::fs::read(&path).expect("readable");
            let mut text = String::new();
            if path.extension().is_some_and(|extension| extension == "gz") {
                MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).expect("gzip");
            } else {
                text = String::from_utf8(bytes).expect("text");
            }
            assert!(text.is_empty() || text.ends_with('\n'), "whole lines in {}", path.display());
            (name_of(&path), text.lines().map(str::to_owned).collect())
        })
        .collect();
    files.sort();
    files
}

fn name_of(path: &Path) -> String {
    path.file_name().and_then(|name| name.to_str()).expect("UTF-8").to_owned()
}

fn lines(dir: &str) -> BTreeSet<String> {
    files(dir).into_iter().flat_map(|(_, lines)| lines).collect()
}

#[tokio::test]
async fn a_line_for_each_message_and_the_same_file_again() {
    let mut house = House::open().await;
    let all = bodies(250);
    house.archive(house.options(), &all[..200]).await;
    house.restart();
    house.archive(house.options(), &all[200..]).await;
    assert_eq!(files(&house.path("out")), [("t.log".to_owned(), all)]);
}

#[tokio::test]
async fn what_is_finished_is_in_the_file() {
    let house = House::open().await;
    let options = Options { gzip: true, ..house.options() };
    let all = bodies(400);
    house.nsqd.push(all.iter().map(String::as_str));
    let running = house.run(options);
    let out = house.path("out");
    let mut cuts = 0;
    loop {
        let finished = house.nsqd.finished();
        // Every member that holds something finished is whole, whatever comes behind it.
        let mut text = String::new();
        for entry in std::fs::read_dir(&out).into_iter().flatten() {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
            let mut read = Vec::new();
            let _ = MultiGzDecoder::new(&bytes[..]).read_to_end(&mut read);
            text.push_str(&String::from_utf8_lossy(&read));
        }
        let written: BTreeSet<&str> = text.lines().collect();
        for body in &finished {
            assert!(written.contains(body.as_str()), "{body} is finished and not written");
        }
        if finished.len() == all.len() {
            break;
        }
        if finished.len() / 100 > cuts {
            cuts += 1;
            house.nsqd.cut();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    house.work.request_stop();
    running.await.expect("no panic").expect("it ends well");
    assert_eq!(cuts, 3);
    assert_eq!(lines(&out), all.into_iter().collect());
}

#[tokio::test]
async fn gzip_members_are_whole_and_files_are_never_added_to() {
    let mut house = House::open().await;
    let all = bodies(60);
    let options = Options { gzip: true, ..house.options() };
    house.archive(options.clone(), &all[..30]).await;
    house.restart();
    house.archive(options, &all[30..]).await;
    let files = files(&house.path("out"));
    assert_eq!(
        files,
        [
            ("t-000000.log.gz".to_owned(), all[..30].to_vec()),
            ("t-000001.log.gz".to_owned(), all[30..].to_vec())
        ]
    );
}

#[tokio::test]
async fn a_gzip_without_messages_is_still_a_gzip() {
    let house = House::open().await;
    let out = house.path("out");
    let options = Options { gzip: true, rotate_interval: Duration::from_millis(1), ..house.options() };
    let running = house.run(options);
    eventually(SOON, "some rotations", || async {
        (std::fs::read_dir(&out).map_or(0, Iterator::count) > 3).then_some(())
    })
    .await;
    house.work.request_stop();
    running.await.expect("no panic").expect("it ends well");
    for entry in std::fs::read_dir(&out).expect("a folder") {
        let path = entry.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("readable");
        let mut text = String::new();
        let read = flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text);
        assert_eq!((read.ok(), text.as_str()), (Some(0), ""), "{} of {} bytes", path.display(), bytes.len());
    }
}

#[tokio::test]
async fn files_rotate_by_size_and_finished_ones_are_moved_over_nothing() {
    let house = House::open().await;
    let out = house.path("out");
    std::fs::create_dir(&out).expect("a folder");
    std::fs::write(Path::new(&out).join("t-000001.log"), "somebody's own\n").expect("written");
    let work_dir = house.path("work");
    let options = Options { rotate_size: 300, work_dir: work_dir.clone(), ..house.options() };
    let all = bodies(100);
    house.archive(options, &all).await;
    let files = files(&out);
    assert!(files.len() > 4, "{files:?}");
    assert_eq!(files[1], ("t-000001.log".to_owned(), vec!["somebody's own".to_owned()]));
    for (name, lines) in &files[2..files.len() - 1] {
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        assert!((301..=313).contains(&bytes), "{name} has {bytes}");
    }
    let mut expected: BTreeSet<String> = all.into_iter().collect();
    expected.insert("somebody's own".to_owned());
    assert_eq!(lines(&out), expected);
    assert_eq!(std::fs::read_dir(work_dir).expect("a folder").count(), 0);
}

#[tokio::test]
async fn files_rotate_by_age_and_empty_ones_can_be_left_out() {
    let house = House::open().await;
    let interval = Duration::from_millis(20);
    let options = Options { rotate_interval: interval, skip_empty_files: true, ..house.options() };
    let running = house.run(options);
    for body in ["one", "two"] {
        house.nsqd.push([body]);
        eventually(SOON, "it is finished", || async {
            house.nsqd.finished().contains(&body.to_owned()).then_some(())
        })
        .await;
        // Longer than the interval, over some ticks without a message.
        tokio::time::sleep(4 * Duration::from_millis(50)).await;
    }
    house.work.request_stop();
    running.await.expect("no panic").expect("it ends well");
    let named = |name: &str, line: &str| (name.to_owned(), vec![line.to_owned()]);
    assert_eq!(files(&house.path("out")), [named("t-000000.log", "one"), named("t-000001.log", "two")]);
}

#[tokio::test]
async fn half_a_line_of_a_crash_stays_alone() {
    let house = House::open().await;
    let out = house.path("out");
    std::fs::create_dir(&out).expect("a folder");
    std::fs::write(Path::new(&out).join("t.log"), "whole\nhal").expect("written");
    house.archive(house.options(), &["next".to_owned()]).await;
    let expected = ["whole", "hal", "next"].map(str::to_owned).to_vec();
    assert_eq!(files(&out), [("t.log".to_owned(), expected)]);
}

#[tokio::test]
async fn a_bad_folder_is_said_before_anything_is_read() {
    let house = House::open().await;
    let options = house.options();
    std::fs::write(&options.output_dir, "a file where the folder should be").expect("written");
    // No message: nobody should have to wait for one.
    let running = tokio::time::timeout(SOON, house.run(options)).await.expect("at once");
    let error = running.expect("no panic").expect_err("it cannot write");
    assert!(error.starts_with("unable to create ") && error.contains("out"), "{error}");
    assert_eq!(house.nsqd.look(|state| state.connections), 0);
}

#[tokio::test]
async fn what_cannot_be_written_is_not_finished_and_ends_it() {
    let house = House::open().await;
    let options = Options { filename_format: "<TOPIC>/<REV>.log".to_owned(), ..house.options() };
    std::fs::create_dir(&options.output_dir).expect("a folder");
    std::fs::write(Path::new(&options.output_dir).join("t"), "a file where the folder should be")
        .expect("written");
    house.nsqd.push(["one"]);
    let error = house.run(options).await.expect("no panic").expect_err("it cannot write");
    assert!(error.starts_with("[t/nsq_to_file] ") && error.contains("out/t"), "{error}");
    assert!(house.nsqd.finished().is_empty());
}

#[tokio::test]
async fn a_topic_that_leads_elsewhere_is_not_read() {
    let house = House::open().await;
    house.nsqd.push(["one"]);
    let options = Options {
        topics: vec!["..".to_owned()],
        filename_format: "<TOPIC>/x.log".to_owned(),
        ..house.options()
    };
    let ended = tokio::time::timeout(SOON, house.run(options)).await.expect("in time").expect("no panic");
    assert_eq!(ended, Err(r#"the topic ".." would lead <TOPIC>/x.log to another folder"#.to_owned()));
    assert!(!Path::new(&house.path("x.log")).exists(), "nothing is written beside the folder");
}

#[tokio::test]
async fn messages_are_never_given_up() {
    let house = House::open().await;
    let options = Options { sync_interval: Duration::from_secs(3600), ..house.options() };
    house.nsqd.push(["stubborn"]);
    let running = house.run(options);
    for connections in 1..=8 {
        eventually(SOON, "it is written once more", || async {
            let written = files(&house.path("out")).first().map_or(0, |(_, lines)| lines.len());
            (written >= connections).then_some(())
        })
        .await;
        house.nsqd.cut();
    }
    assert!(house.nsqd.finished().is_empty(), "nothing is finished before its sync");
    house.work.request_stop();
    running.await.expect("no panic").expect("it ends well");
}

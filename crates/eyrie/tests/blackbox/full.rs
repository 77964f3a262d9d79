//! No room left: an answer, and nothing lost.

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::house::{Home, eventually, hours_ago, skipped, text};
use crate::load::{Load, verify};
use crate::wire;

#[test]
fn a_log_at_its_quota_answers_503_and_goes_on_when_it_may() {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(2);
    // Nothing is written down for an hour, so nothing of the log is given back.
    let tight =
        [("EYRIE_LOG_SEGMENT", "128 KiB"), ("EYRIE_LOG_QUOTA", "256 KiB"), ("EYRIE_STATS_CHECKPOINT", "1h")];
    let server = home.serve_with(&tight);
    let load = Load::start(server.address, 4, time);
    let refusal = eventually("the quota is reached", || {
        let answer = wire::post(server.address, "/ez", &format!("ezkey=test-key&stat=z&count=1&t={time}"));
        (answer.status != 200).then_some(answer)
    });
    assert_eq!(refusal.status, 503, "{refusal:?}");
    assert!(refusal.header("retry-after").and_then(|s| s.parse::<u32>().ok()).is_some(), "{refusal:?}");
    thread::sleep(Duration::from_millis(100));
    let mut tallies = load.end();
    assert!(tallies.iter().any(|tally| tally.refused > 0), "{tallies:?}");
    assert_eq!(wire::get(server.address, "/healthz").status, 200, "it lives");
    server.kill();

    let roomy = home.serve_with(&[("EYRIE_LOG_QUOTA", "1 GiB")]);
    verify(&roomy, &token, time, &mut tallies);
    roomy.stop();
}

#[test]
fn a_full_disk_answers_503_and_loses_nothing() {
    let home = Home::new();
    let mount = home.beside("small-disk");
    let Some(disk) = Tmpfs::mount(&mount, 24) else {
        return skipped("a small tmpfs cannot be mounted here (it takes root): the full disk was not tried");
    };
    let home = Home::with_data(&mount.join("data"));
    let token = home.account();
    let time = hours_ago(2);
    let settings = [("EYRIE_LOG_SEGMENT", "1 MiB"), ("EYRIE_STATS_CHECKPOINT", "1h")];
    let server = home.serve_with(&settings);
    std::fs::write(mount.join("ballast"), vec![1; 64 << 10]).expect("written");
    fill(&mount);
    let load = Load::start(server.address, 4, time);
    eventually("the disk is full", || {
        let form = format!("ezkey=test-key&stat=z&count=1&t={time}&padding={}", "p".repeat(4000));
        (wire::post(server.address, "/ez", &form).status == 503).then_some(())
    });
    let mut tallies = load.end();
    assert_eq!(wire::get(server.address, "/healthz").status, 200, "it lives");
    server.kill();

    std::fs::remove_file(mount.join("filler")).expect("removed");
    let again = home.serve();
    verify(&again, &token, time, &mut tallies);
    again.stop();
    drop(disk);
}

/// Takes what room there is, except a little for the log's current segment's neighbours.
pub(crate) fn fill(mount: &Path) {
    let filler = mount.join("filler");
    let order = format!("dd if=/dev/zero of={} bs=64k 2>/dev/null", filler.display());
    let _ = Command::new("sh").args(["-c", &order]).status();
}

/// A small disk of its own, unmounted at the end.
pub(crate) struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    /// None where that is not allowed.
    pub(crate) fn mount(at: &Path, mib: u32) -> Option<Self> {
        std::fs::create_dir(at).expect("made");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(at);
        let output = mount.output().ok()?;
        eprint!("{}", text(&output.stderr));
        output.status.success().then(|| Self(at.to_owned()))
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

//! `eyrie backup` and `eyrie restore`.

use std::fs;
use std::process::Command;

use crate::full::Tmpfs;
use crate::house::{Home, eventually, hours_ago, skipped};
use crate::load::{Load, verify};

#[test]
fn a_backup_made_under_load_restores_to_the_same_numbers() {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(3);
    let server = home.serve_with(&[("EYRIE_LOG_SEGMENT", "1 MiB"), ("EYRIE_STATS_CHECKPOINT", "100ms")]);
    // Everything acknowledged before the command must be in the copy; what comes during it may be.
    let before = Load::start(server.address, 4, time);
    eventually("numbers arrive", || (server.total(&token, "load 0", time) >= 50.0).then_some(()));
    let mut tallies = before.end();
    verify(&server, &token, time, &mut tallies);
    server.count("exact", 0.1, time);
    server.count("exact", 0.2, time);
    let during = Load::start(server.address, 4, hours_ago(30));
    let copy = home.beside("copy");
    home.succeed(&["backup", copy.to_str().expect("text")]);
    during.end();
    server.stop();

    let restored = Home::new();
    restored.succeed(&["restore", copy.to_str().expect("text")]);
    let server = restored.serve();
    verify(&server, &token, time, &mut tallies);
    server.reaches(&token, "exact", time, 0.3);
    // It goes on counting where the copy ends.
    server.count("exact", 1.0, time);
    server.reaches(&token, "exact", time, 1.3);
    server.stop();
}

#[test]
fn a_backup_without_a_server_works_too_and_is_a_data_folder() {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(2);
    let server = home.serve();
    server.count("a", 3.0, time);
    server.kill();
    let copy = home.beside("copy");
    home.succeed(&["backup", copy.to_str().expect("text")]);
    let server = Home::with_data(&copy).serve();
    server.reaches(&token, "a", time, 3.0);
    server.stop();
}

#[test]
fn a_folder_whose_server_was_killed_restores_whole_and_stays_as_it_is() {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(2);
    let server = home.serve_with(&[("EYRIE_STATS_CHECKPOINT", "100ms")]);
    server.count("a", 3.0, time);
    server.reaches(&token, "a", time, 3.0);
    let wal = home.data().join("eyrie.db-wal");
    let written = || fs::metadata(&wal).map_or(0, |wal| wal.len());
    let before = written();
    server.count("a", 4.0, time);
    eventually("a checkpoint is in the write-ahead log", || (written() > before).then_some(()));
    server.kill();
    let (database, log) = (fs::read(home.data().join("eyrie.db")).expect("read"), written());

    let restored = Home::new();
    restored.succeed(&["restore", home.data().to_str().expect("text")]);
    assert!(written() == log && fs::read(home.data().join("eyrie.db")).expect("read") == database);
    let server = restored.serve();
    server.reaches(&token, "a", time, 7.0);
    server.stop();

    // A log that does not reach as far as the store needs is no backup.
    fs::remove_dir_all(home.data().join("log")).expect("removed");
    let refused = Home::new();
    let error = refused.fail(&["restore", home.data().to_str().expect("text")]);
    assert!(error.contains("is not whole") && error.contains("the log reaches from"), "{error}");
    assert!(refused.fail(&["account", "list"]).contains("is no data folder"));
}

#[test]
fn nothing_is_ever_overwritten() {
    let home = Home::new();
    home.account();
    let copy = home.beside("copy");
    let target = copy.to_str().expect("text");
    home.succeed(&["backup", target]);
    let error = home.fail(&["backup", target]);
    assert!(error.contains("is not empty"), "{error}");
    let error = home.fail(&["restore", target]);
    assert!(error.contains("is not empty"), "{error}");
    let nothing = home.beside("nothing");
    fs::create_dir(&nothing).expect("made");
    let error = Home::new().fail(&["restore", nothing.to_str().expect("text")]);
    assert!(error.contains("no data folder of Eyrie"), "{error}");
}

#[test]
fn a_store_that_cannot_be_written_is_said_once_and_not_copied() {
    let home = Home::new();
    home.account();
    // What SQLite sees in a folder that it must not write to: it gets no log of its own.
    fs::create_dir(home.data().join("eyrie.db-wal")).expect("made");
    let copy = home.beside("copy");
    let target = copy.to_str().expect("text");
    for command in [&["account", "list"][..], &["backup", target]] {
        let error = home.fail(command);
        let said = error.matches("SQLite writes beside its file even to read, and cannot").count();
        assert_eq!((said, error.matches("eyrie.db").count()), (1, 1), "{error}");
    }
    let error = home.fail(&["backup", target]);
    assert!(error.contains("nothing was copied") && !copy.exists(), "{error}");
}

#[test]
fn a_read_only_folder_is_named_as_such_and_restored_from() {
    let place = Home::new();
    let mount = place.beside("snapshot");
    let Some(disk) = Tmpfs::mount(&mount, 24) else {
        return skipped("a tmpfs cannot be mounted here (it takes root): the read-only folder was not tried");
    };
    let home = Home::with_data(&mount.join("data"));
    home.account();
    let order = Command::new("mount").args(["-o", "remount,ro"]).arg(&mount).status().expect("mount runs");
    assert!(order.success());
    let copy = home.beside("copy");
    for command in [&["account", "list"][..], &["backup", copy.to_str().expect("text")]] {
        let error = home.fail(command);
        assert_eq!(error.matches("SQLite writes beside its file even to read").count(), 1, "{error}");
    }
    let restored = Home::new();
    restored.succeed(&["restore", home.data().to_str().expect("text")]);
    assert!(restored.succeed(&["account", "list"]).contains("test@example.com"));
    drop(disk);
}

//! Bytes that changed on the disk: named in the log, and the rest is served.

use std::fs;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions as _, Connection as _};

use crate::house::{EZ_KEY, Home, Server, eventually, hours_ago, text};
use crate::wire;

#[test]
fn a_damaged_record_of_the_log_is_named_and_the_rest_is_counted() {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(2);
    // Nothing is written down: the numbers are in the log alone.
    let server = home.serve_with(&[("EYRIE_STATS_CHECKPOINT", "1h")]);
    for stat in ["before", "victim of a flipped bit", "after"] {
        (0..5).for_each(|_| server.count(stat, 1.0, time));
    }
    server.kill();

    let (segment, place) = find(&home.data().join("log"), b"victim of a flipped bit");
    let mut bytes = fs::read(&segment).expect("read");
    bytes[place] ^= 1;
    fs::write(&segment, bytes).expect("written");

    let server = home.serve();
    let name = segment.file_name().expect("a name").to_str().expect("text");
    eventually("the damage is logged", || {
        let logged = server.logged();
        logged.lines().any(|line| line.contains("ERROR") && line.contains(name)).then_some(())
    });
    server.reaches(&token, "before", time, 5.0);
    server.reaches(&token, "after", time, 5.0);
    let left = server.total(&token, "victim of a flipped bit", time);
    assert!(left <= 4.0, "the damaged number cannot be there");
    server.count("after", 1.0, time);
    server.reaches(&token, "after", time, 6.0);
    server.stop();
}

#[test]
fn a_damaged_block_is_named_and_the_rest_is_served() {
    let home = Home::new();
    let token = home.account();
    let (early, late) = (hours_ago(50), hours_ago(26));
    let server = home.serve_with(&[("EYRIE_STATS_CHECKPOINT", "100ms"), ("EYRIE_STATS_GRACE", "1s")]);
    for stat in ["sick", "well"] {
        server.count(stat, 1.0, early);
        server.reaches(&token, stat, early, 1.0);
    }
    let store = home.data().join("eyrie.db");
    eventually("numbers of two days ago are in blocks", || {
        (change(&store, "UPDATE blocks SET d = d WHERE", "sick") > 0
            && change(&store, "UPDATE blocks SET d = d WHERE", "well") > 0)
            .then_some(())
    });
    server.stop();
    let flip = "UPDATE blocks SET d = CAST(substr(d, 1, length(d) - 3) || x'c0ffee' AS BLOB) WHERE";
    assert!(change(&store, flip, "sick") > 0);

    let server = home.serve();
    server.reaches(&token, "well", early, 1.0);
    let id = server.id(&token, "sick").expect("it exists");
    let answer = wire::get(server.address, &format!("/x/{token}/data/{id}?t=1d1h&start={early}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    eventually("the damage is logged", || {
        let logged = server.logged();
        let named = |line: &&str| line.contains("ERROR") && line.contains("block");
        logged.lines().any(|line| named(&line)).then_some(())
    });
    // Other days of the same stat are whole, and it goes on counting.
    let form = format!("ezkey={EZ_KEY}&stat=sick&count=7&t={late}");
    assert_eq!(wire::post(server.address, "/ez", &form).status, 200);
    server.reaches(&token, "sick", late, 7.0);
    server.stop();
}

/// The last of the files of `folder` that holds `needle`, and where in it.
fn find(folder: &Path, needle: &[u8]) -> (PathBuf, usize) {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|path| {
            let bytes = fs::read(&path).ok()?;
            let place = bytes.windows(needle.len()).position(|window| window == needle)?;
            Some((path, place))
        })
        .next()
        .expect("the log holds the name of the stat")
}

/// Does something to the blocks of a stat; how many there were.
fn change(file: &Path, what: &'static str, stat: &str) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file);
        let mut store = options.connect().await.expect("the store opens");
        let of_the_stat = "((id >> 28) & 4294967295) = (SELECT id FROM stats WHERE name = ?)";
        let statement = sqlx::AssertSqlSafe(format!("{what} {of_the_stat}"));
        let changed = sqlx::query(statement).bind(stat).execute(&mut store).await.expect("changed");
        store.close().await.expect("closed");
        changed.rows_affected()
    })
}

#[test]
fn a_store_older_than_the_log_is_refused_until_that_is_accepted() {
    let home = Home::new();
    home.account();
    let small = [("EYRIE_LOG_SEGMENT", "64 KiB"), ("EYRIE_STATS_CHECKPOINT", "50ms")];
    let server = home.serve_with(&small);
    let first = home.data().join("log/0000000000000000.seg");
    server.count("first", 1.0, hours_ago(1));
    assert!(first.exists());
    eventually("the log frees what is recorded", || {
        (0..200).for_each(|_| server.count(&"x".repeat(200), 1.0, hours_ago(1)));
        (!first.exists()).then_some(())
    });
    server.stop();
    for file in ["eyrie.db", "eyrie.db-wal", "eyrie.db-shm"] {
        let _ = fs::remove_file(home.data().join(file));
    }
    let token = home.account();
    let mut refused = home.command(["serve", "--listen", "127.0.0.1:0"]);
    let refused = refused.envs(small).output().expect("it runs");
    let said = text(&refused.stderr);
    assert!(!refused.status.success() && said.contains("older than the log"), "{said}");
    assert!(said.contains("--accept-log-gap"), "it says how to go on: {said}");
    let mut accepted = home.command(["serve", "--listen", "127.0.0.1:0", "--accept-log-gap"]);
    accepted.envs(small);
    let server = Server::start(accepted);
    server.count("goes on", 2.0, hours_ago(1));
    server.reaches(&token, "goes on", hours_ago(1), 2.0);
    server.stop();
    home.serve_with(&small).stop();
}

#[test]
fn a_store_or_a_log_that_is_missing_is_noticed() {
    let home = Home::new();
    let token = home.account();
    let unrecorded = [("EYRIE_STATS_CHECKPOINT", "1h")];
    let server = home.serve_with(&unrecorded);
    server.count("kept in the log", 1.0, hours_ago(1));
    server.kill();
    let (store, aside) = (home.data().join("eyrie.db"), home.data().join("aside"));
    fs::rename(&store, &aside).expect("moved");
    for file in ["eyrie.db-wal", "eyrie.db-shm"] {
        let _ = fs::rename(home.data().join(file), home.data().join(file.replace("eyrie.db", "aside")));
    }
    let start = || {
        let refused = home.command(["serve", "--listen", "127.0.0.1:0"]).output().expect("it runs");
        (refused.status.success(), text(&refused.stderr))
    };
    let (started, said) = start();
    assert!(!started && said.contains("accounts that are gone"), "{said}");
    assert!(said.contains("--accept-log-gap"), "it says how to go on: {said}");
    for file in ["", "-wal", "-shm"] {
        let _ =
            fs::rename(home.data().join(format!("aside{file}")), home.data().join(format!("eyrie.db{file}")));
    }
    // Everything is as it was; and now the log goes, with what is written down and what is not.
    let server = home.serve();
    server.reaches(&token, "kept in the log", hours_ago(1), 1.0);
    server.stop();
    fs::remove_dir_all(home.data().join("log")).expect("removed");
    let (started, said) = start();
    assert!(!started && said.contains("the log is gone"), "{said}");
}

#[test]
fn a_log_that_was_cut_is_reported() {
    let home = Home::new();
    home.account();
    let server = home.serve_with(&[("EYRIE_STATS_CHECKPOINT", "1h")]);
    server.count("cut", 1.0, hours_ago(1));
    server.kill();
    let segment = home.data().join("log/0000000000000000.seg");
    let file = fs::OpenOptions::new().write(true).open(&segment).expect("it opens");
    file.set_len(4_096).expect("it is cut");
    drop(file);
    let server = home.serve();
    eventually("the damage is logged", || {
        let logged = server.logged();
        let named = |line: &str| line.contains("ERROR") && line.contains("the file ends before them");
        logged.lines().any(named).then_some(())
    });
    server.stop();
}

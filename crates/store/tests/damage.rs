//! Files that are not what they should be, disks that are full, locks that others hold.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::path::{Path, PathBuf};

use base::ErrorKind;
use eyrie_store::{
    BlockKey, BlockKind, Checkpoint, Error, SqliteOptions, Stat, open_sqlite, open_sqlite_with,
};
use sqlx::{AnyConnection, AssertSqlSafe, Connection};

const PAGE: usize = 4_096;

fn block(stat: u32, number: u32) -> BlockKey {
    BlockKey { kind: BlockKind::MinutesOfHour, stat, number }
}

fn step(from: Option<u64>, blocks: Vec<(BlockKey, Vec<u8>)>) -> Checkpoint {
    Checkpoint { from, to: from.unwrap_or(0) + 1, blocks, ..Default::default() }
}

fn stat(id: u32) -> Stat {
    Stat {
        id,
        account: 2,
        name: format!("stat {id}"),
        counter: false,
        public_id: format!("p{id}"),
        classic_key: String::new(),
        public: false,
        created_at: 0,
        received_at: 0,
        deleted_at: None,
    }
}

/// The message of the error that opening this file ends with.
async fn refused(path: &Path) -> String {
    match open_sqlite(path).await {
        Ok(_) => panic!("opened"),
        Err(error) => error.to_string(),
    }
}

/// A connection beside the store, as another program would have.
async fn beside(path: &Path) -> AnyConnection {
    sqlx::any::install_default_drivers();
    AnyConnection::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.unwrap()
}

async fn run(connection: &mut AnyConnection, text: &'static str) {
    sqlx::query(text).execute(connection).await.unwrap();
}

#[tokio::test]
async fn what_is_no_database_of_eyrie_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "just some text, ".repeat(1_000)).unwrap();
    let said = refused(&text).await;
    assert!(said.contains("text.db") && said.contains("not a database"), "{said}");
    assert!(std::fs::read(&text).unwrap().starts_with(b"just some text"), "left as it was");

    let other = folder.path().join("other.db");
    let mut connection = beside(&other).await;
    run(&mut connection, "CREATE TABLE bookmarks (id INTEGER)").await;
    connection.close().await.unwrap();
    let said = refused(&other).await;
    assert!(said.contains("other.db") && said.contains("not one of Eyrie's"), "{said}");

    let said = refused(&folder.path().join("no such folder/eyrie.db")).await;
    assert!(said.contains("no such folder"), "{said}");
    let said = refused(folder.path()).await;
    assert!(said.contains(&folder.path().display().to_string()), "{said}");
}

#[tokio::test]
async fn a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyrie.db");
    open_sqlite(&path).await.unwrap().close().await.unwrap();
    let mut connection = beside(&path).await;
    run(&mut connection, "INSERT INTO migrations (version) VALUES (9000)").await;
    let error = open_sqlite(&path).await.err().unwrap();
    assert!(matches!(error, Error::Newer { found: 9_000, known } if known < 9_000), "{error}");
    assert!(error.to_string().contains("9000"), "{error}");
    run(&mut connection, "DELETE FROM migrations WHERE version = 9000").await;
    open_sqlite(&path).await.unwrap();
}

#[tokio::test]
async fn a_path_may_have_any_characters() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a b", "50%", "what?", "#1", "ä", "x&y=z", "%41", ":memory:"] {
        let inner = folder.path().join(name);
        std::fs::create_dir(&inner).unwrap();
        let path = inner.join(format!("{name}.db"));
        let store = open_sqlite(&path).await.unwrap();
        store.set_setting("name", name).await.unwrap();
        store.close().await.unwrap();
        assert!(path.is_file(), "{name}");
    }
}

/// A thousand stats with a block of 1,000 bytes each, and the leaf page of blocks that holds stat 500
/// overwritten.
async fn with_a_damaged_page(folder: &Path) -> PathBuf {
    let path = folder.join("eyrie.db");
    let store = open_sqlite(&path).await.unwrap();
    let blocks = (0..1_000).map(|stat| (block(stat, 1), content(stat))).collect();
    let new_stats = (0..1_000).map(stat).collect();
    store.checkpoint(&[Checkpoint { to: 1, new_stats, blocks, ..Default::default() }]).await.unwrap();
    store.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let needle = content(500);
    let at = bytes.windows(needle.len()).position(|window| window == needle).unwrap();
    let page = at / PAGE * PAGE;
    bytes[page..page + 64].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn content(stat: u32) -> Vec<u8> {
    stat.to_le_bytes().repeat(250)
}

#[tokio::test]
async fn one_damaged_page_leaves_the_rest_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_a_damaged_page(folder.path()).await;
    let store = open_sqlite(&path).await.unwrap();
    let mut damaged = 0;
    for stat in 0..1_000 {
        match store.blocks(block(stat, 0), block(stat, 9)).await {
            Ok(found) => assert_eq!(found, [(block(stat, 1), content(stat))]),
            Err(error) => {
                assert!(matches!(&error, Error::Damaged { what } if what.contains("blocks")), "{error}");
                assert_eq!(error.kind(), ErrorKind::Internal);
                damaged += 1;
            }
        }
    }
    assert!((1..20).contains(&damaged), "{damaged} stats cannot be read");
    assert_eq!(store.stats(None).await.unwrap().len(), 1_000);
    assert_eq!(store.positions().await.unwrap(), [(0, 1)]);
    store.set_setting("still", "writes").await.unwrap();
    store.checkpoint(&[step(Some(1), vec![(block(2_000, 1), vec![1])])]).await.unwrap();
}

#[tokio::test]
async fn a_cut_off_file_is_damaged_not_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = with_a_damaged_page(folder.path()).await;
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(3 * PAGE as u64).unwrap();
    let error = match open_sqlite(&path).await {
        Err(error) => error,
        Ok(store) => store.stats(None).await.unwrap_err(),
    };
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_full_disk_undoes_the_checkpoint_and_is_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let limits = SqliteOptions { size_max: 2 << 20 };
    let store = open_sqlite_with(&folder.path().join("eyrie.db"), limits).await.unwrap();
    let heavy = |stat: u32| (0..300).map(|i| (block(stat, i), vec![stat as u8; 2_000])).collect::<Vec<_>>();
    store.checkpoint(&[step(None, heavy(1))]).await.unwrap();
    store.checkpoint(&[step(Some(1), heavy(2))]).await.unwrap();
    let mut at = 2;
    let error = loop {
        match store.checkpoint(&[step(Some(at), heavy(at as u32 + 1))]).await {
            Ok(()) => at += 1,
            Err(error) => break error,
        }
        assert!(at < 10, "2 MiB hold 6 MB");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Busy);
    assert_eq!(store.positions().await.unwrap(), [(0, at)]);
    let refused = at as u32 + 1;
    assert!(store.blocks(block(refused, 0), block(refused, 999)).await.unwrap().is_empty());
    assert_eq!(store.blocks(block(2, 0), block(2, 999)).await.unwrap().len(), 300);

    store.purge_stats(&[1]).await.unwrap();
    store.checkpoint(&[step(Some(at), heavy(refused))]).await.unwrap();
    assert_eq!(store.blocks(block(refused, 0), block(refused, 999)).await.unwrap().len(), 300);
}

#[tokio::test]
async fn a_lock_held_by_another_program_is_busy_and_reads_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyrie.db");
    let store = open_sqlite(&path).await.unwrap();
    store.checkpoint(&[step(None, vec![(block(1, 1), vec![1])])]).await.unwrap();
    let mut other = beside(&path).await;
    run(&mut other, "BEGIN IMMEDIATE").await;
    let next = [step(Some(1), vec![])];
    let (written, read) = tokio::join!(store.checkpoint(&next), store.blocks(block(1, 0), block(1, 9)));
    assert!(matches!(written, Err(Error::Busy { .. })), "{written:?}");
    assert_eq!(read.unwrap().len(), 1);
    run(&mut other, "ROLLBACK").await;
    store.checkpoint(&next).await.unwrap();
}

#[tokio::test]
async fn a_row_that_makes_no_sense_is_damage_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eyrie.db");
    let store = open_sqlite(&path).await.unwrap();
    let mut other = beside(&path).await;
    for (spoil, mend) in [
        ("INSERT INTO positions VALUES (300, 1)", "DELETE FROM positions"),
        ("INSERT INTO positions VALUES (1, -1)", "DELETE FROM positions"),
        ("INSERT INTO positions VALUES (1, 'x')", "DELETE FROM positions"),
    ] {
        sqlx::query(AssertSqlSafe(spoil)).execute(&mut other).await.unwrap();
        let error = store.positions().await.unwrap_err();
        assert!(matches!(&error, Error::Damaged { what } if what.contains("positions")), "{error}");
        sqlx::query(AssertSqlSafe(mend)).execute(&mut other).await.unwrap();
    }
    // A block of a kind that a later version writes is left out.
    run(&mut other, "INSERT INTO blocks VALUES (9223372036854775807, x'00')").await;
    assert!(store.blocks(block(0, 0), block(u32::MAX, 9)).await.unwrap().is_empty());
}

/// A file system of a few MB, gone when dropped; `None` where mounting is not allowed.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn new(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(folder.path());
        match mount.stderr(std::process::Stdio::null()).status() {
            Ok(done) if done.success() => Some(Self(folder)),
            _ => None,
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the store may still have the file open.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_disk_that_really_is_full_is_got_over_too() {
    let Some(disk) = SmallDisk::new("6m") else {
        eprintln!("skipped: a small file system can only be mounted by root");
        return;
    };
    let folder = disk.0.path();
    let store = open_sqlite(&folder.join("eyrie.db")).await.unwrap();
    let ballast = folder.join("ballast");
    std::fs::write(&ballast, vec![0; 4 << 20]).unwrap();
    let heavy = |stat: u32| (0..300).map(|i| (block(stat, i), vec![stat as u8; 2_000])).collect::<Vec<_>>();
    let mut at = None;
    let error = loop {
        match store.checkpoint(&[step(at, heavy(at.unwrap_or(0) as u32))]).await {
            Ok(()) => at = Some(at.unwrap_or(0) + 1),
            Err(error) => break error,
        }
        assert!(at < Some(30), "the disk takes more than it has");
    };
    assert!(matches!(error, Error::Full { .. }), "{error}");
    let stands = at.map(|at| (0, at));
    assert_eq!(store.positions().await.unwrap(), stands.into_iter().collect::<Vec<_>>());
    let error = store.backup(&folder.join("copy.db")).await.unwrap_err();
    assert!(matches!(error, Error::Full { .. }), "{error}");
    assert!(!folder.join("copy.db.partial").exists());

    std::fs::remove_file(&ballast).unwrap();
    store.checkpoint(&[step(at, heavy(7))]).await.unwrap();
    assert_eq!(store.blocks(block(7, 0), block(7, 999)).await.unwrap().len(), 300);
    store.close().await.unwrap();
}

//! Every method on a file.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use eyrie_store::{
    Account, BlockKey, BlockKind, Checkpoint, Error, SegmentKey, Session, Stat, StatUpdate, Store,
    open_sqlite,
};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

async fn opened() -> (tempfile::TempDir, Arc<dyn Store>) {
    let folder = tempfile::tempdir().unwrap();
    let store = open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    (folder, store)
}

fn account(id: u32, name: &str) -> Account {
    Account {
        id,
        email: format!("{name}@example.com"),
        password_hash: None,
        ez_key: format!("{name}-ez"),
        ez_enabled: true,
        user_key: format!("{name}-user"),
        access_token: format!("{name}-token"),
        created_at: 1_000,
    }
}

fn stat(id: u32, name: &str) -> Stat {
    Stat {
        id,
        account: 2,
        name: name.to_owned(),
        counter: true,
        public_id: format!("p{id}"),
        classic_key: format!("c{id}"),
        public: false,
        created_at: 5,
        received_at: 6,
        deleted_at: None,
    }
}

fn block(stat: u32, number: u32) -> BlockKey {
    BlockKey { kind: BlockKind::MinutesOfHour, stat, number }
}

#[tokio::test]
async fn settings_are_overwritten() {
    let (_folder, store) = opened().await;
    assert_eq!(store.setting("shards").await.unwrap(), None);
    store.set_setting("shards", "16").await.unwrap();
    store.set_setting("Shards", "other").await.unwrap();
    store.set_setting("shards", "32").await.unwrap();
    assert_eq!(store.setting("shards").await.unwrap().as_deref(), Some("32"));
    assert_eq!(store.setting("Shards").await.unwrap().as_deref(), Some("other"));
}

#[tokio::test]
async fn nobody_else_may_read_the_file_nor_a_copy_of_it() {
    let (folder, store) = opened().await;
    let path = |name: &str| folder.path().join(name);
    let mode = |name: &str| std::fs::metadata(path(name)).unwrap().permissions().mode() & 0o777;
    store.set_setting("a", "b").await.unwrap();
    store.backup(&path("copy.db")).await.unwrap();
    for name in ["eyrie.db", "eyrie.db-wal", "copy.db"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    store.close().await.unwrap();
    std::fs::set_permissions(path("eyrie.db"), std::fs::Permissions::from_mode(0o644)).unwrap();
    open_sqlite(&path("eyrie.db")).await.unwrap().close().await.unwrap();
    assert_eq!(mode("eyrie.db"), 0o600, "an old file becomes private");
}

#[tokio::test]
async fn accounts_are_kept_and_their_keys_are_unique() {
    let (_folder, store) = opened().await;
    let mut ann = account(2, "ann");
    let bob = account(3, "bob");
    store.insert_account(&bob).await.unwrap();
    store.insert_account(&ann).await.unwrap();
    assert_eq!(store.accounts().await.unwrap(), [ann.clone(), bob.clone()]);

    ann.password_hash = Some("$argon2id$".to_owned());
    ann.ez_enabled = false;
    store.update_account(&ann).await.unwrap();
    assert_eq!(store.accounts().await.unwrap(), [ann.clone(), bob.clone()]);

    let check = |change: fn(&mut Account), word: &'static str| {
        let mut cleo = account(4, "cleo");
        change(&mut cleo);
        let store = Arc::clone(&store);
        async move {
            let error = store.insert_account(&cleo).await.unwrap_err();
            assert!(matches!(error, Error::Taken(taken) if taken == word), "{error}");
        }
    };
    check(|cleo| cleo.email = "ann@example.com".to_owned(), "email").await;
    check(|cleo| cleo.ez_key = "bob-ez".to_owned(), "EZ key").await;
    check(|cleo| cleo.user_key = "bob-user".to_owned(), "user key").await;
    check(|cleo| cleo.access_token = "bob-token".to_owned(), "access token").await;
    check(|cleo| cleo.id = 2, "id").await;
    ann.ez_key = "bob-ez".to_owned();
    assert!(matches!(store.update_account(&ann).await, Err(Error::Taken("EZ key"))));
    assert!(matches!(store.update_account(&account(9, "nobody")).await, Err(Error::Missing("account"))));
}

#[tokio::test]
async fn a_session_is_taken_once() {
    let (_folder, store) = opened().await;
    let session = |hash: &str, account, expires_at| Session {
        token_hash: hash.to_owned(),
        account,
        link: hash.starts_with("link"),
        expires_at,
    };
    let all =
        [session("link1", 2, 100), session("one", 2, 200), session("two", 3, 300), session("three", 2, 400)];
    for one in &all {
        store.insert_session(one).await.unwrap();
    }
    assert!(matches!(store.insert_session(&all[0]).await, Err(Error::Taken("session"))));
    assert_eq!(store.session("link1").await.unwrap().as_ref(), Some(&all[0]));
    let both = tokio::join!(store.take_session("link1"), store.take_session("link1"));
    assert!(both.0.unwrap() ^ both.1.unwrap());
    assert_eq!(store.session("link1").await.unwrap(), None);
    assert_eq!(store.expire_sessions(201).await.unwrap(), 1);
    assert_eq!(store.session("one").await.unwrap(), None);
    assert_eq!(store.clear_sessions(2).await.unwrap(), 1);
    assert_eq!(store.session("two").await.unwrap().as_ref(), Some(&all[2]));
}

#[tokio::test]
async fn a_checkpoint_is_whole() {
    let (_folder, store) = opened().await;
    let segment = |hour, sequence| SegmentKey { shard: 3, hour, sequence };
    let first = Checkpoint {
        shard: 3,
        from: None,
        to: 10,
        new_stats: vec![stat(0x103, "a"), stat(0x203, "A"), stat(0x303, "a ")],
        received: vec![(0x103, 77)],
        segments: vec![(segment(5, 2), vec![2]), (segment(5, 1), vec![1]), (segment(6, 3), vec![])],
        blocks: vec![(block(0x203, 2), vec![9; 5]), (block(0x103, 7), vec![7]), (block(0x103, 4), vec![4])],
        ..Default::default()
    };
    let other = Checkpoint { shard: 4, to: 3, new_stats: vec![stat(0x104, "b")], ..Default::default() };
    store.checkpoint(&[first, other]).await.unwrap();

    assert_eq!(store.positions().await.unwrap(), [(3, 10), (4, 3)]);
    let stats = store.stats(Some(3)).await.unwrap();
    assert_eq!(stats, [Stat { received_at: 77, ..stat(0x103, "a") }, stat(0x203, "A"), stat(0x303, "a ")]);
    assert_eq!(store.stats(None).await.unwrap().len(), 4);
    let segments = store.segments(3).await.unwrap();
    assert_eq!(segments, [(segment(5, 1), vec![1]), (segment(5, 2), vec![2]), (segment(6, 3), vec![])]);
    assert!(store.segments(4).await.unwrap().is_empty());
    let of_one = store.blocks(block(0x103, 0), block(0x103, 100)).await.unwrap();
    assert_eq!(of_one, [(block(0x103, 4), vec![4]), (block(0x103, 7), vec![7])]);
    let keys = [block(0x203, 2), block(0x103, 5), block(0x103, 4), block(0x203, 2)];
    let mut some = store.blocks_of(&keys).await.unwrap();
    some.sort();
    assert_eq!(some, [(block(0x103, 4), vec![4]), (block(0x203, 2), vec![9; 5])]);

    let second = Checkpoint {
        shard: 3,
        from: Some(10),
        to: 10,
        blocks: vec![(block(0x103, 4), vec![44]), (block(0x103, 8), vec![8])],
        deleted_blocks: vec![block(0x103, 7), block(0x103, 8), block(0x103, 99)],
        deleted_segment_hours: vec![5],
        ..Default::default()
    };
    store.checkpoint(&[second]).await.unwrap();
    let of_one = store.blocks(block(0x103, 0), block(0x103, 100)).await.unwrap();
    assert_eq!(of_one, [(block(0x103, 4), vec![44])]);
    assert_eq!(store.segments(3).await.unwrap(), [(segment(6, 3), vec![])]);
    store.checkpoint(&[]).await.unwrap();

    let segments = (0..6).map(|sequence| (segment(7, sequence), vec![1])).collect();
    let third = Checkpoint {
        shard: 3,
        from: Some(10),
        to: 10,
        segments,
        deleted_segment_hours: vec![6, 7],
        kept_segments: vec![segment(7, 4), segment(7, 0), segment(8, 1)],
        ..Default::default()
    };
    store.checkpoint(&[third]).await.unwrap();
    let left: Vec<_> = store.segments(3).await.unwrap().into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, [segment(7, 0), segment(7, 4)]);
}

#[tokio::test]
async fn a_position_moves_only_from_where_it_stands() {
    let (_folder, store) = opened().await;
    let step = |from, to| Checkpoint {
        shard: 1,
        from,
        to,
        blocks: vec![(block(1, to as u32), vec![1])],
        ..Default::default()
    };
    let moved = |error: Error| match error {
        Error::Moved { shard: 1, expected, found } => (expected, found),
        other => panic!("{other}"),
    };
    let refused = store.checkpoint(&[step(Some(4), 5)]).await.unwrap_err();
    assert_eq!(moved(refused), (Some(4), None));
    store.checkpoint(&[step(None, 5)]).await.unwrap();
    let refused = store.checkpoint(&[step(None, 6)]).await.unwrap_err();
    assert_eq!(moved(refused), (None, Some(5)));
    // Good ones beside a bad one are not written either.
    let good = Checkpoint { shard: 2, to: 1, ..Default::default() };
    let refused = store.checkpoint(&[good, step(Some(4), 6)]).await.unwrap_err();
    assert_eq!(moved(refused), (Some(4), Some(5)));
    assert_eq!(store.positions().await.unwrap(), [(1, 5)]);
    assert_eq!(store.blocks(block(1, 0), block(1, 9)).await.unwrap().len(), 1);

    let (one, two) = (step(Some(5), 7), step(Some(5), 8));
    let both = tokio::join!(
        store.checkpoint(std::slice::from_ref(&one)),
        store.checkpoint(std::slice::from_ref(&two))
    );
    assert!(both.0.is_ok() ^ both.1.is_ok());
}

#[tokio::test]
async fn a_name_taken_undoes_the_whole_checkpoint() {
    let (_folder, store) = opened().await;
    let with = |shard, stat| Checkpoint { shard, to: 1, new_stats: vec![stat], ..Default::default() };
    store.checkpoint(&[with(0, stat(0x100, "a"))]).await.unwrap();
    let again = store.checkpoint(&[with(1, stat(0x101, "a"))]).await;
    assert!(matches!(again, Err(Error::Taken("stat name"))));
    let twin = Stat { public_id: "p256".to_owned(), ..stat(0x201, "c") };
    assert!(matches!(store.checkpoint(&[with(1, twin)]).await, Err(Error::Taken("public id"))));
    assert_eq!(store.positions().await.unwrap(), [(0, 1)]);
}

#[tokio::test]
async fn stats_are_changed_and_purged() {
    let (_folder, store) = opened().await;
    let blocks = (0..600).flat_map(|stat| [(block(stat, 1), vec![1]), (block(stat, 9), vec![9])]).collect();
    let new_stats = (0..600).map(|id| stat(id, &format!("stat {id}"))).collect();
    store.checkpoint(&[Checkpoint { to: 1, new_stats, blocks, ..Default::default() }]).await.unwrap();

    store.update_stat(7, StatUpdate::Public(true)).await.unwrap();
    store.update_stat(8, StatUpdate::Deleted(Some(99))).await.unwrap();
    assert!(matches!(store.update_stat(700, StatUpdate::Public(true)).await, Err(Error::Missing("stat"))));
    let stats = store.stats(None).await.unwrap();
    assert!(stats[7].public && stats[7].deleted_at.is_none() && !stats[8].public);
    assert_eq!(stats[8].deleted_at, Some(99));
    store.update_stat(8, StatUpdate::Deleted(None)).await.unwrap();
    assert_eq!(store.stats(None).await.unwrap()[8].deleted_at, None);

    store.update_stat(8, StatUpdate::Deleted(Some(99))).await.unwrap();
    store.update_stat(9, StatUpdate::Deleted(Some(101))).await.unwrap();
    let revived = vec![(8, 100), (9, 100), (7_000, 100)];
    store.checkpoint(&[Checkpoint { from: Some(1), to: 1, revived, ..Default::default() }]).await.unwrap();
    let stats = store.stats(None).await.unwrap();
    assert_eq!((stats[8].deleted_at, stats[9].deleted_at), (None, Some(101)), "deleted after the point came");
    store.update_stat(9, StatUpdate::Deleted(None)).await.unwrap();

    let many: Vec<u32> = (0..300).collect();
    assert_eq!(store.delete_blocks(BlockKind::MinutesOfHour, &many, 9).await.unwrap(), 300);
    assert_eq!(store.delete_blocks(BlockKind::MinutesOfDay, &many, u32::MAX).await.unwrap(), 0);
    assert_eq!(store.delete_blocks(BlockKind::MinutesOfHour, &many, 0).await.unwrap(), 0);
    assert_eq!(store.blocks(block(299, 0), block(299, 20)).await.unwrap(), [(block(299, 9), vec![9])]);
    assert_eq!(store.blocks(block(300, 0), block(300, 20)).await.unwrap().len(), 2);

    let purged: Vec<u32> = (10..590).chain([9_999]).collect();
    store.purge_stats(&purged).await.unwrap();
    assert_eq!(store.stats(None).await.unwrap().len(), 20);
    assert!(store.blocks(block(10, 0), block(589, 20)).await.unwrap().is_empty());
    assert_eq!(store.blocks(block(590, 0), block(599, 20)).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_store_closed_says_so_and_opens_again() {
    let (folder, store) = opened().await;
    store.set_setting("a", "1").await.unwrap();
    store.close().await.unwrap();
    assert!(matches!(store.setting("a").await, Err(Error::Closed)));
    assert!(matches!(store.set_setting("a", "2").await, Err(Error::Closed)));
    assert!(matches!(store.backup(&folder.path().join("copy.db")).await, Err(Error::Closed)));
    assert!(!folder.path().join("eyrie.db-wal").exists(), "the log is folded into the file");
    let again = open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    assert_eq!(again.setting("a").await.unwrap().as_deref(), Some("1"));
}

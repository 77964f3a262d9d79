//! Accounts against a real store, with a clock that is moved by hand.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use base::tasks::TaskGroup;
use base::testkit::eventually;
use base::{Clock, ErrorKind, Timestamp};
use eyrie_app::Error;
use eyrie_app::accounts::{Accounts, FREE_TRIES, LINK_LIFETIME, OWNER, SESSION_LIFETIME};
use stats::AccountId;
use store::Store;

/// Where people sign in from.
const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

struct House {
    folder: tempfile::TempDir,
    store: Arc<dyn Store>,
    clock: Clock,
    accounts: Accounts,
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(Timestamp::from_seconds(1_800_000_000));
        let store = store::open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
        let accounts = Accounts::open(Arc::clone(&store), clock.clone()).await.unwrap();
        Self { folder, store, clock, accounts }
    }
}

fn kind<T: std::fmt::Debug>(answer: Result<T, Error>) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[tokio::test]
async fn the_first_start_makes_the_owner_and_the_second_does_not() {
    let House { accounts, store, clock, folder: _folder } = House::new().await;
    let owner = accounts.ensure_owner("Owner@Localhost").await.unwrap().expect("a new store");
    assert_eq!((owner.account.id, owner.account.email.as_str()), (AccountId(2), "owner@localhost"));
    assert!(!owner.account.has_password && owner.account.ez_enabled);
    assert!(accounts.ensure_owner("other@localhost").await.unwrap().is_none());
    let again = Accounts::open(Arc::clone(&store), clock).await.unwrap();
    assert!(again.ensure_owner("owner@localhost").await.unwrap().is_none());
    assert_eq!(again.list().await.unwrap(), [owner.account]);
    assert_eq!(store.accounts().await.unwrap().len(), 2);
}

#[tokio::test]
async fn the_first_account_is_the_owners_whoever_makes_it() {
    let House { accounts, store, .. } = &House::new().await;
    let made = accounts.create("ann@example.com", None).await.unwrap().account;
    assert_eq!(made.id, OWNER);
    assert!(accounts.ensure_owner("owner@localhost").await.unwrap().is_none(), "there is one");
    assert_ne!(accounts.create("bob@example.com", None).await.unwrap().account.id, OWNER);
    let ids: Vec<u32> = store.accounts().await.unwrap().iter().map(|account| account.id).collect();
    assert_eq!(ids, [AccountId::EYRIE.0, OWNER.0, OWNER.0 + 1]);
}

#[tokio::test]
async fn the_built_in_account_is_out_of_reach() {
    let House { accounts, store, .. } = &House::new().await;
    accounts.ensure_owner("a@b").await.unwrap();
    let built_in = store.accounts().await.unwrap().remove(0);
    assert_eq!(built_in.id, AccountId::EYRIE.0);
    assert_eq!(accounts.by_ez_key(&built_in.email), None);
    assert_eq!(kind(accounts.reset(&built_in.email, None).await), ErrorKind::NotFound);
    assert_eq!(kind(accounts.sign_in_by_password(&built_in.email, "", HOME).await), ErrorKind::Denied);
}

#[tokio::test]
async fn keys_find_their_account() {
    let House { accounts, .. } = &House::new().await;
    let ann = accounts.create("Ann@example.com", Some("ann-key")).await.unwrap().account;
    let bob = accounts.create("bob@example.com", None).await.unwrap().account;
    assert_eq!((ann.id, bob.id), (AccountId(2), AccountId(3)));
    for (key, found) in [
        ("ann-key", Some(ann.id)),
        ("ANN-key", None),
        ("ann@example.com", Some(ann.id)),
        ("ANN@EXAMPLE.COM", Some(ann.id)),
        ("cleo@example.com", None),
        (bob.ez_key.as_str(), Some(bob.id)),
        ("", None),
    ] {
        assert_eq!(accounts.by_ez_key(key), found.map(|id| (id, true)), "{key}");
    }
    assert_eq!(accounts.by_user_key(&bob.user_key), Some(bob.id));
    assert_eq!(accounts.by_user_key(&bob.ez_key), None);
    assert_eq!(accounts.by_access_token(&ann.access_token).unwrap(), ann);
    assert!(accounts.by_access_token("").is_none());

    accounts.set_ez(ann.id, "new-key", false).await.unwrap();
    assert_eq!(accounts.by_ez_key("ann-key"), None);
    assert_eq!(accounts.by_ez_key("new-key"), Some((ann.id, false)));
    let renewed = accounts.renew_token(ann.id).await.unwrap();
    assert!(accounts.by_access_token(&ann.access_token).is_none());
    assert_eq!(accounts.by_access_token(&renewed.access_token).unwrap().id, ann.id);
    assert_eq!(kind(accounts.renew_token(AccountId(99)).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn nobody_takes_what_is_anothers() {
    let House { accounts, .. } = &House::new().await;
    let ann = accounts.create("ann@example.com", Some("ann")).await.unwrap().account;
    let bob = accounts.create("bob@example.com", Some("shared@example.com")).await.unwrap().account;
    assert_eq!(kind(accounts.create("ANN@example.com", None).await), ErrorKind::Conflict);
    assert_eq!(kind(accounts.create("cleo@example.com", Some("ann")).await), ErrorKind::Conflict);
    assert_eq!(kind(accounts.create("shared@example.com", None).await), ErrorKind::Conflict);
    assert_eq!(kind(accounts.set_ez(bob.id, "ann", true).await), ErrorKind::Conflict);
    assert_eq!(kind(accounts.set_ez(bob.id, "Ann@Example.com", true).await), ErrorKind::Conflict);
    assert_eq!(kind(accounts.reset("bob@example.com", Some("ann")).await), ErrorKind::Conflict);
    accounts.set_ez(ann.id, "ann@example.com", true).await.unwrap();
    assert_eq!(kind(accounts.create("nonsense", None).await), ErrorKind::Invalid);
    assert_eq!(kind(accounts.create("cleo@example.com", Some("a~b")).await), ErrorKind::Invalid);
    assert_eq!(kind(accounts.set_ez(ann.id, "a b", true).await), ErrorKind::Invalid);
    assert_eq!(accounts.list().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_link_signs_in_once_within_a_day() {
    let House { accounts, store, clock, .. } = &House::new().await;
    let ann = accounts.create("ann@example.com", None).await.unwrap();
    let session = accounts.sign_in_by_link(&ann.signin_secret).await.unwrap();
    assert_eq!(session.len(), 32);
    assert!(store.session(&session).await.unwrap().is_none(), "kept as a hash only");
    assert_eq!(accounts.by_session(&session).await.unwrap(), Some(ann.account.clone()));
    assert_eq!(kind(accounts.sign_in_by_link(&ann.signin_secret).await), ErrorKind::Denied);
    assert_eq!(kind(accounts.sign_in_by_link(&session).await), ErrorKind::Denied);
    assert_eq!(accounts.by_session("no such session").await.unwrap(), None);

    let late = accounts.reset("ann@example.com", None).await.unwrap().signin_secret;
    assert_eq!(accounts.by_session(&late).await.unwrap(), None, "a link is no session");
    clock.advance(LINK_LIFETIME);
    assert_eq!(kind(accounts.sign_in_by_link(&late).await), ErrorKind::Denied);
}

#[tokio::test]
async fn of_two_who_use_a_link_at_once_one_gets_in() {
    let House { accounts, .. } = &House::new().await;
    let secret = accounts.create("ann@example.com", None).await.unwrap().signin_secret;
    let (one, two) = tokio::join!(accounts.sign_in_by_link(&secret), accounts.sign_in_by_link(&secret));
    assert!(one.is_ok() ^ two.is_ok());
}

#[tokio::test]
async fn a_session_ends_after_a_month_or_when_told() {
    let House { accounts, clock, .. } = &House::new().await;
    accounts.create("ann@example.com", None).await.unwrap();
    let sign_in = async || {
        let link = accounts.reset("ann@example.com", None).await.unwrap().signin_secret;
        accounts.sign_in_by_link(&link).await.unwrap()
    };
    let first = sign_in().await;
    clock.advance(SESSION_LIFETIME - Duration::from_millis(1));
    assert!(accounts.by_session(&first).await.unwrap().is_some());
    clock.advance(Duration::from_millis(1));
    assert!(accounts.by_session(&first).await.unwrap().is_none());

    let second = sign_in().await;
    accounts.sign_out(&second).await.unwrap();
    accounts.sign_out(&second).await.unwrap();
    assert!(accounts.by_session(&second).await.unwrap().is_none());
}

#[tokio::test]
async fn a_password_signs_in_until_it_is_reset() {
    let House { accounts, .. } = &House::new().await;
    let ann = accounts.create("ann@example.com", None).await.unwrap().account;
    let words = |answer: Result<String, Error>| answer.unwrap_err().to_string();
    let none = words(accounts.sign_in_by_password("ann@example.com", "long enough", HOME).await);
    assert_eq!(kind(accounts.set_password(ann.id, None, "short", None).await), ErrorKind::Invalid);
    accounts.set_password(ann.id, None, "long before", None).await.unwrap();
    let here = accounts.sign_in_by_password("ann@example.com", "long before", HOME).await.unwrap();
    let elsewhere = accounts.sign_in_by_password("ann@example.com", "long before", HOME).await.unwrap();
    for current in [None, Some("wrong before")] {
        let set = accounts.set_password(ann.id, current, "long enough", Some(&here)).await;
        assert_eq!(kind(set), ErrorKind::Denied);
    }
    accounts.set_password(ann.id, Some("long before"), "long enough", Some(&here)).await.unwrap();
    assert!(accounts.by_session(&here).await.unwrap().is_some(), "who changed it stays signed in");
    assert!(accounts.by_session(&elsewhere).await.unwrap().is_none(), "others do not");
    let session = accounts.sign_in_by_password(" Ann@Example.com", "long enough", HOME).await.unwrap();
    assert!(accounts.by_session(&session).await.unwrap().unwrap().has_password);
    let wrong = words(accounts.sign_in_by_password("ann@example.com", "wrong enough", HOME).await);
    let unknown = words(accounts.sign_in_by_password("bob@example.com", "long enough", HOME).await);
    let huge = words(accounts.sign_in_by_password("ann@example.com", &"x".repeat(1 << 20), HOME).await);
    assert!([&none, &unknown, &huge].iter().all(|said| **said == wrong), "the same words for all");

    let reset = accounts.reset("ANN@example.com", Some("fresh")).await.unwrap();
    assert!(!reset.account.has_password);
    assert_eq!(accounts.by_ez_key("fresh"), Some((ann.id, true)));
    assert!(accounts.by_session(&session).await.unwrap().is_none());
    assert_eq!(
        kind(accounts.sign_in_by_password("ann@example.com", "long enough", HOME).await),
        ErrorKind::Denied
    );
    assert_eq!(kind(accounts.reset("nobody@example.com", None).await), ErrorKind::NotFound);
}

#[tokio::test]
async fn who_guesses_waits_and_nobody_else() {
    let House { accounts, clock, .. } = &House::new().await;
    let ann = accounts.create("ann@example.com", None).await.unwrap().account;
    accounts.set_password(ann.id, None, "long enough", None).await.unwrap();
    let elsewhere: IpAddr = "192.0.2.1".parse().unwrap();
    // All at once is no way around.
    let tries: Vec<_> = (0..20)
        .map(|_| {
            let accounts = accounts.clone();
            let wrong = async move {
                accounts.sign_in_by_password("ann@example.com", "a wrong one", elsewhere).await
            };
            tokio::spawn(wrong)
        })
        .collect();
    let mut kinds = Vec::new();
    for tried in tries {
        kinds.push(kind(tried.await.unwrap()));
    }
    assert_eq!(kinds.iter().filter(|kind| **kind == ErrorKind::Denied).count(), FREE_TRIES as usize);
    let right = async |from| accounts.sign_in_by_password("ann@example.com", "long enough", from).await;
    assert!(matches!(right(elsewhere).await, Err(Error::Guessing { retry_after_seconds: 1 })));
    assert!(right(HOME).await.is_ok(), "the owner is elsewhere");
    clock.advance(Duration::from_secs(1));
    assert!(right(elsewhere).await.is_ok(), "it was waited for");
    assert!(right(elsewhere).await.is_ok());
}

#[tokio::test]
async fn a_password_that_another_process_has_just_reset_opens_nothing() {
    let House { accounts, folder, clock, .. } = &House::new().await;
    let ann = accounts.create("ann@example.com", None).await.unwrap().account;
    accounts.set_password(ann.id, None, "long before", None).await.unwrap();
    let other = store::open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    let other = Accounts::open(other, clock.clone()).await.unwrap();
    other.reset("ann@example.com", None).await.unwrap();
    // Nothing has told this one yet.
    let old = accounts.sign_in_by_password("ann@example.com", "long before", HOME).await;
    assert_eq!(kind(old), ErrorKind::Denied);
}

#[tokio::test]
async fn a_closed_account_is_of_no_use_to_whoever_knew_its_keys() {
    let House { accounts, .. } = &House::new().await;
    let made = accounts.create("ann@example.com", Some("ann")).await.unwrap();
    let ann = made.account;
    let session = accounts.sign_in_by_link(&made.signin_secret).await.unwrap();
    accounts.set_password(ann.id, None, "long enough", Some(&session)).await.unwrap();
    assert_eq!(accounts.by_user_key(&ann.user_key), Some(ann.id));

    let closed = accounts.close("Ann@example.com").await.unwrap();
    assert_eq!((closed.id, closed.has_password, closed.ez_enabled), (ann.id, false, false));
    assert_eq!(accounts.by_ez_key("ann"), Some((ann.id, false)));
    assert_eq!(accounts.by_user_key(&ann.user_key), None);
    assert_eq!(accounts.by_access_token(&ann.access_token), None);
    assert!(accounts.by_session(&session).await.unwrap().is_none());
    let password = accounts.sign_in_by_password("ann@example.com", "long enough", HOME).await;
    assert_eq!(kind(password), ErrorKind::Denied);
    assert_eq!(kind(accounts.close("nobody@example.com").await), ErrorKind::NotFound);

    let link = accounts.reset("ann@example.com", None).await.unwrap();
    assert!(accounts.sign_in_by_link(&link.signin_secret).await.is_ok(), "its owner comes in again");
}

#[tokio::test]
async fn what_another_process_makes_is_seen() {
    let House { accounts, folder, clock, .. } = &House::new().await;
    let tasks = TaskGroup::new();
    accounts.spawn_refresh(&tasks);
    // A store of its own on the same file, as `eyrie account create` has.
    let other = store::open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    let other = Accounts::open(other, clock.clone()).await.unwrap();
    let ann = other.create("ann@example.com", Some("ann")).await.unwrap();

    // Its link and session work at once, its keys within two seconds.
    let session = accounts.sign_in_by_link(&ann.signin_secret).await.unwrap();
    assert_eq!(accounts.by_session(&session).await.unwrap(), Some(ann.account));
    let bob = other.create("bob@example.com", Some("bob")).await.unwrap();
    let known = async || accounts.by_ez_key("bob");
    assert_eq!(eventually(Duration::from_secs(10), "the key is known", known).await, (bob.account.id, true));
    assert_eq!(accounts.create("cleo@example.com", None).await.unwrap().account.id, AccountId(4));
    assert!(tasks.drain(Duration::from_secs(5)).await);
}

#[tokio::test]
async fn many_made_at_once_by_two_processes_all_get_ids_of_their_own() {
    let House { accounts, folder, clock, .. } = &House::new().await;
    let other = store::open_sqlite(&folder.path().join("eyrie.db")).await.unwrap();
    let other = Accounts::open(other, clock.clone()).await.unwrap();
    let make = async |accounts: &Accounts, name: &str| {
        for i in 0..10 {
            accounts.create(&format!("{name}{i}@example.com"), None).await.unwrap();
        }
    };
    tokio::join!(make(accounts, "a"), make(&other, "b"));
    assert_eq!(accounts.list().await.unwrap().len(), 20);
}

use std::time::Duration;

use base::Clock;
use base::tasks::TaskGroup;
use base::testkit::eventually;
use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::fake::FakeNsqd;
use super::*;
use crate::http::{Limits, Listener, client, serve};
use crate::lookupd::{self, Lookupd};

const SOON: Duration = Duration::from_secs(20);

fn quick(max_in_flight: u32) -> Config {
    Config {
        max_in_flight,
        backoff_multiplier: Duration::from_millis(5),
        default_requeue_delay: Duration::from_millis(7),
        rdy_redistribute_interval: Duration::from_millis(20),
        lookupd_poll_interval: Duration::from_millis(20),
        ..Config::default()
    }
}

fn consumer(config: Config, nsqds: &[&FakeNsqd], tasks: &TaskGroup) -> Consumer {
    let nsqds = nsqds.iter().map(|nsqd| nsqd.address.clone()).collect();
    let sources = Sources { nsqds, lookupds: Vec::new() };
    Consumer::start("t", "c", config, &sources, client::Options::default(), tasks).expect("well")
}

fn bodies(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{n:04}")).collect()
}

fn push(nsqd: &FakeNsqd, bodies: &[String]) {
    nsqd.push(bodies.iter().map(String::as_str));
}

/// Finishes whatever comes, until told to stop.
fn finish_all(mut consumer: Consumer, tasks: &TaskGroup) {
    tasks.spawn("finisher", async move {
        while let Some(message) = consumer.next().await {
            message.finish().await;
        }
    });
}

async fn all_finished(nsqd: &FakeNsqd, expected: &[String]) {
    eventually(SOON, "all are finished", || async { (nsqd.finished() == expected).then_some(()) }).await;
}

#[tokio::test]
async fn every_message_is_delivered_within_max_in_flight() {
    for (snappy, deflate) in [(false, false), (true, false), (false, true)] {
        let tasks = TaskGroup::new();
        let nsqd = FakeNsqd::start(&tasks).await;
        let expected = bodies(500);
        push(&nsqd, &expected);
        let config = Config { snappy, deflate, ..quick(7) };
        finish_all(consumer(config, &[&nsqd], &tasks), &tasks);
        all_finished(&nsqd, &expected).await;
        assert_eq!(nsqd.look(|state| (state.most_in_flight, state.connections)), (7, 1));
        assert!(tasks.drain(SOON).await, "it ends");
    }
}

#[tokio::test]
async fn heartbeats_are_answered() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let _consumer = consumer(quick(1), &[&nsqd], &tasks);
    eventually(SOON, "NOPs", || async { (nsqd.look(|state| state.nops) >= 3).then_some(()) }).await;
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn connections_that_break_are_made_again_and_nothing_is_lost() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let expected = bodies(300);
    push(&nsqd, &expected[..200]);
    let mut consumer = consumer(quick(10), &[&nsqd], &tasks);
    for count in 0..50 {
        let message = consumer.next().await.expect("it runs");
        message.finish().await;
        if count % 20 == 10 {
            nsqd.cut();
        }
    }
    push(&nsqd, &expected[200..]);
    finish_all(consumer, &tasks);
    all_finished(&nsqd, &expected).await;
    assert!(nsqd.look(|state| state.connections) >= 3);
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn what_fails_is_requeued_by_its_attempts_and_given_up_at_last() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    nsqd.push(["bad"]);
    let mut consumer = consumer(Config { max_attempts: 3, ..quick(1) }, &[&nsqd], &tasks);
    for attempt in 1..=3 {
        let message = consumer.next().await.expect("it runs");
        assert_eq!((&message.body[..], message.attempts), (&b"bad"[..], attempt));
        message.fail(None).await;
    }
    all_finished(&nsqd, &["bad".to_owned()]).await;
    let delays: Vec<Duration> = nsqd.look(|state| state.requeued.iter().map(|(_, delay)| *delay).collect());
    assert_eq!(delays, [7, 14, 21].map(Duration::from_millis));
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn a_message_dropped_without_a_word_comes_again() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    nsqd.push(["one"]);
    let mut consumer = consumer(quick(1), &[&nsqd], &tasks);
    drop(consumer.next().await.expect("it runs"));
    let again = consumer.next().await.expect("it runs");
    assert_eq!(again.attempts, 2);
    again.requeue(Duration::from_millis(3)).await;
    assert_eq!(consumer.next().await.expect("it runs").attempts, 3);
    assert!(nsqd.look(|state| state.requeued[0].1.is_zero()));
    drop(consumer);
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn the_end_waits_for_what_is_in_flight() {
    let tasks = TaskGroup::new();
    let serving = TaskGroup::new();
    let nsqd = FakeNsqd::start(&serving).await;
    push(&nsqd, &bodies(3));
    let mut consumer = consumer(quick(2), &[&nsqd], &tasks);
    let first = consumer.next().await.expect("it runs");
    tasks.request_stop();
    let second = consumer.next().await.expect("it was sent already");
    first.finish().await;
    second.finish().await;
    assert!(consumer.next().await.is_none(), "nothing new is taken");
    eventually(SOON, "both are finished", || async { (nsqd.finished().len() == 2).then_some(()) }).await;
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn gatherers_are_told_when_to_stop_gathering() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    push(&nsqd, &bodies(30));
    let mut consumer = consumer(quick(10), &[&nsqd], &tasks);
    let mut held = Vec::new();
    while held.len() < 10 {
        held.push(consumer.next().await.expect("it runs"));
    }
    assert!(consumer.is_starved(), "nothing more comes");
    for message in held {
        message.finish().await;
    }
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn nsqds_are_found_through_lookupd_and_at_once_when_they_register() {
    let tasks = TaskGroup::new();
    let options = lookupd::Options {
        tcp_address: "127.0.0.1:0".to_owned(),
        http_address: "127.0.0.1:0".to_owned(),
        ..lookupd::Options::default()
    };
    let lookupd = Lookupd::bind(options, Clock::system()).await.expect("loopback");
    let (tcp, http) = (lookupd.tcp_address().expect("bound"), lookupd.http_address());
    tasks.spawn("lookupd", lookupd.run(tasks.stop_signal()));
    let nsqd = FakeNsqd::start(&tasks).await;
    nsqd.push(["found"]);

    let sources = Sources { nsqds: Vec::new(), lookupds: vec![http] };
    // An hour between polls: only a lookupd that tells of changes can be the one who tells.
    let config = Config { lookupd_poll_interval: Duration::from_secs(3600), ..quick(1) };
    let mut consumer =
        Consumer::start("t", "c", config, &sources, client::Options::default(), &tasks).expect("well");

    let mut registered = tokio::net::TcpStream::connect(tcp).await.expect("it listens");
    let (host, port) = nsqd.address.rsplit_once(':').expect("a port");
    let json = format!(
        r#"{{"version":"1.3.0","tcp_port":{port},"http_port":1,"hostname":"h","broadcast_address":"{host}"}}"#
    );
    let mut hello = b"  V1IDENTIFY\n".to_vec();
    hello.extend_from_slice(&u32::try_from(json.len()).expect("short").to_be_bytes());
    hello.extend_from_slice(json.as_bytes());
    hello.extend_from_slice(b"REGISTER t\n");
    registered.write_all(&hello).await.expect("sent");
    let _ = registered.read_u32().await.expect("an answer");

    let message = tokio::time::timeout(SOON, consumer.next()).await.expect("in time").expect("it runs");
    assert_eq!(&message.body[..], b"found");
    message.finish().await;
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn a_lookupd_that_does_not_wait_is_not_asked_without_end() {
    let tasks = TaskGroup::new();
    let (asked, mut asking) = tokio::sync::mpsc::channel(100);
    // Full of others who wait: it answers at once, with the same revision again and again.
    let answer = move || {
        let asked = asked.clone();
        async move {
            asked.send(std::time::Instant::now()).await.expect("the test listens");
            ([("x-eyrie-revision", "1-1")], r#"{"channels":[],"producers":[]}"#)
        }
    };
    let router = axum::Router::new().route("/lookup", axum::routing::get(answer));
    let listener = Listener::bind("127.0.0.1:0").await.expect("loopback");
    let http = listener.address();
    let stop = tasks.stop_signal();
    tasks.spawn("lookupd", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    let interval = Duration::from_secs(1);
    let config = Config { lookupd_poll_interval: interval, lookupd_poll_jitter: 0.0, ..quick(1) };
    let sources = Sources { nsqds: Vec::new(), lookupds: vec![http] };
    let _consumer =
        Consumer::start("t", "c", config, &sources, client::Options::default(), &tasks).expect("well");
    let mut times = Vec::new();
    while times.len() < 4 {
        times.push(asking.recv().await.expect("it asks on"));
    }
    for pair in times[1..].windows(2) {
        assert!(pair[1] - pair[0] >= interval, "{times:?}");
    }
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn many_publications_are_under_way_at_once() {
    let tasks = TaskGroup::new();
    let serving = TaskGroup::new();
    let nsqd = FakeNsqd::start(&serving).await;
    let config = Config { snappy: true, user_agent: "toy/1".to_owned(), ..Config::default() };
    let producer = Producer::new(&nsqd.address, config, &tasks);
    let all = bodies(2_000);
    let publications: Vec<_> = all
        .iter()
        .map(|body| {
            let (producer, body) = (producer.clone(), body.clone());
            tokio::spawn(async move { producer.publish("t", body.as_bytes()).await })
        })
        .collect();
    for publication in publications {
        publication.await.expect("no panic").expect("published");
    }
    let many: Vec<Bytes> = ["a", "b"].map(Bytes::from).to_vec();
    producer.publish_many("m", &many).await.expect("published");
    producer.publish_later("t", Duration::from_secs(1), b"later").await.expect("published");
    let published = nsqd.look(|state| state.published.clone());
    assert_eq!(published.len(), 2_003);
    assert!(published.contains(&("m".to_owned(), Bytes::from("b"))));
    let identified = nsqd.look(|state| state.identified.clone());
    assert_eq!(identified.len(), 1, "one connection for all");
    assert!(identified[0].contains(r#""user_agent":"toy/1""#), "{identified:?}");
    assert!(tasks.drain(SOON).await, "it ends by itself");
    assert_eq!(producer.publish("t", b"x").await, Err(Error::Stopped));
}

#[tokio::test]
async fn a_refusal_is_told_and_the_connection_made_again() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let producer = Producer::new(&nsqd.address, Config::default(), &tasks);
    nsqd.look(|state| state.refusal = Some("no such luck"));
    let address = nsqd.address.clone();
    let refused = Error::Refused { address, text: "E_BAD_MESSAGE no such luck".to_owned() };
    assert_eq!(producer.publish("t", b"x").await, Err(refused));
    producer.publish("t", b"y").await.expect("a new connection");
    nsqd.cut();
    eventually(SOON, "it publishes again", || async { producer.publish("t", b"z").await.ok() }).await;
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let tasks = TaskGroup::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    drop(listener);
    let producer = Producer::new(&address, Config::default(), &tasks);
    let error = producer.publish("t", b"x").await.expect_err("nobody is there");
    assert!(matches!(&error, Error::Connect { .. }), "{error}");
    assert_eq!(error.kind(), ErrorKind::Unavailable);
}

/// A producer whose nsqd takes publications and does not answer, with two under way.
async fn unanswered(tasks: &TaskGroup, nsqd: &FakeNsqd) -> Vec<tokio::task::JoinHandle<Result<(), Error>>> {
    nsqd.look(|state| state.holds = true);
    let producer = Producer::new(&nsqd.address, Config::default(), tasks);
    let publish = |body: &'static [u8]| {
        let producer = producer.clone();
        tokio::spawn(async move { producer.publish("t", body).await })
    };
    let publications = vec![publish(b"x"), publish(b"y")];
    eventually(SOON, "both arrived", || async {
        (nsqd.look(|state| state.published.len()) == 2).then_some(())
    })
    .await;
    publications
}

#[tokio::test]
async fn the_end_waits_for_answers_to_what_was_published() {
    let (tasks, serving) = (TaskGroup::new(), TaskGroup::new());
    let nsqd = FakeNsqd::start(&serving).await;
    let publications = unanswered(&tasks, &nsqd).await;
    tasks.request_stop();
    assert!(!tasks.drain(Duration::from_millis(100)).await, "two answers are missing");
    nsqd.release();
    for publication in publications {
        assert_eq!(publication.await.expect("no panic"), Ok(()));
    }
    assert!(tasks.drain(SOON).await);
}

#[tokio::test]
async fn what_was_not_answered_when_the_connection_broke_failed() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let publications = unanswered(&tasks, &nsqd).await;
    nsqd.cut();
    for publication in publications {
        let error = publication.await.expect("no panic").expect_err("nobody knows");
        assert!(matches!(error, Error::Lost { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_nsqd_took_before_it_failed_is_not_published_again() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let publications = unanswered(&tasks, &nsqd).await;
    nsqd.look(|state| state.failure = Some("disk full"));
    nsqd.release();
    let mut errors = Vec::new();
    for publication in publications {
        errors.push(publication.await.expect("no panic").expect_err("nobody knows"));
    }
    let address = nsqd.address.clone();
    let text = "E_PUB_FAILED PUB failed disk full".to_owned();
    let reason = format!("nsqd hung up behind what it answered before: {text}");
    assert_eq!(errors, [Error::Refused { address: address.clone(), text }, Error::Lost { address, reason }]);
    assert!(errors.iter().all(Error::leaves_open), "it may have both");
    assert_eq!(nsqd.look(|state| (state.published.len(), state.connections)), (2, 1), "each once");
}

#[tokio::test]
async fn many_publications_wait_for_one_dial() {
    let tasks = TaskGroup::new();
    // It accepts and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    let accepting = tokio::spawn(async move {
        let mut accepted = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            accepted.push(stream);
            // All who came while it dialled fail together, so nobody dials again.
            assert_eq!(accepted.len(), 1, "one dial for all");
        }
    });
    let config = Config { read_timeout: Duration::from_millis(300), ..Config::default() };
    let producer = Producer::new(&address, config, &tasks);
    let publications: Vec<_> = (0..20)
        .map(|_| {
            let producer = producer.clone();
            tokio::spawn(async move { producer.publish("t", b"x").await })
        })
        .collect();
    for publication in publications {
        let error = publication.await.expect("no panic").expect_err("it says nothing");
        assert!(matches!(error, Error::Connect { .. }), "{error}");
    }
    assert!(!accepting.is_finished(), "one dial for all");
    accepting.abort();
}

#[tokio::test]
async fn one_bad_message_costs_no_other_one() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    nsqd.look(|state| state.message_bytes_max = Some(10));
    let producer = Producer::new(&nsqd.address, Config::default(), &tasks);
    let publications: Vec<_> = (0..100)
        .map(|n| {
            let producer = producer.clone();
            let body = if n % 10 == 3 { "x".repeat(11) } else { format!("{n}") };
            tokio::spawn(async move { producer.publish("t", body.as_bytes()).await })
        })
        .collect();
    for (n, publication) in publications.into_iter().enumerate() {
        let outcome = publication.await.expect("no panic");
        assert_eq!(outcome.is_err(), n % 10 == 3, "{n}: {outcome:?}");
    }
    assert_eq!(nsqd.look(|state| state.published.len()), 90, "each of the others once");
}

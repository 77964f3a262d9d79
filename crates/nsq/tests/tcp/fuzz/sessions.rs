//! Whole sessions against a served port: whatever a client says, it gets exactly the answers that the parser's
//! understanding of it calls for, in order, and then the end; and the counters say what was answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base::testkit::eventually;
use bytes::BytesMut;
use eyrie_nsq::nsqd::Options;
use eyrie_nsq::nsqd::stats::Filter;
use eyrie_nsq::wire::{Command, MAGIC, Parser, Phase, Session, compression, encode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::super::house::{Heard, House, PATIENCE, Wire};
use super::corpus::{self, BODY_BYTES_MAX, MESSAGE_BYTES_MAX};
use super::random::Random;
use super::{Run, mutator, parser};

/// Sessions at a time.
const AT_ONCE: usize = 32;

/// Messages by topic.
type Counts = BTreeMap<String, u64>;

/// How often anything panicked in this process.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        before(info);
    }));
}

/// Sends `bytes` in pieces, then no more.
async fn say(house: &str, pieces: &[&[u8]]) -> TcpStream {
    let mut stream = TcpStream::connect(house).await.expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    for piece in pieces {
        // Who is hung up on cannot say the rest; what it heard tells whether that was right.
        if stream.write_all(piece).await.is_err() {
            break;
        }
    }
    let _ = stream.shutdown().await;
    stream
}

/// What an `IDENTIFY` that was taken says of heartbeats, if anything.
fn heartbeats(json: &[u8]) -> Option<bool> {
    let said: serde_json::Value = serde_json::from_str(&String::from_utf8_lossy(json)).ok()?;
    let mut fields = said
        .as_object()?
        .iter()
        .filter(|(key, value)| key.eq_ignore_ascii_case("heartbeat_interval") && !value.is_null());
    let told = fields.next_back()?.1.as_i64()?;
    (told != 0).then_some(told != -1)
}

/// Holds what was heard against what was said; what was published by it.
fn judge(sent: &[u8], heard: &[Heard]) -> Counts {
    let answers = heard.iter().filter(|heard| match heard {
        Heard::Response(text) => text != "_heartbeat_",
        Heard::Error(_) => true,
        Heard::Message(_) | Heard::End => false,
    });
    let mut answers = answers.cloned();
    let mut counts = Counts::new();
    let over = |mut answers: Box<dyn Iterator<Item = Heard> + '_>, counts: Counts| {
        assert_eq!(answers.next(), None, "nothing more is due");
        counts
    };
    let Some((magic, rest)) = sent.split_first_chunk::<4>() else { return over(Box::new(answers), counts) };
    if *magic != MAGIC {
        assert_eq!(answers.next(), Some(Heard::Error("E_BAD_PROTOCOL".to_owned())));
        return over(Box::new(answers), counts);
    }
    let (mut parser, mut input) = (Parser::new(parser::limits()), BytesMut::from(rest));
    let mut session = Session::default();
    while let Some(command) = parser.next(&mut input, &session) {
        let command = match command {
            Ok(command) => command,
            Err(refusal) => {
                assert_eq!(answers.next(), Some(Heard::Error(refusal.to_string())));
                assert!(refusal.fatal, "all that the parser refuses is fatal");
                return over(Box::new(answers), counts);
            }
        };
        if matches!(command, Command::Rdy(_) | Command::Nop) {
            continue;
        }
        match (&command, answers.next().unwrap_or_else(|| panic!("no answer to {command:?}"))) {
            (Command::Fin(_) | Command::Req { .. } | Command::Touch(_), Heard::Error(text)) => {
                assert!(text.contains("_FAILED "), "{text}");
            }
            (Command::Identify(json), Heard::Response(_)) => {
                session.heartbeats = heartbeats(json).unwrap_or(session.heartbeats);
            }
            (Command::Sub(..), Heard::Response(text)) if text == "OK" => session.phase = Phase::Subscribed,
            (Command::Cls, Heard::Response(text)) if text == "CLOSE_WAIT" => session.phase = Phase::Closing,
            (Command::Pub { topic, .. }, Heard::Response(text)) if text == "OK" => {
                *counts.entry(topic.to_string()).or_default() += 1;
            }
            (Command::Mpub { topic, batch, .. }, Heard::Response(text)) if text == "OK" => {
                *counts.entry(topic.to_string()).or_default() += batch.count() as u64;
            }
            // What only the server knows: wishes that cannot be had, topics that are not for clients.
            (Command::Identify(_), Heard::Error(text)) if text.starts_with("E_BAD_BODY IDENTIFY ") => {
                return over(Box::new(answers), counts);
            }
            (Command::Auth(_), Heard::Error(text)) if text == "E_AUTH_DISABLED AUTH disabled" => {
                return over(Box::new(answers), counts);
            }
            (
                Command::Sub(topic, _) | Command::Pub { topic, .. } | Command::Mpub { topic, .. },
                Heard::Error(text),
            ) if topic.starts_with("points.") && text.starts_with("E_BAD_TOPIC ") => {
                return over(Box::new(answers), counts);
            }
            (command, answer) => panic!("{command:?} was answered with {answer:?}"),
        }
    }
    if let Some(refusal) = parser.cut() {
        assert_eq!(answers.next(), Some(Heard::Error(refusal.to_string())));
    }
    over(Box::new(answers), counts)
}

/// One session and what came of it.
async fn session(house: Arc<House>, run: Arc<Run>, case: u64) -> Counts {
    let mut random = Random::new(run.seed, case);
    let mut sent = MAGIC.to_vec();
    sent.extend_from_slice(&corpus::session(&mut random));
    if random.once_in(16) {
        mutator::mutate(&mut random, &mut sent);
    } else {
        let mut rest = sent.split_off(MAGIC.len());
        mutator::mutate(&mut random, &mut rest);
        sent.append(&mut rest);
    }
    let _case = run.case(case, &sent);
    let mut wire = Wire::over(say(&house.address, &mutator::pieces(&mut random, &sent)).await);
    let mut heard = Vec::new();
    while heard.last() != Some(&Heard::End) {
        heard.push(wire.hear_any().await);
    }
    judge(&sent, &heard)
}

/// What is there agrees with what was answered; then all of it goes.
async fn settle(house: &House, expected: &Counts) {
    assert_eq!(house.nsqd.health(), "OK");
    eventually(PATIENCE, "everybody has gone", || async { (house.nsqd.clients.count() == 0).then_some(()) })
        .await;
    let topics = house.nsqd.stats(&Filter::default()).topics.unwrap_or_default();
    // An ephemeral topic goes with its last channel, and its count with it.
    let lasts = |name: &str| !name.ends_with("#ephemeral");
    let found: Counts = topics
        .iter()
        .filter(|topic| lasts(&topic.topic_name) && topic.message_count > 0)
        .map(|topic| (topic.topic_name.to_string(), topic.message_count))
        .collect();
    let expected: Counts = expected.clone().into_iter().filter(|(name, _)| lasts(name)).collect();
    assert_eq!(found, expected);
    for topic in &topics {
        for channel in &topic.channels {
            assert_eq!((channel.client_count, channel.in_flight_count), (0, 0), "{channel:?}");
            // Those that expired or that a sample left out are gone; none is there twice.
            assert!(channel.depth + channel.deferred_count <= channel.message_count, "{channel:?}");
        }
        house.nsqd.broker.delete_topic(&topic.topic_name).await.expect("it is there");
    }
    assert_eq!(PANICS.load(Ordering::Relaxed), 0, "nothing panicked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_gets_its_answers_and_an_end() {
    count_panics();
    let house = House::with(Options {
        max_msg_size: MESSAGE_BYTES_MAX,
        max_body_size: BODY_BYTES_MAX,
        deflate: false,
        snappy: false,
        ..Options::default()
    });
    let (house, run) = (Arc::new(house.await), Arc::new(Run::of(1_500)));
    let (mut tried, mut published) = (0_u64, 0_u64);
    let mut cases = run.cases().peekable();
    while cases.peek().is_some() {
        let mut sessions = JoinSet::new();
        for case in cases.by_ref().take(AT_ONCE) {
            sessions.spawn(session(Arc::clone(&house), Arc::clone(&run), case));
            tried += 1;
        }
        let mut expected = Counts::new();
        for counts in sessions.join_all().await {
            for (topic, count) in counts {
                *expected.entry(topic).or_default() += count;
                published += count;
            }
        }
        settle(&house, &expected).await;
    }
    let mut client = house.client().await;
    client.publish("alive", b"x").await;
    drop(client);
    eprintln!("sessions: {tried}, which published {published} messages, from seed {}", run.seed);
    Arc::into_inner(house).expect("all sessions are over").close().await;
}

/// Behind an upgrade nothing can be foretold; but it ends, and nobody else notices.
async fn upgraded(house: Arc<House>, run: Arc<Run>, case: u64) {
    let mut random = Random::new(run.seed, case);
    let (json, codec) = match random.below(3) {
        0 => (r#"{"feature_negotiation":true,"snappy":true}"#, Some(compression::snappy())),
        1 => (r#"{"feature_negotiation":true,"deflate":true}"#, Some(compression::deflate(6))),
        _ => (r#"{"feature_negotiation":true,"tls_v1":true}"#, None),
    };
    let mut said = corpus::session(&mut random);
    let mut behind = BytesMut::new();
    match codec {
        Some((mut encoder, _)) => encoder.encode(&said, &mut behind),
        None => {
            // The beginning of a handshake, for want of a right one.
            behind.extend_from_slice(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03");
            behind.extend_from_slice(&said);
        }
    }
    said = behind.to_vec();
    mutator::mutate(&mut random, &mut said);
    let mut sent = BytesMut::from(&MAGIC[..]);
    encode::identify(&mut sent, json.as_bytes());
    sent.extend_from_slice(&said);
    let _case = run.case(case, &sent);
    let mut stream = say(&house.address, &mutator::pieces(&mut random, &sent)).await;
    let mut heard = Vec::new();
    // A reset is an end too.
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut heard)).await.expect("it ends");
    assert!(
        heard.windows(8).any(|bytes| bytes == b"\"max_rdy"),
        "it answered IDENTIFY: {}",
        heard.escape_ascii()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_compressed_or_encrypted_ends_too() {
    count_panics();
    let house = Arc::new(House::with(super::super::upgrades::secured()).await);
    let run = Arc::new(Run::of(400));
    let mut tried = 0_u64;
    let mut cases = run.cases().peekable();
    while cases.peek().is_some() {
        let mut sessions = JoinSet::new();
        for case in cases.by_ref().take(AT_ONCE) {
            sessions.spawn(upgraded(Arc::clone(&house), Arc::clone(&run), case));
            tried += 1;
        }
        sessions.join_all().await;
        assert_eq!((house.nsqd.health().as_str(), PANICS.load(Ordering::Relaxed)), ("OK", 0));
        eventually(PATIENCE, "everybody has gone", || async {
            (house.nsqd.clients.count() == 0).then_some(())
        })
        .await;
        for topic in house.nsqd.stats(&Filter::default()).topics.unwrap_or_default() {
            house.nsqd.broker.delete_topic(&topic.topic_name).await.expect("it is there");
        }
    }
    let mut client = house.client().await;
    client.publish("alive", b"x").await;
    drop(client);
    eprintln!("upgraded sessions: {tried} from seed {}", run.seed);
    Arc::into_inner(house).expect("all sessions are over").close().await;
}

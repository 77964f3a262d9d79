//! What clients say, right and wrong: the commands of the golden transcripts, and more of their kind with
//! names, numbers and sizes of every sort.

use bytes::BytesMut;
use eyrie_nsq::wire::encode;

use super::random::Random;

/// The largest message and body where these are said.
pub(super) const MESSAGE_BYTES_MAX: usize = 300;
pub(super) const BODY_BYTES_MAX: usize = 1_000;

const NAMES: [&str; 9] = ["t", "a.b-c_d", "u#ephemeral", "t!", "", "points.x", "t t", "\u{fc}", "#ephemeral"];
const NUMBERS: [&str; 14] = [
    "0",
    "1",
    "2500",
    "2501",
    "-1",
    "3600000",
    "3600001",
    "18446744073709551615",
    "18446744073709551616",
    "x",
    "+1",
    "1e3",
    " ",
    "00000000000000000000001",
];
const IDS: [&str; 4] = ["0123456789abcdef", "0d1a2b3c4d5e6f70", "short", "0123456789abcdef0"];
const WORDS: [&str; 10] = [
    "id=1",
    "id=",
    "key=k",
    "ttl=1",
    "ttl=0",
    "ttl=x",
    "uncounted",
    "x=y",
    "=",
    "id=0123456789012345678901234567890",
];
const JSON: [&str; 16] = [
    r#"{}"#,
    r#"null"#,
    r#"[]"#,
    r#"{"feature_negotiation":true}"#,
    r#"{"feature_negotiation":true,"heartbeat_interval":-1}"#,
    r#"{"heartbeat_interval":1000,"msg_timeout":1000,"sample_rate":50}"#,
    r#"{"Heartbeat_Interval":60001}"#,
    r#"{"output_buffer_size":-1,"output_buffer_timeout":-1}"#,
    r#"{"output_buffer_size":64,"output_buffer_timeout":25}"#,
    r#"{"output_buffer_size":65537}"#,
    r#"{"sample_rate":100}"#,
    r#"{"client_id":"ü","hostname":"\u0000","user_agent":"\ud800"}"#,
    r#"{"feature_negotiation":true,"tls_v1":true,"snappy":true,"deflate":true,"deflate_level":9}"#,
    r#"{"feature_negotiation":true,"topology_zone":"z","topology_region":"r"}"#,
    r#"{"msg_timeout":9223372036854775807}"#,
    r#"{"feature_negotiation":"#,
];

/// A whole session, most of it right.
pub(super) fn session(random: &mut Random) -> Vec<u8> {
    let mut said = BytesMut::new();
    if random.once_in(3) {
        encode::identify(&mut said, random.pick(&JSON).as_bytes());
    }
    for _ in 0..random.below(12) {
        command(random, &mut said);
    }
    said.to_vec()
}

/// One command.
fn command(random: &mut Random, said: &mut BytesMut) {
    let line = |said: &mut BytesMut, words: &[&str]| {
        said.extend_from_slice(words.join(" ").as_bytes());
        said.extend_from_slice(b"\n");
    };
    let topic = name(random);
    match random.below(20) {
        0 => encode::identify(said, random.pick(&JSON).as_bytes()),
        1 => encode::auth(said, b"secret"),
        2 | 3 => line(said, &["SUB", topic, name(random)]),
        4 => line(said, &["RDY", random.pick(&NUMBERS)]),
        5 => line(said, &["FIN", random.pick(&IDS)]),
        6 => line(said, &["REQ", random.pick(&IDS), random.pick(&NUMBERS), random.pick(&WORDS)]),
        7 => line(said, &["TOUCH", random.pick(&IDS)]),
        8 => line(said, &["CLS"]),
        9 => line(said, &["NOP"]),
        10 => line(said, &["DPUB", topic, random.pick(&NUMBERS)]),
        11 => {
            line(said, &["DPUB", topic, "1", random.pick(&WORDS)]);
            sized(said, &body(random));
        }
        12 | 13 => {
            line(said, &["PUB", topic, random.pick(&WORDS), random.pick(&WORDS)]);
            sized(said, &body(random));
        }
        14 | 15 => {
            let bodies: Vec<Vec<u8>> = (0..=random.below(6)).map(|_| body(random)).collect();
            encode::mpub(said, topic, &bodies);
        }
        16 => line(said, &[random.pick(&["", "FOO", "pub", "PUB\r", "SUB", "MPUB", "DPUB", "RDY", "CLS x"])]),
        _ => encode::pub_(said, topic, &body(random)),
    }
}

/// Mostly one that may be.
fn name(random: &mut Random) -> &'static str {
    if random.once_in(5) { random.pick(&NAMES) } else { random.pick(&NAMES[..2]) }
}

fn sized(said: &mut BytesMut, body: &[u8]) {
    said.extend_from_slice(&u32::try_from(body.len()).expect("short").to_be_bytes());
    said.extend_from_slice(body);
}

/// Now and then an empty one, or one that is too large.
fn body(random: &mut Random) -> Vec<u8> {
    let bytes = match random.below(12) {
        0 => 0,
        1 => MESSAGE_BYTES_MAX,
        2 => MESSAGE_BYTES_MAX + 1,
        _ => 1 + random.below(20),
    };
    vec![b"x\n \0"[random.below(4)]; bytes]
}

use proptest::prelude::*;

use super::*;
use crate::wire::encode;

/// Everything a server would say about these bytes in one session, as text; the last entry tells what a
/// client that stops here would hear.
fn told(limits: Limits, session: &Session, pieces: &[&[u8]]) -> Vec<String> {
    let (mut parser, mut input) = (Parser::new(limits), BytesMut::new());
    let mut told = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(command) = parser.next(&mut input, session) {
            match command {
                Ok(command) => told.push(format!("{command:?}")),
                Err(refusal) => {
                    told.push(format!("{refusal} fatal={}", refusal.fatal));
                    if refusal.fatal {
                        return told;
                    }
                }
            }
        }
    }
    told.push(format!("cut: {:?}", parser.cut().map(|refusal| refusal.to_string())));
    told
}

fn check(session: Session, bytes: &[u8], answer: &str) {
    let whole = told(Limits::default(), &session, &[bytes]);
    assert_eq!(whole[0], format!("{answer} fatal=true"), "{}", bytes.escape_ascii());
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(told(Limits::default(), &session, &single), whole, "{}", bytes.escape_ascii());
}

#[test]
fn refuses_before_a_subscription() {
    for (bytes, answer) in [
        (&b"FOO\n"[..], "E_INVALID invalid command FOO"),
        (b"\n", "E_INVALID invalid command "),
        (b"  \n", "E_INVALID invalid command "),
        (b"pub t\n", "E_INVALID invalid command pub"),
        (b"SUB\n", "E_INVALID SUB insufficient number of parameters"),
        (b"SUB t\n", "E_INVALID SUB insufficient number of parameters"),
        (b"SUB t! c\n", "E_BAD_TOPIC SUB topic name \"t!\" is not valid"),
        (b"SUB t c!\n", "E_BAD_CHANNEL SUB channel name \"c!\" is not valid"),
        (b"SUB t#eph c\n", "E_BAD_TOPIC SUB topic name \"t#eph\" is not valid"),
        (b"RDY 1\n", "E_INVALID cannot RDY in current state"),
        (b"FIN 0123456789abcdef\n", "E_INVALID cannot FIN in current state"),
        (b"REQ 0123456789abcdef 0\n", "E_INVALID cannot REQ in current state"),
        (b"TOUCH 0123456789abcdef\n", "E_INVALID cannot TOUCH in current state"),
        (b"CLS\n", "E_INVALID cannot CLS in current state"),
        (b"PUB\n", "E_INVALID PUB insufficient number of parameters"),
        (b"PUB t!\n\0\0\0\x01x", "E_BAD_TOPIC PUB topic name \"t!\" is not valid"),
        (b"PUB t\n\0\0\0\0", "E_BAD_MESSAGE PUB invalid message body size 0"),
        (b"PUB t\n\xff\xff\xff\xff", "E_BAD_MESSAGE PUB invalid message body size -1"),
        (b"PUB t\n\0\x10\0\x01", "E_BAD_MESSAGE PUB message too big 1048577 > 1048576"),
        (b"MPUB\n", "E_INVALID MPUB insufficient number of parameters"),
        (b"MPUB t!\n", "E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid"),
        (b"MPUB t\n\0\0\0\0", "E_BAD_BODY MPUB invalid body size 0"),
        (b"MPUB t\n\0P\0\x01", "E_BAD_BODY MPUB body too big 5242881 > 5242880"),
        (b"MPUB t\n\0\0\0\x04\0\0\0\0", "E_BAD_BODY MPUB invalid message count 0"),
        (b"MPUB t\n\0\0\0\x08\0\0\0\x01\0\0\0\0", "E_BAD_MESSAGE MPUB invalid message(0) body size 0"),
        (b"MPUB t\n\0\0\0\x08\0\0\0\x01\0\x10\0\x01", "E_BAD_MESSAGE MPUB message too big 1048577 > 1048576"),
        (b"MPUB t\n\0\0\0\x04\x7f\xff\xff\xff", "E_BAD_BODY MPUB invalid message count 2147483647"),
        (b"DPUB t\n", "E_INVALID DPUB insufficient number of parameters"),
        (b"DPUB t x\n", "E_INVALID DPUB could not parse timeout x"),
        (b"DPUB t -1\n", "E_INVALID DPUB could not parse timeout -1"),
        (b"DPUB t 3600001\n", "E_INVALID DPUB timeout 3600001 out of range 0-3600000"),
        (b"DPUB t! 1\n", "E_BAD_TOPIC DPUB topic name \"t!\" is not valid"),
        (b"AUTH x\n", "E_INVALID AUTH invalid number of parameters"),
        (b"IDENTIFY\n\0\0\0\0", "E_BAD_BODY IDENTIFY invalid body size 0"),
        (b"IDENTIFY\n\0\x60\0\0", "E_BAD_BODY IDENTIFY body too big 6291456 > 5242880"),
        (b"PUB t ttl=x\n", "E_INVALID PUB could not parse ttl x"),
        (b"PUB t id=\n", "E_INVALID PUB could not parse id "),
    ] {
        check(Session::default(), bytes, answer);
    }
    let no_heartbeats = Session { heartbeats: false, ..Session::default() };
    check(no_heartbeats, b"SUB t c\n", "E_INVALID cannot SUB with heartbeats disabled");
    let plain = Session { tls_missing: true, ..Session::default() };
    check(plain, b"NOP\n", "E_INVALID cannot NOP in current state (TLS required)");
    check(plain, b"FOO x\n", "E_INVALID cannot FOO in current state (TLS required)");
}

#[test]
fn refuses_after_a_subscription() {
    let subscribed = Session { phase: Phase::Subscribed, ..Session::default() };
    for (bytes, answer) in [
        (&b"SUB t c\n"[..], "E_INVALID cannot SUB in current state"),
        (b"IDENTIFY\n", "E_INVALID cannot IDENTIFY in current state"),
        (b"RDY 2501\n", "E_INVALID RDY count 2501 out of range 0-2500"),
        (b"RDY -1\n", "E_INVALID RDY could not parse count -1"),
        (b"RDY x\n", "E_INVALID RDY could not parse count x"),
        (b"FIN\n", "E_INVALID FIN insufficient number of params"),
        (b"FIN short\n", "E_INVALID invalid message ID"),
        (b"REQ 0123456789abcdef\n", "E_INVALID REQ insufficient number of params"),
        (b"REQ 0123456789abcdef x\n", "E_INVALID REQ could not parse timeout x"),
        (b"TOUCH\n", "E_INVALID TOUCH insufficient number of params"),
        (b"AUTH\n", "E_INVALID cannot AUTH in current state"),
    ] {
        check(subscribed, bytes, answer);
    }
    let closing = Session { phase: Phase::Closing, ..Session::default() };
    check(closing, b"CLS\n", "E_INVALID cannot CLS in current state");
    assert_eq!(told(Limits::default(), &closing, &[b"RDY x\n"])[0], "Nop");
}

#[test]
fn a_line_has_an_end() {
    let mut line = vec![b'x'; LINE_BYTES_MAX - 1];
    line.push(b'\n');
    let fits = told(Limits::default(), &Session::default(), &[&line]);
    assert!(fits[0].starts_with("E_INVALID invalid command xxx"));
    line.insert(0, b'x');
    check(Session::default(), &line, "E_INVALID command line too long");
}

#[test]
fn who_stops_in_a_body_hears_which() {
    for (bytes, answer) in [
        (&b""[..], None),
        (b"PUB t", None),
        (b"PUB t\n\0", Some("E_BAD_MESSAGE PUB failed to read message body size")),
        (b"DPUB t 1\n\0\0\0\x02x", Some("E_BAD_MESSAGE DPUB failed to read message body")),
        (b"IDENTIFY\n", Some("E_BAD_BODY IDENTIFY failed to read body size")),
        (b"AUTH\n\0\0\0\x02x", Some("E_BAD_BODY AUTH failed to read body")),
        (b"MPUB t\n", Some("E_BAD_BODY MPUB failed to read body size")),
        (b"MPUB t\n\0\0\0\x09", Some("E_BAD_BODY MPUB failed to read message count")),
    ] {
        let told = told(Limits::default(), &Session::default(), &[bytes]);
        assert_eq!(told.last().unwrap(), &format!("cut: {:?}", answer.map(str::to_owned)));
    }
}

#[test]
fn words_behind_the_needed_ones() {
    let session = Session::default();
    let mut input = BytesMut::from(&b"PUB t extra id=a.1 key=k ttl=60000 x=y\r\n\0\0\0\x01x"[..]);
    let command = Parser::new(Limits::default()).next(&mut input, &session).unwrap().unwrap();
    let Command::Pub { topic, delay: None, body, extra: Some(extra) } = command else {
        panic!("{command:?}")
    };
    assert_eq!((&*topic, &body[..]), ("t", &b"x"[..]));
    assert_eq!(
        *extra,
        Extra { id: Some("a.1".into()), key: Some("k".into()), ttl: Some(Duration::from_secs(60)) }
    );
    let subscribed = Session { phase: Phase::Subscribed, ..Session::default() };
    for (line, expected) in [
        (&b"REQ 0123456789abcdef 99999999 uncounted\n"[..], true),
        (b"REQ 0123456789abcdef 99999999 x\n", false),
    ] {
        let command = Parser::new(Limits::default()).next(&mut BytesMut::from(line), &subscribed);
        let hour = Duration::from_secs(3_600);
        assert_eq!(
            command,
            Some(Ok(Command::Req { id: *b"0123456789abcdef", delay: hour, uncounted: expected }))
        );
    }
}

#[test]
fn what_is_encoded_is_parsed() {
    let id = b"0123456789abcdef";
    let mut bytes = BytesMut::new();
    encode::pub_(&mut bytes, "t", b"one");
    encode::dpub(&mut bytes, "t", Duration::from_millis(250), b"two");
    encode::mpub(&mut bytes, "t", &["three", "four"]);
    encode::rdy(&mut bytes, 7);
    encode::fin(&mut bytes, id);
    encode::req(&mut bytes, id, Duration::from_secs(1));
    encode::touch(&mut bytes, id);
    encode::nop(&mut bytes);
    encode::cls(&mut bytes);
    let session = Session { phase: Phase::Subscribed, ..Session::default() };
    insta::assert_snapshot!(told(Limits::default(), &session, &[&bytes]).join("\n"), @r#"
    Pub { topic: "t", delay: None, body: b"one", extra: None }
    Pub { topic: "t", delay: Some(250ms), body: b"two", extra: None }
    Mpub { topic: "t", batch: Batch { messages: b"\0\0\0\x05three\0\0\0\x04four", count: 2 }, extra: None }
    Rdy(7)
    Fin([48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102])
    Req { id: [48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102], delay: 1s, uncounted: false }
    Touch([48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 97, 98, 99, 100, 101, 102])
    Nop
    Cls
    cut: None
    "#);
    let mut bytes = BytesMut::new();
    encode::identify(&mut bytes, b"{}");
    encode::auth(&mut bytes, b"s");
    encode::sub(&mut bytes, "t", "c#ephemeral");
    insta::assert_snapshot!(told(Limits::default(), &Session::default(), &[&bytes]).join("\n"), @r##"
    Identify(b"{}")
    Auth(b"s")
    Sub("t", "c#ephemeral")
    cut: None
    "##);
}

/// Bytes that look like commands often enough to reach every state.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(&b"PUB t\n"[..]),
        Just(&b"MPUB t\n"[..]),
        Just(&b"DPUB t 5\n"[..]),
        Just(&b"FIN 0123456789abcdef\n"[..]),
        Just(&b"REQ 0123456789abcdef 7 uncounted\n"[..]),
        Just(&b"SUB t c\r\n"[..]),
        Just(&b"RDY 3\n"[..]),
        Just(&b"IDENTIFY\n"[..]),
        Just(&b"AUTH\n"[..]),
        Just(&b"NOP\n"[..]),
        Just(&b"PUB t id=1 key=2 ttl=3\n"[..]),
        Just(&b"\0\0\0\x01"[..]),
        Just(&b"\0\0\0\x02"[..]),
        Just(&b"\0\0\0\x0e"[..]),
        Just(&b"\0\0\0\x40"[..]),
        Just(&b"x"[..]),
        Just(&b"\n"[..]),
        Just(&b"hello world"[..]),
        Just(&b"\xff\xff"[..]),
    ]
    .prop_map(<[u8]>::to_vec);
    let noise = prop::collection::vec(any::<u8>(), 0..12);
    prop::collection::vec(prop_oneof![8 => word, 1 => noise], 0..24).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// However a stream is cut into pieces, it means the same, and nothing makes the parser panic.
    #[test]
    fn splits_change_nothing(
        bytes in likely(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        subscribed: bool,
    ) {
        let limits = Limits { message_bytes_max: 48, body_bytes_max: 64, ..Limits::default() };
        let phase = if subscribed { Phase::Subscribed } else { Phase::Init };
        let session = Session { phase, ..Session::default() };
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&bytes[from..cut]);
            from = cut;
        }
        pieces.push(&bytes[from..]);
        let whole = told(limits, &session, &[&bytes]);
        prop_assert_eq!(told(limits, &session, &pieces), whole.clone());
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(told(limits, &session, &single), whole);
    }
}

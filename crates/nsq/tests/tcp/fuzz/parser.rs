//! The parser alone: however a stream is cut, it says the same, and it never waits for more than its limits.

use bytes::BytesMut;
use eyrie_nsq::wire::parser::LINE_BYTES_MAX;
use eyrie_nsq::wire::{Command, Limits, Parser, Phase, Session};

use super::corpus::{self, BODY_BYTES_MAX, MESSAGE_BYTES_MAX};
use super::random::Random;
use super::{Run, mutator};

/// Small, so that they are reached.
pub(super) fn limits() -> Limits {
    Limits { message_bytes_max: MESSAGE_BYTES_MAX, body_bytes_max: BODY_BYTES_MAX, ..Limits::default() }
}

/// Most bytes that may lie before the parser without a command in them.
const WAITING_BYTES_MAX: usize = LINE_BYTES_MAX;

/// What a server would understand of these pieces, each understood before the next comes.
fn understood(session: Session, pieces: &[&[u8]]) -> Vec<String> {
    let (mut parser, mut input, mut session) = (Parser::new(limits()), BytesMut::new(), session);
    let mut understood = Vec::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(command) = parser.next(&mut input, &session) {
            match command {
                Ok(command) => {
                    follow(&mut session, &command);
                    understood.push(format!("{command:?}"));
                }
                Err(refusal) => {
                    understood.push(format!("{refusal:?}"));
                    if refusal.fatal {
                        return understood;
                    }
                }
            }
        }
        assert!(input.len() <= WAITING_BYTES_MAX, "it waits although {} bytes are there", input.len());
        assert!(input.len() + parser.wants(&input) <= WAITING_BYTES_MAX, "it wants {}", parser.wants(&input));
    }
    understood.push(format!("{:?} and {} bytes", parser.cut(), input.len()));
    understood
}

/// As a server that grants everything.
fn follow(session: &mut Session, command: &Command) {
    match command {
        Command::Identify(json) => {
            session.tls_missing = false;
            session.heartbeats &= !json.windows(2).any(|two| two == b"-1");
        }
        Command::Sub(..) => session.phase = Phase::Subscribed,
        Command::Cls => session.phase = Phase::Closing,
        _ => {}
    }
}

#[test]
fn a_stream_means_the_same_however_it_is_cut() {
    let run = Run::of(20_000);
    let mut tried = 0_u64;
    for case in run.cases() {
        let mut random = Random::new(run.seed, case);
        let session = Session {
            phase: random.pick(&[Phase::Init, Phase::Init, Phase::Subscribed, Phase::Closing]),
            heartbeats: !random.once_in(8),
            tls_missing: random.once_in(8),
        };
        let mut bytes = corpus::session(&mut random);
        mutator::mutate(&mut random, &mut bytes);
        let _case = run.case(case, &bytes);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let expected = understood(session, &single);
        assert_eq!(understood(session, &mutator::pieces(&mut random, &bytes)), expected);
        assert_eq!(understood(session, &[&bytes]), expected);
        tried += 1;
    }
    eprintln!("the parser: {tried} streams from seed {}", run.seed);
}

//! Bytes become commands, whatever pieces they come in.

use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::command::{Batch, Command, Name, RawId, Scan, int32};
use super::extra::Extra;
use super::number::decimal;
use super::quote::quoted;
use super::refusal::Refusal;

/// Longest command line, its end included. nsqd hangs up without a word above it.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// What a server accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Largest message body.
    pub message_bytes_max: usize,
    /// Largest body of a command: `IDENTIFY`, `AUTH`, `MPUB`.
    pub body_bytes_max: usize,
    /// Longest delay of `DPUB`; more is an error.
    pub defer_max: Duration,
    /// Longest delay of `REQ`; more is as much as this.
    pub requeue_max: Duration,
    /// Largest `RDY`.
    pub rdy_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 1 << 20,
            body_bytes_max: 5 << 20,
            defer_max: Duration::from_secs(3_600),
            requeue_max: Duration::from_secs(3_600),
            rdy_max: 2_500,
        }
    }
}

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Phase {
    /// No channel yet.
    #[default]
    Init,
    /// Has a channel.
    Subscribed,
    /// Has said `CLS`.
    Closing,
}

/// What decides which commands are right now possible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// How far the connection has come.
    pub phase: Phase,
    /// Whether the client is asked now and then whether it lives. A consumer must be.
    pub heartbeats: bool,
    /// Whether TLS is required here and not yet on.
    pub tls_missing: bool,
}

impl Default for Session {
    fn default() -> Self {
        Self { phase: Phase::Init, heartbeats: true, tls_missing: false }
    }
}

/// Takes commands off a stream.
///
/// After a fatal [`Refusal`] the stream means nothing any more and must not be read on.
#[derive(Clone, Debug)]
pub struct Parser {
    limits: Limits,
    /// Bytes of the current line that were searched for its end in vain.
    searched: usize,
    within: Within,
}

/// The part of a command that comes next.
#[derive(Clone, PartialEq, Debug)]
enum Within {
    Line,
    /// The int32 before a body.
    Size(What),
    /// So many bytes.
    Body(What, usize),
    /// An int32 count and so many messages.
    Batch(Name, Option<Box<Extra>>, Scan),
}

/// What a body is for.
#[derive(Clone, PartialEq, Debug)]
enum What {
    Identify,
    Auth,
    Pub { topic: Name, delay: Option<Duration>, extra: Option<Box<Extra>> },
    Mpub { topic: Name, extra: Option<Box<Extra>> },
}

impl What {
    /// The code of a wrong body, and the words before what is wrong with it.
    fn words(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Identify => ("E_BAD_BODY", "IDENTIFY", "body"),
            Self::Auth => ("E_BAD_BODY", "AUTH", "body"),
            Self::Mpub { .. } => ("E_BAD_BODY", "MPUB", "body"),
            Self::Pub { delay: None, .. } => ("E_BAD_MESSAGE", "PUB", "message"),
            Self::Pub { delay: Some(_), .. } => ("E_BAD_MESSAGE", "DPUB", "message"),
        }
    }

    /// Checks the size a client announced.
    fn check(&self, size: i32, limits: &Limits) -> Result<usize, Refusal> {
        let (code, command, thing) = self.words();
        let (max, body) = match self {
            Self::Pub { .. } => (limits.message_bytes_max, "message body"),
            _ => (limits.body_bytes_max, "body"),
        };
        match usize::try_from(size) {
            Ok(bytes) if bytes > max => {
                Err(Refusal::fatal(code, format!("{command} {thing} too big {size} > {max}")))
            }
            Ok(bytes) if bytes > 0 => Ok(bytes),
            _ => Err(Refusal::fatal(code, format!("{command} invalid {body} size {size}"))),
        }
    }
}

impl Parser {
    /// One for a stream that starts with a command.
    pub fn new(limits: Limits) -> Self {
        Self { limits, searched: 0, within: Within::Line }
    }

    /// The next command of `input`, `None` until all of it is there. What belongs to it is taken out.
    ///
    /// `session` must be as the commands before this one left it.
    pub fn next(&mut self, input: &mut BytesMut, session: &Session) -> Option<Result<Command, Refusal>> {
        loop {
            match self.step(input, session) {
                Ok(Step::Done(command)) => {
                    self.within = Within::Line;
                    return Some(Ok(command));
                }
                Ok(Step::Next(within)) => self.within = within,
                Ok(Step::Wait) => return None,
                Err(refusal) => {
                    self.within = Within::Line;
                    return Some(Err(refusal));
                }
            }
        }
    }

    /// What to answer to a client that stops sending here; `None` between commands and within a line.
    pub fn cut(&self) -> Option<Refusal> {
        let failed = |what: &What, part: &str| {
            let (code, command, _) = what.words();
            let body = if matches!(what, What::Pub { .. }) { "message body" } else { "body" };
            Refusal::fatal(code, format!("{command} failed to read {body}{part}"))
        };
        match &self.within {
            Within::Line => None,
            Within::Size(what) => Some(failed(what, " size")),
            Within::Body(what, _) => Some(failed(what, "")),
            Within::Batch(_, _, scan) => Some(scan.cut()),
        }
    }

    /// How many bytes are known to be missing, so that a reader can make room for them at once.
    pub fn wants(&self, input: &BytesMut) -> usize {
        match &self.within {
            Within::Body(_, bytes) => bytes.saturating_sub(input.len()),
            _ => 0,
        }
    }

    fn step(&mut self, input: &mut BytesMut, session: &Session) -> Result<Step, Refusal> {
        match &mut self.within {
            Within::Line => {
                let window = input.len().min(LINE_BYTES_MAX);
                let Some(end) = memchr::memchr(b'\n', &input[self.searched..window]) else {
                    self.searched = window;
                    if window == LINE_BYTES_MAX {
                        return Err(Refusal::invalid("command line too long"));
                    }
                    return Ok(Step::Wait);
                };
                let end = self.searched + end;
                self.searched = 0;
                let line = input[..end].strip_suffix(b"\r").unwrap_or(&input[..end]);
                let step = read_line(line, session, &self.limits);
                input.advance(end + 1);
                step
            }
            Within::Size(what) => {
                let Some(size) = int32(input) else { return Ok(Step::Wait) };
                let bytes = what.check(size, &self.limits)?;
                input.advance(4);
                Ok(Step::Next(match std::mem::replace(what, What::Identify) {
                    What::Mpub { topic, extra } => Within::Batch(topic, extra, Scan::default()),
                    what => Within::Body(what, bytes),
                }))
            }
            Within::Body(what, bytes) => {
                if input.len() < *bytes {
                    return Ok(Step::Wait);
                }
                let body = input.split_to(*bytes).freeze();
                Ok(Step::Done(match std::mem::replace(what, What::Identify) {
                    What::Identify => Command::Identify(body),
                    What::Auth => Command::Auth(body),
                    What::Pub { topic, delay, extra } => Command::Pub { topic, delay, body, extra },
                    What::Mpub { .. } => unreachable!("a batch has its own state"),
                }))
            }
            Within::Batch(topic, extra, scan) => match scan.run(input, &self.limits)? {
                None => Ok(Step::Wait),
                Some(end) => {
                    let mut messages = input.split_to(end).freeze();
                    messages.advance(4);
                    let batch = Batch::checked(messages, scan.count);
                    Ok(Step::Done(Command::Mpub { topic: *topic, batch, extra: extra.take() }))
                }
            },
        }
    }
}

enum Step {
    Done(Command),
    Next(Within),
    Wait,
}

/// Understands a command line, without its end.
fn read_line(line: &[u8], session: &Session, limits: &Limits) -> Result<Step, Refusal> {
    let mut words = line.split(|&byte| byte == b' ');
    let command = words.next().unwrap_or_default();
    if session.tls_missing && command != b"IDENTIFY" {
        let mut text = b"cannot ".to_vec();
        text.extend_from_slice(command);
        text.extend_from_slice(b" in current state (TLS required)");
        return Err(Refusal::invalid(text));
    }
    match command {
        b"FIN" => holds(session, "FIN")
            .and_then(|()| id(words.next(), "FIN"))
            .map(|id| Step::Done(Command::Fin(id))),
        b"RDY" => rdy(words.next(), session, limits),
        b"REQ" => req(words, session, limits),
        b"PUB" => {
            let topic = topic(words.next(), "PUB", "")?;
            let extra = Extra::parse("PUB", words)?;
            Ok(Step::Next(Within::Size(What::Pub { topic, delay: None, extra })))
        }
        b"MPUB" => {
            // nsqd says the code twice here.
            let topic = topic(words.next(), "MPUB", "E_BAD_TOPIC ")?;
            let extra = Extra::parse("MPUB", words)?;
            Ok(Step::Next(Within::Size(What::Mpub { topic, extra })))
        }
        b"DPUB" => dpub(words, limits),
        b"TOUCH" => holds(session, "TOUCH")
            .and_then(|()| id(words.next(), "TOUCH"))
            .map(|id| Step::Done(Command::Touch(id))),
        b"NOP" => Ok(Step::Done(Command::Nop)),
        b"SUB" => sub(words, session),
        b"CLS" => {
            only(session.phase == Phase::Subscribed, "CLS")?;
            Ok(Step::Done(Command::Cls))
        }
        b"IDENTIFY" => {
            only(session.phase == Phase::Init, "IDENTIFY")?;
            Ok(Step::Next(Within::Size(What::Identify)))
        }
        b"AUTH" => {
            only(session.phase == Phase::Init, "AUTH")?;
            match words.next() {
                None => Ok(Step::Next(Within::Size(What::Auth))),
                Some(_) => Err(Refusal::invalid("AUTH invalid number of parameters")),
            }
        }
        unknown => {
            let mut text = b"invalid command ".to_vec();
            text.extend_from_slice(unknown);
            Err(Refusal::invalid(text))
        }
    }
}

fn rdy(word: Option<&[u8]>, session: &Session, limits: &Limits) -> Result<Step, Refusal> {
    if session.phase == Phase::Closing {
        // It wants no more; nsqd ignores any count then, a bad one too.
        return Ok(Step::Done(Command::Nop));
    }
    only(session.phase == Phase::Subscribed, "RDY")?;
    let count = match word {
        None => 1,
        Some(digits) => decimal(digits).ok_or_else(|| unparsable("RDY", "count", digits))?,
    };
    match u32::try_from(count) {
        Ok(count) if count <= limits.rdy_max => Ok(Step::Done(Command::Rdy(count))),
        _ => Err(Refusal::invalid(format!("RDY count {count} out of range 0-{}", limits.rdy_max))),
    }
}

fn req<'a>(
    mut words: impl Iterator<Item = &'a [u8]>,
    session: &Session,
    limits: &Limits,
) -> Result<Step, Refusal> {
    holds(session, "REQ")?;
    let (Some(which), Some(digits)) = (words.next(), words.next()) else {
        return Err(Refusal::invalid("REQ insufficient number of params"));
    };
    let id = id(Some(which), "REQ")?;
    let ms = decimal(digits).ok_or_else(|| unparsable("REQ", "timeout", digits))?;
    let delay = Duration::from_millis(ms).min(limits.requeue_max);
    let uncounted = words.any(|word| word == b"uncounted");
    Ok(Step::Done(Command::Req { id, delay, uncounted }))
}

fn sub<'a>(mut words: impl Iterator<Item = &'a [u8]>, session: &Session) -> Result<Step, Refusal> {
    only(session.phase == Phase::Init, "SUB")?;
    if !session.heartbeats {
        return Err(Refusal::invalid("cannot SUB with heartbeats disabled"));
    }
    let (Some(topic_word), Some(channel)) = (words.next(), words.next()) else { return Err(too_few("SUB")) };
    let topic = topic(Some(topic_word), "SUB", "")?;
    let channel = Name::parse(channel).ok_or_else(|| {
        Refusal::fatal("E_BAD_CHANNEL", format!("SUB channel name {} is not valid", quoted(channel)))
    })?;
    Ok(Step::Done(Command::Sub(topic, channel)))
}

fn dpub<'a>(mut words: impl Iterator<Item = &'a [u8]>, limits: &Limits) -> Result<Step, Refusal> {
    let (Some(topic_word), Some(digits)) = (words.next(), words.next()) else {
        return Err(too_few("DPUB"));
    };
    let topic = topic(Some(topic_word), "DPUB", "")?;
    let ms = decimal(digits).ok_or_else(|| unparsable("DPUB", "timeout", digits))?;
    let delay = Duration::from_millis(ms);
    if delay > limits.defer_max {
        let max = limits.defer_max.as_millis();
        return Err(Refusal::invalid(format!("DPUB timeout {ms} out of range 0-{max}")));
    }
    let extra = Extra::parse("DPUB", words)?;
    Ok(Step::Next(Within::Size(What::Pub { topic, delay: Some(delay), extra })))
}

fn topic(word: Option<&[u8]>, command: &str, before: &str) -> Result<Name, Refusal> {
    let word = word.ok_or_else(|| too_few(command))?;
    Name::parse(word).ok_or_else(|| {
        let name = quoted(word);
        Refusal::fatal("E_BAD_TOPIC", format!("{before}{command} topic name {name} is not valid"))
    })
}

fn id(word: Option<&[u8]>, command: &str) -> Result<RawId, Refusal> {
    let word = word.ok_or_else(|| Refusal::invalid(format!("{command} insufficient number of params")))?;
    word.try_into().map_err(|_| Refusal::invalid("invalid message ID"))
}

fn only(right: bool, command: &str) -> Result<(), Refusal> {
    right.then_some(()).ok_or_else(|| Refusal::invalid(format!("cannot {command} in current state")))
}

/// Only who has a channel holds messages.
fn holds(session: &Session, command: &str) -> Result<(), Refusal> {
    only(session.phase != Phase::Init, command)
}

fn too_few(command: &str) -> Refusal {
    Refusal::invalid(format!("{command} insufficient number of parameters"))
}

fn unparsable(command: &str, what: &str, word: &[u8]) -> Refusal {
    let mut text = format!("{command} could not parse {what} ").into_bytes();
    text.extend_from_slice(word);
    Refusal::invalid(text)
}

#[cfg(test)]
#[path = "parser/tests.rs"]
mod tests;

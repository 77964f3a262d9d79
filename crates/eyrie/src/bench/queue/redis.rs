//! Redis streams, over RESP: XADD, XREADGROUP and XACK.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Open, Shape, Step};
use crate::bench::process::Server;

/// How Redis keeps what it has, and what is measured then.
pub(super) struct Mode {
    name: &'static str,
    arguments: &'static [&'static str],
    pub(super) scenarios: &'static [(&'static str, Open)],
}

/// In memory only, written behind, synced before the answer.
pub(super) const MODES: &[Mode] = &[
    Mode {
        name: "memory",
        arguments: &["--appendonly", "no"],
        scenarios: &[
            ("redis memory: XADD batch", publish_batch),
            ("redis memory: consume and XACK", consume),
        ],
    },
    Mode {
        name: "everysec",
        arguments: &["--appendonly", "yes", "--appendfsync", "everysec"],
        scenarios: &[("redis everysec: XADD batch", publish_batch)],
    },
    Mode {
        name: "always",
        arguments: &["--appendonly", "yes", "--appendfsync", "always"],
        scenarios: &[
            ("redis always: XADD batch", publish_batch),
            ("redis always: XADD one at a time", publish_single),
        ],
    },
];

/// Starts `redis-server` on a free port; `None` where it is not installed.
pub(super) fn start(folder: &Path, mode: &Mode) -> anyhow::Result<Option<Server>> {
    let data = folder.join(format!("redis-{}", mode.name));
    std::fs::create_dir_all(&data)?;
    Server::on_free_port("redis-server", |port| {
        let mut command = Command::new("redis-server");
        command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]).arg(&data);
        command.args(mode.arguments).stdin(Stdio::null()).stdout(Stdio::null());
        command
    })
}

/// A command as Redis reads it.
fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word);
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// An answer: a text, or a list.
enum Answer {
    Text(Vec<u8>),
    List(Vec<Answer>),
    Nothing,
}

struct Wire {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Wire {
    fn open(shape: Shape) -> io::Result<Self> {
        let writer = TcpStream::connect(shape.address)?;
        writer.set_nodelay(true)?;
        Ok(Self { reader: BufReader::with_capacity(1 << 18, writer.try_clone()?), writer })
    }

    fn read(&mut self) -> io::Result<Answer> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        let text = std::str::from_utf8(&line).map_err(io::Error::other)?.trim_end().to_owned();
        let rest = text.get(1..).unwrap_or_default();
        let count = || rest.parse::<i64>().map_err(io::Error::other);
        match text.as_bytes().first() {
            Some(b'+' | b':') => Ok(Answer::Text(rest.as_bytes().to_vec())),
            Some(b'$') => match usize::try_from(count()?) {
                Err(_) => Ok(Answer::Nothing),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.reader.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Ok(Answer::Text(bytes))
                }
            },
            Some(b'*') => match usize::try_from(count()?) {
                Err(_) => Ok(Answer::Nothing),
                Ok(length) => Ok(Answer::List((0..length).map(|_| self.read()).collect::<io::Result<_>>()?)),
            },
            _ => Err(io::Error::other(text)),
        }
    }
}

fn add(shape: Shape) -> Vec<u8> {
    command(&[b"XADD", b"bench", b"*", b"m", &vec![b'x'; shape.bytes]])
}

fn publish(shape: Shape, batch: usize) -> io::Result<Step> {
    let mut wire = Wire::open(shape)?;
    let commands = add(shape).repeat(batch);
    Ok(Box::new(move || {
        wire.writer.write_all(&commands)?;
        for _ in 0..batch {
            wire.read()?;
        }
        Ok(batch as u64)
    }))
}

fn publish_batch(shape: Shape) -> io::Result<Step> {
    publish(shape, shape.batch)
}

fn publish_single(shape: Shape) -> io::Result<Step> {
    publish(shape, 1)
}

/// Reads a batch for a group and acknowledges it; publishes one when nothing is left.
fn consume(shape: Shape) -> io::Result<Step> {
    let mut filler = publish(shape, shape.batch)?;
    let mut wire = Wire::open(shape)?;
    wire.writer.write_all(&command(&[b"XGROUP", b"CREATE", b"bench", b"group", b"0", b"MKSTREAM"]))?;
    // The other connection may have made it.
    let _ = wire.read();
    let count = shape.batch.to_string();
    let read = command(&[
        b"XREADGROUP",
        b"GROUP",
        b"group",
        b"me",
        b"COUNT",
        count.as_bytes(),
        b"STREAMS",
        b"bench",
        b">",
    ]);
    Ok(Box::new(move || {
        wire.writer.write_all(&read)?;
        let mut words: Vec<Vec<u8>> = vec![b"XACK".to_vec(), b"bench".to_vec(), b"group".to_vec()];
        if let Answer::List(streams) = wire.read()? {
            for stream in streams {
                let Answer::List(parts) = stream else { continue };
                let Some(Answer::List(entries)) = parts.into_iter().nth(1) else { continue };
                for entry in entries {
                    let Answer::List(fields) = entry else { continue };
                    if let Some(Answer::Text(id)) = fields.into_iter().next() {
                        words.push(id);
                    }
                }
            }
        }
        let done = words.len() as u64 - 3;
        if done == 0 {
            filler()?;
            return Ok(0);
        }
        let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
        wire.writer.write_all(&command(&words))?;
        wire.read()?;
        Ok(done)
    }))
}

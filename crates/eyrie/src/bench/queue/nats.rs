//! NATS JetStream: publishing with acknowledgements into a stream in a file.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Open, Shape, Step};
use crate::bench::process::Server;

/// What is measured.
pub(super) const SCENARIOS: &[(&str, Open)] = &[
    ("nats file: publish batch", |shape| publish(shape, shape.batch)),
    ("nats file: publish one at a time", |shape| publish(shape, 1)),
];

/// The stream's definition.
const STREAM: &str = r#"{"name":"bench","subjects":["bench"],"storage":"file","retention":"limits"}"#;

/// Starts `nats-server` on a free port; `None` where it is not installed.
pub(super) fn start(folder: &Path) -> anyhow::Result<Option<Server>> {
    let data = folder.join("nats");
    std::fs::create_dir_all(&data)?;
    Server::on_free_port("nats-server", |port| {
        let mut command = Command::new("nats-server");
        command.args(["-a", "127.0.0.1", "-p", &port.to_string(), "-js", "-sd"]).arg(&data);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    })
}

struct Wire {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
}

impl Wire {
    /// Connects, and makes the stream if it is not there.
    fn open(shape: Shape) -> io::Result<Self> {
        let writer = TcpStream::connect(shape.address)?;
        writer.set_nodelay(true)?;
        let mut wire = Self { reader: BufReader::with_capacity(1 << 18, writer.try_clone()?), writer };
        let inbox = format!("inbox.{}", wire.writer.local_addr()?.port());
        let hello = format!("CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB {inbox} 1\r\n");
        wire.writer.write_all(hello.as_bytes())?;
        let make = format!("PUB $JS.API.STREAM.CREATE.bench {inbox} {}\r\n{STREAM}\r\n", STREAM.len());
        wire.writer.write_all(make.as_bytes())?;
        wire.message()?;
        Ok(wire)
    }

    /// Waits for one message to the inbox.
    fn message(&mut self) -> io::Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.reader.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.first() {
                Some(&"MSG") => {
                    let size: usize = words.last().and_then(|word| word.parse().ok()).unwrap_or(0);
                    let mut payload = vec![0; size + 2];
                    self.reader.read_exact(&mut payload)?;
                    return Ok(());
                }
                Some(&"PING") => self.writer.write_all(b"PONG\r\n")?,
                Some(&"-ERR") => return Err(io::Error::other(line.trim().to_owned())),
                _ => {}
            }
        }
    }
}

fn publish(shape: Shape, batch: usize) -> io::Result<Step> {
    let mut wire = Wire::open(shape)?;
    let inbox = format!("inbox.{}", wire.writer.local_addr()?.port());
    let mut one = format!("PUB bench {inbox} {}\r\n", shape.bytes).into_bytes();
    one.extend(std::iter::repeat_n(b'x', shape.bytes));
    one.extend_from_slice(b"\r\n");
    let commands = one.repeat(batch);
    Ok(Box::new(move || {
        wire.writer.write_all(&commands)?;
        for _ in 0..batch {
            wire.message()?;
        }
        Ok(batch as u64)
    }))
}

//! Our own nsqd, over its TCP protocol, and a real one beside it where its program is named.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Context;

use super::{Open, Shape, Step};
use crate::bench::process::Server;

/// How a daemon is told to keep messages, and what is measured then.
pub(super) struct Level {
    /// Names its data folder.
    name: &'static str,
    arguments: &'static [&'static str],
    /// Names say daemon, level, command and how many are under way.
    pub(super) scenarios: &'static [(&'static str, Open)],
}

/// As many as a run can publish stay in memory at the level `memory`, as with a real nsqd that is told so.
const MEM_QUEUE_SIZE: &str = "-mem-queue-size=10000000";

/// What `eyrie nsqd` is measured at.
pub(super) const OURS: &[Level] = &[
    Level {
        name: "memory",
        arguments: &["-durability=memory", MEM_QUEUE_SIZE],
        scenarios: &[
            ("eyrie memory: MPUB batch", mpub_bench),
            ("eyrie memory: PUB pipelined", publish_pipelined),
            ("eyrie memory: PUB one at a time", publish_single),
            ("eyrie memory: consume and FIN", consume),
        ],
    },
    Level {
        name: "os",
        arguments: &["-durability=os"],
        scenarios: &[
            ("eyrie os: MPUB batch", mpub_bench),
            ("eyrie os: PUB pipelined", publish_pipelined),
            ("eyrie os: PUB one at a time", publish_single),
            ("eyrie os: consume and FIN", consume),
        ],
    },
    Level {
        name: "disk",
        arguments: &["-durability=disk"],
        scenarios: &[
            ("eyrie disk: MPUB batch", mpub_bench),
            ("eyrie disk: PUB one at a time", publish_single),
        ],
    },
];

/// What a real nsqd is measured at: all in memory, all through its disk queue, and that synced each time.
pub(super) const REAL: &[Level] = &[
    Level {
        name: "real-memory",
        arguments: &[MEM_QUEUE_SIZE],
        scenarios: &[
            ("nsqd memory: MPUB batch", mpub_bench),
            ("nsqd memory: PUB pipelined", publish_pipelined),
            ("nsqd memory: PUB one at a time", publish_single),
            ("nsqd memory: consume and FIN", consume),
        ],
    },
    Level {
        name: "real-disk",
        arguments: &["-mem-queue-size=0"],
        scenarios: &[
            ("nsqd mem-queue-size=0: MPUB batch", mpub_bench),
            ("nsqd mem-queue-size=0: PUB single", publish_single),
            ("nsqd mem-queue-size=0: consume", consume),
        ],
    },
    Level {
        name: "real-synced",
        arguments: &["-mem-queue-size=0", "-sync-every=1"],
        scenarios: &[
            ("nsqd sync-every=1: MPUB batch", mpub_bench),
            ("nsqd sync-every=1: PUB single", publish_single),
        ],
    },
];

/// Starts `eyrie nsqd` on free ports.
pub(super) fn start(folder: &Path, level: &Level) -> anyhow::Result<Server> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("nsqd");
    launch(command, folder, level)
}

/// Starts a real nsqd, from the program named, on free ports.
pub(super) fn start_real(program: &Path, folder: &Path, level: &Level) -> anyhow::Result<Server> {
    launch(Command::new(program), folder, level).with_context(|| program.display().to_string())
}

/// Starts `eyrie nsqd` at its default level.
pub(super) fn start_default(folder: &Path) -> anyhow::Result<Server> {
    start(folder, &Level { name: "default", arguments: &[], scenarios: &[] })
}

fn launch(mut command: Command, folder: &Path, level: &Level) -> anyhow::Result<Server> {
    let data = folder.join(format!("nsqd-{}", level.name));
    std::fs::create_dir_all(&data)?;
    command.args(["-tcp-address=127.0.0.1:0", "-http-address=127.0.0.1:0", "-https-address=127.0.0.1:0"]);
    command.arg("-broadcast-address=127.0.0.1").args(level.arguments).arg("-data-path").arg(&data);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    let stderr = child.stderr.take().context("the child's stderr")?;
    Server::announced(child, stderr, |line| line.split_once("TCP: listening on ")?.1.trim().parse().ok())
}

/// A connection that has said who it is.
struct Wire {
    reader: BufReader<TcpStream>,
    writer: TcpStream,
    frame: Vec<u8>,
}

impl Wire {
    fn open(shape: Shape) -> io::Result<Self> {
        let writer = TcpStream::connect(shape.address)?;
        writer.set_nodelay(true)?;
        let mut wire = Self {
            reader: BufReader::with_capacity(1 << 18, writer.try_clone()?),
            writer,
            frame: Vec::new(),
        };
        wire.writer.write_all(b"  V2")?;
        let identity = br#"{"client_id":"bench","heartbeat_interval":60000,"output_buffer_size":65536}"#;
        wire.writer.write_all(b"IDENTIFY\n")?;
        wire.writer.write_all(&(identity.len() as u32).to_be_bytes())?;
        wire.writer.write_all(identity)?;
        wire.expect_ok()?;
        Ok(wire)
    }

    /// Reads one frame into `frame`; its type.
    fn read(&mut self) -> io::Result<u32> {
        let mut head = [0; 8];
        self.reader.read_exact(&mut head)?;
        let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        self.frame.resize(size.saturating_sub(4), 0);
        self.reader.read_exact(&mut self.frame)?;
        Ok(u32::from_be_bytes([head[4], head[5], head[6], head[7]]))
    }

    /// Reads frames until one is `OK`; heartbeats are skipped.
    fn expect_ok(&mut self) -> io::Result<()> {
        loop {
            match (self.read()?, self.frame.as_slice()) {
                (0, b"OK") => return Ok(()),
                (0, b"_heartbeat_") => self.writer.write_all(b"NOP\n")?,
                (_, other) => return Err(io::Error::other(String::from_utf8_lossy(other).into_owned())),
            }
        }
    }
}

fn body(shape: Shape) -> Vec<u8> {
    vec![b'x'; shape.bytes]
}

/// The bytes of an MPUB of one batch.
fn mpub_command(shape: Shape, topic: &str) -> Vec<u8> {
    let mut inner = (shape.batch as u32).to_be_bytes().to_vec();
    for _ in 0..shape.batch {
        inner.extend_from_slice(&(shape.bytes as u32).to_be_bytes());
        inner.extend_from_slice(&body(shape));
    }
    let mut command = format!("MPUB {topic}\n").into_bytes();
    command.extend_from_slice(&(inner.len() as u32).to_be_bytes());
    command.extend_from_slice(&inner);
    command
}

fn mpub(shape: Shape, topic: &str) -> io::Result<Step> {
    let mut wire = Wire::open(shape)?;
    let command = mpub_command(shape, topic);
    let messages = shape.batch as u64;
    Ok(Box::new(move || {
        wire.writer.write_all(&command)?;
        wire.expect_ok()?;
        Ok(messages)
    }))
}

fn mpub_bench(shape: Shape) -> io::Result<Step> {
    mpub(shape, "bench")
}

/// Publishes into a topic that nobody reads.
pub(super) fn fill(shape: Shape) -> io::Result<Step> {
    mpub(shape, "backlog")
}

fn publish_command(shape: Shape) -> Vec<u8> {
    let mut command = b"PUB bench\n".to_vec();
    command.extend_from_slice(&(shape.bytes as u32).to_be_bytes());
    command.extend_from_slice(&body(shape));
    command
}

fn publish_pipelined(shape: Shape) -> io::Result<Step> {
    let mut wire = Wire::open(shape)?;
    let commands = publish_command(shape).repeat(shape.batch);
    let messages = shape.batch as u64;
    Ok(Box::new(move || {
        wire.writer.write_all(&commands)?;
        for _ in 0..messages {
            wire.expect_ok()?;
        }
        Ok(messages)
    }))
}

fn publish_single(shape: Shape) -> io::Result<Step> {
    let mut wire = Wire::open(shape)?;
    let command = publish_command(shape);
    Ok(Box::new(move || {
        wire.writer.write_all(&command)?;
        wire.expect_ok()?;
        Ok(1)
    }))
}

/// Reads and finishes what other scenarios have published; when it runs out it publishes a batch itself,
/// which is then part of what is measured.
fn consume(shape: Shape) -> io::Result<Step> {
    let mut filler = mpub(shape, "bench")?;
    let mut wire = Wire::open(shape)?;
    wire.writer.write_all(b"SUB bench bench\n")?;
    wire.expect_ok()?;
    wire.writer.write_all(format!("RDY {}\n", shape.batch).as_bytes())?;
    wire.writer.set_read_timeout(Some(std::time::Duration::from_millis(200)))?;
    let mut out = Vec::new();
    Ok(Box::new(move || {
        out.clear();
        let mut done = 0;
        while done < shape.batch as u64 {
            // Nothing waits: more is needed, and asking the kernel first costs nothing while there is.
            if wire.reader.buffer().is_empty() && wire.reader.fill_buf().is_err() {
                filler()?;
                break;
            }
            match wire.read()? {
                2 => {
                    out.extend_from_slice(b"FIN ");
                    out.extend_from_slice(&wire.frame[10..26]);
                    out.push(b'\n');
                    done += 1;
                }
                0 if wire.frame == b"_heartbeat_" => out.extend_from_slice(b"NOP\n"),
                _ => return Err(io::Error::other(String::from_utf8_lossy(&wire.frame).into_owned())),
            }
            if wire.reader.buffer().is_empty() && !out.is_empty() {
                wire.writer.write_all(&out)?;
                out.clear();
            }
        }
        wire.writer.write_all(&out)?;
        Ok(done)
    }))
}

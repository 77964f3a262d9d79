//! What a message costs over TCP: rates, and the server's CPU time a message.
//!
//! `cargo bench -p eyrie-nsq --bench tcp [-- SECONDS]`. The server is a process of its own (this program
//! again), two connections send and two consume, messages have 200 bytes as in the figures of nsqd.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base::Clock;
use eyrie_nsq::logging::{Level, Verbosity};
use eyrie_nsq::nsqd::{Options, Running};
use eyrie_nsq::wire::encode;
use queue::Durability;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const BODY: [u8; 200] = [b'x'; 200];
const BATCH: usize = 200;
const CONNECTIONS: usize = 2;

fn main() {
    let mut words = std::env::args().skip(1).filter(|word| word != "--bench");
    match words.next() {
        Some(word) if word == "serve" => serve(&words.next().unwrap(), &words.next().unwrap()),
        word => {
            let seconds = word.and_then(|word| word.parse().ok()).unwrap_or(2);
            println!("{:<34}{:>14}{:>22}", "", "messages/s", "server CPU us/message");
            for level in ["memory", "os", "disk"] {
                publish(level, "MPUB of 200", BATCH, true, seconds);
                publish(level, "PUB, 200 in the pipe", BATCH, false, seconds);
                publish(level, "PUB one at a time", 1, false, seconds);
                consume(level, seconds);
            }
        }
    }
}

#[tokio::main]
async fn serve(dir: &str, level: &str) {
    let options = Options {
        tcp_address: "127.0.0.1:0".to_owned(),
        http_address: String::new(),
        https_address: String::new(),
        data_path: dir.to_owned(),
        durability: match level {
            "memory" => Durability::Memory,
            "os" => Durability::Os,
            _ => Durability::Disk,
        },
        mem_queue_size: 3_000_000,
        ..Options::default()
    };
    let running = Running::start(options, Verbosity::new(Level::Error), Clock::system()).await.unwrap();
    println!("{}", running.tcp_address);
    // Until the parent has gone.
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await;
    running.close().await.unwrap();
}

struct Server {
    child: Child,
    address: String,
    _dir: tempfile::TempDir,
}

impl Server {
    fn start(level: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["serve", dir.path().to_str().unwrap(), level])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        std::io::BufRead::read_line(
            &mut std::io::BufReader::new(child.stdout.as_mut().unwrap()),
            &mut address,
        )
        .unwrap();
        Self { child, address: address.trim().to_owned(), _dir: dir }
    }

    fn connect(&self) -> TcpStream {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(b"  V2").unwrap();
        stream
    }

    /// CPU time so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let after = stat.rsplit_once(") ").unwrap().1;
        let ticks: u64 = after.split(' ').skip(11).take(2).map(|word| word.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn report(what: &str, messages: u64, time: Duration, cpu: Duration) {
    let rate = messages as f64 / time.as_secs_f64();
    println!("{what:<34}{rate:>14.0}{:>22.2}", cpu.as_secs_f64() * 1e6 / messages as f64);
}

fn publish(level: &str, what: &str, batch: usize, together: bool, seconds: u64) {
    let server = Server::start(level);
    let mut bytes = bytes::BytesMut::new();
    if together {
        encode::mpub(&mut bytes, "bench", &vec![BODY; batch]);
    } else {
        (0..batch).for_each(|_| encode::pub_(&mut bytes, "bench", &BODY));
    }
    let answers = if together { 1 } else { batch };
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let (before, start) = (server.cpu(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = server.connect();
                let mut answer = vec![0; 10 * answers];
                while !stop.load(Ordering::Relaxed) {
                    stream.write_all(&bytes).unwrap();
                    stream.read_exact(&mut answer).unwrap();
                    assert!(answer.ends_with(b"OK"));
                    sent.fetch_add(batch as u64, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(seconds));
        stop.store(true, Ordering::Relaxed);
    });
    report(&format!("{level}: {what}"), sent.into_inner(), start.elapsed(), server.cpu() - before);
}

fn consume(level: &str, seconds: u64) {
    let messages = 400_000 * seconds;
    let server = Server::start(level);
    let mut producer = server.connect();
    let mut sub = server.connect();
    sub.write_all(b"SUB bench c\n").unwrap();
    sub.read_exact(&mut [0; 10]).unwrap();
    drop(sub);
    let mut bytes = bytes::BytesMut::new();
    encode::mpub(&mut bytes, "bench", &vec![BODY; BATCH]);
    for _ in 0..messages / BATCH as u64 {
        producer.write_all(&bytes).unwrap();
        producer.read_exact(&mut [0; 10]).unwrap();
    }
    let taken = AtomicU64::new(0);
    let (before, start) = (server.cpu(), Instant::now());
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut stream = server.connect();
                stream.write_all(b"SUB bench c\nRDY 2500\n").unwrap();
                stream.read_exact(&mut [0; 10]).unwrap();
                stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                let (mut input, mut filled) = (vec![0; 256 * 1024], 0);
                let mut fins = Vec::new();
                while taken.load(Ordering::Relaxed) < messages {
                    let Ok(read) = stream.read(&mut input[filled..]) else { continue };
                    filled += read;
                    let mut at = 0;
                    while filled - at >= 4 {
                        let size = 4 + u32::from_be_bytes(input[at..at + 4].try_into().unwrap()) as usize;
                        if filled - at < size {
                            break;
                        }
                        if input[at + 7] == 2 {
                            fins.extend_from_slice(b"FIN ");
                            fins.extend_from_slice(&input[at + 18..at + 34]);
                            fins.push(b'\n');
                        }
                        at += size;
                    }
                    input.copy_within(at..filled, 0);
                    filled -= at;
                    stream.write_all(&fins).unwrap();
                    taken.fetch_add(fins.len() as u64 / 21, Ordering::Relaxed);
                    fins.clear();
                }
            });
        }
    });
    report(&format!("{level}: consume and FIN"), messages, start.elapsed(), server.cpu() - before);
}

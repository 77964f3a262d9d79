//! The load generator: keep-alive connections that send one prepared request again and again.
//!
//! Closed loop: each connection sends when it has its answer; that finds the throughput. Open loop:
//! requests are due at a fixed rate whether or not the server keeps up, and latency counts from when a
//! request was due; that finds the latency a client sees.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to send, how hard, how long.
#[derive(Clone, Debug)]
pub(super) struct Load {
    /// To whom.
    pub(super) address: SocketAddr,
    /// A whole HTTP/1.1 request.
    pub(super) request: Vec<u8>,
    /// Connections, each with one request under way.
    pub(super) connections: usize,
    /// For how long.
    pub(super) length: Duration,
    /// Requests a second; `None`: closed loop.
    pub(super) rate: Option<u64>,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Outcome {
    /// Answers with a 2xx status.
    pub(super) good: u64,
    /// Other answers.
    pub(super) refused: u64,
    /// Connections that broke.
    pub(super) broken: u64,
    /// How long it really took.
    pub(super) elapsed: Duration,
    /// Of good answers, in microseconds.
    pub(super) latency: Histogram<u64>,
}

/// Largest latency the histogram holds.
const LATENCY_MICROS_MAX: u64 = 60_000_000;

/// An empty histogram of microseconds, up to a minute.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MICROS_MAX, 3).expect("constant bounds are valid")
}

/// Runs the load on a thread of its own with one current-thread runtime, so that it costs the
/// machine one core at most; prints a line of progress every second.
pub(super) async fn run(load: Load) -> anyhow::Result<Outcome> {
    tokio::task::spawn_blocking(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(generate(load))
    })
    .await?
}

async fn generate(load: Load) -> anyhow::Result<Outcome> {
    let done = Arc::new(AtomicU64::new(0));
    let mut streams = Vec::with_capacity(load.connections);
    for _ in 0..load.connections {
        let stream = TcpStream::connect(load.address).await.context("connecting to the server")?;
        stream.set_nodelay(true)?;
        streams.push(stream);
    }
    let request: Arc<[u8]> = load.request.clone().into();
    let start = Instant::now();
    let end = start + load.length;
    let mut tasks = tokio::task::JoinSet::new();
    for (number, stream) in streams.into_iter().enumerate() {
        let pace = load.rate.map(|rate| Pace {
            every: Duration::from_secs_f64(load.connections as f64 / rate as f64),
            first: start + Duration::from_secs_f64(number as f64 / rate as f64),
        });
        tasks.spawn(converse(stream, request.clone(), end, pace, done.clone()));
    }
    let progress = tokio::spawn(report(done.clone(), end));
    let mut total = Outcome { good: 0, refused: 0, broken: 0, elapsed: Duration::ZERO, latency: histogram() };
    while let Some(outcome) = tasks.join_next().await {
        let outcome = outcome?;
        total.good += outcome.good;
        total.refused += outcome.refused;
        total.broken += outcome.broken;
        total.latency.add(outcome.latency).context("adding histograms of the same bounds")?;
    }
    total.elapsed = start.elapsed();
    progress.abort();
    eprint!("\r\x1b[K");
    Ok(total)
}

/// When a connection's requests are due in an open loop.
struct Pace {
    every: Duration,
    first: Instant,
}

async fn converse(
    mut stream: TcpStream,
    request: Arc<[u8]>,
    end: Instant,
    pace: Option<Pace>,
    done: Arc<AtomicU64>,
) -> Outcome {
    let mut outcome =
        Outcome { good: 0, refused: 0, broken: 0, elapsed: Duration::ZERO, latency: histogram() };
    let mut due = pace.as_ref().map_or_else(Instant::now, |pace| pace.first);
    let mut buffer = Vec::with_capacity(4_096);
    while Instant::now() < end && due < end {
        match &pace {
            Some(_) => tokio::time::sleep_until(due.into()).await,
            None => due = Instant::now(),
        }
        match exchange(&mut stream, &request, &mut buffer).await {
            Ok(status) if (200..300).contains(&status) => {
                outcome.good += 1;
                let micros = u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX);
                outcome.latency.saturating_record(micros.max(1));
            }
            Ok(_) => outcome.refused += 1,
            Err(_) => {
                outcome.broken += 1;
                break;
            }
        }
        done.fetch_add(1, Ordering::Relaxed);
        if let Some(pace) = &pace {
            due += pace.every;
        }
    }
    outcome
}

/// Sends the request and reads one answer; its status.
async fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> std::io::Result<u16> {
    stream.write_all(request).await?;
    buffer.clear();
    loop {
        if stream.read_buf(buffer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if let Some((status, length)) = answer(buffer)
            && buffer.len() >= length
        {
            return Ok(status);
        }
    }
}

/// Status and whole length of the answer whose head is in `bytes`; `None` while it is incomplete.
fn answer(bytes: &[u8]) -> Option<(u16, usize)> {
    let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&bytes[..head_end]).ok()?;
    let status = head.get(9..12)?.parse().ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    Some((status, head_end + length.unwrap_or(0)))
}

async fn report(done: Arc<AtomicU64>, end: Instant) {
    let mut before = 0;
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.tick().await;
    loop {
        tick.tick().await;
        let now = done.load(Ordering::Relaxed);
        let left = end.saturating_duration_since(Instant::now()).as_secs();
        eprint!("\r\x1b[K  {} requests/s, {left} s left", super::grouped(now - before));
        before = now;
    }
}

#[cfg(test)]
mod tests {
    use super::answer;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        assert_eq!(answer(b"HTTP/1.1 200 OK\r\n"), None);
        assert_eq!(answer(b"HTTP/1.1 204 No Content\r\n\r\n"), Some((204, 27)));
        let text = b"HTTP/1.1 503 Busy\r\ncontent-Length: 2\r\n\r\nno";
        assert_eq!(answer(text), Some((503, text.len())));
    }
}

//! `cargo bench -p eyrie-app`: how fast points get from the log into the head and the store, and series out
//! again. `POINTS` (default 10,000,000) and `STATS` (default 10,000) change the size.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base::metrics::Metrics;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use eyrie_app::intake::Sent;
use eyrie_app::{App, Config};
use queue::{Durability, NewMessage, Queue};
use stats::{AccountId, Kind, Point, ShardId, StatName, Timeframe};

const ME: AccountId = AccountId(2);
const NOON: Timestamp = Timestamp::from_seconds(1_795_262_400);
const SHARDS: u8 = 16;
const DAY: Duration = Duration::from_secs(86_400);

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[tokio::main]
async fn main() {
    let (points, stats) = (number("POINTS", 10_000_000), number("STATS", 10_000));
    bulk(points, stats).await;
    submit(stats.min(1_000)).await;
    year().await;
    day(1_000).await;
}

struct House {
    app: App,
    clock: Clock,
    metrics: Metrics,
    tasks: TaskGroup,
    folder: tempfile::TempDir,
}

fn open_queue(folder: &Path, clock: &Clock) -> Queue {
    let dir = folder.join("log");
    let config = log::Config { quota_bytes: 64 << 30, ..log::Config::new(&dir) };
    let (log, _) = log::Log::open(config, clock.clone()).expect("the log opens");
    Queue::open(log, &dir).expect("the queue opens")
}

async fn start(folder: tempfile::TempDir, queue: Queue, clock: Clock) -> House {
    let store = store::open_sqlite(&folder.path().join("eyrie.db")).await.expect("the store opens");
    let config =
        Config { shards: SHARDS, keep_minutes: 400 * DAY, clock_doubt: Duration::ZERO, ..Config::default() };
    let (metrics, tasks) = (Metrics::new(), TaskGroup::new());
    let app = App::start(config, clock.clone(), Arc::clone(&store), queue, &metrics, &tasks).await;
    House { app: app.expect("the application starts"), clock, metrics, tasks, folder }
}

impl House {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(NOON);
        let queue = open_queue(folder.path(), &clock);
        start(folder, queue, clock).await
    }

    async fn send(&self, sent: &[Sent]) {
        for some in sent.chunks(50_000) {
            self.app.intake.submit(some).expect("taken").settle().await.expect("durable");
        }
    }

    /// Writes everything down and waits until all that is over is in blocks.
    async fn closed(&self) -> Duration {
        let started = Instant::now();
        self.clock.advance(2 * DAY);
        self.app.finish().await.expect("it is written");
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let metrics = self.metrics.render();
            let read = |name: &str| {
                let line = metrics.lines().find_map(|line| line.strip_prefix(name)).expect("this metric");
                line.trim().parse::<f64>().expect("a number")
            };
            // Eyrie's own numbers are always in memory.
            if read("eyrie_head_cells ") < 200.0 && read("eyrie_daily_closings_total ") > 0.0 {
                return started.elapsed();
            }
        }
    }

    async fn end(self) {
        self.tasks.drain(Duration::from_secs(10)).await;
        drop(self.folder);
    }
}

fn rate(what: &str, points: usize, took: Duration) {
    let second = points as f64 / took.as_secs_f64();
    println!(
        "{what:44}{:8.2} s  {:9.2} M/s  {:8.0} M/min  {:6.0} ns a point",
        took.as_secs_f64(),
        second / 1e6,
        second * 60.0 / 1e6,
        took.as_nanos() as f64 / points as f64
    );
}

/// Points wait in the log; the recorder takes them.
async fn bulk(points: usize, stats: usize) {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(NOON);
    let queue = open_queue(folder.path(), &clock);
    let topics: Vec<_> = (0..SHARDS).map(|n| queue.topic(&format!("points.{n}")).expect("a topic")).collect();
    let names: Vec<String> = (0..stats).map(|n| format!("service {} requests {n}", n % 37)).collect();
    let shards: Vec<usize> = names.iter().map(|name| usize::from(ShardId::of(ME, name, SHARDS).0)).collect();
    let mut payloads = vec![Vec::new(); usize::from(SHARDS)];
    for n in 0..points {
        // Neighbours in time are different stats, as in life.
        let stat = (n * 7_919) % stats;
        let time = NOON + Duration::from_millis((n as u64 * 120_000) / points as u64);
        let point =
            Point { account: ME, name: &names[stat], kind: Kind::Counter, number: (n % 9) as f64, time };
        let payload = &mut payloads[shards[stat]];
        stats::point::encode(&point, payload);
        if payload.len() > 32 << 10 || n + SHARDS as usize * 2_000 > points {
            let message =
                NewMessage { topic: &topics[shards[stat]], payload: std::mem::take(payload).into() };
            queue.publish(&[message], Durability::Os).expect("taken").await.expect("written");
        }
    }
    for (payload, topic) in payloads.into_iter().zip(&topics).filter(|(payload, _)| !payload.is_empty()) {
        let message = NewMessage { topic, payload: payload.into() };
        queue.publish(&[message], Durability::Os).expect("taken").await.expect("written");
    }
    let written = queue.log().status().written;
    queue.sync(written).await.expect("durable");
    let started = Instant::now();
    let house = start(folder, queue, clock).await;
    house.app.settled().await;
    rate(&format!("log to head, {stats} stats, {points} points"), points, started.elapsed());
    house.app.finish().await.expect("it is written");
    rate("log to head and store", points, started.elapsed());
    let took = house.closed().await;
    println!("{:44}{:8.2} s", format!("hour and day close of {stats} stats"), took.as_secs_f64());
    house.end().await;
}

/// One point a call, as the edge submits them.
async fn submit(stats: usize) {
    let house = House::new().await;
    let sent: Vec<Sent> = (0..stats)
        .map(|n| Sent {
            account: ME,
            name: StatName::new(&format!("stat {n}")).expect("a name"),
            kind: Kind::Counter,
            number: 1.0,
            time: NOON,
        })
        .collect();
    house.send(&sent).await;
    house.app.settled().await;
    const CALLS: usize = 200_000;
    let (mut waiting, mut spent) = (Vec::new(), Duration::ZERO);
    for n in 0..CALLS {
        let started = Instant::now();
        waiting.push(house.app.intake.submit(std::slice::from_ref(&sent[n % stats])).expect("taken"));
        spent += started.elapsed();
        if waiting.len() == 1_000 {
            for accepted in waiting.drain(..) {
                accepted.settle().await.expect("durable");
            }
        }
    }
    rate("submit, one point a call", CALLS, spent);
    house.end().await;
}

/// A year of minutes of one stat.
async fn year() {
    let house = House::new().await;
    let name = StatName::new("year").expect("a name");
    let minutes = 365 * 1_440;
    let sent: Vec<Sent> = (0..minutes)
        .map(|n| Sent {
            account: ME,
            name: name.clone(),
            kind: Kind::Value,
            number: f64::from((n * 37) % 10_000) / 100.0,
            time: Timestamp::from_minutes(NOON.minutes() - i64::from(n)),
        })
        .collect();
    let started = Instant::now();
    house.send(&sent).await;
    house.app.settled().await;
    rate("a year backfilled, latest first", sent.len(), started.elapsed());
    let took = house.closed().await;
    println!("{:44}{:8.2} s", "its days closed", took.as_secs_f64());
    let stat = house.app.catalog.by_name(ME, "year").expect("there").id;
    for timeframe in ["1y1d", "1y3h", "1w1m", "1M1h"] {
        let window = house.app.charts.window(Timeframe::parse(timeframe).expect("a timeframe"), None);
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let started = Instant::now();
            let series = house.app.charts.series(stat, window).await.expect("a series");
            best = best.min(started.elapsed());
            assert!(series.total().is_some());
        }
        println!("{:44}{:8.2} ms", format!("read {timeframe} of one stat"), best.as_secs_f64() * 1e3);
    }
    house.end().await;
}

/// Many stats over the last day, most of it in hour blocks.
async fn day(stats: usize) {
    let house = House::new().await;
    house.clock.set(NOON - Duration::from_secs(12 * 3_600));
    let names: Vec<StatName> =
        (0..stats).map(|n| StatName::new(&format!("stat {n}")).expect("a name")).collect();
    for hour in 0..22 {
        let now = NOON - Duration::from_secs(12 * 3_600) + Duration::from_secs(hour * 3_600);
        let mut sent = Vec::new();
        for minute in 0..60u64 {
            sent.extend(names.iter().map(|name| Sent {
                account: ME,
                name: name.clone(),
                kind: Kind::Counter,
                number: minute as f64,
                time: now + Duration::from_secs(minute * 60),
            }));
        }
        house.send(&sent).await;
        house.app.finish().await.expect("it is written");
        house.clock.set(now + Duration::from_secs(3_600 + 300));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ids: Vec<_> = house.app.catalog.of_account(ME).iter().map(|stat| stat.id).collect();
    for timeframe in ["1d1h", "1h1m"] {
        let window = house.app.charts.window(Timeframe::parse(timeframe).expect("a timeframe"), None);
        let mut best = Duration::MAX;
        for _ in 0..5 {
            let started = Instant::now();
            house.app.charts.series_of(&ids, window).await.expect("series");
            best = best.min(started.elapsed());
        }
        println!("{:44}{:8.2} ms", format!("read {timeframe} of {stats} stats"), best.as_secs_f64() * 1e3);
    }
    house.end().await;
}

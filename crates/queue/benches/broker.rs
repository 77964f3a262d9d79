//! Publishing, and taking and finishing: `cargo bench -p eyrie-queue --bench broker`.
//!
//! With `-- figures` it prints throughput, CPU of the whole process (the log's threads included) and
//! memory; without it divan's table.

use std::time::{Duration, Instant};

use base::Clock;
use base::tasks::TaskGroup;
use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use eyrie_queue::Queue;
use eyrie_queue::broker::{Broker, Channel, Config, Consumer, NewMessage, Proximity, Subscriber, Topic};
use log::{Durability, Log};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Bytes of a body, and messages of a batch, as in NSQ's own figures.
const BODY_BYTES: usize = 200;
const BATCH: usize = 200;
/// Batches of one sample.
const BATCHES: usize = 200;

fn main() {
    if std::env::args().any(|argument| argument == "figures") {
        figures();
    } else {
        divan::main();
    }
}

struct House {
    topic: Arc<Topic>,
    channel: Arc<Channel>,
    broker: Broker,
    log: Log,
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl House {
    fn open(level: Durability, mem_queue_size: usize) -> Self {
        // In the workspace's own disk, not in memory: writes must cost what they cost.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let clock = Clock::system();
        let log = Log::open(log::Config::new(dir.path().join("log")), clock.clone()).expect("a log").0;
        let queue = Queue::open(log.clone(), dir.path()).expect("a queue");
        let config = Config { mem_queue_size, durability: level, ..Config::default() };
        let tasks = TaskGroup::new();
        let (broker, _) = Broker::open(queue, dir.path(), config, clock, &tasks).expect("a broker");
        let (topic, channel) = runtime.block_on(async {
            let topic = broker.topic("bench").await.expect("a topic");
            let channel = topic.channel("bench").await.expect("a channel");
            (topic, channel)
        });
        drop(_inside);
        Self { topic, channel, broker, log, runtime, _dir: dir }
    }

    fn consumer(&self) -> Consumer {
        let consumer = self.channel.subscribe(Subscriber {
            id: 1,
            msg_timeout: Duration::from_secs(60),
            max_msg_timeout: Duration::from_secs(900),
            sample_rate: 0,
            proximity: Proximity::Global,
        });
        let consumer = consumer.expect("a channel");
        consumer.set_ready(2_500);
        consumer
    }
}

/// A batch as a connection reads it: slices of one buffer.
fn batch() -> Vec<NewMessage> {
    let buffer = Bytes::from(vec![b'x'; BODY_BYTES * BATCH]);
    (0..BATCH).map(|at| buffer.slice(at * BODY_BYTES..(at + 1) * BODY_BYTES).into()).collect()
}

async fn publish(topic: &Topic, batches: usize) {
    for _ in 0..batches {
        let batch = batch();
        loop {
            match topic.publish(&batch) {
                Ok(published) => break published.await.expect("a sound disk"),
                Err(error) => assert_eq!(error.kind(), base::ErrorKind::Busy, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

async fn consume(consumer: &mut Consumer, count: usize) {
    let (mut out, mut left) = (Vec::with_capacity(BATCH), count);
    while left > 0 {
        consumer.take(BATCH.min(left), &mut out).await.expect("a channel");
        left -= out.len();
        for delivery in out.drain(..) {
            consumer.finish(delivery.id).expect("in flight");
        }
    }
}

#[divan::bench(args = [Durability::Memory, Durability::Os], max_time = 2)]
fn publish_batches(bencher: Bencher<'_, '_>, level: Durability) {
    let house = House::open(level, 1 << 20);
    bencher.counter(ItemsCount::new(BATCH * BATCHES)).bench_local(|| {
        house.runtime.block_on(publish(&house.topic, BATCHES));
        house.runtime.block_on(house.channel.empty()).expect("a channel");
    });
}

#[divan::bench(args = [1 << 20, 0], max_time = 2)]
fn take_and_finish(bencher: Bencher<'_, '_>, mem_queue_size: usize) {
    let house = House::open(Durability::Os, mem_queue_size);
    let mut consumer = house.consumer();
    bencher
        .counter(ItemsCount::new(BATCH * BATCHES))
        .with_inputs(|| house.runtime.block_on(publish(&house.topic, BATCHES)))
        .bench_local_values(|()| house.runtime.block_on(consume(&mut consumer, BATCH * BATCHES)));
}

/// User and system time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<u64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().map(|f| f.parse().unwrap_or(0)).collect();
    // Fields 14 and 15, in hundredths of a second; the first two went with the name.
    Duration::from_millis(fields.get(11..13).map_or(0, |ticks| ticks.iter().sum::<u64>() * 10))
}

/// Memory of this process, in MiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) >> 10
}

fn figures() {
    println!("{BODY_BYTES}-byte bodies, batches of {BATCH}, CPU of the whole process, 2 worker threads");
    println!("what                                messages/s   µs CPU each   MiB");
    let say = |what: &str, count: usize, (started, busy): (Instant, Duration)| {
        let rate = count as f64 / started.elapsed().as_secs_f64();
        let each = (cpu() - busy).as_secs_f64() * 1e6 / count as f64;
        println!("{what:<36}{rate:>10.0}{each:>14.2}{:>6}", memory());
    };
    let count = 2_000_000;
    for level in [Durability::Memory, Durability::Os] {
        let house = House::open(level, 10_000);
        let begun = (Instant::now(), cpu());
        house.runtime.block_on(publish(&house.topic, count / BATCH));
        house.runtime.block_on(house.log.sync(house.log.end())).expect("a sound disk");
        say(&format!("publish, {level:?}, backlog of {count}"), count, begun);
        let mut consumer = house.consumer();
        let begun = (Instant::now(), cpu());
        house.runtime.block_on(consume(&mut consumer, count));
        say("take and finish that backlog", count, begun);
        let begun = (Instant::now(), cpu());
        house.runtime.block_on(async {
            for _ in 0..count / (BATCH * 10) {
                publish(&house.topic, 10).await;
                consume(&mut consumer, BATCH * 10).await;
            }
        });
        say("both in turn, in memory", count, begun);
        house.runtime.block_on(house.broker.close()).expect("a sound disk");
    }
}

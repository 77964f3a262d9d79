//! What much of something costs: `cargo bench -p eyrie-queue --bench scale`.
//!
//! Ten thousand consumers of a channel, a million deferred messages when a snapshot is taken, a topic that
//! drops its oldest messages, consumers that leave with what they have.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::Clock;
use base::tasks::TaskGroup;
use bytes::Bytes;
use eyrie_queue::Queue;
use eyrie_queue::broker::{Broker, Channel, Config, Consumer, NewMessage, Overflow, Policy, Proximity};
use eyrie_queue::broker::{Subscriber, Topic};
use log::Log;
use tokio::runtime::{Builder, Runtime};

/// Messages of a publish that is not looked at.
const BATCH: usize = 1_000;

fn main() {
    consumers(100);
    consumers(10_000);
    snapshots(0);
    snapshots(1_000_000);
    due(1_000_000);
    drops(1_000);
    drops(400_000);
    leaving(20, 250);
    leaving(2_000, 250);
}

struct House {
    topic: Arc<Topic>,
    channel: Arc<Channel>,
    broker: Broker,
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl House {
    fn open() -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let inside = runtime.enter();
        let clock = Clock::system();
        let log = Log::open(log::Config::new(dir.path().join("log")), clock.clone()).expect("a log").0;
        let queue = Queue::open(log, dir.path()).expect("a queue");
        let tasks = TaskGroup::new();
        let (broker, _) =
            Broker::open(queue, dir.path(), Config::default(), clock, &tasks).expect("a broker");
        let (topic, channel) = runtime.block_on(async {
            let topic = broker.topic("bench").await.expect("a topic");
            let channel = topic.channel("bench").await.expect("a channel");
            (topic, channel)
        });
        drop(inside);
        Self { topic, channel, broker, runtime, _dir: dir }
    }

    fn consumer(&self, ready: u32) -> Consumer {
        let consumer = self.channel.subscribe(Subscriber {
            id: 1,
            msg_timeout: Duration::from_secs(600),
            max_msg_timeout: Duration::from_secs(900),
            sample_rate: 0,
            proximity: Proximity::Global,
        });
        let consumer = consumer.expect("a channel");
        consumer.set_ready(ready);
        consumer
    }

    fn publish(&self, count: usize, delay: Duration) {
        let message = NewMessage { delay, ..Bytes::from_static(b"ten bytes!").into() };
        let messages = vec![message; BATCH.min(count)];
        for _ in 0..count / messages.len().max(1) {
            self.runtime.block_on(async {
                self.topic.publish(&messages).expect("room").await.expect("a sound disk");
            });
        }
    }
}

/// Each asks for one message at a time.
fn consumers(count: usize) {
    const MESSAGES: usize = 20_000;
    let house = House::open();
    let _inside = house.runtime.enter();
    let (tell, mut told) = tokio::sync::mpsc::channel(MESSAGES);
    for _ in 0..count {
        let (mut consumer, tell) = (house.consumer(1), tell.clone());
        tokio::spawn(async move {
            let mut out = Vec::new();
            while consumer.take(1, &mut out).await.is_ok() {
                for delivery in out.drain(..) {
                    consumer.finish(delivery.id).expect("in flight");
                    if tell.send(()).await.is_err() {
                        return;
                    }
                }
            }
        });
    }
    house.runtime.block_on(async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let begun = Instant::now();
        let one = [NewMessage::from(Bytes::from_static(b"ten bytes!"))];
        for _ in 0..MESSAGES {
            house.topic.publish(&one).expect("room").await.expect("a sound disk");
        }
        for _ in 0..MESSAGES {
            told.recv().await;
        }
        let each = begun.elapsed().as_secs_f64() * 1e6 / MESSAGES as f64;
        println!("{count:>9} consumers: {each:.1} µs from publishing to finishing, one at a time");
        house.broker.close().await.expect("a sound disk");
    });
}

/// How long somebody waits for the channel while a snapshot is taken.
fn snapshots(deferred: usize) {
    let house = House::open();
    house.publish(deferred, Duration::from_secs(3_600));
    let (longest, taking) = waits(&house, || {
        house.runtime.block_on(house.broker.snapshot()).expect("a sound disk");
    });
    println!(
        "{deferred:>9} deferred: a snapshot takes {taking:.0?}, the channel's lock at most {longest:.1?}"
    );
    house.runtime.block_on(house.broker.close()).expect("a sound disk");
}

/// How long somebody waits while all of them come due at the same time.
fn due(deferred: usize) {
    let house = House::open();
    let begun = Instant::now();
    let later = Duration::from_secs(30);
    for _ in 0..deferred / BATCH {
        house.publish(BATCH, later.saturating_sub(begun.elapsed()));
    }
    std::thread::sleep(later.saturating_sub(begun.elapsed() + Duration::from_millis(200)));
    let (longest, _) = waits(&house, || {
        while house.channel.stats().deferred_count > 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    println!("{deferred:>9} come due: the channel's lock at most {longest:.1?}");
    house.runtime.block_on(house.broker.close()).expect("a sound disk");
}

/// The longest that the channel's lock was waited for while something was done (the best of five where it
/// can be repeated), and how long that took.
fn waits(house: &House, mut done: impl FnMut()) -> (Duration, Duration) {
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let (is_over, channel) = (Arc::new(AtomicBool::new(false)), house.channel.clone());
        let watch = std::thread::spawn({
            let is_over = is_over.clone();
            move || {
                let mut longest = Duration::ZERO;
                while !is_over.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    std::hint::black_box(channel.is_paused());
                    longest = longest.max(begun.elapsed());
                }
                longest
            }
        });
        let begun = Instant::now();
        done();
        let taking = begun.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let longest = watch.join().expect("it ends");
        if longest < best.0 && taking > Duration::from_millis(1) {
            best = (longest, taking);
        }
    }
    best
}

/// A topic that is full, a consumer that has 2,500 messages.
fn drops(kept: usize) {
    const MESSAGES: usize = 5_000;
    let house = House::open();
    let policy =
        Policy { max_bytes: Some(kept as u64 * 10), overflow: Overflow::DropOldest, ..Policy::default() };
    house.runtime.block_on(house.topic.set_policy(policy)).expect("a sound disk");
    house.publish(kept.min(BATCH), Duration::ZERO);
    let mut consumer = house.consumer(2_500);
    let mut out = Vec::new();
    house.runtime.block_on(consumer.take(2_500, &mut out)).expect("some");
    house.publish(kept, Duration::ZERO);
    let one = [NewMessage::from(Bytes::from_static(b"ten bytes!"))];
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    for _ in 0..MESSAGES {
        let begun = Instant::now();
        drop(house.topic.publish(&one).expect("room"));
        longest = longest.max(begun.elapsed());
    }
    let each = begun.elapsed().as_secs_f64() * 1e6 / MESSAGES as f64;
    println!("{kept:>9} kept, the oldest dropped: {each:.1} µs a publish, at most {longest:.1?}");
    house.runtime.block_on(house.broker.close()).expect("a sound disk");
}

fn leaving(count: usize, each: usize) {
    let house = House::open();
    house.publish(count * each / BATCH * BATCH, Duration::ZERO);
    let mut consumers: Vec<_> = (0..count).map(|_| house.consumer(each as u32)).collect();
    let mut out = Vec::new();
    for consumer in &mut consumers {
        house.runtime.block_on(consumer.take(each, &mut out)).expect("some");
    }
    let held = house.channel.stats().in_flight_count;
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    for consumer in consumers {
        let begun = Instant::now();
        drop(consumer);
        longest = longest.max(begun.elapsed());
    }
    let took = begun.elapsed();
    println!("{count:>9} consumers leave with {held} messages: {took:.1?}, at most {longest:.1?} each");
    house.runtime.block_on(house.broker.close()).expect("a sound disk");
}

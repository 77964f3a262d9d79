//! A broker on a disk in memory.
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base::tasks::TaskGroup;
use base::{Clock, ErrorKind};
use bytes::Bytes;
use eyrie_queue::broker::{
    Broker, Config, Consumer, Delivery, NewMessage, Proximity, Recovered, Subscriber, Topic,
};
use eyrie_queue::{Error, Queue};
use log::Log;
use log::files::Faulty;

pub(crate) const SOON: Duration = Duration::from_secs(10);

pub(crate) struct House {
    pub(crate) broker: Broker,
    pub(crate) recovered: Recovered,
    pub(crate) log: Log,
    pub(crate) tasks: TaskGroup,
}

pub(crate) fn config() -> Config {
    Config { mem_queue_size: 300, node_id: 7, ..Config::default() }
}

pub(crate) fn log_config() -> log::Config {
    log::Config { segment_bytes: 64 << 10, ..log::Config::new("/data/log") }
}

pub(crate) fn open(disk: &Faulty) -> House {
    open_with(disk, log_config(), config())
}

pub(crate) fn open_with(disk: &Faulty, log_config: log::Config, config: Config) -> House {
    try_open(disk, log_config, config).unwrap()
}

pub(crate) fn try_open(disk: &Faulty, log_config: log::Config, config: Config) -> Result<House, Error> {
    let (log, _) = Log::open_on(Arc::new(disk.clone()), log_config, Clock::system()).unwrap();
    let queue = Queue::open(log.clone(), Path::new("/data")).unwrap();
    let tasks = TaskGroup::new();
    let (broker, recovered) = Broker::open(queue, Path::new("/data"), config, Clock::system(), &tasks)?;
    Ok(House { broker, recovered, log, tasks })
}

pub(crate) fn subscriber() -> Subscriber {
    Subscriber {
        id: 1,
        msg_timeout: Duration::from_secs(60),
        max_msg_timeout: Duration::from_secs(900),
        sample_rate: 0,
        proximity: Proximity::Global,
    }
}

pub(crate) fn text(body: impl ToString) -> NewMessage {
    Bytes::from(body.to_string()).into()
}

pub(crate) async fn publish(topic: &Topic, bodies: impl IntoIterator<Item = impl ToString>) {
    let messages: Vec<_> = bodies.into_iter().map(text).collect();
    topic.publish(&messages).unwrap().await.unwrap();
}

/// Publishes messages of this body one by one until the disk is full. Returns how many were taken in.
pub(crate) async fn fill(topic: &Topic, body: &str) -> usize {
    for taken_in in 0..10_000 {
        let outcome = match topic.publish(&[text(body)]) {
            Ok(published) => published.await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            assert_eq!(error.kind(), ErrorKind::Busy, "{error}");
            return taken_in;
        }
    }
    panic!("the disk is small");
}

/// The next message, within good time.
pub(crate) async fn next(consumer: &mut Consumer) -> Delivery {
    let mut out = Vec::new();
    tokio::time::timeout(SOON, consumer.take(1, &mut out)).await.expect("a message in time").unwrap();
    out.remove(0)
}

/// Takes this many, and keeps them.
pub(crate) async fn hold(consumer: &mut Consumer, count: usize) -> Vec<Delivery> {
    let mut held = Vec::new();
    while held.len() < count {
        let most = count - held.len();
        tokio::time::timeout(SOON, consumer.take(most, &mut held)).await.expect("messages in time").unwrap();
    }
    held
}

pub(crate) fn body(delivery: &Delivery) -> String {
    String::from_utf8(delivery.body.to_vec()).unwrap()
}

/// Nothing comes.
pub(crate) async fn nothing(consumer: &mut Consumer) {
    let mut out = Vec::new();
    let waited = tokio::time::timeout(Duration::from_millis(50), consumer.take(1, &mut out)).await;
    assert!(waited.is_err(), "{out:?}");
}

/// Takes and finishes this many, in the order they come.
pub(crate) async fn drain(consumer: &mut Consumer, count: usize) -> Vec<String> {
    let (mut bodies, mut out) = (Vec::new(), Vec::new());
    while bodies.len() < count {
        tokio::time::timeout(SOON, consumer.take(100, &mut out)).await.expect("messages in time").unwrap();
        for delivery in out.drain(..) {
            bodies.push(body(&delivery));
            consumer.finish(delivery.id).unwrap();
        }
    }
    bodies
}

/// Long enough for the journal to be told.
pub(crate) async fn told(house: &House) {
    // In pieces, so that its timer has its turn however late this one comes.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.log.sync(house.log.end()).await.unwrap();
}

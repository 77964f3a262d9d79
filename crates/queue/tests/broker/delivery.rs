//! One consumer, its messages and what it does with them.
use std::time::{Duration, Instant};

use eyrie_queue::Error;
use eyrie_queue::broker::{Config, MessageId, NewMessage, Subscriber};
use log::files::Faulty;

use crate::house::*;

#[tokio::test]
async fn messages_come_in_order_with_a_stable_id() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    publish(&topic, 0..10).await;
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    nothing(&mut consumer).await;
    consumer.set_ready(3);
    let mut out = Vec::new();
    consumer.take(100, &mut out).await.unwrap();
    assert_eq!(out.iter().map(body).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert!(out.windows(2).all(|pair| pair[0].id < pair[1].id));
    assert!(out.iter().all(|delivery| delivery.id.0 >> 54 == 7 && delivery.attempts == 1));
    nothing(&mut consumer).await;
    consumer.finish(out[1].id).unwrap();
    assert!(matches!(consumer.finish(out[1].id), Err(Error::NotInFlight)));
    assert!(matches!(consumer.finish(MessageId(3)), Err(Error::NotInFlight)));
    assert_eq!(body(&next(&mut consumer).await), "3");
    let other = channel.subscribe(subscriber()).unwrap();
    assert!(matches!(other.finish(out[0].id), Err(Error::NotOwner)));
    consumer.requeue(out[0].id, Duration::ZERO).unwrap();
    let stats = channel.stats();
    assert_eq!((stats.depth, stats.in_flight_count, stats.requeue_count, stats.message_count), (7, 2, 1, 10));
    consumer.set_ready(100);
    let mut rest = Vec::new();
    consumer.take(100, &mut rest).await.unwrap();
    let last = rest.last().unwrap();
    assert_eq!(
        (body(last), last.attempts, last.id),
        ("0".to_owned(), 2, out[0].id),
        "requeued ones go to the back"
    );
}

#[tokio::test]
async fn what_is_kept_too_long_comes_again_on_time() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let short = Duration::from_millis(100);
    let subscriber = Subscriber { msg_timeout: short, max_msg_timeout: short * 3, ..subscriber() };
    let mut consumer = channel.subscribe(subscriber).unwrap();
    consumer.set_ready(1);
    publish(&topic, ["a"]).await;
    let first = next(&mut consumer).await;
    let (started, mut touches) = (Instant::now(), 0);
    let second = loop {
        let mut out = Vec::new();
        if tokio::time::timeout(short / 2, consumer.take(1, &mut out)).await.is_ok() {
            break out.remove(0);
        }
        touches += usize::from(consumer.touch(first.id).is_ok());
    };
    assert!(touches > 1 && started.elapsed() >= short * 2, "{touches} touches, {:?}", started.elapsed());
    assert_eq!((second.attempts, second.id), (2, first.id));
    assert_eq!(channel.stats().timeout_count, 1);
    consumer.finish(second.id).unwrap();
    nothing(&mut consumer).await;
}

#[tokio::test]
async fn delays_of_publishing_and_requeueing_are_kept() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    let delay = Duration::from_millis(120);
    let started = Instant::now();
    let late = NewMessage { delay, ..text("late") };
    topic.publish(&[late, text("now")]).unwrap().await.unwrap();
    let now = next(&mut consumer).await;
    assert_eq!(body(&now), "now");
    assert_eq!(channel.stats().deferred_count, 1);
    consumer.requeue(now.id, delay * 2).unwrap();
    assert_eq!(body(&next(&mut consumer).await), "late");
    // Times are kept in whole milliseconds.
    let least = delay - Duration::from_millis(1);
    assert!(started.elapsed() >= least, "{:?}", started.elapsed());
    let again = next(&mut consumer).await;
    assert_eq!((body(&again), again.attempts), ("now".to_owned(), 2));
    assert!(started.elapsed() >= least * 2);
}

#[tokio::test]
async fn a_consumer_that_goes_leaves_its_messages_to_the_next_at_once() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    publish(&topic, 0..4).await;
    let mut first = channel.subscribe(subscriber()).unwrap();
    let mut second = channel.subscribe(subscriber()).unwrap();
    first.set_ready(10);
    let mut out = Vec::new();
    first.take(10, &mut out).await.unwrap();
    assert_eq!(out.len(), 4);
    first.finish(out[2].id).unwrap();
    second.set_ready(10);
    let waits = tokio::spawn(async move {
        let mut out = Vec::new();
        second.take(10, &mut out).await.unwrap();
        out
    });
    drop(first);
    let got = tokio::time::timeout(SOON, waits).await.unwrap().unwrap();
    assert_eq!(got.iter().map(|it| (body(it), it.attempts)).collect::<Vec<_>>().len(), 3);
    assert!(got.iter().all(|it| it.attempts == 2));
}

#[tokio::test]
async fn consumers_that_wait_share() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(100);
        tasks.push(tokio::spawn(async move {
            let mut out = Vec::new();
            tokio::time::timeout(SOON, consumer.take(100, &mut out)).await.unwrap().unwrap();
            (out.len(), consumer)
        }));
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    publish(&topic, 0..100).await;
    let mut total = 0;
    let mut consumers = Vec::new();
    for task in tasks {
        let (count, consumer) = task.await.unwrap();
        assert!((1..=40).contains(&count), "{count}");
        total += count;
        consumers.push(consumer);
    }
    assert_eq!(total, 100);
}

#[tokio::test]
async fn a_backlog_is_read_from_the_log_in_order() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let count = 20_000;
    for start in (0..count).step_by(1_000) {
        publish(&topic, start..start + 1_000).await;
    }
    let stats = channel.stats();
    assert_eq!((stats.depth, stats.backend_depth), (count, count - 300));
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(500);
    let bodies = drain(&mut consumer, count as usize).await;
    assert_eq!(bodies, (0..count).map(|n| n.to_string()).collect::<Vec<_>>());
    publish(&topic, ["last"]).await;
    assert_eq!(body(&next(&mut consumer).await), "last");
    assert_eq!(channel.stats().depth, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timeouts_and_delays_are_never_early_and_exact_to_milliseconds() {
    let house = open(&Faulty::new());
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let timeout = Duration::from_millis(40);
    let mut consumer = channel.subscribe(Subscriber { msg_timeout: timeout, ..subscriber() }).unwrap();
    consumer.set_ready(1);
    publish(&topic, ["a"]).await;
    let mut id = next(&mut consumer).await.id;
    let (mut by_timeout, mut by_delay) = (Vec::new(), Vec::new());
    for round in 0..30 {
        let (late, started) = match round % 2 {
            0 => (&mut by_timeout, Instant::now()),
            _ => {
                let started = Instant::now();
                consumer.requeue(id, timeout).unwrap();
                (&mut by_delay, started)
            }
        };
        if round % 2 == 0 {
            // A timeout counts from the delivery: begin anew.
            consumer.touch(id).unwrap();
        }
        id = next(&mut consumer).await.id;
        let took = started.elapsed();
        // The broker's clock counts whole milliseconds.
        assert!(took + Duration::from_millis(2) > timeout, "{took:?}");
        late.push(took.saturating_sub(timeout));
    }
    for mut late in [by_timeout, by_delay] {
        late.sort_unstable();
        // Not the median: other tests share the machine.
        assert!(late[2] <= Duration::from_millis(5), "{late:?}");
        println!(
            "late: least {:?}, median {:?}, most {:?}",
            late[0],
            late[late.len() / 2],
            late[late.len() - 1]
        );
    }
}

#[tokio::test]
async fn a_delay_that_is_over_before_its_record_is_written_loses_nothing() {
    // No body of a deferred message fits into memory, and the committer is slower than the delay.
    let config = Config { mem_bytes_max: 4, durability: log::Durability::Memory, ..config() };
    let house = open_with(&Faulty::new(), log_config(), config);
    let topic = house.broker.topic("t").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    let mut consumer = channel.subscribe(subscriber()).unwrap();
    consumer.set_ready(10);
    for round in 0..20 {
        let message = NewMessage { delay: Duration::from_millis(1), ..text(format!("round {round}")) };
        topic.publish(&[message]).unwrap().await.unwrap();
        assert_eq!(drain(&mut consumer, 1).await, [format!("round {round}")]);
    }
}

#[tokio::test]
async fn an_ephemeral_topic_whose_bytes_are_full_drops_and_goes_on() {
    let house = open_with(&Faulty::new(), log_config(), Config { mem_bytes_max: 10, ..config() });
    let topic = house.broker.topic("t#ephemeral").await.unwrap();
    let channel = topic.channel("c").await.unwrap();
    for round in 0..3 {
        publish(&topic, ["12345678", "12345678", "too many"]).await;
        assert_eq!(channel.stats().depth, 2, "round {round}");
        let mut consumer = channel.subscribe(subscriber()).unwrap();
        consumer.set_ready(10);
        assert_eq!(drain(&mut consumer, 2).await, ["12345678", "12345678"], "round {round}");
        nothing(&mut consumer).await;
    }
}

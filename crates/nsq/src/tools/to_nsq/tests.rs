use base::testkit::eventually;

use super::*;
use crate::client::fake::FakeNsqd;
use crate::tools::pool::Mode;
use crate::tools::reading::Reading;

const SOON: Duration = Duration::from_secs(20);

fn published(nsqd: &FakeNsqd) -> Vec<(String, String)> {
    let published = nsqd.look(|state| state.published.clone());
    let text = |(topic, body): (String, bytes::Bytes)| (topic, String::from_utf8_lossy(&body).into_owned());
    let mut published: Vec<_> = published.into_iter().map(text).collect();
    published.sort();
    published
}

/// Runs until all `bodies` are finished.
async fn copy(options: Options, from: &FakeNsqd, bodies: &[&str]) {
    let work = TaskGroup::new();
    from.push(bodies.iter().copied());
    let running = tokio::spawn(run(options, work.stop_signal()));
    eventually(SOON, "all are finished", || async { (from.finished().len() == bodies.len()).then_some(()) })
        .await;
    work.request_stop();
    running.await.expect("no panic").expect("it ends well");
}

async fn house(tasks: &TaskGroup, destinations: usize) -> (FakeNsqd, Vec<FakeNsqd>, Options) {
    let from = FakeNsqd::start(tasks).await;
    let mut to = Vec::new();
    for _ in 0..destinations {
        to.push(FakeNsqd::start(tasks).await);
    }
    let options = Options {
        topics: vec!["t".to_owned()],
        reading: Reading::of(&from.address),
        destination_nsqd_tcp_addresses: to.iter().map(|nsqd| nsqd.address.clone()).collect(),
        ..Options::default()
    };
    (from, to, options)
}

#[tokio::test]
async fn each_message_goes_to_one_destination() {
    let tasks = TaskGroup::new();
    let (from, to, options) = house(&tasks, 2).await;
    copy(Options { mode: Mode::RoundRobin, ..options }, &from, &["a", "b", "c", "d"]).await;
    let (first, second) = (published(&to[0]), published(&to[1]));
    assert_eq!((first.len(), second.len()), (2, 2));
    let mut all: Vec<_> = first.into_iter().chain(second).collect();
    all.sort();
    assert_eq!(all, ["a", "b", "c", "d"].map(|body| ("t".to_owned(), body.to_owned())));
}

#[tokio::test]
async fn filters_drop_and_cut_and_another_topic_may_be_named() {
    let tasks = TaskGroup::new();
    let (from, to, options) = house(&tasks, 1).await;
    let options = Options {
        destination_topic: "u".to_owned(),
        require_json_field: "kind".to_owned(),
        require_json_value: "x".to_owned(),
        whitelist_json_fields: vec!["n".to_owned()],
        ..options
    };
    copy(options, &from, &[r#"{"kind":"x","n":1}"#, r#"{"kind":"y","n":2}"#, "rubbish"]).await;
    assert_eq!(published(&to[0]), [("u".to_owned(), r#"{"n":1}"#.to_owned())]);
}

#[tokio::test]
async fn what_a_destination_refuses_comes_again_and_goes_elsewhere() {
    let tasks = TaskGroup::new();
    let (from, to, options) = house(&tasks, 2).await;
    to[0].look(|state| state.refusal = Some("full"));
    copy(options, &from, &["a"]).await;
    assert_eq!(from.look(|state| state.requeued.len()), 1);
    assert_eq!(published(&to[1]), [("t".to_owned(), "a".to_owned())]);
}

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::Request;
use axum::routing::any;
use base::testkit::eventually;
use http::StatusCode;

use super::*;
use crate::client::fake::FakeNsqd;
use crate::http::{Limits, Listener, serve};
use crate::tools::pool::Mode;
use crate::tools::reading::Reading;

const SOON: std::time::Duration = std::time::Duration::from_secs(20);

/// An HTTP server that answers with one status and remembers what it was asked.
struct Site {
    url: String,
    heard: Arc<Mutex<Vec<String>>>,
}

async fn site(tasks: &TaskGroup, status: u16) -> Site {
    let heard = Arc::<Mutex<Vec<String>>>::default();
    let hearing = Arc::clone(&heard);
    let answer = move |request: Request| {
        let hearing = Arc::clone(&hearing);
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
            let header = |name: &str| {
                head.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()
            };
            hearing.lock().push(format!(
                "{} {} {:?} {} {}",
                head.method,
                head.uri,
                String::from_utf8_lossy(&body),
                header("content-type"),
                header("x-token")
            ));
            StatusCode::from_u16(status).expect("a status")
        }
    };
    let listener = Listener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}", listener.address());
    let (router, stop) = (Router::new().fallback(any(answer)), tasks.stop_signal());
    tasks.spawn("site", async move {
        serve(listener, router, stop, Limits::default()).await;
    });
    Site { url, heard }
}

fn options(nsqd: &FakeNsqd) -> Options {
    Options { topic: "t".to_owned(), reading: Reading::of(&nsqd.address), ..Options::default() }
}

/// Runs until all `bodies` are finished; what the sites heard, sorted.
async fn hand_over(options: Options, nsqd: &FakeNsqd, bodies: &[&str]) {
    let work = TaskGroup::new();
    nsqd.push(bodies.iter().copied());
    let running = tokio::spawn(run(options, work.stop_signal()));
    eventually(SOON, "all are finished", || async { (nsqd.finished().len() == bodies.len()).then_some(()) })
        .await;
    work.request_stop();
    running.await.expect("no panic").expect("it ends well");
}

#[tokio::test]
async fn messages_are_posted_or_put_into_a_get() {
    let tasks = TaskGroup::new();
    let (nsqd, site) = (FakeNsqd::start(&tasks).await, site(&tasks, 200).await);
    let posts = Options {
        posts: vec![format!("{}/in?a=1", site.url)],
        content_type: "text/plain".to_owned(),
        headers: vec!["X-Token: s:1".to_owned()],
        ..options(&nsqd)
    };
    hand_over(posts, &nsqd, &["a b"]).await;
    assert_eq!(site.heard.lock().drain(..).collect::<Vec<_>>(), ["POST /in?a=1 \"a b\" text/plain s:1"]);
    let gets = Options { gets: vec![format!("{}/in?m=%s&x=1", site.url)], ..options(&nsqd) };
    hand_over(gets, &nsqd, &["a b", "ä&%-_.~/"]).await;
    let mut heard: Vec<String> = site.heard.lock().drain(..).collect();
    heard.sort();
    assert_eq!(heard[0], "GET /in?m=%C3%A4%26%25-_.~%2F&x=1 \"\"  ");
    assert_eq!(heard[1], "GET /in?m=a+b&x=1 \"\"  ");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_elsewhere() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let (well, ill) = (site(&tasks, 204).await, site(&tasks, 500).await);
    let bodies: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    let bodies: Vec<&str> = bodies.iter().map(String::as_str).collect();
    let options = Options { posts: vec![ill.url.clone(), well.url.clone()], publishers: 1, ..options(&nsqd) };
    hand_over(options, &nsqd, &bodies).await;
    assert_eq!(well.heard.lock().len(), 20, "all of them at last");
    assert_eq!(ill.heard.lock().len(), 1, "the pool leaves alone what failed");
    assert_eq!(nsqd.look(|state| state.requeued.len()), 1);
}

#[tokio::test]
async fn addresses_take_turns() {
    let tasks = TaskGroup::new();
    let nsqd = FakeNsqd::start(&tasks).await;
    let sites = [site(&tasks, 200).await, site(&tasks, 200).await, site(&tasks, 200).await];
    let posts = sites.iter().map(|site| site.url.clone()).collect();
    let options = Options { posts, mode: Mode::RoundRobin, ..options(&nsqd) };
    hand_over(options, &nsqd, &["1", "2", "3", "4", "5", "6"]).await;
    let mut heard = BTreeMap::new();
    for site in &sites {
        heard.insert(site.url.clone(), site.heard.lock().len());
    }
    assert!(heard.values().all(|count| *count == 2), "{heard:?}");
}

#[tokio::test]
async fn a_sample_is_handed_on_and_all_are_finished() {
    let tasks = TaskGroup::new();
    let (nsqd, site) = (FakeNsqd::start(&tasks).await, site(&tasks, 200).await);
    let options = Options { posts: vec![site.url.clone()], sample: 0.0, ..options(&nsqd) };
    hand_over(options, &nsqd, &["1", "2", "3"]).await;
    assert!(site.heard.lock().is_empty());
}

#[tokio::test]
async fn a_get_must_be_answered_with_200() {
    let tasks = TaskGroup::new();
    let (nsqd, site) = (FakeNsqd::start(&tasks).await, site(&tasks, 204).await);
    let mut options = Options { gets: vec![format!("{}/%s", site.url)], ..options(&nsqd) };
    options.reading.consumer_opts.push("max_attempts,2".to_owned());
    hand_over(options, &nsqd, &["x"]).await;
    assert_eq!(site.heard.lock().len(), 2, "tried as often as it may be, then given up");
}

//! A whole application in a temporary folder, asked without a socket.

use app::accounts::AccountInfo;
use app::intake::Sent;
use axum::Router;
use axum::body::Body;
use base::metrics::Metrics;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use stats::{Kind, StatName};
use tower::ServiceExt as _;

/// Saturday, 21 November 2026, 12:00:30 UTC.
pub(crate) const NOW: i64 = 1_795_262_430;

pub(crate) struct House {
    pub(crate) app: app::App,
    pub(crate) clock: Clock,
    pub(crate) me: AccountInfo,
    pub(crate) other: AccountInfo,
    router: Router,
    tasks: TaskGroup,
    _folder: tempfile::TempDir,
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}

impl House {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let dir = folder.path().join("log");
        let log = log::Config { segment_bytes: 1 << 20, ..log::Config::new(&dir) };
        let (log, _) = log::Log::open(log, clock.clone()).expect("the log opens");
        let queue = queue::Queue::open(log, &dir).expect("the queue opens");
        let store = store::open_sqlite(&folder.path().join("eyrie.db")).await.expect("the store opens");
        let config = app::Config { shards: 4, durability: queue::Durability::Os, ..app::Config::default() };
        let tasks = TaskGroup::new();
        let app = app::App::start(config, clock.clone(), store, queue, &Metrics::new(), &tasks)
            .await
            .expect("it starts");
        let me = app.accounts.create("me@example.com", None).await.expect("an account").account;
        let other = app.accounts.create("other@example.com", None).await.expect("an account").account;
        let router = eyrie_web::export::router(app.clone()).merge(eyrie_web::image::router(app.clone()));
        Self { app, clock, me, other, router, tasks, _folder: folder }
    }

    /// Sends numbers, seconds before now, and waits until they count.
    pub(crate) async fn send(&self, name: &str, kind: Kind, numbers: &[(i64, f64)]) -> String {
        let name = StatName::new(name).expect("a good name");
        let sent = |(ago, number): &(i64, f64)| Sent {
            account: self.me.id,
            name: name.clone(),
            kind,
            number: *number,
            time: Timestamp::from_seconds(self.clock.now().seconds() - ago),
        };
        let sent: Vec<_> = numbers.iter().map(sent).collect();
        self.submit(&sent).await;
        let stat = self.app.catalog.by_name(self.me.id, name.as_str()).expect("the recorder made it");
        stat.public_id.to_string()
    }

    pub(crate) async fn submit(&self, sent: &[Sent]) {
        self.app.intake.submit(sent).expect("taken").settle().await.expect("acknowledged");
        self.app.finish().await.expect("written down");
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        let path = path.replace("TOKEN", &self.me.access_token);
        self.ask(Request::builder().method(method).uri(path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// Asserts a status and the body; `TOKEN` in the path is mine.
    pub(crate) async fn check(&self, path: &str, status: u16, expect: &str) {
        let answer = self.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, expect), "{path}");
    }

    /// The values of the points of one stat.
    pub(crate) async fn values(&self, id: &str, query: &str) -> Vec<f64> {
        let answer = self.get(&format!("/x/TOKEN/data/{id}?{query}")).await;
        let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        let points = json[0]["points"].as_array().unwrap_or_else(|| panic!("points in {json}"));
        points.iter().map(|point| point["value"].as_f64().expect("a number")).collect()
    }

    pub(crate) async fn end(self) {
        assert!(self.tasks.drain(std::time::Duration::from_secs(20)).await, "all tasks stop");
    }
}

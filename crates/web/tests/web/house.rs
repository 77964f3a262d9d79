//! A whole application in a temporary folder, and a browser without a window in front of it.

use app::accounts::AccountInfo;
use app::intake::Sent;
use axum::Router;
use axum::body::Body;
use base::metrics::Metrics;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use eyrie_web::Config;
use http::request::Builder;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use stats::{AccountId, Kind, StatName};
use tower::ServiceExt as _;

/// Saturday, 21 November 2026, 12:00:30 UTC.
pub(crate) const NOW: i64 = 1_795_262_430;

pub(crate) struct House {
    pub(crate) app: app::App,
    pub(crate) clock: Clock,
    pub(crate) me: AccountInfo,
    pub(crate) router: Router,
    cookie: String,
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

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }
}

impl House {
    /// With the owner signed in.
    pub(crate) async fn new() -> Self {
        Self::with(Config { templates: None, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let dir = folder.path().join("log");
        let log = log::Config { segment_bytes: 1 << 20, ..log::Config::new(&dir) };
        let (log, _) = log::Log::open(log, clock.clone()).expect("the log opens");
        let queue = queue::Queue::open(log, &dir).expect("the queue opens");
        let store = store::open_sqlite(&folder.path().join("eyrie.db")).await.expect("the store opens");
        let settings = app::Config { shards: 4, durability: queue::Durability::Os, ..app::Config::default() };
        let tasks = TaskGroup::new();
        let app = app::App::start(settings, clock.clone(), store, queue, &Metrics::new(), &tasks)
            .await
            .expect("it starts");
        let owner = app.accounts.ensure_owner("me@example.com").await.expect("made").expect("new");
        let router = eyrie_web::router(app.clone(), config);
        let mut house =
            Self { app, clock, me: owner.account, router, cookie: String::new(), tasks, _folder: folder };
        let signed_in = house.post(&format!("/signin/{}", owner.signin_secret), "").await;
        assert_eq!((signed_in.status.as_u16(), signed_in.header("location")), (303, "/stats"));
        let cookie = signed_in.header("set-cookie").split(';').next().expect("a cookie").to_owned();
        house.cookie = cookie;
        house
    }

    /// Somebody else.
    pub(crate) async fn other(&self) -> AccountInfo {
        self.app.accounts.create("other@example.com", None).await.expect("an account").account
    }

    /// Sends numbers of mine, seconds before now, and waits until they count; answers the public id.
    pub(crate) async fn send(&self, name: &str, kind: Kind, numbers: &[(i64, f64)]) -> String {
        self.send_as(self.me.id, name, kind, numbers).await
    }

    /// As [`send`](Self::send), of anybody.
    pub(crate) async fn send_as(
        &self,
        account: AccountId,
        name: &str,
        kind: Kind,
        numbers: &[(i64, f64)],
    ) -> String {
        let name = StatName::new(name).expect("a good name");
        let sent = |(ago, number): &(i64, f64)| Sent {
            account,
            name: name.clone(),
            kind,
            number: *number,
            time: Timestamp::from_seconds(self.clock.now().seconds() - ago),
        };
        let sent: Vec<_> = numbers.iter().map(sent).collect();
        self.submit(&sent).await;
        let stat = self.app.catalog.by_name(account, name.as_str()).expect("the recorder made it");
        stat.public_id.to_string()
    }

    pub(crate) async fn submit(&self, sent: &[Sent]) {
        self.app.intake.submit(sent).expect("taken").settle().await.expect("acknowledged");
        self.app.finish().await.expect("written down");
    }

    pub(crate) fn request(path: &str) -> Builder {
        Request::builder().uri(path).header(header::HOST, "stats.example.com")
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes().to_vec();
        Answer { status: head.status, headers: head.headers, body }
    }

    /// As the owner.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Self::request(path).header(header::COOKIE, &self.cookie);
        self.ask(request.body(Body::empty()).expect("a request")).await
    }

    /// Only the status, for what does not end.
    pub(crate) async fn get_head(&self, path: &str) -> StatusCode {
        let request = Self::request(path).header(header::COOKIE, &self.cookie);
        let request = request.body(Body::empty()).expect("a request");
        self.router.clone().oneshot(request).await.expect("routers do not fail").status()
    }

    /// The owner's session.
    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    /// As nobody. `TOKEN` in the path is the owner's.
    pub(crate) async fn call(&self, method: Method, path: &str) -> Answer {
        let path = path.replace("TOKEN", &self.me.access_token);
        self.ask(Self::request(&path).method(method).body(Body::empty()).expect("a request")).await
    }

    /// As nobody.
    pub(crate) async fn get_signed_out(&self, path: &str) -> Answer {
        self.call(Method::GET, path).await
    }

    /// Asserts what nobody in particular is answered: status and body.
    pub(crate) async fn check(&self, path: &str, status: u16, expect: &str) {
        let answer = self.get_signed_out(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, expect), "{path}");
    }

    /// The exported values of the points of one stat.
    pub(crate) async fn values(&self, id: &str, query: &str) -> Vec<f64> {
        let json = self.get_signed_out(&format!("/x/TOKEN/data/{id}?{query}")).await.json();
        let points = json[0]["points"].as_array().unwrap_or_else(|| panic!("points in {json}"));
        points.iter().map(|point| point["value"].as_f64().expect("a number")).collect()
    }

    /// A form of the owner's, from a page of `origin`.
    pub(crate) async fn post_from(&self, origin: &str, path: &str, form: &str) -> Answer {
        let request = Self::request(path)
            .method("POST")
            .header(header::COOKIE, &self.cookie)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(form.to_owned())).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        self.post_from("http://stats.example.com", path, form).await
    }

    pub(crate) async fn end(self) {
        assert!(self.tasks.drain(std::time::Duration::from_secs(20)).await, "all tasks stop");
    }
}

//! An nsqd and an nsqlookupd that answer what they are told and write down what they are asked, and an
//! nsqadmin in front of them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use eyrie_nsq::admin::{Admin, Options, api};
use eyrie_nsq::http::{Limits, Listener, Peer, routes, serve};
use eyrie_nsq::logging::{Level, Verbosity};
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

/// When the golden answers were recorded.
pub(crate) const NOW: i64 = 1_795_215_602;

type Answers = HashMap<&'static str, (u16, String)>;

/// A daemon of either kind.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<String>>>,
    /// Whom it answers, as `Authorization` says it; empty: everybody.
    only: Arc<Mutex<String>>,
}

impl Fake {
    pub(crate) async fn start(tasks: &TaskGroup) -> Self {
        let listener = Listener::bind("127.0.0.1:0").await.expect("a free port");
        let fake = Self {
            address: listener.address(),
            answers: Arc::default(),
            asked: Arc::default(),
            only: Arc::default(),
        };
        let (own, stop) = (fake.clone(), tasks.stop_signal());
        let router = Router::new().fallback(async move |request: Request<Body>| own.answer(request).await);
        tasks.spawn("a fake", async move {
            serve(listener, router, stop, Limits::default()).await;
        });
        fake
    }

    /// Answers paths that begin so. Of several the longest counts.
    pub(crate) fn says(&self, path: &'static str, status: u16, body: impl Into<String>) -> &Self {
        self.answers.lock().expect("not poisoned").insert(path, (status, body.into()));
        self
    }

    /// Answers 401 to whoever does not show this `Authorization`.
    pub(crate) fn knows_only(&self, authorization: &str) {
        authorization.clone_into(&mut self.only.lock().expect("not poisoned"));
    }

    /// Method and target of every request so far, then the body behind a space, if there was one.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }

    /// The requests that were to change something, from now on.
    pub(crate) fn posts(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().expect("not poisoned"));
        asked.into_iter().filter_map(|line| line.strip_prefix("POST ").map(str::to_owned)).collect()
    }

    async fn answer(&self, request: Request<Body>) -> axum::response::Response {
        let (head, body) = request.into_parts();
        let only = self.only.lock().expect("not poisoned").clone();
        let shown = head.headers.get(http::header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        if !only.is_empty() && shown != Some(&only) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let mut line = format!("{} {target}", head.method);
        if !body.is_empty() {
            line = format!("{line} {}", String::from_utf8_lossy(&body));
        }
        self.asked.lock().expect("not poisoned").push(line);
        let answers = self.answers.lock().expect("not poisoned");
        let best =
            answers.iter().filter(|(path, _)| target.starts_with(**path)).max_by_key(|(path, _)| path.len());
        match best {
            Some((_, (status, body))) => {
                (StatusCode::from_u16(*status).expect("a status"), body.clone()).into_response()
            }
            None => (StatusCode::NOT_FOUND, r#"{"message":"NOT_FOUND"}"#).into_response(),
        }
    }
}

pub(crate) struct House {
    pub(crate) lookupd: Fake,
    pub(crate) nsqd: Fake,
    pub(crate) admin: Admin,
    pub(crate) tasks: TaskGroup,
    router: Router,
}

impl House {
    /// With one nsqlookupd, one nsqd and what `options` changes.
    pub(crate) async fn with(options: impl FnOnce(&mut Options)) -> Self {
        let tasks = TaskGroup::new();
        let (lookupd, nsqd) = (Fake::start(&tasks).await, Fake::start(&tasks).await);
        let mut all = Options { lookupd_http_addresses: vec![lookupd.address.clone()], ..Options::default() };
        options(&mut all);
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let verbosity = Verbosity::new(Level::Error);
        let admin = Admin::start(all, verbosity, clock, &tasks).expect("no certificates are named");
        let router = routes(api::router(admin.clone()));
        Self { lookupd, nsqd, admin, tasks, router }
    }

    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The port of the nsqd.
    pub(crate) fn port(&self) -> &str {
        self.nsqd.address.rsplit(':').next().expect("host:port")
    }

    /// A golden text with the addresses of this house.
    pub(crate) fn here(&self, text: &str) -> String {
        let port = format!("\"http_port\":{}", self.port());
        text.replace("127.0.0.1:22053", &self.nsqd.address)
            .replace("127.0.0.1:22051", &self.lookupd.address)
            .replace("\"http_port\":22053", &port)
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> (u16, String) {
        let answer = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.expect("a whole body").to_bytes();
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    pub(crate) async fn send(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let address: SocketAddr = "127.0.0.1:37420".parse().expect("an address");
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1:22055")
            .header("user-agent", "ua/1")
            .extension(Peer { address: Some(address), ..Peer::default() });
        self.ask(request.body(Body::from(body.to_owned())).expect("a request")).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        self.send("GET", path, "").await
    }

    /// Checks one golden answer to a GET.
    pub(crate) async fn answers(&self, path: &str, status: u16, golden: &str) {
        assert_eq!(self.get(path).await, (status, self.here(golden)), "{path}");
    }

    pub(crate) async fn end(self) {
        assert!(self.tasks.drain(std::time::Duration::from_secs(10)).await, "all tasks stop");
    }
}

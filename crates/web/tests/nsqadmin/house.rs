//! An nsqd and an nsqlookupd that say what they are told, and nsqadmin's site in front of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use eyrie_web::nsqadmin;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use nsq::admin::{Admin, Options};
use nsq::http::{Limits, Listener, serve};
use nsq::logging::{Level, Verbosity};
use tower::ServiceExt as _;

/// Saturday, 21 November 2026, 12:00:30 UTC.
const NOW: i64 = 1_795_262_430;

/// A daemon of either kind.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) address: String,
    answers: Arc<Mutex<HashMap<String, (u16, String)>>>,
    posts: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    async fn start(tasks: &TaskGroup) -> Self {
        let listener = Listener::bind("127.0.0.1:0").await.expect("a free port");
        let fake = Self { address: listener.address(), answers: Arc::default(), posts: Arc::default() };
        let (own, stop) = (fake.clone(), tasks.stop_signal());
        let router = Router::new().fallback(async move |request: Request<Body>| own.answer(&request));
        tasks.spawn("a fake", async move {
            serve(listener, router, stop, Limits::default()).await;
        });
        fake
    }

    /// Answers paths that begin so. Of several the longest counts.
    pub(crate) fn says(&self, path: &str, status: u16, body: impl Into<String>) -> &Self {
        self.answers.lock().expect("not poisoned").insert(path.to_owned(), (status, body.into()));
        self
    }

    /// What was to change something, from now on.
    pub(crate) fn posts(&self) -> Vec<String> {
        std::mem::take(&mut *self.posts.lock().expect("not poisoned"))
    }

    fn answer(&self, request: &Request<Body>) -> axum::response::Response {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        if request.method() == "POST" {
            self.posts.lock().expect("not poisoned").push(target.to_owned());
        }
        let answers = self.answers.lock().expect("not poisoned");
        let best =
            answers.iter().filter(|(path, _)| target.starts_with(path.as_str())).max_by_key(|(p, _)| p.len());
        match best {
            Some((_, (status, body))) => {
                (StatusCode::from_u16(*status).expect("a status"), body.clone()).into_response()
            }
            None => (StatusCode::NOT_FOUND, r#"{"message":"TOPIC_NOT_FOUND"}"#).into_response(),
        }
    }
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks that the page says each of `parts`.
    pub(crate) fn says(&self, parts: &[&str]) -> &Self {
        for part in parts {
            assert!(self.text.contains(part), "{part} is missing in {}", self.text);
        }
        self
    }
}

pub(crate) struct House {
    pub(crate) lookupd: Fake,
    pub(crate) nsqd: Fake,
    pub(crate) admin: Admin,
    tasks: TaskGroup,
    router: Router,
}

impl House {
    /// In front of one nsqlookupd and one nsqd, which know nothing yet.
    pub(crate) async fn with(options: impl FnOnce(&mut Options)) -> Self {
        let tasks = TaskGroup::new();
        let (lookupd, nsqd) = (Fake::start(&tasks).await, Fake::start(&tasks).await);
        lookupd
            .says("/topics", 200, r#"{"topics":[]}"#)
            .says("/nodes", 200, r#"{"producers":[]}"#)
            .says("/channels?topic=", 200, r#"{"channels":[]}"#)
            .says("/topic/", 200, "")
            .says("/channel/", 200, "");
        nsqd.says("/topic/", 200, "").says("/channel/", 200, "");
        let mut all = Options { lookupd_http_addresses: vec![lookupd.address.clone()], ..Options::default() };
        options(&mut all);
        let clock = Clock::manual(Timestamp::from_seconds(NOW));
        let admin = Admin::start(all, Verbosity::new(Level::Fatal), clock, &tasks).expect("no certificates");
        let router = nsqadmin::router(admin.clone());
        Self { lookupd, nsqd, admin, tasks, router }
    }

    pub(crate) async fn new() -> Self {
        Self::with(|_| ()).await
    }

    /// The nsqd registers, with a topic `orders` of two channels; `returns` is a name only.
    pub(crate) fn fill(&self) {
        let port = self.nsqd.address.rsplit(':').next().expect("host:port");
        let producer = format!(
            r#"{{"producers":[{{"remote_address":"127.0.0.1:5","hostname":"queue-1","broadcast_address":"127.0.0.1",
            "tcp_port":4150,"http_port":{port},"version":"1.3.0","tombstones":[false],"topics":["orders"]}}]}}"#
        );
        self.lookupd
            .says("/topics", 200, r#"{"topics":["orders","returns"]}"#)
            .says("/nodes", 200, &producer)
            .says("/lookup?topic=orders", 200, &producer)
            .says("/lookup?topic=returns", 200, r#"{"producers":[]}"#)
            .says("/channels?topic=returns", 200, r#"{"channels":["archive"]}"#);
        let latency = r#"{"count":9,"percentiles":[{"quantile":0.99,"value":84200000}]}"#;
        let client = r#"{"client_id":"billing-1","hostname":"billing-1.example.net","version":"V2","remote_address":
            "10.0.0.9:51001","ready_count":200,"connect_ts":1795251030,"user_agent":"go-nsq/1.1.0<b>","tls":true,
            "tls_version":"TLS1.3","snappy":true,"deflate":true,"sample_rate":10,"authed":true,
            "auth_identity":"billing","auth_identity_url":"javascript:alert(1)","topology_zone":"eu-1a"}"#;
        let stats = format!(
            r#"{{"topics":[{{"topic_name":"orders","depth":2,"message_count":4812304,"message_bytes":1536,"channels":[
            {{"channel_name":"billing","depth":18,"backend_depth":5,"in_flight_count":6,"deferred_count":12,
            "requeue_count":214,"timeout_count":3,"message_count":4812304,"client_count":1,"clients":[{client}],
            "e2e_processing_latency":{latency}}},{{"channel_name":"archive","depth":1204877,"paused":true}}],
            "e2e_processing_latency":{latency}}}]}}"#
        );
        let info = format!(
            r#"{{"version":"1.3.0","broadcast_address":"127.0.0.1","hostname":"queue-1","tcp_port":4150,"http_port":{port}}}"#
        );
        self.nsqd.says("/stats", 200, stats).says("/info", 200, info);
    }

    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.expect("routers do not fail");
        let (head, body) = answer.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        Answer { status: head.status.as_u16(), headers: head.headers, text }
    }

    fn request(method: &str, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "admin.example.com")
            .header(header::ACCEPT, "text/html")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Self::request("GET", path).body(Body::empty()).expect("a request")).await
    }

    /// A form of a page of `origin`.
    pub(crate) async fn post_from(&self, origin: &str, path: &str, form: &str) -> Answer {
        let request = Self::request("POST", path)
            .header(header::ORIGIN, origin)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(Body::from(form.to_owned())).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, form: &str) -> Answer {
        self.post_from("http://admin.example.com", path, form).await
    }

    pub(crate) async fn end(self) {
        assert!(self.tasks.drain(std::time::Duration::from_secs(10)).await, "all tasks stop");
    }
}

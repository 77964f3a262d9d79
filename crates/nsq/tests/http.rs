//! The HTTP server and client against each other, and against raw sockets where a client would hide the bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post, put};
use base::tasks::TaskGroup;
use bytes::Bytes;
use eyrie_nsq::http::answer;
use eyrie_nsq::http::client::{Error, Options, Tls};
use eyrie_nsq::http::{Client, Failure, Limits, Listener, Peer, Query, body, logged, routes, serve};
use http::{Method, StatusCode};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A server over the routes below; it is told to stop when the group is.
struct House {
    tasks: TaskGroup,
    address: String,
    served: JoinHandle<usize>,
    asleep: Arc<Notify>,
}

impl House {
    async fn open(listener: Listener, limits: Limits) -> Self {
        let tasks = TaskGroup::new();
        let asleep = Arc::new(Notify::new());
        let address = listener.address();
        let served =
            tokio::spawn(serve(listener, routes(router(Arc::clone(&asleep))), tasks.stop_signal(), limits));
        Self { tasks, address, served, asleep }
    }

    async fn plain() -> Self {
        let limits = Limits { drain_time: Duration::from_millis(100), ..Limits::default() };
        Self::open(Listener::bind("127.0.0.1:0").await.expect("bound"), limits).await
    }

    /// Sends bytes, tells that no more follow, and reads everything that comes back.
    async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).await.expect("connected");
        stream.write_all(bytes).await.expect("sent");
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await.expect("answered and closed");
        String::from_utf8(back).expect("text")
    }

    async fn ask(&self, head: &str) -> String {
        self.raw(format!("{head} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).await
    }
}

fn router(asleep: Arc<Notify>) -> Router {
    let quiet = logged(Router::new().route("/ping", get(async || answer::plain_text(StatusCode::OK, "OK"))));
    quiet
        .route("/topics", get(async || answer::json(&["a"])))
        .route("/topic/create", post(create))
        .route("/config/{opt}", put(async || answer::empty()).get(async || answer::text("1")))
        .route("/sum", post(sum))
        .route("/peer", get(peer))
        .route("/slow", get(async move || slow(&asleep).await))
        .route("/stuck", get(async || std::future::pending::<Response>().await))
        .route("/panic", get(async || -> Response { panic!("on purpose") }))
        .route("/large", get(async || answer::text(Bytes::from(vec![b'x'; 1 << 20]))))
        .route("/refused", get(async || Failure::not_found("TOPIC_NOT_FOUND")))
}

async fn create(query: Query) -> Result<Response, Failure> {
    query.need("topic")?;
    Ok(answer::empty())
}

async fn sum(request: Request) -> Result<Response, Failure> {
    let body = body::read(request, 1 << 20).await.map_err(|unread| unread.failure("MSG_TOO_BIG"))?;
    Ok(answer::text(body.iter().map(|byte| u64::from(*byte)).sum::<u64>().to_string()))
}

async fn peer(request: Request) -> Response {
    let peer = request.extensions().get::<Peer>().expect("every request has one");
    answer::text(format!("{} {} {}", peer.address.is_some(), peer.tls, peer.certificate.is_some()))
}

async fn slow(asleep: &Notify) -> Response {
    asleep.notify_one();
    tokio::time::sleep(Duration::from_millis(200)).await;
    answer::text("slept")
}

/// The answer without its date, its headers by name.
fn ordered(answer: &str) -> String {
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let (status, headers) = head.split_once("\r\n").expect("headers");
    let mut headers: Vec<_> = headers.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect();
    headers.sort_unstable();
    format!("{status}\n{}\n\n{body}", headers.join("\n"))
}

#[tokio::test]
async fn answers_are_nsqs_to_the_byte() {
    let house = House::plain().await;
    let check = async |head: &str, expected: &str| {
        assert_eq!(ordered(&house.ask(head).await), expected, "{head}");
    };
    let json = |status: &str, more: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\n{more}Connection: close\nContent-Length: {length}\n\
             Content-Type: application/json; charset=utf-8\nX-Nsq-Content-Type: nsq; version=1.0\n\n{body}"
        )
    };
    check(
        "GET /ping",
        "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 2\nContent-Type: text/plain; charset=utf-8\n\nOK",
    )
    .await;
    check("GET /nope", &json("404 Not Found", "", r#"{"message":"NOT_FOUND"}"#)).await;
    let not_allowed = r#"{"message":"METHOD_NOT_ALLOWED"}"#;
    check("PUT /ping", &json("405 Method Not Allowed", "Allow: GET, OPTIONS\n", not_allowed)).await;
    check(
        "POST /topic/create?topic=t",
        "HTTP/1.1 200 OK\nConnection: close\nContent-Length: 0\nX-Nsq-Content-Type: nsq; version=1.0\n\n",
    )
    .await;
    check(
        "OPTIONS /config/log_level",
        "HTTP/1.1 200 OK\nAllow: GET, OPTIONS, PUT\nConnection: close\nContent-Length: 0\n\n",
    )
    .await;
    check("GET /panic", &json("500 Internal Server Error", "", r#"{"message":"INTERNAL_ERROR"}"#)).await;
}

#[tokio::test]
async fn bodies_of_any_shape_have_an_answer() {
    let house = House::plain().await;
    let post = |length: usize, body: &[u8]| {
        let mut request =
            format!("POST /sum HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n")
                .into_bytes();
        request.extend_from_slice(body);
        request
    };
    let full = post(1 << 20, &vec![1; 1 << 20]);
    assert!(house.raw(&full).await.ends_with("\r\n\r\n1048576"), "the limit itself is allowed");
    // Ten megabytes are thrown away until the sender listens.
    let answer = house.raw(&post(10 << 20, &vec![1; 10 << 20])).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 ") && answer.ends_with("{\"message\":\"MSG_TOO_BIG\"}"),
        "{answer}"
    );
    // The same without a promise.
    let mut chunked =
        b"POST /sum HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for _ in 0..40 {
        chunked.extend_from_slice(b"8000\r\n");
        chunked.extend_from_slice(&[1; 0x8000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    let answer = house.raw(&chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Whoever asks first is told before it sends.
    let asking = "POST /sum HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10485760\r\n\r\n";
    let answer = house.raw(asking.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // Half a body: nothing is answered as if it were whole.
    let mut stream = TcpStream::connect(&house.address).await.expect("connected");
    stream.write_all(&post(100, &[1; 50])).await.expect("sent");
    stream.shutdown().await.expect("no more follows");
    let mut back = String::new();
    let _ = stream.read_to_string(&mut back).await;
    assert!(!back.contains(" 200 "), "{back}");
    // A length that is none.
    for length in ["-1", "x", "1, 2", "99999999999999999999999"] {
        let answer = house
            .raw(format!("POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n").as_bytes())
            .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{length}: {answer}");
    }
    let head = format!("GET /ping HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(70 << 10));
    let answer = house.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

#[tokio::test]
async fn running_requests_finish_and_stuck_ones_are_cut() {
    let limits = Limits { drain_time: Duration::from_millis(600), ..Limits::default() };
    let house = House::open(Listener::bind("127.0.0.1:0").await.expect("bound"), limits).await;
    let client = Client::new(Options::default()).expect("no files to read");
    let url = format!("http://{}", house.address);
    let slow = tokio::spawn({
        let (client, url) = (client.clone(), format!("{url}/slow"));
        async move { client.get(&url).await }
    });
    house.asleep.notified().await;
    let stuck = tokio::spawn({
        let (client, url) = (client.clone(), format!("{url}/stuck"));
        async move { client.get(&url).await }
    });
    // Once it is answered, the request that was sent before it has been seen too.
    client.get(&format!("{url}/ping")).await.expect("still open");
    let idle = TcpStream::connect(&house.address).await.expect("an idle connection");
    house.tasks.request_stop();
    assert_eq!(slow.await.expect("no panic").expect("answered"), "slept");
    assert!(matches!(stuck.await.expect("no panic"), Err(Error::Unreachable { .. })));
    assert_eq!(house.served.await.expect("no panic"), 1);
    drop(idle);
    TcpStream::connect(&house.address).await.expect_err("closed");
}

#[tokio::test]
async fn silent_and_slow_peers_are_let_go() {
    let limits = Limits {
        head_time: Duration::from_millis(100),
        request_time: Duration::from_millis(100),
        write_time: Duration::from_millis(200),
        ..Limits::default()
    };
    let house = House::open(Listener::bind("127.0.0.1:0").await.expect("bound"), limits).await;
    assert_eq!(house.raw(b"").await, "", "silent: closed");
    house.raw(b"GET /pi").await;
    let answer = house.raw(b"POST /sum HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    // A peer that asks for much and reads nothing: the connection ends though nobody reads.
    let mut greedy = TcpStream::connect(&house.address).await.expect("connected");
    for _ in 0..64 {
        if greedy.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.is_err() {
            break;
        }
    }
    house.tasks.request_stop();
    assert_eq!(house.served.await.expect("no panic"), 0, "nothing had to be cut");
}

#[tokio::test]
async fn a_full_house_lets_the_next_wait() {
    let limits = Limits { connections: 1, ..Limits::default() };
    let house = House::open(Listener::bind("127.0.0.1:0").await.expect("bound"), limits).await;
    let first = TcpStream::connect(&house.address).await.expect("connected");
    let second = house.ask("GET /ping");
    let mut second = std::pin::pin!(second);
    tokio::time::timeout(Duration::from_millis(100), &mut second).await.expect_err("no room yet");
    drop(first);
    assert!(second.await.ends_with("OK"));
}

#[tokio::test]
async fn a_unix_socket_serves_too() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("nsqd.sock").display().to_string();
    let house = House::open(Listener::bind(&path).await.expect("bound"), Limits::default()).await;
    let mut stream = UnixStream::connect(&path).await.expect("connected");
    stream.write_all(b"GET /peer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.expect("sent");
    let mut back = String::new();
    stream.read_to_string(&mut back).await.expect("answered");
    assert!(back.ends_with("false false false"), "{back}");
    house.tasks.request_stop();
    house.served.await.expect("no panic");
    assert!(!std::path::Path::new(&path).exists());
}

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/tls").join(name)
}

fn server_tls() -> Arc<rustls::ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(fixture("ca.pem")).expect("read")).expect("an authority");
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .expect("an authority is enough");
    let chain = vec![CertificateDer::from_pem_file(fixture("server.pem")).expect("read")];
    let key = PrivateKeyDer::from_pem_file(fixture("server.key")).expect("read");
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .expect("they belong together");
    Arc::new(config)
}

#[tokio::test]
async fn https_with_and_without_certificates() {
    let listener = Listener::bind_tls("127.0.0.1:0", server_tls()).await.expect("bound");
    let house = House::open(listener, Limits::default()).await;
    let url = format!("https://{}/peer", house.address);
    let ask = async |tls: Tls| {
        let client = Client::new(Options { tls, ..Options::default() })?;
        client.get(&url).await
    };
    let ca = Some(fixture("ca.pem"));
    let trusting = Tls { root_ca_file: ca.clone(), ..Tls::default() };
    assert_eq!(ask(trusting.clone()).await.expect("believed"), "true true false");
    let blind = Tls { insecure_skip_verify: true, ..Tls::default() };
    assert_eq!(ask(blind).await.expect("believed"), "true true false");
    let named = Tls { cert: Some(fixture("client.pem")), key: Some(fixture("client.key")), ..trusting };
    assert_eq!(ask(named).await.expect("believed"), "true true true");
    let error = ask(Tls::default()).await.expect_err("an unknown authority").to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    let error = ask(Tls { cert: ca.clone(), ..Tls::default() }).await.expect_err("no key");
    assert!(matches!(error, Error::Tls(_)), "{error}");
    let error = ask(Tls { root_ca_file: Some(fixture("client.key")), ..Tls::default() }).await;
    assert!(matches!(error, Err(Error::Tls(_))), "a key is no certificate");
    // A handshake that never comes does not hold up the stop.
    let _mute = TcpStream::connect(&house.address).await.expect("connected");
    house.tasks.request_stop();
    house.served.await.expect("no panic");
}

#[tokio::test]
async fn a_tcp_port_that_is_asked_over_http_is_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/ping", listener.local_addr().expect("it is bound"));
    let nsqd = async {
        let (mut stream, _) = listener.accept().await.expect("accepted");
        stream.read_exact(&mut [0; 4]).await.expect("what it takes for the magic");
        stream.write_all(b"\0\0\0\x12\0\0\0\x01E_BAD_PROTOCOL").await.expect("written");
        stream
    };
    let client = Client::new(Options::default()).expect("no files to read");
    let (answer, _stream) = tokio::join!(client.get(&url), nsqd);
    let error = answer.expect_err("no HTTP").to_string();
    assert!(error.contains("is that the TCP port? The HTTP port is needed here"), "{error}");
}

#[tokio::test]
async fn the_client_says_what_went_wrong() {
    let house = House::plain().await;
    let url = |path: &str| format!("http://{}{path}", house.address);
    let options = Options {
        request_timeout: Duration::from_millis(300),
        body_bytes_max: 1000,
        user_agent: "nsqadmin/1".to_owned(),
        ..Options::default()
    };
    let client = Client::new(options).expect("no files to read");
    assert_eq!(client.get_json::<Vec<String>>(&url("/topics")).await.expect("a list"), ["a"]);
    assert_eq!(client.post(&url("/sum"), None, Bytes::from_static(b"\x01\x02")).await.expect("a sum"), "3");
    let refused = client.get(&url("/refused")).await.expect_err("404");
    assert_eq!(refused.to_string(), r#"got response 404 Not Found "{\"message\":\"TOPIC_NOT_FOUND\"}""#);
    assert_eq!(refused.status(), Some(StatusCode::NOT_FOUND));
    let error = client.get_json::<u32>(&url("/topics")).await.expect_err("a list is no number");
    assert!(matches!(error, Error::Json { .. }), "{error}");
    let error = client.get(&url("/large")).await.expect_err("too large");
    assert!(matches!(error, Error::TooLarge { max: 1000, .. }), "{error}");
    let error = client.get(&url("/stuck")).await.expect_err("late");
    assert!(matches!(error, Error::Late { .. }), "{error}");
    for none in ["", "x", "127.0.0.1:4151/stats", "ftp://127.0.0.1/", "http://"] {
        assert!(matches!(client.get(none).await, Err(Error::Url(_))), "{none}");
    }
    let closed = house.address.clone();
    house.tasks.request_stop();
    house.served.await.expect("no panic");
    let error = client.get(&format!("http://{closed}/ping")).await.expect_err("nobody there").to_string();
    assert!(error.contains("refused"), "{error}");
    let any = client.request(Method::GET, "http://[::1", &[], Bytes::new()).await;
    assert!(matches!(any, Err(Error::Url(_))), "{any:?}");
}

#[tokio::test]
async fn an_nsqd_that_wants_tls_is_asked_over_tls() {
    let listener = Listener::bind_tls("127.0.0.1:0", server_tls()).await.expect("bound");
    let port = listener.port().expect("a TCP port");
    let secure = House::open(listener, Limits::default()).await;
    let redirecting = Router::new().fallback(async move || {
        let body = serde_json::json!({"message": "TLS_REQUIRED", "https_port": port});
        answer::json_with(StatusCode::FORBIDDEN, &body)
    });
    let tasks = TaskGroup::new();
    let listener = Listener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.address();
    tokio::spawn(serve(listener, redirecting, tasks.stop_signal(), Limits::default()));
    let tls = Tls { insecure_skip_verify: true, ..Tls::default() };
    let client = Client::new(Options { tls, ..Options::default() }).expect("no files to read");
    let topics: Vec<String> =
        client.get_json(&format!("http://{address}/topics")).await.expect("asked again");
    assert_eq!(topics, ["a"]);
    drop(secure);
}

//! From a request to points in the log, and from their fate to an answer.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use base::Clock;
use base::metrics::Metrics;
use bytes::Bytes;
use http::header::{ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_TYPE, ORIGIN};
use http::{Request, StatusCode, request};
use http_body::Body;

use crate::answer::{self, Answer, RETRY_SECONDS, Refusal};
use crate::body::{self, BodyError};
use crate::endpoint::{Action, Endpoint};
use crate::json::{self, JsonError};
use crate::limits::Config;
use crate::metrics::{IngestMetrics, Outcome};
use crate::multipart;
use crate::params::Params;
use crate::post::Post;
use crate::sink::Sink;

/// StatHat's ingest paths over a [`Sink`]. Cheap to clone; every clone counts into the same metrics.
pub struct Ingest<S>(Arc<Inner<S>>);

pub(crate) struct Inner<S> {
    pub(crate) sink: S,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) metrics: IngestMetrics,
    /// Bytes of bodies that are being received.
    held: AtomicU64,
}

impl<S> Clone for Ingest<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

/// What [`Ingest::take`] made of a request: the answer, once the points are durable.
#[must_use = "the sender waits for `answer`"]
pub struct Verdict<A> {
    /// The points on their way to the log, if there are any.
    pub(crate) accepted: Option<A>,
    pub(crate) answer: Answer,
    pub(crate) outcome: Outcome,
}

impl<A> Verdict<A> {
    pub(crate) fn now(outcome: Outcome, answer: Answer) -> Self {
        Self { accepted: None, answer, outcome }
    }
}

/// One request that counts as in flight until it is dropped.
struct InFlight<'a> {
    metrics: &'a IngestMetrics,
    endpoint: Endpoint,
    started: Instant,
    outcome: Outcome,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
        self.metrics.seconds.observe(self.started.elapsed().as_secs_f64());
        self.metrics.ended(self.endpoint, self.outcome);
    }
}

impl<S: Sink> Ingest<S> {
    /// The ingest paths over `sink`; `clock` says when a point without a time counts.
    pub fn new(sink: S, clock: Clock, config: Config, metrics: &Metrics) -> Self {
        let metrics = IngestMetrics::new(metrics);
        Self(Arc::new(Inner { sink, clock, config, metrics, held: AtomicU64::new(0) }))
    }

    /// How it answers, and its limits.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Reads the body, takes the points, waits until they are durable and answers. Dropping the
    /// future once the body is read takes nothing back. `received` is called when it is.
    pub async fn handle<B>(&self, endpoint: Endpoint, request: Request<B>, received: impl FnOnce()) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let mut answer = self.respond(endpoint, &head, body, received).await;
        if head.headers.contains_key(ORIGIN) {
            answer::open_to_browsers(&mut answer);
        }
        answer
    }

    async fn respond<B>(
        &self,
        endpoint: Endpoint,
        head: &request::Parts,
        body: B,
        received: impl FnOnce(),
    ) -> Answer
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let Inner { metrics, config, held, .. } = &*self.0;
        let before = metrics.in_flight.inc();
        // Whatever ends this future early is a connection that ended early.
        let mut this = InFlight { metrics, endpoint, started: Instant::now(), outcome: Outcome::CutShort };
        if usize::try_from(before).is_ok_and(|before| before >= config.limits.requests) {
            this.outcome = Outcome::Overload;
            return answer::overload("too many requests at once", RETRY_SECONDS);
        }
        match Action::of(&head.method) {
            Action::Post => {}
            Action::Preflight => {
                this.outcome = Outcome::Preflight;
                return answer::preflight(head.headers.get(ACCESS_CONTROL_REQUEST_HEADERS));
            }
            Action::Unknown => {
                this.outcome = Outcome::Misuse;
                return answer::failure(StatusCode::METHOD_NOT_ALLOWED, "send a GET or a POST");
            }
        }
        let body = body::read(body, &head.headers, &config.limits, held).await;
        received();
        // From here to the hand-over nothing waits.
        let verdict = match body {
            Ok(body) => self.take(endpoint, head, &body),
            Err(error) => no_body(&error),
        };
        this.outcome = verdict.outcome;
        let (outcome, answer) = Self::settle(verdict).await;
        this.outcome = outcome;
        answer
    }

    async fn settle(verdict: Verdict<S::Accepted>) -> (Outcome, Answer) {
        let Verdict { accepted, answer, outcome } = verdict;
        let Some(accepted) = accepted else { return (outcome, answer) };
        match S::settle(accepted).await {
            Ok(()) => (outcome, answer),
            Err(error) => {
                tracing::debug!(%error, "points were not acknowledged");
                (Outcome::Overload, overloaded(&error))
            }
        }
    }

    /// Hands the points of a complete request over, before it returns.
    pub fn take(&self, endpoint: Endpoint, head: &request::Parts, body: &[u8]) -> Verdict<S::Accepted> {
        let query = head.uri.query().unwrap_or_default();
        self.0.metrics.bytes.inc_by((query.len() + body.len()) as u64);
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
        let content_type = head.headers.get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
        let mut params = Params::default();
        if is_json(content_type, body) {
            return self.take_json(endpoint, query, body);
        }
        match multipart::boundary(content_type) {
            Some(boundary) => multipart::read(body, boundary, &mut params),
            None => params.read_form(body),
        }
        params.read_form(query.as_bytes());
        Post::new(&self.0, endpoint, &params).single()
    }

    fn take_json(&self, endpoint: Endpoint, query: &str, body: &[u8]) -> Verdict<S::Accepted> {
        let text = String::from_utf8_lossy(body);
        let mut spare = String::new();
        match json::parse(&text, self.0.config.limits.items, &mut spare) {
            Ok(document) => {
                let mut params = document.params;
                params.read_form(query.as_bytes());
                let post = Post::new(&self.0, endpoint, &params);
                match document.items {
                    None => post.single(),
                    Some(items) => post.bulk(&items),
                }
            }
            Err(error) => {
                let (status, outcome) = match error {
                    JsonError::Broken { .. } => (StatusCode::BAD_REQUEST, Outcome::Misuse),
                    JsonError::TooMany(_) => (StatusCode::PAYLOAD_TOO_LARGE, Outcome::TooLarge),
                };
                let refusal = Refusal::new(status, error.to_string());
                Verdict::now(outcome, answer::misuse(&refusal, self.0.config.strict_status))
            }
        }
    }
}

/// A body is JSON if it looks like it, or says so and is not plainly a form.
fn is_json(content_type: &[u8], body: &[u8]) -> bool {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => false,
        Some(b'{' | b'[') => true,
        Some(_) => {
            content_type.windows(4).any(|word| word.eq_ignore_ascii_case(b"json")) && !body.contains(&b'=')
        }
    }
}

fn no_body<A>(error: &BodyError) -> Verdict<A> {
    let message = error.to_string();
    match error {
        BodyError::TooLarge(_) => Verdict::now(
            Outcome::TooLarge,
            answer::failure_and_close(StatusCode::PAYLOAD_TOO_LARGE, &message),
        ),
        BodyError::Busy => Verdict::now(Outcome::Overload, answer::overload(&message, RETRY_SECONDS)),
        BodyError::CutShort => {
            Verdict::now(Outcome::CutShort, answer::failure_and_close(StatusCode::BAD_REQUEST, &message))
        }
        BodyError::Encoding => {
            Verdict::now(Outcome::Misuse, answer::failure(StatusCode::UNSUPPORTED_MEDIA_TYPE, &message))
        }
        BodyError::Damaged => {
            Verdict::now(Outcome::Misuse, answer::failure(StatusCode::BAD_REQUEST, &message))
        }
    }
}

/// What could not be handed over or made durable: 503, and when to try again.
pub(crate) fn overloaded(error: &app::Error) -> Answer {
    let after = match error {
        app::Error::Busy { retry_after_seconds, .. } => *retry_after_seconds,
        _ => RETRY_SECONDS,
    };
    answer::overload(&error.to_string(), after)
}

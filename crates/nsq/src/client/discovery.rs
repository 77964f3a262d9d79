//! Which nsqds have a topic: asking nsqlookupds again and again, at times that differ from client to client.
//! One that can tell of changes (Eyrie's) is asked to do so, and polled otherwise.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use base::tasks::Stop;
use bytes::Bytes;
use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::mpsc;

use super::{Config, Outage, chance};
use crate::http::Client;

/// How long a lookupd is asked to wait for a change.
const WAIT: Duration = Duration::from_secs(20);

/// Between a change and the next question: many changes come together.
const PAUSE: Duration = Duration::from_millis(100);

/// Longest time before a lookupd that did not answer is asked again.
const RETRY_MAX: Duration = Duration::from_secs(10);

/// What a nsqlookupd, old or new, says of a topic that it does not know.
const NO_TOPIC: &[u8] = b"TOPIC_NOT_FOUND";

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    producers: Option<Vec<Producer>>,
}

#[derive(Deserialize)]
struct Producer {
    broadcast_address: String,
    tcp_port: u32,
}

/// What one lookupd knows, by its place in the list.
pub(super) type Found = (usize, BTreeSet<String>);

/// One lookupd and the question to it.
pub(super) struct Discovery {
    place: usize,
    url: String,
    config: Config,
    client: Client,
    found: mpsc::Sender<Found>,
    topic: String,
    outage: Outage,
    /// Whether it was said that nobody has the topic.
    missed: bool,
}

impl Discovery {
    pub(super) fn new(
        place: usize,
        lookupd: &str,
        topic: &str,
        config: &Config,
        client: Client,
        found: mpsc::Sender<Found>,
    ) -> Self {
        let base = if lookupd.contains("://") { lookupd.to_owned() } else { format!("http://{lookupd}") };
        let base = base.trim_end_matches('/');
        let path = if base.ends_with("/lookup") { "" } else { "/lookup" };
        let url = format!("{base}{path}?topic={}", utf8_percent_encode(topic, NON_ALPHANUMERIC));
        let (topic, config) = (topic.to_owned(), config.clone());
        Self { place, url, config, client, found, topic, outage: Outage::default(), missed: false }
    }

    /// How long one question may take, waiting included.
    pub(super) fn patience(config: &Config) -> Duration {
        config.lookupd_poll_timeout.max(WAIT + Duration::from_secs(5))
    }

    /// Asks until the stop, or until nobody wants to know.
    pub(super) async fn run(mut self, stop: Stop) {
        tokio::select! {
            () = self.ask_on() => {}
            () = stop.requested() => {}
        }
    }

    async fn ask_on(&mut self) {
        let mut since: Option<String> = None;
        loop {
            let (asked, began) = (since.is_some(), Instant::now());
            let pause = match self.ask(since.as_deref()).await {
                Ok((found, revision)) => {
                    self.say(&found);
                    if self.found.send((self.place, found)).await.is_err() {
                        return;
                    }
                    let same = asked && since == revision;
                    since = revision;
                    match &since {
                        // It did not wait as long as it was asked to: asking at once would be asking for ever.
                        Some(_) if same => {
                            WAIT.saturating_sub(began.elapsed()).min(self.interval()).max(PAUSE)
                        }
                        Some(_) => PAUSE,
                        None => self.interval(),
                    }
                }
                Err(error) => {
                    if self.outage.is_news(&error) {
                        let url = &self.url;
                        tracing::error!(
                            "error querying nsqlookupd ({url}) - {error} (asking again until it answers)"
                        );
                    }
                    since = None;
                    self.interval().min(RETRY_MAX)
                }
            };
            // The first answer of one that can tell of changes is followed by the question to do so.
            if since.is_none() || asked {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// What somebody who waits for messages wants to know, once.
    fn say(&mut self, found: &BTreeSet<String>) {
        if self.outage.is_over() {
            tracing::info!("nsqlookupd ({}) answers again", self.url);
        }
        let missing = found.is_empty();
        if missing && !self.missed {
            let (url, topic) = (&self.url, &self.topic);
            tracing::info!("nsqlookupd ({url}) knows no nsqd with the topic {topic} yet: waiting for one");
        }
        self.missed = missing;
    }

    /// The nsqds, and the revision to ask for changes of.
    async fn ask(&self, since: Option<&str>) -> Result<(BTreeSet<String>, Option<String>), String> {
        let since = since.map_or_else(String::new, |since| format!("&since={since}"));
        let url = format!("{}&wait={}s{since}", self.url, WAIT.as_secs());
        let accept =
            (http::header::ACCEPT, http::HeaderValue::from_static("application/vnd.nsq; version=1.0"));
        let response = self.client.request(Method::GET, &url, &[accept], Bytes::new()).await;
        let response = response.map_err(|error| error.to_string())?;
        let revision = response.headers().get("x-eyrie-revision");
        let revision = revision.and_then(|value| value.to_str().ok()).map(str::to_owned);
        match response.status().as_u16() {
            200 => {}
            // Nobody has the topic yet.
            404 if is_no_topic(response.body()) => return Ok((BTreeSet::new(), revision)),
            404 => {
                return Err("got response 404, but not a nsqlookupd's: is that its HTTP address?".to_owned());
            }
            status => return Err(format!("got response {status}")),
        }
        let answer: Answer = serde_json::from_slice(response.body())
            .map_err(|error| format!("{error}: is that a nsqlookupd's HTTP address?"))?;
        let address = |producer: Producer| format!("{}:{}", producer.broadcast_address, producer.tcp_port);
        Ok((answer.producers.unwrap_or_default().into_iter().map(address).collect(), revision))
    }

    /// The poll interval, longer by a part of its jitter.
    fn interval(&self) -> Duration {
        let interval = self.config.lookupd_poll_interval;
        interval + interval.mul_f64(self.config.lookupd_poll_jitter * chance())
    }
}

/// Whether that is how a nsqlookupd says that it does not know the topic: other servers have a 404 too.
fn is_no_topic(body: &[u8]) -> bool {
    body.windows(NO_TOPIC.len()).any(|part| part == NO_TOPIC)
}

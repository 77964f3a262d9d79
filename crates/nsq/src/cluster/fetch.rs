//! One request to one daemon, and many at once.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

use super::problem::Fault;
use super::{Cause, Cluster, Error, Problem, Seen};
use crate::http::Client;

/// The most requests under way at once, of one question to the whole cluster.
pub const FAN_OUT_MAX: usize = 64;

/// What stays as it is in a query: what names are made of.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// An answer on its way: its body if the status was 200, else what went wrong.
pub type Fetched = Pin<Box<dyn Future<Output = Result<Bytes, Fault>> + Send>>;

/// How the cluster asks. Implementations have timeouts and a largest answer of their own.
pub trait Fetch: Send + Sync + 'static {
    /// Sends a request to an absolute URL.
    fn fetch(&self, method: Method, url: String, body: Option<Bytes>) -> Fetched;
}

impl Fetch for Client {
    fn fetch(&self, method: Method, url: String, body: Option<Bytes>) -> Fetched {
        let client = self.clone();
        Box::pin(async move {
            let answer = match method {
                Method::GET => client.get(&url).await,
                _ => client.post(&url, None, body.unwrap_or_default()).await,
            };
            answer.map_err(Fault::from)
        })
    }
}

impl Cluster {
    /// Asks everybody in `addresses` at once for `path`. Answers in the order of the addresses.
    pub(super) async fn ask_all<T: DeserializeOwned + Send + 'static>(
        &self,
        daemon: &'static str,
        addresses: &[String],
        path: &str,
    ) -> Result<Seen<Vec<(String, T)>>, Error> {
        let answers =
            self.at_once(addresses, path, |fetch, url| async move { json(&*fetch, url).await }).await;
        let mut seen = Seen { value: Vec::new(), problems: Vec::new() };
        for (address, answer) in addresses.iter().zip(answers) {
            match answer {
                Ok(answer) => seen.value.push((address.clone(), answer)),
                Err(fault) => seen.problems.push(fault.of(daemon, address)),
            }
        }
        if seen.value.is_empty() {
            return Err(Error { daemon, problems: seen.problems });
        }
        Ok(seen)
    }

    /// Posts to everybody in `addresses` at once; answers what went wrong.
    pub(super) async fn post_all(
        &self,
        daemon: &'static str,
        addresses: &[String],
        path: &str,
    ) -> Vec<Problem> {
        let post = |fetch: Arc<dyn Fetch>, url| async move { fetch.fetch(Method::POST, url, None).await };
        let answers = self.at_once(addresses, path, post).await;
        let faults =
            addresses.iter().zip(answers).filter_map(|(address, answer)| Some((address, answer.err()?)));
        faults.map(|(address, fault)| fault.of(daemon, address)).collect()
    }

    /// Asks everybody, [`FAN_OUT_MAX`] at once. Answers in the order of the addresses.
    async fn at_once<T: Send + 'static, F: Future<Output = Result<T, Fault>> + Send + 'static>(
        &self,
        addresses: &[String],
        path: &str,
        ask: impl Fn(Arc<dyn Fetch>, String) -> F,
    ) -> Vec<Result<T, Fault>> {
        let mut answers: Vec<Option<Result<T, Fault>>> = addresses.iter().map(|_| None).collect();
        let mut asked = JoinSet::new();
        let mut waiting = addresses.iter().enumerate();
        loop {
            while asked.len() < FAN_OUT_MAX
                && let Some((index, address)) = waiting.next()
            {
                let answer = ask(Arc::clone(&self.fetch), format!("http://{address}/{path}"));
                asked.spawn(async move { (index, answer.await) });
            }
            match asked.join_next().await {
                Some(Ok((index, answer))) => answers[index] = Some(answer),
                Some(Err(_)) => {}
                None => break,
            }
        }
        let given_up = |address| {
            let text = format!("the request to {address} was given up");
            Err(Fault { cause: Cause::Unreachable, text })
        };
        answers
            .into_iter()
            .zip(addresses)
            .map(|(answer, address)| answer.unwrap_or_else(|| given_up(address)))
            .collect()
    }
}

async fn json<T: DeserializeOwned>(fetch: &dyn Fetch, url: String) -> Result<T, Fault> {
    let body = fetch.fetch(Method::GET, url.clone(), None).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let text = format!("{url} did not answer as it should: {error}");
        Fault { cause: Cause::Unreadable, text }
    })
}

/// `name=value`, the value fit for a query.
pub(super) fn query(name: &str, value: &str) -> String {
    format!("{name}={}", utf8_percent_encode(value, QUERY))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base::{Clock, Timestamp};
    use tokio::sync::Barrier;

    use super::*;
    use crate::cluster::Addresses;
    use crate::cluster::problem::NSQD;

    /// Answers nobody before so many ask.
    struct Together(Arc<Barrier>);

    impl Fetch for Together {
        fn fetch(&self, _: Method, url: String, _: Option<Bytes>) -> Fetched {
            let all = Arc::clone(&self.0);
            Box::pin(async move {
                all.wait().await;
                let text = format!("not {url}");
                if url.contains("odd") {
                    Err(Fault { cause: Cause::Refused, text })
                } else {
                    Ok(Bytes::new())
                }
            })
        }
    }

    #[tokio::test]
    async fn all_are_told_at_once_so_that_the_slow_do_not_add_up() {
        let fetch = Arc::new(Together(Arc::new(Barrier::new(FAN_OUT_MAX))));
        let clock = Clock::manual(Timestamp::from_seconds(0));
        let cluster = Cluster::new(fetch, clock, Addresses::default());
        let nodes: Vec<String> =
            (0..FAN_OUT_MAX).map(|n| format!("{}{n}:1", if n % 32 == 7 { "odd" } else { "node" })).collect();
        let told = cluster.post_all(NSQD, &nodes, "topic/pause?topic=t");
        let problems =
            tokio::time::timeout(Duration::from_secs(10), told).await.expect("one after the other");
        let texts: Vec<_> = problems.iter().map(|problem| problem.address.as_str()).collect();
        assert_eq!(texts, ["odd7:1", "odd39:1"]);
    }
}

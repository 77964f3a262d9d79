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
        let mut answers: Vec<Option<Result<T, Fault>>> = addresses.iter().map(|_| None).collect();
        let mut asked = JoinSet::new();
        let mut waiting = addresses.iter().enumerate();
        loop {
            while asked.len() < FAN_OUT_MAX
                && let Some((index, address)) = waiting.next()
            {
                let (fetch, url) = (Arc::clone(&self.fetch), format!("http://{address}/{path}"));
                asked.spawn(async move { (index, json(&*fetch, url).await) });
            }
            match asked.join_next().await {
                Some(Ok((index, answer))) => answers[index] = Some(answer),
                Some(Err(_)) => {}
                None => break,
            }
        }
        let mut seen = Seen { value: Vec::new(), problems: Vec::new() };
        for (address, answer) in addresses.iter().zip(answers) {
            let given_up = || {
                let text = format!("the request to {address} was given up");
                Err(Fault { cause: Cause::Unreachable, text })
            };
            match answer.unwrap_or_else(given_up) {
                Ok(answer) => seen.value.push((address.clone(), answer)),
                Err(fault) => seen.problems.push(fault.of(daemon, address)),
            }
        }
        if seen.value.is_empty() {
            return Err(Error { daemon, problems: seen.problems });
        }
        Ok(seen)
    }

    /// Posts to each in turn; answers what went wrong.
    pub(super) async fn post_each(
        &self,
        daemon: &'static str,
        addresses: &[String],
        path: &str,
    ) -> Vec<Problem> {
        let mut problems = Vec::new();
        for address in addresses {
            let url = format!("http://{address}/{path}");
            if let Err(fault) = self.fetch.fetch(Method::POST, url, None).await {
                problems.push(fault.of(daemon, address));
            }
        }
        problems
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

//! What people change, through the API or a page: done in the cluster, then told.

use std::net::SocketAddr;

use base64::Engine as _;
use http::{HeaderMap, header};

use super::{Admin, Notice};
use crate::cluster::problem::NSQD;
use crate::cluster::{Action, Cause, Error, Problem, Result, Target};

/// Who asks for a change, as notifications tell it.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Of the connection.
    pub address: Option<SocketAddr>,
    /// By HTTP basic authentication, which is checked by whoever stands in front.
    pub user: String,
    /// What the client calls itself.
    pub user_agent: String,
    /// The whole URL that was asked.
    pub url: String,
}

impl Caller {
    /// Who sent a request for `target`: path and query as they came in.
    pub fn of(headers: &HeaderMap, target: &str, peer: Option<&crate::http::Peer>) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let tls = peer.is_some_and(|peer| peer.tls) || text("x-scheme") == "https";
        Self {
            address: peer.and_then(|peer| peer.address),
            user: basic_user(text(header::AUTHORIZATION.as_str())),
            user_agent: text(header::USER_AGENT.as_str()).to_owned(),
            url: format!("{}://{}{target}", if tls { "https" } else { "http" }, text(header::HOST.as_str())),
        }
    }
}

fn basic_user(authorization: &str) -> String {
    let decoded = authorization
        .strip_prefix("Basic ")
        .and_then(|packed| base64::engine::general_purpose::STANDARD.decode(packed).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.and_then(|pair| Some(pair.split_once(':')?.0.to_owned())).unwrap_or_default()
}

impl Admin {
    /// Pauses, unpauses, empties or deletes everywhere.
    pub async fn act(&self, caller: &Caller, action: Action, target: Target<'_>) -> Result<()> {
        let done = self.cluster().act(action, target).await?;
        let name = format!("{}_{}", action.name(), target.kind());
        self.tell(caller, name, target, "");
        Ok(done)
    }

    /// Makes a topic, and a channel of it.
    pub async fn create(&self, caller: &Caller, target: Target<'_>) -> Result<()> {
        let done = self.cluster().create(target).await?;
        self.tell(caller, "create_topic".to_owned(), Target { channel: None, ..target }, "");
        if target.channel.is_some() {
            self.tell(caller, "create_channel".to_owned(), target, "");
        }
        Ok(done)
    }

    /// Keeps consumers away from a topic on one node, and deletes it there. Only a node of this cluster
    /// is asked: an address that a visitor makes up is not.
    pub async fn tombstone(&self, caller: &Caller, topic: &str, node: &str) -> Result<()> {
        let cluster = self.cluster();
        let known = cluster.producers().await?;
        if !known.value.iter().any(|producer| producer.http_address() == node) {
            let text = format!("{node} is no node of this cluster");
            let problem = Problem { address: node.to_owned(), daemon: NSQD, cause: Cause::Stranger, text };
            return Err(Error { daemon: NSQD, problems: vec![problem] });
        }
        let mut done = cluster.tombstone(topic, node).await?;
        done.problems.splice(0..0, known.problems);
        self.tell(caller, "tombstone_topic_producer".to_owned(), Target { topic, channel: None }, node);
        Ok(done)
    }

    fn tell(&self, caller: &Caller, action: String, target: Target<'_>, node: &str) {
        self.shared.figures.acted(&action);
        let endpoint = &self.options().notification_http_endpoint;
        if endpoint.is_empty() {
            return;
        }
        let notice = Notice {
            action,
            topic: target.topic.to_owned(),
            channel: target.channel.unwrap_or_default().to_owned(),
            node: node.to_owned(),
            timestamp: self.clock().now().seconds(),
            user: caller.user.clone(),
            remote_ip: caller.address.map_or_else(|| "@".to_owned(), |address| address.to_string()),
            user_agent: caller.user_agent.clone(),
            url: caller.url.clone(),
            via: crate::host::name(),
        };
        self.shared.notices.send(endpoint.clone(), notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_who_the_request_says() {
        let mut headers = HeaderMap::new();
        for (name, value) in
            [("host", "admin:4171"), ("user-agent", "ua/1"), ("authorization", "Basic YW5uOnNlY3JldA==")]
        {
            headers.insert(name, value.parse().expect("a value"));
        }
        let caller = Caller::of(&headers, "/api/topics?x=1", None);
        assert_eq!((caller.user.as_str(), caller.user_agent.as_str()), ("ann", "ua/1"));
        assert_eq!(caller.url, "http://admin:4171/api/topics?x=1");
        headers.insert("x-scheme", "https".parse().expect("a value"));
        assert_eq!(Caller::of(&headers, "/api/topics?x=1", None).url, "https://admin:4171/api/topics?x=1");
        assert_eq!([basic_user("Basic !"), basic_user("Bearer x"), basic_user("")], ["", "", ""]);
    }
}

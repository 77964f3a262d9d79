//! `AUTH`, and what a client may do because of it.

use std::time::Instant;

use bytes::Bytes;
use serde::Serialize;

use super::{Connection, Reply};
use crate::nsqd::auth::{Grants, Query};
use crate::nsqd::client::host_of;
use crate::wire::{Name, Refusal};

/// What is known of who a client is.
#[derive(Debug, Default)]
pub(super) struct Identity {
    secret: Bytes,
    common_name: String,
    pub(super) tls: bool,
    grants: Option<Grants>,
    /// The topic it was last allowed to publish to.
    publishes: Option<Name>,
}

#[derive(Serialize)]
struct Answer<'a> {
    identity: &'a str,
    identity_url: &'a str,
    permission_count: usize,
}

impl Identity {
    pub(super) fn encrypted(&mut self, common_name: &str) {
        self.tls = true;
        common_name.clone_into(&mut self.common_name);
    }
}

impl Connection {
    /// `AUTH`.
    pub(super) async fn authenticate(&mut self, secret: Bytes) -> Result<(), Refusal> {
        if self.identity.grants.as_ref().is_some_and(|grants| grants.count() > 0) {
            return Err(Refusal::invalid("AUTH already set"));
        }
        if self.service.nsqd.authority.is_none() {
            return Err(Refusal::auth_disabled());
        }
        self.identity.secret = Bytes::copy_from_slice(&secret);
        self.ask().await?;
        let Some(grants) = self.identity.grants.as_ref().filter(|grants| grants.count() > 0) else {
            return Err(Refusal::nothing_authorized());
        };
        let answer = Answer {
            identity: &grants.identity,
            identity_url: &grants.identity_url,
            permission_count: grants.count(),
        };
        let answer = serde_json::to_vec(&answer)
            .map_err(|error| Refusal::fatal("E_AUTH_ERROR", format!("AUTH error {error}")))?;
        let who = (grants.identity.clone(), grants.identity_url.clone());
        self.client.learn(|said| said.identity = Some(who));
        self.replies.push(Reply::Data(answer.into()));
        Ok(())
    }

    /// Whether the client may publish to a topic.
    pub(super) async fn may_publish(&mut self, command: &'static str, topic: &Name) -> Result<(), Refusal> {
        if self.service.nsqd.authority.is_none() {
            return Ok(());
        }
        let is_fresh = self.refresh(command).await?;
        if is_fresh && self.identity.publishes.as_ref() == Some(topic) {
            return Ok(());
        }
        if !self.identity.grants.as_ref().is_some_and(|grants| grants.may_publish(topic)) {
            return Err(Refusal::unauthorized(command, topic, ""));
        }
        self.identity.publishes = Some(*topic);
        Ok(())
    }

    /// Whether the client may subscribe to a channel.
    pub(super) async fn may_subscribe(&mut self, topic: &Name, channel: &Name) -> Result<(), Refusal> {
        if self.service.nsqd.authority.is_none() {
            return Ok(());
        }
        self.refresh("SUB").await?;
        if self.identity.grants.as_ref().is_some_and(|grants| grants.may_subscribe(topic, channel)) {
            Ok(())
        } else {
            Err(Refusal::unauthorized("SUB", topic, channel))
        }
    }

    /// Asks again if what is known has expired. True if it had not.
    async fn refresh(&mut self, command: &str) -> Result<bool, Refusal> {
        match &self.identity.grants {
            Some(grants) if grants.count() > 0 => {
                if !grants.is_expired(Instant::now()) {
                    return Ok(true);
                }
                self.ask().await?;
                Ok(false)
            }
            _ => Err(Refusal::auth_first(command)),
        }
    }

    async fn ask(&mut self) -> Result<(), Refusal> {
        let Some(authority) = &self.service.nsqd.authority else { return Err(Refusal::auth_disabled()) };
        let query = Query {
            remote_ip: host_of(&self.client.remote_address),
            tls: self.identity.tls,
            common_name: &self.identity.common_name,
            secret: &self.identity.secret,
        };
        self.identity.publishes = None;
        match authority.ask(query).await {
            Ok(grants) => {
                self.identity.grants = Some(grants);
                Ok(())
            }
            // Why is for the operator, not for a client that nobody knows.
            Err(reason) => {
                tracing::error!("[{}] - error querying auth servers: {reason}", self.client.remote_address);
                Err(Refusal::auth_failed())
            }
        }
    }
}

//! `PUB`, `MPUB` and `DPUB`.

use std::sync::Arc;
use std::time::Duration;

use queue::Error;
use queue::broker::{NewMessage, Published, Topic};

use super::bodies::Bodies;
use super::{Connection, Reply};
use crate::nsqd::Nsqd;
use crate::wire::{Batch, Extra, Name, Refusal};

/// Messages of a batch that are kept allocated for the next one.
const KEPT_MESSAGES_MAX: usize = 1_024;

/// What publishing keeps from one command to the next.
#[derive(Debug, Default)]
pub(super) struct Publishing {
    bodies: Bodies,
    messages: Vec<NewMessage>,
    /// The topic published to last.
    topic: Option<Arc<Topic>>,
}

impl Publishing {
    pub(super) fn rest(&mut self) {
        self.bodies.rest();
        self.messages = Vec::new();
        self.topic = None;
    }
}

impl Connection {
    /// `PUB` and, with a delay, `DPUB`.
    pub(super) async fn publish(
        &mut self,
        topic: Name,
        delay: Option<Duration>,
        body: &[u8],
        extra: Option<Box<Extra>>,
    ) -> Result<(), Refusal> {
        let command = if delay.is_some() { "DPUB" } else { "PUB" };
        self.may_publish(command, &topic).await?;
        let body = self.publishing.bodies.keep(body);
        let Extra { id, key, ttl } = extra.map_or_else(Extra::default, |extra| *extra);
        let delay = delay.unwrap_or_default();
        self.publishing.messages.push(NewMessage { body, delay, id, key, ttl, ..NewMessage::default() });
        self.send(command, topic).await
    }

    /// `MPUB`.
    pub(super) async fn publish_all(
        &mut self,
        topic: Name,
        batch: &Batch,
        extra: Option<Box<Extra>>,
    ) -> Result<(), Refusal> {
        self.may_publish("MPUB", &topic).await?;
        let Publishing { bodies, messages, .. } = &mut self.publishing;
        messages.reserve(batch.count());
        match extra {
            None => messages.extend(batch.iter().map(|body| NewMessage::from(bodies.keep(body)))),
            Some(extra) => messages.extend(batch.iter().enumerate().map(|(place, body)| NewMessage {
                body: bodies.keep(body),
                delay: Duration::ZERO,
                id: extra.id.as_ref().map(|id| format!("{id}.{place}").into()),
                key: extra.key.clone(),
                ttl: extra.ttl,
                ..NewMessage::default()
            })),
        }
        self.send("MPUB", topic).await
    }

    /// Hands the gathered messages to the topic; the answer follows when they are as sure as it says.
    async fn send(&mut self, command: &'static str, name: Name) -> Result<(), Refusal> {
        let published = self.hand_over(&name).await;
        let count = self.publishing.messages.len();
        self.publishing.messages.clear();
        if self.publishing.messages.capacity() > KEPT_MESSAGES_MAX {
            self.publishing.messages = Vec::new();
        }
        if let Err(error) = &published {
            self.service.nsqd.count_refusal(error);
        }
        match published {
            Ok(published) => {
                self.client.published(&name, count);
                self.replies.push(Reply::Publish(command, published));
                Ok(())
            }
            Err(error @ (Error::Reserved(_) | Error::Name(_))) => {
                Err(Refusal::fatal("E_BAD_TOPIC", format!("{command} {error}")))
            }
            // It is about the message: others fit, and none behind it was read.
            Err(error @ Error::BeyondTopic { .. }) => {
                let code = if command == "MPUB" { "E_BAD_BODY" } else { "E_BAD_MESSAGE" };
                Err(Refusal::fatal(code, format!("{command} {error}")))
            }
            Err(error) => Err(Refusal::publish_failed(command, error)),
        }
    }

    async fn hand_over(&mut self, name: &str) -> Result<Published, Error> {
        if let Some(topic) = self.publishing.topic.as_ref().filter(|topic| topic.name() == name) {
            match topic.publish(&self.publishing.messages) {
                // It was deleted meanwhile; publishing makes it again.
                Err(Error::Exiting) => {}
                published => return published,
            }
        }
        let topic = topic(&self.service.nsqd, name).await?;
        let published = topic.publish(&self.publishing.messages);
        self.publishing.topic = Some(topic);
        published
    }
}

/// Finds or makes a topic.
pub(super) async fn topic(nsqd: &Nsqd, name: &str) -> Result<Arc<Topic>, Error> {
    match nsqd.find_topic(name) {
        Some(topic) => Ok(topic),
        None => nsqd.topic(name).await,
    }
}

//! What each command does.

use std::io;

use bytes::Bytes;
use queue::Error;
use queue::broker::{Consumer, MessageId, Subscriber};

use super::{Connection, Reply, publishing};
use crate::wire::{CLOSE_WAIT, Command, Name, OK, Phase, RawId, Refusal};

/// A channel may be deleted between finding and entering it; so often it is made again.
const ENTER_ATTEMPTS: usize = 3;

impl Connection {
    /// Does one command. The outer error ends the connection without a word.
    pub(super) async fn execute(&mut self, command: Command) -> io::Result<Result<(), Refusal>> {
        Ok(match command {
            Command::Fin(id) => self.change("FIN", &id, Consumer::finish),
            Command::Pub { topic, delay, body, extra } => self.publish(topic, delay, &body, extra).await,
            Command::Mpub { topic, batch, extra } => self.publish_all(topic, &batch, extra).await,
            Command::Rdy(count) => {
                self.ready = count;
                if let Some(consumer) = &self.consumer {
                    consumer.set_ready(count);
                }
                Ok(())
            }
            Command::Req { id, delay, uncounted } => self.change("REQ", &id, |consumer, id| {
                if uncounted { consumer.hand_back(id, delay) } else { consumer.requeue(id, delay) }
            }),
            Command::Touch(id) => self.change("TOUCH", &id, Consumer::touch),
            Command::Nop => Ok(()),
            Command::Sub(topic, channel) => self.subscribe(topic, channel).await,
            Command::Cls => {
                if let Some(consumer) = &self.consumer {
                    consumer.start_close();
                }
                self.enter(Phase::Closing);
                self.replies.push(Reply::Data(Bytes::from_static(CLOSE_WAIT)));
                Ok(())
            }
            Command::Identify(json) => return self.identify(&json).await,
            Command::Auth(secret) => self.authenticate(secret).await,
        })
    }

    /// `FIN`, `REQ` and `TOUCH`.
    fn change(
        &self,
        command: &'static str,
        id: &RawId,
        change: impl FnOnce(&Consumer, MessageId) -> Result<(), Error>,
    ) -> Result<(), Refusal> {
        // Sixteen bytes that are no id of ours name a message that nobody has.
        let done = match (&self.consumer, MessageId::parse(id)) {
            (Some(consumer), Some(id)) => change(consumer, id),
            _ => Err(Error::NotInFlight),
        };
        done.map_err(|error| Refusal::not_held(command, id, error))
    }

    /// `SUB`.
    async fn subscribe(&mut self, topic: Name, channel: Name) -> Result<(), Refusal> {
        self.may_subscribe(&topic, &channel).await?;
        let subscriber = Subscriber {
            id: self.client.id,
            msg_timeout: self.settings.msg_timeout,
            max_msg_timeout: self.service.rules.msg_timeout_max,
            sample_rate: self.settings.sample_rate,
            proximity: self.service.topology.proximity(&self.settings.region, &self.settings.zone),
        };
        let mut attempts = 0;
        let consumer = loop {
            attempts += 1;
            let entered = match publishing::topic(&self.service.nsqd, &topic).await {
                Ok(found) => match found.channel(&channel).await {
                    Ok(channel) => channel.subscribe(subscriber),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match entered {
                Err(Error::Exiting) if attempts < ENTER_ATTEMPTS => tokio::task::yield_now().await,
                Ok(consumer) => break consumer,
                Err(Error::TooManyConsumers { consumers_max }) => {
                    let (topic, channel) = (&*topic, &*channel);
                    return Err(Refusal::sub_failed(format_args!(
                        "consumers for {topic}:{channel} exceeds limit of {consumers_max}"
                    )));
                }
                Err(error @ (Error::Reserved(_) | Error::Name(_))) => {
                    return Err(Refusal::fatal("E_BAD_TOPIC", format!("SUB {error}")));
                }
                Err(error) => return Err(Refusal::sub_failed(error)),
            }
        };
        self.consumer = Some(consumer);
        self.enter(Phase::Subscribed);
        self.replies.push(Reply::Data(Bytes::from_static(OK)));
        Ok(())
    }

    fn enter(&mut self, phase: Phase) {
        self.session.phase = phase;
        self.client.learn(|said| said.phase = phase);
    }
}

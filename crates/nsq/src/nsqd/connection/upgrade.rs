//! `IDENTIFY`, and the connection it leads to.

use std::io;

use bytes::Bytes;
use tokio::time::Instant;

use super::timing::Timing;
use super::{Connection, Reply};
use crate::wire::{OK, Refusal, compression, frame};

impl Connection {
    /// `IDENTIFY`. The outer error ends the connection without a word.
    pub(super) async fn identify(&mut self, json: &[u8]) -> io::Result<Result<(), Refusal>> {
        let identified = match self.settings.identify(json, &self.service.rules, self.identity.tls) {
            Ok(identified) => identified,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let settings = self.settings.clone();
        self.session.heartbeats = settings.heartbeat.is_some();
        self.timing = Timing::new(Instant::now(), settings.heartbeat, settings.output_buffer_timeout);
        self.client.learn(|said| said.settings = Some(settings));
        self.replies.push(Reply::Data(Bytes::from(identified.answer)));
        let upgrades = identified.upgrades;
        if upgrades.tls {
            self.say_everything().await?;
            let Some(config) = self.service.nsqd.tls.clone() else {
                return Ok(Err(Refusal::identify_failed("IDENTIFY failed TLS is not configured")));
            };
            let secured = self.transport.encrypt(config).await?;
            self.identity.encrypted(&secured.common_name);
            self.session.tls_missing = false;
            self.client.learn(|said| said.secured = Some(secured));
            frame::put_response(&mut self.transport.out, OK);
        }
        let codec = match (upgrades.snappy, upgrades.deflate) {
            (true, _) => compression::snappy(),
            (false, Some(level)) => compression::deflate(level),
            (false, None) => {
                self.urgent = true;
                return Ok(Ok(()));
            }
        };
        if self.transport.is_compressed() {
            return Ok(Err(Refusal::identify_failed("IDENTIFY failed compression is on already")));
        }
        self.say_everything().await?;
        self.transport.compress(codec)?;
        self.client.learn(|said| (said.snappy, said.deflate) = (upgrades.snappy, upgrades.deflate.is_some()));
        frame::put_response(&mut self.transport.out, OK);
        self.urgent = true;
        Ok(Ok(()))
    }

    async fn say_everything(&mut self) -> io::Result<()> {
        if self.say_the_rest().await? {
            return Err(io::Error::other("a message before IDENTIFY could not be kept"));
        }
        Ok(())
    }
}

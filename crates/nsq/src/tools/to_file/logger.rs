//! One topic: from its consumer into its file.

use std::io;
use std::sync::Arc;

use base::tasks::{Stop, TaskGroup};
use bytes::Bytes;
use jiff::Zoned;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::Options;
use super::writer::Writer;
use crate::client::{Config, Consumer, Message};

pub(super) struct Logger {
    label: String,
    options: Arc<Options>,
    consumer: Consumer,
    writer: Option<Writer>,
    /// Written and not synced.
    held: Vec<Message>,
    stop: Stop,
}

impl Logger {
    pub(super) fn start(
        topic: &str,
        options: &Arc<Options>,
        config: &Config,
        tasks: &TaskGroup,
    ) -> Result<Self, String> {
        let writer = Writer::new(options, topic, Zoned::now)?;
        let consumer = options.reading.consumer("nsq_to_file", topic, &options.channel, config, tasks)?;
        Ok(Self {
            label: format!("[{topic}/{}]", options.channel),
            writer: Some(writer),
            options: Arc::clone(options),
            consumer,
            held: Vec::new(),
            stop: tasks.stop_signal(),
        })
    }

    /// Writes until the consumer ends. An error is one of the file.
    pub(super) async fn run(mut self, mut reopening: watch::Receiver<()>) -> Result<(), String> {
        let label = self.label.clone();
        self.log(&mut reopening).await.map_err(|error| format!("{label} {error}"))
    }

    async fn log(&mut self, reopening: &mut watch::Receiver<()>) -> io::Result<()> {
        let most = self.options.reading.max_in_flight.max(1) as usize;
        let mut ticks = tokio::time::interval(self.options.sync_interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.reset();
        // At the end the consumer waits for us to finish what is held, so nothing is held any more.
        let mut stopping = false;
        loop {
            tokio::select! {
                message = self.consumer.next() => {
                    let Some(first) = message else { break };
                    let messages = self.gather(first, most - self.held.len());
                    let bodies: Vec<Bytes> = messages.iter().map(|message| message.body.clone()).collect();
                    self.held.extend(messages);
                    let rotated = self.with_writer(move |writer| writer.write(&bodies)).await?;
                    if stopping || rotated || self.held.len() >= most || self.consumer.is_starved() {
                        self.sync().await?;
                    }
                }
                _ = ticks.tick() => {
                    self.with_writer(Writer::tick).await?;
                    self.sync().await?;
                }
                Ok(()) = reopening.changed() => {
                    self.sync().await?;
                    self.with_writer(Writer::close).await?;
                    tracing::info!("{} closed by SIGHUP", self.label);
                }
                () = self.stop.requested(), if !stopping => {
                    stopping = true;
                    self.sync().await?;
                }
            }
        }
        self.sync().await?;
        self.with_writer(Writer::close).await
    }

    /// The first message and those that are there already, up to `most`.
    fn gather(&mut self, first: Message, most: usize) -> Vec<Message> {
        let mut messages = vec![first];
        while messages.len() < most {
            match self.consumer.ready() {
                Some(message) => messages.push(message),
                None => break,
            }
        }
        messages
    }

    /// Everything held is on the device, and then it is finished.
    async fn sync(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        tracing::info!("{} syncing {} records to disk", self.label, self.held.len());
        self.with_writer(Writer::sync).await?;
        for message in self.held.drain(..) {
            message.finish().await;
        }
        Ok(())
    }

    /// Does something that blocks, off the runtime's threads.
    async fn with_writer<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Writer) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let mut writer = self.writer.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (writer, outcome) = tokio::task::spawn_blocking(move || {
            let outcome = work(&mut writer);
            (writer, outcome)
        })
        .await
        .map_err(io::Error::other)?;
        self.writer = Some(writer);
        outcome
    }
}

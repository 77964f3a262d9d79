//! `nsq_to_file`: writes messages to files, a line each, and finishes them once they are on the device.
//!
//! ```text
//! discovery of topics ──▶ one logger a topic: consumer ──▶ writer (rotation, gzip) ──▶ fsync ──▶ FIN
//! ```
//! Read in this order: [`Options`], `name` (what files are called), `folders`, `writer`, `logger`.
//!
//! **Invariant**: a message is finished only after an fsync of the file that holds it, and of the folder that
//! holds the file. What is not finished comes again, so a crash repeats lines and loses none.

mod folders;
mod logger;
mod name;
mod options;
mod writer;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::Clock;
use base::tasks::{Stop, TaskGroup};
use regex_lite::Regex;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::common;
use crate::client::Config;
use crate::cluster::{Addresses, Cluster};
use crate::http::Client;
use logger::Logger;
pub use options::Options;

/// Runs until `stop`: then everything is synced, finished and closed.
///
/// # Errors
/// In words: a folder or file that cannot be written ends it all, because whoever watches must know.
pub async fn run(options: Options, stop: Stop) -> Result<(), String> {
    let config = options.reading.config("nsq_to_file")?;
    // A message that cannot be written is no bad message: it is never given up.
    let asked_for = options.reading.gives("max_attempts");
    let config = if asked_for { config } else { Config { max_attempts: 0, ..config } };
    let pattern = match options.topic_pattern.as_str() {
        "" => None,
        pattern => Some(Regex::new(pattern).map_err(|error| format!("--topic-pattern: {error}"))?),
    };
    let options = Arc::new(options);
    let trying = Arc::clone(&options);
    let tried = tokio::task::spawn_blocking(move || folders::try_out(&trying)).await;
    tried.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    let tasks = TaskGroup::new();
    let (failed, mut failing) = mpsc::channel(1);
    let (reopen, reopening) = watch::channel(());
    let mut archive =
        Archive { options, config, tasks: tasks.clone(), loggers: BTreeMap::new(), failed, reopening };
    let mut hangups = signal(SignalKind::hangup()).map_err(|error| error.to_string())?;
    let mut refresh = tokio::time::interval(archive.options.topic_refresh);
    archive.log(&archive.options.topics.clone(), pattern.as_ref())?;
    let outcome = loop {
        tokio::select! {
            () = stop.requested() => break Ok(()),
            error = failing.recv() => break Err(error.unwrap_or_default()),
            _ = hangups.recv() => {
                tracing::info!("SIGHUP: files are closed and opened again");
                reopen.send_replace(());
            }
            _ = refresh.tick(), if archive.options.topics.is_empty() => {
                match archive.known().await {
                    Ok(topics) => {
                        // What a lookupd makes up is no reason to stop writing what is fine.
                        if let Err(error) = archive.log(&topics, pattern.as_ref()) {
                            tracing::error!("cannot write a topic - {error}");
                        }
                    }
                    Err(error) => tracing::error!("could not retrieve topic list: {error}"),
                }
            }
        }
    };
    let patience = archive.config.read_timeout;
    if !tasks.drain(patience).await {
        tracing::warn!("some messages were not answered in time");
    }
    // What failed while draining counts too.
    outcome.and_then(|()| failing.try_recv().map_or(Ok(()), Err))
}

struct Archive {
    options: Arc<Options>,
    config: Config,
    tasks: TaskGroup,
    /// Topics that are logged, and those that were looked at and are not.
    loggers: BTreeMap<String, bool>,
    failed: mpsc::Sender<String>,
    reopening: watch::Receiver<()>,
}

impl Archive {
    /// All topics that the lookupds know.
    async fn known(&self) -> Result<Vec<String>, String> {
        let options = &self.options;
        let asking = common::asking(
            "nsq_to_file",
            options.http_client_connect_timeout,
            options.http_client_request_timeout,
        );
        let client = Client::new(asking).map_err(|error| error.to_string())?;
        let lookupds = options.reading.lookupd_http_addresses.clone();
        let addresses = Addresses { lookupds, nsqds: Vec::new() };
        let cluster = Cluster::new(Arc::new(client), Clock::system(), addresses);
        let seen = cluster.topics().await.map_err(|error| error.to_string())?;
        seen.problems.iter().for_each(|problem| tracing::error!("{problem}"));
        Ok(seen.value)
    }

    /// Starts a logger for each topic that is new and wanted.
    ///
    /// # Errors
    /// The last of those that cannot be started.
    fn log(&mut self, topics: &[String], pattern: Option<&Regex>) -> Result<(), String> {
        let mut outcome = Ok(());
        for topic in topics {
            if self.loggers.contains_key(topic) {
                continue;
            }
            let wanted = pattern.is_none_or(|pattern| pattern.is_match(topic));
            self.loggers.insert(topic.clone(), wanted);
            if !wanted {
                tracing::warn!(
                    "skipping topic {topic} (doesn't match pattern {})",
                    self.options.topic_pattern
                );
                continue;
            }
            let logger = match Logger::start(topic, &self.options, &self.config, &self.tasks) {
                Ok(logger) => logger,
                Err(error) => {
                    outcome = Err(error);
                    continue;
                }
            };
            let (failed, reopening) = (self.failed.clone(), self.reopening.clone());
            self.tasks.spawn("file logger", async move {
                if let Err(error) = logger.run(reopening).await {
                    // One failure ends it all; the others need not be told.
                    let _ = failed.try_send(error);
                }
            });
        }
        outcome
    }
}

#[cfg(test)]
mod tests;

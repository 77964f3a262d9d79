//! The parts behind the listeners, opened and closed in order.
//!
//! Opening: log (recovery is reported), queue, store, application, nsqd if it is wanted. Closing goes the
//! other way, after the listeners: nsqd, last checkpoint, tasks, log, store.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use app::App;
use base::Clock;
use base::metrics::Metrics;
use base::tasks::TaskGroup;
use log::{Log, Recovery};
use nsq::logging::Verbosity;
use nsq::nsqd::{self, Running};
use queue::Queue;
use queue::broker::Broker;
use store::Store;

use crate::config::Config;
use crate::folder::Folder;
use crate::gauges::LogGauges;

/// Everything that runs behind the listeners.
pub(crate) struct House {
    pub(crate) app: App,
    pub(crate) metrics: Metrics,
    pub(crate) gauges: LogGauges,
    tasks: TaskGroup,
    log: Log,
    store: Arc<dyn Store>,
    nsqd: Option<Running>,
}

/// Topics that begin so are the recorder's: NSQ's clients do not see them.
const OURS: &str = "points.";
/// Most names of topics in one line of the log.
const LEFT_BEHIND_SHOWN_MAX: usize = 20;

impl House {
    /// Opens all parts; what recovery found is logged, the rest is served.
    pub(crate) async fn open(config: &Config, folder: &Folder, clock: Clock) -> anyhow::Result<Self> {
        let metrics = Metrics::new();
        let tasks = TaskGroup::new();
        let log_config = log::Config { dir: folder.log(), ..config.log.clone() };
        let log_clock = clock.clone();
        let (log, recovery) = tokio::task::spawn_blocking(move || Log::open(log_config, log_clock))
            .await?
            .context("cannot open the log")?;
        report(&recovery);
        let queue = Queue::open(log.clone(), &folder.log()).context("cannot open the queue")?;
        let store =
            store::open_sqlite_with(&folder.store(), config.store).await.context("cannot open the store")?;
        if recovery.records > 0 && !config.app.accept_log_gap {
            let accounts = store.accounts().await.context("cannot read the store")?;
            if accounts.is_empty() {
                let reason =
                    "the store is new and the log is not: it holds numbers of accounts that are gone";
                return Err(what_to_do(app::Error::Conflict(reason.to_owned())));
            }
        }
        let app =
            App::start(config.app.clone(), clock.clone(), store.clone(), queue.clone(), &metrics, &tasks)
                .await
                .map_err(what_to_do)?;
        let message_bytes_max = config.log.record_bytes_max.saturating_sub(nsqd::RECORD_OVERHEAD);
        let nsqd = match config.nsq.options(message_bytes_max) {
            Some(options) => {
                let (verbosity, reserved) = (Verbosity::new(options.log_level), vec![OURS.to_owned()]);
                let started =
                    Running::start_within(queue, &folder.log(), reserved, options, verbosity, clock).await;
                Some(started.context("cannot start nsqd")?)
            }
            None => {
                let dir = folder.log();
                tokio::task::spawn_blocking(move || tell_left_behind(&queue, &dir)).await?;
                None
            }
        };
        let gauges = LogGauges::new(log.clone(), &metrics);
        Ok(Self { app, metrics, gauges, tasks, log, store, nsqd })
    }

    /// Where NSQ's clients and nsqd's HTTP API are served: `(what, address)`.
    pub(crate) fn nsq_addresses(&self) -> Vec<(&'static str, String)> {
        let Some(nsqd) = &self.nsqd else { return Vec::new() };
        let http = nsqd.http_address.iter().map(|address| ("http", address.clone()));
        let https = nsqd.https_address.iter().map(|address| ("https", address.clone()));
        std::iter::once(("tcp", nsqd.tcp_address.clone())).chain(http).chain(https).collect()
    }

    /// Writes everything down and closes. nsqd is first and has limits of its own, whatever `patience` is: up to
    /// 20 s for its connections and tasks, and none for its broker. `patience` counts from the same start: half
    /// of it for the last checkpoint, what is left then for the tasks, so that the recorder can end its commit
    /// before the log and the store close under it; where nsqd took it all, nothing is left for them. All parts are closed whatever happens to the others; the first error is given back. What was
    /// acknowledged is in the log already: an error here costs the next start some time, and no numbers.
    pub(crate) async fn close(self, patience: Duration) -> anyhow::Result<()> {
        let deadline = Instant::now() + patience;
        let nsqd_closed = match self.nsqd {
            Some(nsqd) => nsqd.close().await.context("cannot close nsqd"),
            None => Ok(()),
        };
        let finished = match tokio::time::timeout(patience / 2, self.app.finish()).await {
            Ok(finished) => finished.context("cannot write the last checkpoint"),
            Err(_) => Err(anyhow!("the last checkpoint was not written in time")),
        };
        if !self.tasks.drain(deadline.saturating_duration_since(Instant::now())).await {
            tracing::warn!("some tasks did not stop in time");
        }
        let log = self.log.clone();
        let log_closed = match tokio::task::spawn_blocking(move || log.close()).await {
            Ok(closed) => closed.context("cannot close the log"),
            Err(panicked) => Err(panicked.into()),
        };
        let store_closed = self.store.close().await.context("cannot close the store");
        first_error([nsqd_closed, finished, log_closed, store_closed])
    }
}

/// Topics of an nsqd that was switched off are kept, for when it is switched on again: whoever does not want
/// that should know.
fn tell_left_behind(queue: &Queue, dir: &Path) {
    match Broker::left_behind(queue, dir, &[OURS.to_owned()]) {
        Ok(topics) if topics.is_empty() => {}
        Ok(topics) => tracing::warn!(
            topics = topics.len(),
            names = topics[..topics.len().min(LEFT_BEHIND_SHOWN_MAX)].join(", "),
            "topics of NSQ are kept on the disk though nsq.tcp is not set; to be rid of them, set it, delete \
             them (POST /topic/delete or nsqadmin), and take it away again"
        ),
        Err(error) => tracing::warn!(%error, "what topics of NSQ are kept on the disk cannot be read"),
    }
}

/// An error of the start, and the way out of it.
fn what_to_do(error: app::Error) -> anyhow::Error {
    let error = anyhow::Error::from(error);
    match error.downcast_ref::<app::Error>() {
        Some(app::Error::Conflict(_)) => error.context(
            "cannot start: put back the store (eyrie.db) and the log (log/) that belong together, or restore a backup, \
             which has both; or accept with `eyrie serve --accept-log-gap` that some numbers stay missing",
        ),
        _ => error.context("cannot start the application"),
    }
}

/// Gives the first error back and logs the others.
fn first_error(outcomes: impl IntoIterator<Item = anyhow::Result<()>>) -> anyhow::Result<()> {
    let mut errors = outcomes.into_iter().filter_map(Result::err);
    let Some(first) = errors.next() else { return Ok(()) };
    errors.for_each(|error| tracing::error!("{error:#}"));
    Err(first)
}

/// Damage is an error that somebody should see; a torn tail is what a crash leaves.
fn report(recovery: &Recovery) {
    for damage in &recovery.damaged {
        tracing::error!(damage, "the log is damaged: the rest of it is served");
    }
    if recovery.torn_bytes > 0 {
        tracing::warn!(
            bytes = recovery.torn_bytes,
            "the log ended in an unfinished write, which was never acknowledged: it is cut off"
        );
    }
    tracing::info!(records = recovery.records, damaged = recovery.damaged.len(), "log opened");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_is_given_back() {
        assert!(first_error([Ok(()), Ok(())]).is_ok());
        let error = first_error([Ok(()), Err(anyhow!("log")), Err(anyhow!("store"))]).expect_err("two");
        assert_eq!(error.to_string(), "log");
    }
}

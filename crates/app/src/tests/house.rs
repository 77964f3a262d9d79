//! A data folder that is started, killed and started again.

use std::sync::Arc;
use std::time::Duration;

use base::metrics::Metrics;
use base::tasks::TaskGroup;
use base::{Clock, Timestamp};
use stats::timeframe::Window;
use stats::{AccountId, Kind, Series, StatName, Timeframe};

use crate::intake::{Fate, Sent};
use crate::tests::faults::Faulty;
use crate::{App, Config};

/// Whose stats.
pub(super) const ME: AccountId = AccountId(2);
/// Saturday, 21 November 2026, 12:00 UTC.
pub(super) const NOON: Timestamp = Timestamp::from_seconds(1_795_262_400);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3_600);
pub(super) const DAY: Duration = Duration::from_secs(86_400);

pub(super) struct House {
    pub app: App,
    pub store: Arc<Faulty>,
    pub clock: Clock,
    pub config: Config,
    tasks: TaskGroup,
    log: log::Log,
    folder: tempfile::TempDir,
    disk: Arc<dyn log::files::Files>,
}

/// What is left of it when it has stopped.
pub(super) struct Stopped {
    folder: tempfile::TempDir,
    disk: Arc<dyn log::files::Files>,
    pub config: Config,
    clock: Clock,
}

impl Stopped {
    /// As if it had never been, or were that of another time.
    pub(super) fn remove_store(&mut self) {
        for entry in std::fs::read_dir(self.folder.path()).expect("the folder reads").flatten() {
            if entry.file_name().to_string_lossy().starts_with("eyrie.db") {
                std::fs::remove_file(entry.path()).expect("it is removed");
            }
        }
    }

    fn segments(&self) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(self.folder.path().join("log")).expect("the folder reads").flatten();
        files
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "seg"))
            .collect()
    }

    /// Takes the log's segments away.
    pub(super) fn take_segments(&self) -> Vec<(std::path::PathBuf, Vec<u8>)> {
        let take = |path: std::path::PathBuf| {
            let bytes = std::fs::read(&path).expect("it reads");
            std::fs::remove_file(&path).expect("it is removed");
            (path, bytes)
        };
        self.segments().into_iter().map(take).collect()
    }

    /// Puts them back.
    pub(super) fn put_back(&self, segments: Vec<(std::path::PathBuf, Vec<u8>)>) {
        segments.into_iter().for_each(|(path, bytes)| std::fs::write(path, bytes).expect("it is written"));
    }

    /// Cuts them off after so many bytes.
    pub(super) fn cut_segments(&self, bytes: u64) {
        for path in self.segments() {
            let file = std::fs::OpenOptions::new().write(true).open(path).expect("it opens");
            file.set_len(bytes).expect("it is cut");
        }
    }

    /// Removes what says how far the log was read.
    pub(super) fn forget_cursors(&self) {
        std::fs::remove_file(self.folder.path().join("log/cursors")).expect("there were cursors");
    }

    /// Tries to start it, which must fail; why, and what is left.
    pub(super) async fn refused(self) -> (crate::Error, Self) {
        match House::try_open(self.folder, self.disk, self.config, self.clock).await {
            Ok(_) => panic!("it started"),
            Err((error, stopped)) => (error, stopped),
        }
    }

    /// Starts it again.
    pub(super) async fn start(self) -> House {
        House::open(self.folder, self.disk, self.config, self.clock).await
    }
}

pub(super) fn config() -> Config {
    Config {
        shards: 4,
        durability: queue::Durability::Os,
        // Tests write down when they want to.
        checkpoint_interval: HOUR,
        clock_doubt: Duration::ZERO,
        ..Config::default()
    }
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(config(), NOON).await
    }

    pub(super) async fn with(config: Config, now: Timestamp) -> Self {
        Self::on(Arc::new(log::files::Disk), config, now).await
    }

    /// With its log on another file system.
    pub(super) async fn on(disk: Arc<dyn log::files::Files>, config: Config, now: Timestamp) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        Self::open(folder, disk, config, Clock::manual(now)).await
    }

    async fn open(
        folder: tempfile::TempDir,
        disk: Arc<dyn log::files::Files>,
        config: Config,
        clock: Clock,
    ) -> Self {
        let opened = Self::try_open(folder, disk, config, clock).await;
        opened.map_err(|(error, _)| error).expect("the application starts")
    }

    async fn try_open(
        folder: tempfile::TempDir,
        disk: Arc<dyn log::files::Files>,
        config: Config,
        clock: Clock,
    ) -> Result<Self, (crate::Error, Stopped)> {
        let tasks = TaskGroup::new();
        let dir = folder.path().join("log");
        let log_config = log::Config { segment_bytes: 1 << 20, ..log::Config::new(&dir) };
        let (log, recovery) =
            log::Log::open_on(disk.clone(), log_config, clock.clone()).expect("the log opens");
        let on_purpose = |damage: &String| damage.contains("the file ends before them");
        assert!(recovery.damaged.iter().all(on_purpose), "{recovery:?}");
        let queue = queue::Queue::open(log.clone(), &dir).expect("the queue opens");
        let store = store::open_sqlite(&folder.path().join("eyrie.db")).await.expect("the store opens");
        let store = Arc::new(Faulty::new(store));
        match App::start(config.clone(), clock.clone(), store.clone(), queue, &Metrics::new(), &tasks).await {
            Ok(app) => Ok(Self { app, store, clock, config, tasks, log, folder, disk }),
            Err(error) => {
                store::Store::close(&*store).await.expect("the store closes");
                log.close().expect("the log closes");
                Err((error, Stopped { folder, disk, config, clock }))
            }
        }
    }

    /// Stops without writing anything down, as `kill -9` would.
    pub(super) async fn kill(self) -> Stopped {
        assert!(self.tasks.drain(Duration::from_secs(20)).await, "all tasks stop");
        self.store.heal();
        store::Store::close(&*self.store).await.expect("the store closes");
        self.log.close().expect("the log closes");
        Stopped { folder: self.folder, disk: self.disk, config: self.config, clock: self.clock }
    }

    /// Kills it and starts it again on the same folder.
    pub(super) async fn restart(self) -> Self {
        self.kill().await.start().await
    }

    /// Restarts with the log gone, which is accepted.
    pub(super) async fn restart_without_log(self) -> Self {
        let mut stopped = self.kill().await;
        stopped.config.accept_log_gap = true;
        std::fs::remove_dir_all(stopped.folder.path().join("log")).expect("the log is removed");
        stopped.start().await
    }

    /// Where the log begins.
    pub(super) fn log_first(&self) -> u64 {
        self.app.state.queue.log().status().first.0
    }

    /// Sends numbers and waits until they are acknowledged.
    pub(super) async fn send(&self, numbers: &[(&str, Kind, f64, Timestamp)]) -> Vec<Fate> {
        let sent: Vec<Sent> = numbers
            .iter()
            .map(|(name, kind, number, time)| Sent {
                account: ME,
                name: StatName::new(name).expect("a good name"),
                kind: *kind,
                number: *number,
                time: *time,
            })
            .collect();
        let accepted = self.app.intake.submit(&sent).expect("the log takes it");
        let fates = accepted.fates.clone();
        accepted.settle().await.expect("the log has it");
        fates
    }

    /// Counts `number` under `name` now.
    pub(super) async fn count(&self, name: &str, number: f64) {
        self.send(&[(name, Kind::Counter, number, self.clock.now())]).await;
    }

    pub(super) async fn checkpoint(&self) {
        self.app.settled().await;
        self.app.checkpoint().await.expect("the store takes it");
    }

    /// Closes what is due.
    pub(super) async fn close(&self) {
        use crate::closing::{Due, pass};
        while pass(&self.app.state).await.expect("nothing stops the closing") == Due::Now {}
    }

    pub(super) async fn series(&self, name: &str, window: Window) -> Series {
        let stat = self.app.catalog.by_name(ME, name).unwrap_or_else(|| panic!("there is a stat {name}"));
        self.app.charts.series(stat.id, window).await.expect("a series")
    }

    /// The total of a stat over the last days.
    pub(super) async fn total(&self, name: &str, timeframe: &str) -> f64 {
        let timeframe = Timeframe::parse(timeframe).expect("a timeframe");
        let series = self.series(name, self.app.charts.window(timeframe, None)).await;
        series.total().map_or(0.0, |bucket| bucket.sum)
    }
}

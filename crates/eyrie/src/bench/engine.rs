//! The engine without its HTTP edges, in a folder of the benchmark's own.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use app::App;
use app::intake::Sent;
use base::{Clock, Timestamp};
use stats::{AccountId, Kind, StatName};

use crate::config::Config;
use crate::folder::Folder;
use crate::house::House;

/// Numbers handed to intake at once.
const SUBMIT_ITEMS: usize = 1_000;
/// Submissions on their way to the log at once.
const SUBMISSIONS_IN_FLIGHT: usize = 64;
/// How long writing everything down may take.
const CLOSE_PATIENCE: Duration = Duration::from_secs(120);

/// A running application over a log and a store of its own.
pub(super) struct Engine {
    pub(super) app: App,
    pub(super) account: AccountId,
    house: House,
}

impl Engine {
    /// Opens the data folder `data` as `eyrie serve` would, with an owner.
    pub(super) async fn open(data: &Path, clock: Clock, config: app::Config) -> anyhow::Result<Self> {
        let folder = Folder::open_or_make(data)?;
        let config = Config { app: config, ..Config::default() };
        let house = House::open(&config, &folder, clock).await?;
        house.app.accounts.ensure_owner(&config.owner).await?;
        let account = house.app.accounts.list().await?.first().context("the owner's account")?.id;
        Ok(Self { app: house.app.clone(), account, house })
    }

    /// Submits `numbers` in bulks of 1,000, waiting for the configured durability.
    pub(super) async fn submit(&self, numbers: impl Iterator<Item = Sent>) -> anyhow::Result<u64> {
        let mut numbers = numbers.peekable();
        let mut in_flight = tokio::task::JoinSet::new();
        let mut count = 0;
        let mut bulk = Vec::with_capacity(SUBMIT_ITEMS);
        while numbers.peek().is_some() {
            bulk.clear();
            bulk.extend(numbers.by_ref().take(SUBMIT_ITEMS));
            count += bulk.len() as u64;
            loop {
                match self.app.intake.submit(&bulk) {
                    Ok(accepted) => {
                        in_flight.spawn(accepted.settle());
                        break;
                    }
                    // The log is full: that is what backpressure is for.
                    Err(error) if error.kind() == base::ErrorKind::Busy => {
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            if in_flight.len() >= SUBMISSIONS_IN_FLIGHT {
                in_flight.join_next().await.context("a submission")???;
            }
        }
        while let Some(settled) = in_flight.join_next().await {
            settled??;
        }
        Ok(count)
    }

    /// One number of stat `name`.
    pub(super) fn sent(&self, name: &StatName, kind: Kind, number: f64, time: Timestamp) -> Sent {
        Sent { account: self.account, name: name.clone(), kind, number, time }
    }

    /// Writes everything down and closes.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.app.settled().await;
        self.house.close(CLOSE_PATIENCE).await
    }
}

/// Bytes of all files below `folder`.
pub(super) fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// The stat names of a benchmark: `<prefix> 0`, `<prefix> 1`, ...
pub(super) fn names(prefix: &str, count: usize) -> Vec<StatName> {
    (0..count).map(|i| StatName::new(&format!("{prefix} {i}")).expect("a short name is valid")).collect()
}

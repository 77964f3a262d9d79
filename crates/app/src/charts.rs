//! The charts application server: blocks and head become series (skeleton: signatures are the contract).
#![allow(missing_docs, unused_variables)]

use base::Timestamp;
use stats::timeframe::Window;
use stats::{Series, StatId, Timeframe};

use crate::Error;

/// Cheap to clone.
#[derive(Clone)]
pub struct Charts;

impl Charts {
    /// The window of `timeframe` ending now (`start` unset) or starting at `start`.
    pub fn window(&self, timeframe: Timeframe, start: Option<Timestamp>) -> Window {
        todo!()
    }

    /// One stat over one window, exact at every resolution that is kept. Damaged blocks are logged
    /// by name, counted and left out.
    pub async fn series(&self, stat: StatId, window: Window) -> Result<Series, Error> {
        todo!()
    }

    /// Many stats over the same window, in the order given.
    pub async fn series_of(&self, stats: &[StatId], window: Window) -> Result<Vec<Series>, Error> {
        todo!()
    }

    /// Rises with every number folded into the stat in this process: what a live page polls.
    pub fn version(&self, stat: StatId) -> u64 {
        todo!()
    }
}

//! Eyrie counts itself: its own numbers are stats of [`AccountId::EYRIE`], sent through the same intake.

use std::sync::Arc;
use std::time::Duration;

use base::Clock;
use base::tasks::Stop;
use parking_lot::Mutex;
use stats::{AccountId, Kind, StatName};

use crate::intake::{Intake, Sent};

/// How often they are sent.
const EVERY: Duration = Duration::from_secs(10);
/// Most numbers that can be registered.
const GAUGES_MAX: usize = 200;

/// Where rooms register what Eyrie counts of itself. Cheap to clone.
#[derive(Clone, Default)]
pub struct Own(Arc<Mutex<Vec<Gauge>>>);

struct Gauge {
    name: StatName,
    kind: Kind,
    read: Box<dyn Fn() -> f64 + Send + Sync>,
    /// Of a counter: the total sent so far.
    sent: f64,
}

impl Own {
    /// Registers a number under a name of 1 to 255 characters. `read` is called every 10 s and must be
    /// quick: for a [`Kind::Value`] it answers the reading, for a [`Kind::Counter`] the total since the start
    /// of the process, of which the growth is sent.
    ///
    /// # Panics
    /// If the name is no stat name or there are 200 already: both are mistakes in the program.
    pub fn gauge(&self, name: &str, kind: Kind, read: impl Fn() -> f64 + Send + Sync + 'static) {
        let name = StatName::new(name).expect("our own numbers have good names");
        let mut gauges = self.0.lock();
        assert!(gauges.len() < GAUGES_MAX, "at most {GAUGES_MAX} numbers of our own");
        gauges.push(Gauge { name, kind, read: Box::new(read), sent: 0.0 });
    }

    /// Reads all numbers: what is to be sent at the clock's time.
    pub(crate) fn read(&self, clock: &Clock) -> Vec<Sent> {
        let time = clock.now();
        let mut gauges = self.0.lock();
        let mut all = Vec::with_capacity(gauges.len());
        for gauge in gauges.iter_mut() {
            let read = (gauge.read)();
            if !read.is_finite() {
                continue;
            }
            let number = match gauge.kind {
                Kind::Value => read,
                Kind::Counter => read - std::mem::replace(&mut gauge.sent, read),
            };
            if gauge.kind == Kind::Value || number != 0.0 {
                let (account, name) = (AccountId::EYRIE, gauge.name.clone());
                all.push(Sent { account, name, kind: gauge.kind, number, time });
            }
        }
        all
    }

    /// Sends them until told to stop. What the log refuses is left out: these are only our own.
    pub(crate) async fn run(self, intake: Intake, clock: Clock, stop: Stop) {
        loop {
            tokio::select! {
                () = stop.requested() => return,
                () = tokio::time::sleep(EVERY) => {}
            }
            let settled = match intake.submit(&self.read(&clock)) {
                Ok(accepted) => accepted.settle().await,
                Err(error) => Err(error),
            };
            if let Err(error) = settled {
                tracing::debug!(%error, "our own numbers were not taken");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_send_their_growth_and_values_their_reading() {
        let own = Own::default();
        let total = Arc::new(Mutex::new(5.0));
        let read = Arc::clone(&total);
        own.gauge("requests", Kind::Counter, move || *read.lock());
        own.gauge("memory", Kind::Value, || 7.0);
        own.gauge("broken", Kind::Value, || f64::NAN);
        let clock = Clock::manual(base::Timestamp::from_seconds(60));
        let numbers = || own.read(&clock).iter().map(|sent| sent.number).collect::<Vec<_>>();
        assert_eq!(numbers(), [5.0, 7.0]);
        assert_eq!(numbers(), [7.0], "nothing new to count");
        *total.lock() = 8.0;
        assert_eq!(numbers(), [3.0, 7.0]);
    }
}

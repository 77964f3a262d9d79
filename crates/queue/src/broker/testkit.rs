//! A broker for tests of its parts, on a disk in memory.

use std::path::Path;
use std::sync::Arc;

use base::Clock;
use base::tasks::TaskGroup;
use log::Log;
use log::files::Faulty;

use super::{Broker, Config};
use crate::Queue;

/// An empty one. To be called within a runtime.
pub(crate) fn broker(config: Config) -> Broker {
    let (clock, dir) = (Clock::system(), Path::new("/data"));
    let log_config = log::Config::new(dir.join("log"));
    let (log, _) = Log::open_on(Arc::new(Faulty::new()), log_config, clock.clone()).expect("an empty disk");
    let queue = Queue::open(log, dir).expect("an empty disk");
    let (broker, _) = Broker::open(queue, dir, config, clock, &TaskGroup::new()).expect("an empty disk");
    broker
}

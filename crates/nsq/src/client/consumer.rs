//! A consumer: subscribes to a channel on every nsqd that has its topic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base::tasks::{Stop, TaskGroup};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use super::discovery::{Discovery, Found};
use super::ready::{Id, Ready};
use super::subscription::{Event, Load, Order, Subscription};
use super::{Config, Message, Outage, chance};
use crate::http::{Client, client};

/// Events that wait for the consumer's task.
const EVENTS_MAX: usize = 1_024;

/// What topics and channels may be called.
const NAMES: &str = "it takes 1 to 64 of a-z, A-Z, 0-9, `.`, `_` and `-`, and may end with #ephemeral";

/// The first pause before an nsqd that went away is tried again; each further one is twice as long.
const RECONNECT_MIN: Duration = Duration::from_millis(250);

/// The longest such pause.
const RECONNECT_MAX: Duration = Duration::from_secs(15);

/// Where nsqds are.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// TCP addresses of nsqds.
    pub nsqds: Vec<String>,
    /// HTTP addresses of nsqlookupds that know more of them.
    pub lookupds: Vec<String>,
}

/// Receives a channel's messages from every nsqd that has its topic.
///
/// It ends when its task group stops: then nothing new is asked for, what is in flight may still be finished,
/// and [`Consumer::next`] returns `None` once all connections are gone.
pub struct Consumer {
    messages: mpsc::Receiver<Message>,
    loads: Loads,
}

type Loads = Arc<Mutex<BTreeMap<Id, Arc<Load>>>>;

impl Consumer {
    /// Subscribes, and goes on finding and losing nsqds until `tasks` stop.
    ///
    /// # Errors
    /// In words: a name that none may have, or certificates that cannot be used.
    pub fn start(
        topic: &str,
        channel: &str,
        config: Config,
        sources: &Sources,
        asking: client::Options,
        tasks: &TaskGroup,
    ) -> Result<Self, String> {
        for name in [topic, channel] {
            queue::check_name(name).map_err(|_| format!("invalid name {name:?}: {NAMES}"))?;
        }
        let patience = Discovery::patience(&config);
        let client = Client::new(client::Options { request_timeout: patience, ..asking })
            .map_err(|error| error.to_string())?;
        let capacity = 2 * config.max_in_flight as usize + 1;
        let (sender, messages) = mpsc::channel(capacity);
        let (events, heard) = mpsc::channel(EVENTS_MAX);
        let (found, finding) = mpsc::channel(sources.lookupds.len().max(1));
        for (place, lookupd) in sources.lookupds.iter().enumerate() {
            let discovery = Discovery::new(place, lookupd, topic, &config, client.clone(), found.clone());
            tasks.spawn("lookupd of a consumer", discovery.run(tasks.stop_signal()));
        }
        let loads = Loads::default();
        let manager = Manager {
            name: format!("[{topic}/{channel}]"),
            topic: topic.into(),
            channel: channel.into(),
            ready: Ready::new(&config),
            config: Arc::new(config),
            fixed: sources.nsqds.iter().cloned().collect(),
            found: BTreeMap::new(),
            nsqds: BTreeMap::new(),
            open: BTreeMap::new(),
            next_id: 0,
            messages: sender,
            events,
            loads: Arc::clone(&loads),
            cautious: Arc::default(),
            outages: BTreeMap::new(),
            tasks: tasks.clone(),
        };
        tasks.spawn("consumer", manager.run(heard, finding, tasks.stop_signal()));
        Ok(Self { messages, loads })
    }

    /// The next message; `None` when all is over. Cancel safe.
    pub async fn next(&mut self) -> Option<Message> {
        self.messages.recv().await
    }

    /// A message that is here already.
    pub fn ready(&mut self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// Whether some nsqd may send hardly anything more until messages are answered: who gathers them must
    /// not wait for more.
    pub fn is_starved(&self) -> bool {
        self.loads.lock().values().any(|load| {
            let (in_flight, ready) =
                (load.in_flight.load(Ordering::Relaxed), load.ready.load(Ordering::Relaxed));
            in_flight > 0 && u64::from(in_flight) * 100 >= u64::from(ready) * 85
        })
    }
}

struct Manager {
    name: String,
    topic: Arc<str>,
    channel: Arc<str>,
    config: Arc<Config>,
    ready: Ready,
    /// Named by whoever started us; always wanted.
    fixed: BTreeSet<String>,
    /// What each lookupd knows.
    found: BTreeMap<usize, BTreeSet<String>>,
    nsqds: BTreeMap<String, Nsqd>,
    open: BTreeMap<Id, (String, Option<mpsc::Sender<Order>>)>,
    next_id: Id,
    messages: mpsc::Sender<Message>,
    events: mpsc::Sender<Event>,
    loads: Loads,
    /// Whether successes are news.
    cautious: Arc<AtomicBool>,
    /// nsqds that do not work, as far as it was said.
    outages: BTreeMap<String, Outage>,
    tasks: TaskGroup,
}

/// An nsqd that is wanted.
enum Nsqd {
    /// Connected or about to be; failures of connecting so far, none once it is subscribed.
    Connected { failures: u32 },
    /// To be tried again.
    Waiting { until: Instant, failures: u32 },
}

impl Manager {
    async fn run(mut self, mut events: mpsc::Receiver<Event>, mut found: mpsc::Receiver<Found>, stop: Stop) {
        let mut turns =
            tokio::time::interval(self.config.rdy_redistribute_interval.max(Duration::from_millis(1)));
        self.settle(Instant::now());
        while !(stop.is_requested() && self.open.is_empty()) {
            // Once stopped, nothing is to be done in time: what is open ends by itself.
            let wake = self.wakes().filter(|_| !stop.is_requested());
            let wake = wake.unwrap_or_else(|| Instant::now() + RECONNECT_MAX);
            tokio::select! {
                event = events.recv() => {
                    if let Some(event) = event {
                        self.heed(event, stop.is_requested());
                    }
                }
                Some((place, nsqds)) = found.recv() => {
                    self.found.insert(place, nsqds);
                }
                _ = turns.tick() => self.rotate(Instant::now()),
                () = sleep_until(wake.into()) => {}
                () = stop.requested(), if !stop.is_requested() => {}
            }
            if !stop.is_requested() {
                self.settle(Instant::now());
            }
        }
    }

    /// Whose turn is over.
    fn rotate(&mut self, now: Instant) {
        for (id, load) in self.loads.lock().iter() {
            if load.is_news.swap(false, Ordering::Relaxed) {
                self.ready.heard(*id, now);
            }
        }
        self.ready.rotate(now);
    }

    fn heed(&mut self, event: Event, stopping: bool) {
        let now = Instant::now();
        match event {
            Event::Up { id, most, orders, load } => {
                self.ready.joined(id, most);
                self.loads.lock().insert(id, load);
                if let Some((address, open)) = self.open.get_mut(&id) {
                    tracing::info!("{} ({address}) connected to nsqd", self.name);
                    self.outages.remove(address);
                    *open = Some(orders);
                    self.nsqds.insert(address.clone(), Nsqd::Connected { failures: 0 });
                }
            }
            Event::Done { well: true } => {
                self.ready.succeeded(now);
                self.cautious.store(self.ready.is_cautious(), Ordering::Relaxed);
            }
            Event::Done { well: false } => {
                self.ready.failed(now, chance());
                self.cautious.store(self.ready.is_cautious(), Ordering::Relaxed);
                if let Some(pause) = self.ready.pauses(now) {
                    tracing::warn!("{} backing off for {pause:?}", self.name);
                }
            }
            Event::Down { id, error } => {
                self.ready.left(id);
                self.loads.lock().remove(&id);
                let Some((address, _)) = self.open.remove(&id) else { return };
                if let Some(error) = error.map(|error| error.to_string()) {
                    let outage = self.outages.entry(address.clone()).or_default();
                    if outage.is_news(&error) {
                        let next = if stopping { "" } else { "; trying again until it works" };
                        tracing::error!("{} {error}{next}", self.name);
                    } else {
                        tracing::debug!("{} {error}", self.name);
                    }
                }
                if !stopping {
                    self.wait_for(address, now);
                }
            }
        }
    }

    /// The nsqd at `address` is gone; when to try again.
    fn wait_for(&mut self, address: String, now: Instant) {
        let failures = match self.nsqds.get(&address) {
            Some(Nsqd::Connected { failures } | Nsqd::Waiting { failures, .. }) => failures + 1,
            None => 1,
        };
        let pause = RECONNECT_MIN.saturating_mul(1 << (failures - 1).min(10)).min(RECONNECT_MAX);
        let until = now + pause.mul_f64(0.75 + 0.5 * chance());
        self.nsqds.insert(address, Nsqd::Waiting { until, failures });
    }

    /// Connects to whom it should, and tells everybody what he may send.
    fn settle(&mut self, now: Instant) {
        let wanted: BTreeSet<String> =
            self.fixed.iter().chain(self.found.values().flatten()).cloned().collect();
        // One that lookupd has forgotten stays connected as long as it lives, as clients of NSQ do.
        self.nsqds.retain(|address, nsqd| matches!(nsqd, Nsqd::Connected { .. }) || wanted.contains(address));
        self.outages.retain(|address, _| self.nsqds.contains_key(address));
        for address in wanted {
            let failures = match self.nsqds.get(&address) {
                Some(Nsqd::Connected { .. }) => continue,
                Some(Nsqd::Waiting { until, .. }) if *until > now => continue,
                Some(Nsqd::Waiting { failures, .. }) => *failures,
                None => 0,
            };
            self.connect(&address);
            self.nsqds.insert(address, Nsqd::Connected { failures });
        }
        for (id, count) in self.ready.tell(now) {
            if let Some((_, Some(orders))) = self.open.get(&id)
                && let Err(mpsc::error::TrySendError::Full(_)) = orders.try_send(Order::Ready(count))
            {
                // It has more to say than fits: it is told at the next turn.
                self.ready.untold(id);
            }
        }
    }

    fn connect(&mut self, address: &str) {
        let id = self.next_id;
        self.next_id += 1;
        self.open.insert(id, (address.to_owned(), None));
        if self.outages.contains_key(address) {
            tracing::debug!("{} ({address}) connecting to nsqd", self.name);
        } else {
            tracing::info!("{} ({address}) connecting to nsqd", self.name);
        }
        let subscription = Subscription {
            id,
            address: address.into(),
            topic: Arc::clone(&self.topic),
            channel: Arc::clone(&self.channel),
            config: Arc::clone(&self.config),
            messages: self.messages.clone(),
            events: self.events.clone(),
            cautious: Arc::clone(&self.cautious),
            stop: self.tasks.stop_signal(),
        };
        self.tasks.spawn("subscription", subscription.run());
    }

    /// When something is due although nothing happens.
    fn wakes(&self) -> Option<Instant> {
        let waiting = self.nsqds.values().filter_map(|nsqd| match nsqd {
            Nsqd::Waiting { until, .. } => Some(*until),
            Nsqd::Connected { .. } => None,
        });
        waiting.chain(self.ready.wakes()).min()
    }
}

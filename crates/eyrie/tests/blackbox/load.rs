//! Senders that remember what was acknowledged.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crate::house::{EZ_KEY, Server, eventually};
use crate::wire::Connection;

/// Several connections, each counting 1 at a time into a stat of its own, one request in flight.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    senders: Vec<JoinHandle<Tally>>,
}

/// What one connection knows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) stat: String,
    /// Answered with ok.
    pub(crate) acknowledged: u64,
    /// Sent, and no answer came.
    pub(crate) unknown: u64,
    /// Answered with 503.
    pub(crate) refused: u64,
    /// Markers sent by [`verify`].
    markers: u64,
}

impl Load {
    /// Starts `connections` senders; every number has the time `time`.
    pub(crate) fn start(to: SocketAddr, connections: usize, time: i64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let senders = (0..connections)
            .map(|number| {
                let stop = stop.clone();
                thread::spawn(move || send(to, format!("load {number}"), time, &stop))
            })
            .collect();
        Self { stop, senders }
    }

    /// Stops, or has been stopped by the server's end.
    pub(crate) fn end(self) -> Vec<Tally> {
        self.stop.store(true, Ordering::SeqCst);
        self.senders.into_iter().map(|sender| sender.join().expect("a sender")).collect()
    }
}

fn send(to: SocketAddr, stat: String, time: i64, stop: &AtomicBool) -> Tally {
    let form = format!("ezkey={EZ_KEY}&stat={}&count=1&t={time}", stat.replace(' ', "+"));
    let mut tally = Tally { stat, ..Tally::default() };
    let Ok(mut connection) = Connection::open(to) else { return tally };
    while !stop.load(Ordering::SeqCst) {
        match connection.post("/ez", &form) {
            Ok(answer) if answer.status == 200 => tally.acknowledged += 1,
            Ok(answer) if answer.status == 503 => {
                tally.refused += 1;
                assert!(answer.header("retry-after").is_some(), "{answer:?}");
                match Connection::open(to) {
                    Ok(again) => connection = again,
                    Err(_) => break,
                }
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => {
                tally.unknown += 1;
                break;
            }
        }
    }
    tally
}

/// Sums up rounds over the same stats.
pub(crate) fn add(all: &mut Vec<Tally>, round: Vec<Tally>) {
    if all.is_empty() {
        return *all = round;
    }
    for (sum, one) in all.iter_mut().zip(round) {
        assert_eq!(sum.stat, one.stat);
        sum.acknowledged += one.acknowledged;
        sum.unknown += one.unknown;
        sum.refused += one.refused;
    }
}

/// A number so large that it can be told apart from all others together; sums stay exact.
const MARKER: f64 = (1u64 << 40) as f64;

/// Every acknowledged number is there once, and nothing that was never sent. A number whose answer did not
/// come may be there or not; what is found becomes what is known.
///
/// A marker is sent behind the others: once it is counted, all before it in its shard have been.
pub(crate) fn verify(server: &Server, token: &str, hour: i64, tallies: &mut [Tally]) {
    for tally in tallies {
        server.count(&tally.stat, MARKER, hour);
        tally.markers += 1;
        let total = eventually("the marker is counted", || {
            let total = server.total(token, &tally.stat, hour);
            (total >= tally.markers as f64 * MARKER).then_some(total)
        });
        let found = total - tally.markers as f64 * MARKER;
        let (least, most) = (tally.acknowledged as f64, (tally.acknowledged + tally.unknown) as f64);
        assert!(
            (least..=most).contains(&found),
            "{}: {found} counted, {least} acknowledged, {most} sent",
            tally.stat
        );
        tally.acknowledged = found as u64;
        tally.unknown = 0;
    }
}

//! `kill -9` at random moments under load: what was acknowledged is there once.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::house::{Home, hours_ago};
use crate::load::{Load, Tally, add, verify};

/// How often the server is killed.
const ROUNDS: u64 = 6;

/// Senders at once.
const CONNECTIONS: usize = 8;

#[test]
fn killed_again_and_again_it_counts_every_acknowledged_number_once() {
    kill_in_a_loop("disk");
}

#[test]
fn what_is_only_handed_to_the_system_survives_kill_9_too() {
    kill_in_a_loop("os");
}

fn kill_in_a_loop(durability: &str) {
    let mut dice = Dice::new();
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(3);
    let mut tallies: Vec<Tally> = Vec::new();
    for round in 0..ROUNDS {
        // Small segments and quick checkpoints in turn: kills fall into rolls and checkpoints as well.
        let (segment, checkpoint) =
            [("64 MiB", "5s"), ("1 MiB", "50ms"), ("1 MiB", "300ms")][(round % 3) as usize];
        let server = home.serve_with(&[
            ("EYRIE_INGEST_DURABILITY", durability),
            ("EYRIE_LOG_SEGMENT", segment),
            ("EYRIE_STATS_CHECKPOINT", checkpoint),
        ]);
        let load = Load::start(server.address, CONNECTIONS, time);
        thread::sleep(Duration::from_millis(100 + dice.throw(700)));
        server.kill();
        add(&mut tallies, load.end());
        let again = home.serve();
        verify(&again, &token, time, &mut tallies);
        // Half of the time the restarted one is killed in turn, before it has written anything down.
        if dice.throw(2) == 0 { again.kill() } else { again.stop() }
    }
    let sum: u64 = tallies.iter().map(|tally| tally.acknowledged).sum();
    eprintln!("{durability}: {ROUNDS} kills, {sum} numbers, each counted once");
    assert!(sum > ROUNDS * CONNECTIONS as u64, "hardly anything was sent: {tallies:?}");
}

/// A small generator; its seed is printed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let seed = u64::from(since.subsec_nanos()) | 1;
        eprintln!("seed {seed}");
        Self(seed)
    }

    /// From 0 to one less than `below`.
    pub(crate) fn throw(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

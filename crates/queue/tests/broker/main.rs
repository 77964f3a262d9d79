//! The broker as NSQ's daemon uses it.
#![allow(clippy::unwrap_used)]

mod house;

mod bounds;
mod channels;
mod crashes;
mod delivery;
mod faults;
mod recovery;
mod rules;
mod rules_kept;
mod rules_lives;
mod snapshots;
mod takeover;

//! nsqd's TCP port against what the real nsqd 1.3.0 answered, and against clients of every kind.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod house;

mod auth;
mod commands;
mod delivery;
mod endings;
mod fuzz;
mod load;
mod upgrades;

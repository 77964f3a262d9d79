//! A whole nsqd in this process: its HTTP API, its lookups, its figures, its start and stop.

mod admin;
mod api;
mod auth;
mod beside;
mod beyond;
mod figures;
mod health;
mod house;
mod lookup;
mod metrics;
mod publishing;
mod start;
mod tools;
mod wire;

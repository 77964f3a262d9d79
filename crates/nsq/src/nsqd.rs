//! `nsqd`: takes messages, keeps them in the queue, and hands them out.

pub mod auth;
pub mod compression;
pub mod identify;
pub mod options;
pub mod stats;
pub mod statsd;
pub mod tls;

pub use options::Options;

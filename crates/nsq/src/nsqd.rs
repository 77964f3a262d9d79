//! `nsqd`: takes messages, keeps them in the queue, and hands them out.

pub mod options;
pub mod stats;
pub mod statsd;

pub use options::Options;

//! `nsqd`: takes messages, keeps them in the queue, and hands them out.

pub mod options;

pub use options::Options;

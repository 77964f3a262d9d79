//! `nsqlookupd`: knows which nsqd has which topic.

pub mod options;

pub use options::Options;

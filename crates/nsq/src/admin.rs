//! What `nsqadmin` shows and does.

pub mod options;

pub use options::Options;

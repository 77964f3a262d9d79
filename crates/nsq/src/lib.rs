//! NSQ's daemons and tools over Eyrie's queue: `nsqd`, `nsqlookupd`, what `nsqadmin` shows, and
//! `nsq_to_file` and its kin. What clients see is NSQ's to the byte; what keeps messages is
//! [`queue::broker`].

pub mod cluster;
pub mod http;
pub mod wire;

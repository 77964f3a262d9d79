//! NSQ's daemons and tools over Eyrie's queue: `nsqd`, `nsqlookupd`, what `nsqadmin` shows, and
//! `nsq_to_file` and its kin. What clients see is NSQ's to the byte; what keeps messages is
//! [`queue::broker`].
//!
//! Read in this order: [`version`] (which NSQ this is), [`flags`] and [`logging`] (how Go programs are
//! started and heard), [`wire`] (the protocol without a socket), [`http`], [`nsqd`], [`lookupd`],
//! [`cluster`] (many of both as one), [`admin`], [`client`] (the other side of the wire) and
//! [`tools`] over it.

pub mod admin;
pub mod client;
pub mod cluster;
pub mod flags;
pub mod host;
pub mod http;
pub mod logging;
pub mod lookupd;
pub mod nsqd;
pub mod tools;
pub mod version;
pub mod wire;

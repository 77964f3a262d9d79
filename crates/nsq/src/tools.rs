//! NSQ's tools, over our own client: each is its options and a `run` that goes on until it is done or told
//! to stop.
//!
//! Read in this order: `common` and [`reading`] (what their options share), [`tail`], [`stat`] and [`to_nsq_stdin`] (the small
//! ones), [`to_file`], [`pool`] (which destination is next) and `timing`, [`to_http`], [`to_nsq`].

mod common;
pub mod pool;
pub mod reading;
pub mod stat;
pub mod tail;
mod timing;
pub mod to_file;
pub mod to_http;
pub mod to_nsq;
pub mod to_nsq_stdin;

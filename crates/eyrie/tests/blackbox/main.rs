//! Drives the real binary in a temporary folder on port 0, as a user would: nothing here knows the code.
//!
//! [`house`] starts and ends it, [`wire`] speaks HTTP to it, [`load`] sends numbers and remembers which were
//! acknowledged, [`nsqd`] starts the queue's daemon and speaks its protocol; the rest are tests, one file a
//! subject.

mod house;
mod load;
mod wire;

mod accounts;
mod backup;
mod clients;
mod configuration;
mod crash;
mod damage;
mod drain;
mod folder;
mod full;
mod hostile;
mod nsq;
mod nsqd;
mod nsqd_crash;
mod nsqd_full;
mod nsqd_scale;
mod numbers;
mod observed;
mod own;
mod start;

//! The ground floor: what every room of Eyrie stands on and nothing that belongs to one of them.
//!
//! Read in this order: [`clock`] (time is handed in), [`error`] (the seven kinds of failure),
//! [`id`] (random and readable names), [`size`] (bytes and durations as people write them),
//! [`tasks`] (groups that drain), [`metrics`] (our own numbers), [`peer`] (who asks), [`testkit`] (for tests).
//!
//! **Invariant**: this crate knows nothing of points, logs, SQL or HTTP.

pub mod clock;
pub mod error;
pub mod id;
pub mod metrics;
pub mod peer;
pub mod size;
pub mod tasks;
pub mod testkit;

pub use clock::{Clock, Timestamp};
pub use error::ErrorKind;
pub use peer::Peer;

//! One segment log per node, shared by everything that must survive.
//!
//! ```text
//!  append ──▶ gather ──▶ committer ──▶ segment files ──▶ readers
//!             (one lock,  (one at a time: one write, ▲
//!              positions)  at most one fdatasync)    │ spares, freed and rewritten segments
//!                                                 keeper (one thread)
//! ```
//! Read in this order: [`record`](Record) (what is kept), `segment` (how it lies in files), `round`
//! and `gather` (group commit), `lengths` (of segments), `committer` and `commits` (whose turn it is),
//! `recovery`, [`Reader`], `cursors`, `reclaim`, `rewrite`
//! and `keeper` (what is freed), [`Log`] (the door), [`files`] (the file system, and a faulty one for
//! tests). The format and the reasons are in `docs/internals/log.md`.
//!
//! **Invariant**: a record whose [`Append`] resolved at a level is never lost by what that level
//! promises against; this crate does not know what a payload means.
//!
//! **Invariant**: a record is valid at exactly one position, so no file that is used again shows what
//! it held before.
//!
//! **Invariant**: after an error of a write or a sync nothing is written any more, and no sync is
//! tried twice.

mod record;

mod segment;

mod round;

mod gather;
mod lengths;

mod commits;
mod committer;
mod room;
mod shared;

mod cursors;
mod keeper;
mod reader;
mod reclaim;
mod recovery;
mod rewrite;

mod error;
mod log;

pub mod files;

pub use error::Error;
pub use log::{Config, Log, Status};
pub use reader::Reader;
pub use record::{Durability, Lsn, NewRecord, Parts, Record, StreamId, record_bytes};
pub use recovery::Recovery;
pub use round::Append;

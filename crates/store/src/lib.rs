//! What is kept: accounts, keys, stats, blocks, positions, behind one narrow trait.
//!
//! Read in this order: [`Store`] (the trait and its rows), `sql` (its implementation on sqlx).
//!
//! **Invariants**: SQL is written here and nowhere else; a transaction stays within one shard; the
//! position of a shard's recorder moves only together with the blocks that depend on it.

mod error;
mod key;
mod rows;
mod store;

pub use error::Error;
pub use key::{BlockKey, BlockKind, SegmentKey};
pub use rows::{Account, Checkpoint, NewStat, Session, Stat, StatUpdate};
pub use store::{Store, open_sqlite};

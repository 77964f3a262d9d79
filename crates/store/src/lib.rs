//! What is kept: accounts, keys, stats, blocks, positions, behind one narrow trait.
//!
//! ```
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! let store = eyrie_store::open_sqlite(&folder.path().join("eyrie.db")).await?;
//! let key = eyrie_store::BlockKey { kind: eyrie_store::BlockKind::MinutesOfHour, stat: 7, number: 493_000 };
//! let blocks = vec![(key, b"packed".to_vec())];
//! store.checkpoint(&[eyrie_store::Checkpoint { shard: 0, to: 100, blocks, ..Default::default() }]).await?;
//! assert_eq!(store.positions().await?, [(0, 100)]);
//! assert_eq!(store.blocks(key, key).await?, [(key, b"packed".to_vec())]);
//! store.close().await?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Read in this order: [`Store`] (the trait), `rows` and `key` (what goes in and out), `schema` (the
//! tables), `sql` (the trait on sqlx: `checkpoint` is its heart, `sqlite` opens and copies files).
//! The page about it is `docs/internals/store.md`.
//!
//! **Invariants**: SQL is written here and nowhere else; a transaction stays within one shard's
//! database; the position of a shard's recorder moves only together with the blocks that depend on
//! it; blocks and segments are opaque bytes here; no id is made here.

mod error;
mod key;
mod rows;
mod schema;
mod sql;
mod store;

pub use error::Error;
pub use key::{BlockKey, BlockKind, SegmentKey};
pub use rows::{Account, Checkpoint, NewStat, Session, Stat, StatUpdate};
pub use sql::sqlite::{SqliteOptions, open_sqlite, open_sqlite_with};
pub use store::{Answer, Store};

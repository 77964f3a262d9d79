//! What can go wrong.
use base::ErrorKind;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Someone else moved the shard's position.
    #[error("shard {shard} stands at {found:?}, not at {expected:?}")]
    Moved {
        /// Which shard.
        shard: u8,
        /// What the caller took it to be.
        expected: Option<u64>,
        /// What it is.
        found: Option<u64>,
    },
    /// A unique value is taken.
    #[error("{0} is taken")]
    Taken(&'static str),
    /// From the database.
    #[error("the database failed")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Moved { .. } | Self::Taken(_) => ErrorKind::Conflict,
            Self::Database(_) => ErrorKind::Internal,
        }
    }
}

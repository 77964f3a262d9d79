//! What can go wrong.

use base::ErrorKind;

/// An error of the store. After [`Error::Timeout`] or [`Error::Database`] from a write it is unknown
/// whether the write happened: read the positions again and go on from what they say.
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
    #[error("this {0} is taken")]
    Taken(&'static str),
    /// The row to change is not there.
    #[error("there is no such {0}")]
    Missing(&'static str),
    /// The database was written by a later Eyrie; nothing was changed.
    #[error(
        "the database has version {found}, this Eyrie knows versions up to {known}: use the Eyrie that wrote it, or a later one"
    )]
    Newer {
        /// The version found.
        found: u32,
        /// The latest version that this program knows.
        known: u32,
    },
    /// Something at rest cannot be read; everything else can.
    #[error("damaged: {what}; restore it from a backup")]
    Damaged {
        /// Which file or table, and what is wrong with it.
        what: String,
    },
    /// Others hold the database for too long; nothing was changed.
    #[error("the database is busy ({what}): try again in a second")]
    Busy {
        /// What was wanted.
        what: &'static str,
    },
    /// No room: the disk is full, or the size limit is reached. Nothing was changed.
    #[error("no room left for {what}: free space on the disk of the data folder")]
    Full {
        /// What was to be written.
        what: &'static str,
    },
    /// It took longer than the statement's limit.
    #[error("{what} took longer than {limit_seconds} s and was given up")]
    Timeout {
        /// What was done.
        what: &'static str,
        /// The limit.
        limit_seconds: u64,
    },
    /// The store is closed.
    #[error("the store is closed")]
    Closed,
    /// From the database.
    #[error("the database failed at {what}: {said}")]
    Database {
        /// What was done.
        what: &'static str,
        /// What the database said; shown in the message, so not returned as its source.
        said: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Moved { .. } | Self::Taken(_) => ErrorKind::Conflict,
            Self::Missing(_) => ErrorKind::NotFound,
            Self::Newer { .. } => ErrorKind::Invalid,
            Self::Busy { .. } | Self::Full { .. } => ErrorKind::Busy,
            Self::Timeout { .. } | Self::Closed => ErrorKind::Unavailable,
            Self::Damaged { .. } | Self::Database { .. } => ErrorKind::Internal,
        }
    }
}

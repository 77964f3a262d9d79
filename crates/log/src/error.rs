//! What can go wrong.
use std::io;

use base::ErrorKind;

/// An error of the log. Every one may be shown to an operator as it is.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// A write or a sync of the device failed. What was on its way is in doubt, so nothing is taken
    /// any more; the sync is never retried, because the system may have dropped the pages.
    #[error("the log is poisoned: {0}; check the disk, then restart")]
    Poisoned(String),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
    /// The disk quota is used up; it frees as cursors move.
    #[error("the log has used its quota of {quota_bytes} bytes; raise it or let its readers catch up")]
    Quota {
        /// The quota, in bytes.
        quota_bytes: u64,
    },
    /// The device has no room for the next segment; taken up again by itself when it has.
    #[error(
        "cannot make another log segment ({0}); see to the disk's free space, appends then go on by themselves"
    )]
    NoSpace(String),
    /// Too much waits for the committer.
    #[error("{pending_bytes} bytes wait to be written, the most allowed; try again in a moment")]
    Backlog {
        /// Bytes that wait.
        pending_bytes: usize,
    },
    /// A record, or the records of one append together, do not fit.
    #[error("{bytes} bytes in one {what}, at most {bytes_max} are allowed; split it")]
    TooLarge {
        /// `record` or `append`.
        what: &'static str,
        /// Bytes given.
        bytes: usize,
        /// Most bytes allowed.
        bytes_max: usize,
    },
    /// Something outside what this crate accepts.
    #[error("{0}")]
    Invalid(String),
    /// The folder was written by a newer version.
    #[error("`{name}` has format version {version}, this program knows up to {known}; use a newer program")]
    Version {
        /// File name.
        name: String,
        /// Its version.
        version: u32,
        /// Newest version known here.
        known: u32,
    },
    /// A file could not be opened, listed, read or made while opening or reading.
    #[error("{doing}: {message}")]
    Io {
        /// What was being done, with the file's name.
        doing: String,
        /// What the system said.
        message: String,
    },
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Poisoned(_) | Self::Closed | Self::Io { .. } | Self::Version { .. } => {
                ErrorKind::Unavailable
            }
            Self::Quota { .. } | Self::NoSpace(_) | Self::Backlog { .. } => ErrorKind::Busy,
            Self::TooLarge { .. } | Self::Invalid(_) => ErrorKind::Invalid,
        }
    }

    pub(crate) fn io(doing: impl Into<String>, error: &io::Error) -> Self {
        Self::Io { doing: doing.into(), message: error.to_string() }
    }
}

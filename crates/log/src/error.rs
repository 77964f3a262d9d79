//! What can go wrong.
use base::ErrorKind;

/// An error of the log.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// See the source.
    #[error("the log is poisoned: {0}")]
    Poisoned(String),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }
}

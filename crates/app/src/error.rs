//! What can go wrong in a use case.
use base::ErrorKind;

/// An error of an interactor; edges map [`Error::kind`] to a status in one place.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// Not there.
    #[error("{0} not found")]
    NotFound(&'static str),
    /// Not allowed.
    #[error("{0}")]
    Denied(&'static str),
    /// Not as things stand.
    #[error("{0}")]
    Conflict(String),
    /// A limit is reached; try again after this many seconds.
    #[error("{message}")]
    Busy {
        /// What is full.
        message: String,
        /// When to try again.
        retry_after_seconds: u32,
    },
    /// Too many wrong passwords from where this one comes: it was not looked at.
    #[error("too many wrong passwords: try again in {retry_after_seconds} s")]
    Guessing {
        /// When to try again.
        retry_after_seconds: u32,
    },
    /// A part is down.
    #[error("{0}")]
    Unavailable(String),
    /// From the queue.
    #[error(transparent)]
    Queue(#[from] queue::Error),
    /// From the store.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Invalid(_) => ErrorKind::Invalid,
            Self::NotFound(_) => ErrorKind::NotFound,
            Self::Denied(_) => ErrorKind::Denied,
            Self::Conflict(_) => ErrorKind::Conflict,
            Self::Busy { .. } | Self::Guessing { .. } => ErrorKind::Busy,
            Self::Unavailable(_) => ErrorKind::Unavailable,
            Self::Queue(error) => error.kind(),
            Self::Store(error) => error.kind(),
        }
    }
}

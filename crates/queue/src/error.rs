//! What can go wrong.
use base::ErrorKind;

/// An error of the queue.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The log's.
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Not a topic's name.
    #[error(
        "`{0}` is no name: use 1 to 64 of the characters . _ - a-z A-Z 0-9, perhaps with #ephemeral behind"
    )]
    Name(String),
    /// There are as many topics as may be.
    #[error("there are {topics_max} topics, the most allowed")]
    Topics {
        /// Most topics allowed.
        topics_max: usize,
    },
    /// The list of topics cannot be read or written.
    #[error("topics.json: {0}; restore it from a backup or free some disk space")]
    List(String),
    /// A folder of an nsqd cannot be taken over.
    #[error("taking over {path}: {what}")]
    Import {
        /// The file or folder.
        path: String,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Log(error) => error.kind(),
            Self::Name(_) => ErrorKind::Invalid,
            Self::Topics { .. } => ErrorKind::Busy,
            Self::List(_) | Self::Import { .. } => ErrorKind::Unavailable,
        }
    }
}

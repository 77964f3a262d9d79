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
    /// The state of the channels cannot be read or written.
    #[error("channels.snapshot: {0}")]
    Snapshot(String),
    /// There is no such topic.
    #[error("there is no topic `{0}`")]
    TopicNotFound(String),
    /// There is no such channel.
    #[error("there is no channel `{0}`")]
    ChannelNotFound(String),
    /// The name belongs to a part of Eyrie itself.
    #[error("topics named `{0}...` belong to Eyrie itself; use another name")]
    Reserved(String),
    /// The channel has as many consumers as it may.
    #[error("the channel has {consumers_max} consumers, the most allowed")]
    TooManyConsumers {
        /// Most consumers allowed.
        consumers_max: usize,
    },
    /// As many bytes wait in the topic as its policy allows.
    #[error("`{topic}` holds the {bytes_max} bytes its policy allows; publish again when some are consumed")]
    TopicFull {
        /// Its name.
        topic: String,
        /// Most bytes of bodies that may wait.
        bytes_max: u64,
    },
    /// More than a topic may ever hold: no waiting helps.
    #[error("{bytes} bytes are more than `{topic}` may hold: its policy allows {bytes_max}")]
    BeyondTopic {
        /// Its name.
        topic: String,
        /// Bytes of the bodies that came together.
        bytes: u64,
        /// Most bytes of bodies that may wait.
        bytes_max: u64,
    },
    /// The topic or channel was deleted, or the broker closes.
    #[error("exiting")]
    Exiting,
    /// No consumer has this message: it was finished, requeued or timed out.
    #[error("ID not in flight")]
    NotInFlight,
    /// Another consumer has this message.
    #[error("client does not own message")]
    NotOwner,
    /// Something outside what is accepted.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    /// What the caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Log(error) => error.kind(),
            Self::Name(_) | Self::BeyondTopic { .. } | Self::Invalid(_) => ErrorKind::Invalid,
            Self::Topics { .. } | Self::TooManyConsumers { .. } | Self::TopicFull { .. } => ErrorKind::Busy,
            Self::List(_) | Self::Snapshot(_) | Self::Import { .. } | Self::Exiting => ErrorKind::Unavailable,
            Self::TopicNotFound(_) | Self::ChannelNotFound(_) | Self::NotInFlight => ErrorKind::NotFound,
            Self::Reserved(_) | Self::NotOwner => ErrorKind::Denied,
        }
    }
}

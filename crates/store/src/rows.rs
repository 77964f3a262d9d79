//! The rows, as the rooms above see them. Flags are `bool` here and SMALLINT there, times are
//! milliseconds since the epoch.
#![allow(missing_docs)]

/// Who stats belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Given by the caller: 1 is Eyrie's own.
    pub id: u32,
    pub email: String,
    /// Argon2 hash in PHC form; `None`: sign in by link only.
    pub password_hash: Option<String>,
    /// The key that EZ clients send.
    pub ez_key: String,
    /// False: the EZ API is off for this account.
    pub ez_enabled: bool,
    /// The classic API's user key.
    pub user_key: String,
    /// Token of the export API. Shown to its owner, so kept in clear.
    pub access_token: String,
    pub created_at: i64,
}

/// A stat, trash included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    pub id: u32,
    pub account: u32,
    pub name: String,
    /// True: counter; false: value.
    pub counter: bool,
    /// Short opaque name for URLs.
    pub public_id: String,
    /// The classic API's stat key.
    pub classic_key: String,
    /// Whether pages and images by public link answer.
    pub public: bool,
    pub created_at: i64,
    pub received_at: i64,
    /// Set: in the trash since then.
    pub deleted_at: Option<i64>,
}

/// A stat made by a recorder.
pub type NewStat = Stat;

/// What an owner changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatUpdate {
    Public(bool),
    Deleted(Option<i64>),
}

/// A signed-in browser, or a sign-in link that has not been used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// SHA-256 of the secret, hex.
    pub token_hash: String,
    pub account: u32,
    /// True: a one-time link; false: a session.
    pub link: bool,
    pub expires_at: i64,
}

/// Everything one recorder writes at once, for one shard.
#[derive(Clone, Debug, Default)]
pub struct Checkpoint {
    pub shard: u8,
    /// Where the caller takes the shard to stand; anything else is [`crate::Error::Moved`].
    pub from: Option<u64>,
    /// Where it stands afterwards.
    pub to: u64,
    pub new_stats: Vec<NewStat>,
    /// `(stat, received_at)`.
    pub received: Vec<(u32, i64)>,
    pub segments: Vec<(crate::SegmentKey, Vec<u8>)>,
    /// Whole blocks, overwriting.
    pub blocks: Vec<(crate::BlockKey, Vec<u8>)>,
    pub deleted_blocks: Vec<crate::BlockKey>,
    /// All segments of these hours go.
    pub deleted_segment_hours: Vec<u32>,
}

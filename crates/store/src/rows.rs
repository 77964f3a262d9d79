//! The rows, as the rooms above see them. Flags are `bool` here and SMALLINT there, times are
//! milliseconds since the epoch.

/// Who stats belong to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    /// Given by the caller: 1 is Eyrie's own.
    pub id: u32,
    /// Unique, byte by byte: the caller lowers the case. At most 254 characters.
    pub email: String,
    /// Argon2 hash in PHC form; `None`: sign in by link only. At most 255 characters.
    pub password_hash: Option<String>,
    /// The key that EZ clients send. Unique; at most 254 characters.
    pub ez_key: String,
    /// False: the EZ API is off for this account.
    pub ez_enabled: bool,
    /// The classic API's user key. Unique; at most 64 characters.
    pub user_key: String,
    /// Token of the export API. Shown to its owner, so kept in clear. Unique; at most 64 characters.
    pub access_token: String,
    /// When it was made.
    pub created_at: i64,
}

/// A stat, trash included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stat {
    /// A `stats::StatId`: the shard in the low 8 bits.
    pub id: u32,
    /// Whose.
    pub account: u32,
    /// Unique within the account, byte by byte; at most 255 characters.
    pub name: String,
    /// True: counter; false: value.
    pub counter: bool,
    /// Short opaque name for URLs. Unique; at most 64 characters.
    pub public_id: String,
    /// The classic API's stat key; at most 64 characters.
    pub classic_key: String,
    /// Whether pages and images by public link answer.
    pub public: bool,
    /// When its first point came.
    pub created_at: i64,
    /// When its latest point came.
    pub received_at: i64,
    /// Set: in the trash since then.
    pub deleted_at: Option<i64>,
}

/// A stat made by a recorder.
pub type NewStat = Stat;

/// What an owner changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StatUpdate {
    /// Whether pages and images by public link answer.
    Public(bool),
    /// Into the trash at this moment, or out of it.
    Deleted(Option<i64>),
}

/// A signed-in browser, or a sign-in link that has not been used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// SHA-256 of the secret, hex.
    pub token_hash: String,
    /// Whose.
    pub account: u32,
    /// True: a one-time link; false: a session.
    pub link: bool,
    /// Good until before this moment.
    pub expires_at: i64,
}

/// Everything one recorder writes at once, for one shard.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checkpoint {
    /// Whose.
    pub shard: u8,
    /// Where the caller takes the shard to stand (`None`: nowhere yet); anything else is
    /// [`crate::Error::Moved`].
    pub from: Option<u64>,
    /// Where it stands afterwards.
    pub to: u64,
    /// Stats that points made.
    pub new_stats: Vec<NewStat>,
    /// `(stat, received_at)`.
    pub received: Vec<(u32, i64)>,
    /// `(stat, when a point for it came)`: out of the trash, unless it was put there after that.
    pub revived: Vec<(u32, i64)>,
    /// Partial sums of open hours.
    pub segments: Vec<(crate::SegmentKey, Vec<u8>)>,
    /// Whole blocks, overwriting.
    pub blocks: Vec<(crate::BlockKey, Vec<u8>)>,
    /// Blocks that go, those of the same checkpoint too.
    pub deleted_blocks: Vec<crate::BlockKey>,
    /// All segments of these hours go, those of the same checkpoint too.
    pub deleted_segment_hours: Vec<u32>,
    /// Segments that stay though their hour goes: bytes that the caller could not read.
    pub kept_segments: Vec<crate::SegmentKey>,
}

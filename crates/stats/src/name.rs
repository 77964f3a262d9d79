//! The name of a stat, as its owner sends it.

/// A stat's name: 1 to 255 characters, no `~`, no control characters, no white space at either end.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StatName(Box<str>);

/// Why a name was refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Nothing, or only white space.
    #[error("the stat name is empty")]
    Empty,
    /// More than [`StatName::CHARS_MAX`] characters.
    #[error("the stat name has {0} characters, the limit is {max}", max = StatName::CHARS_MAX)]
    TooLong(usize),
}

impl StatName {
    /// The longest name, in characters.
    pub const CHARS_MAX: usize = 255;

    /// Trims, replaces control characters by spaces, and checks the length.
    pub fn new(_name: &str) -> Result<Self, NameError> {
        todo!()
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

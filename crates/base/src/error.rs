//! The kinds of failure, one list for the whole house.

/// What a caller can do about an error. Every crate's error enum has a `kind()`; edges map it to a
/// status in one place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ErrorKind {
    /// The request makes no sense; sending it again will not help.
    Invalid,
    /// The thing asked for is not there.
    NotFound,
    /// It contradicts what is there already.
    Conflict,
    /// The caller may not.
    Denied,
    /// A limit is reached; try again later.
    Busy,
    /// A part this depends on is down or closed; try again later.
    Unavailable,
    /// Our fault.
    Internal,
}

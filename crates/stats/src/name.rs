//! The name of a stat, as its owner sends it, and the multi-post form `prefix~a,b,c`.

use std::fmt;

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
    /// A `~` that [`expand`] did not take: only the first one of a multi-post has a meaning.
    #[error("the stat name holds a `~`, which only separates a prefix from names: prefix~a,b,c")]
    Tilde,
}

impl StatName {
    /// The longest name, in characters.
    pub const CHARS_MAX: usize = 255;

    /// The longest name, in bytes of UTF-8.
    pub const BYTES_MAX: usize = Self::CHARS_MAX * 4;

    /// Trims, replaces control characters by spaces, and checks the length.
    pub fn new(name: &str) -> Result<Self, NameError> {
        // Control characters become spaces before trimming, so that none is left at an end.
        let edge = |c: char| c.is_whitespace() || c.is_control();
        let name = name.trim_matches(edge);
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.contains('~') {
            return Err(NameError::Tilde);
        }
        let chars = if name.len() <= Self::CHARS_MAX { name.len() } else { name.chars().count() };
        if chars > Self::CHARS_MAX {
            return Err(NameError::TooLong(chars));
        }
        if name.chars().any(char::is_control) {
            let spaced: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            return Ok(Self(spaced.into()));
        }
        Ok(Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StatName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for StatName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for StatName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for StatName {
    type Err = NameError;
    fn from_str(name: &str) -> Result<Self, NameError> {
        Self::new(name)
    }
}

/// The names that a sent name stands for: `prefix~a,b,c` is `prefix a`, `prefix b`, `prefix c`, an
/// empty prefix `~a,b` is `a`, `b`, and a name without `~` is itself. Parts are trimmed, empty ones
/// skipped; the first `~` splits. Nothing is checked: that is for [`StatName::new`].
pub fn expand(raw: &str) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let (prefix, parts) = match raw.split_once('~') {
        Some((prefix, parts)) => (prefix.trim(), parts),
        None => ("", raw),
    };
    let multi = raw.contains('~');
    let whole = (!multi).then_some(parts);
    let several = multi.then(|| parts.split(',').map(str::trim).filter(|part| !part.is_empty()));
    let several = several.into_iter().flatten().map(move |part| match prefix {
        "" => part.into(),
        _ => format!("{prefix} {part}").into(),
    });
    whole.into_iter().map(Into::into).chain(several)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expect: Result<&str, NameError>) {
        assert_eq!(
            StatName::new(raw).as_ref().map(StatName::as_str).map_err(Clone::clone),
            expect,
            "{raw:?}"
        );
    }

    #[test]
    fn names_are_trimmed_and_measured() {
        check("signups", Ok("signups"));
        check("  signups total\t\n", Ok("signups total"));
        check("\0a\u{7}b\u{85}", Ok("a b"));
        check("naïve café", Ok("naïve café"));
        check("", Err(NameError::Empty));
        check(" \u{1} ", Err(NameError::Empty));
        check("a~b", Err(NameError::Tilde));
        check(&"é".repeat(255), Ok(&"é".repeat(255)));
        check(&"é".repeat(256), Err(NameError::TooLong(256)));
        check(&"x".repeat(256), Err(NameError::TooLong(256)));
        check(&format!(" {} ", "😀".repeat(255)), Ok(&"😀".repeat(255)));
    }

    #[test]
    fn multi_posts_expand() {
        let check =
            |raw: &str, expect: &[&str]| assert_eq!(expand(raw).collect::<Vec<_>>(), expect, "{raw:?}");
        check("plain name, with comma", &["plain name, with comma"]);
        check("prefix~a,b,c", &["prefix a", "prefix b", "prefix c"]);
        check("~A,B", &["A", "B"]);
        check(" load ~ one , five,, ", &["load one", "load five"]);
        check("a~b~c,d", &["a b~c", "a d"]);
        check("a~", &[]);
        check("", &[""]);
    }
}

//! Where a value came from, and what to say when it is wrong.

use std::fmt;
use std::path::PathBuf;

/// Where somebody wrote something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// Nobody did.
    Default,
    /// A line of a file, from 1.
    File(PathBuf, usize),
    /// A file that cannot be read.
    Unread(PathBuf),
    /// A variable of the environment.
    Variable(String),
    /// A flag.
    Flag(&'static str),
}

impl Source {
    /// Where somebody finds it who reads from the top: lines of the file in their order, then variables, flags and what nobody wrote.
    pub(super) const fn place(&self) -> (u8, usize) {
        match self {
            Self::Unread(_) => (0, 0),
            Self::File(_, line) => (1, *line),
            Self::Variable(_) => (2, 0),
            Self::Flag(_) => (3, 0),
            Self::Default => (4, 0),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Unread(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// One thing that is wrong, where it was written, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) source: Source,
    /// What.
    pub(crate) message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.message)
    }
}

/// ` (did you mean ...?)` where one of `known` is near enough to `word`, else nothing.
pub(super) fn suggestion<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> String {
    known
        .map(|candidate| (edits(word, candidate), candidate))
        .min()
        .filter(|(edits, candidate)| *edits <= 1 + candidate.len() / 4)
        .map_or_else(String::new, |(_, candidate)| format!(" (did you mean `{candidate}`?)"))
}

/// How many letters to change, insert or leave out to get from `a` to `b` (Levenshtein).
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = || ["quiet", "durability", "strict_status"].into_iter();
        assert_eq!(suggestion("durabilty", known()), " (did you mean `durability`?)");
        assert_eq!(suggestion("strict-status", known()), " (did you mean `strict_status`?)");
        assert_eq!(suggestion("colour", known()), "");
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
    }
}

//! What the numbers of a stat mean.

use std::fmt;

/// Fixed by a stat's first point.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Numbers add up: an interval's figure is their sum.
    Counter,
    /// Numbers are readings: an interval's figure is their mean.
    Value,
}

impl Kind {
    /// The word for it: `counter` or `value`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Value => "value",
        }
    }

    /// The kind of a word of [`Kind::as_str`]; `None` for any other.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Counter, Self::Value].into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_both_ways() {
        for kind in [Kind::Counter, Kind::Value] {
            assert_eq!(Kind::parse(&kind.to_string()), Some(kind));
        }
        assert_eq!(Kind::parse("Counter"), None);
    }
}

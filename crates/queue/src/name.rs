//! Names of topics (and later of channels), by NSQ's rule.

use crate::Error;

/// Longest name in bytes, `#ephemeral` included.
pub const NAME_BYTES_MAX: usize = 64;

/// Ends the names of topics that need not outlive their readers.
const EPHEMERAL: &str = "#ephemeral";

/// Whether a name ends in `#ephemeral`.
pub fn is_ephemeral(name: &str) -> bool {
    name.ends_with(EPHEMERAL)
}

/// Whether this may be a name: 1 to 64 of `[.a-zA-Z0-9_-]`, perhaps with `#ephemeral` behind (which
/// counts).
///
/// # Errors
/// [`Error::Name`] if not.
pub fn check_name(name: &str) -> Result<(), Error> {
    let stem = name.strip_suffix(EPHEMERAL).unwrap_or(name);
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if !stem.is_empty() && name.len() <= NAME_BYTES_MAX && stem.bytes().all(fine) {
        Ok(())
    } else {
        Err(Error::Name(name.chars().take(NAME_BYTES_MAX + 1).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_nsq() {
        let long = "x".repeat(64);
        for good in ["a", "points.15", "A_b-C.9", "a#ephemeral", &long, &format!("{}#ephemeral", &long[..54])]
        {
            assert!(check_name(good).is_ok(), "{good}");
        }
        let longer = "x".repeat(65);
        let tail = format!("{}#ephemeral", &long[..55]);
        for bad in ["", "#ephemeral", "a b", "a#", "a#Ephemeral", "ä", "a/b", &longer, &tail] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(is_ephemeral("a#ephemeral") && !is_ephemeral("a"));
    }
}

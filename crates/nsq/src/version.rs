//! Which NSQ this is: clients look at the number to know what they may ask for.

/// The version of NSQ whose behaviour is offered, as `/info`, `IDENTIFY` and statistics say it.
pub const VERSION: &str = "1.3.0";

/// What `-version` prints and statistics in text begin with: `nsqd v1.3.0-eyrie (built w/rust1.95.0)`.
pub fn banner(program: &str) -> String {
    format!("{program} v{VERSION}-eyrie (built w/rust{})", env!("EYRIE_RUSTC_VERSION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Suites of clients match `([a-z]+) v(\d+\.\d+\.\d+)(-[a-z]+)? \(built w/([a-z0-9.-]+)\)`.
    #[test]
    fn the_banner_is_one_that_suites_can_read() {
        let banner = banner("nsqd");
        let built = banner.strip_prefix("nsqd v1.3.0-eyrie (built w/rust").and_then(|b| b.strip_suffix(')'));
        let built = built.expect("the fixed parts");
        assert!(built.starts_with(|c: char| c.is_ascii_digit()), "{built}");
        assert!(
            built.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-".contains(&b)),
            "{built}"
        );
    }
}

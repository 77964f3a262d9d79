//! Decimal numbers as nsqd reads them in command lines.

/// The number these digits mean; `None` where anything else than a digit stands. No digit at all is
/// zero, as in nsqd; what does not fit is the largest number.
pub(super) fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0_u64, |number, digit| {
        digit.is_ascii_digit().then(|| number.saturating_mul(10).saturating_add(u64::from(digit - b'0')))
    })
}

#[cfg(test)]
mod tests {
    use super::decimal;

    #[test]
    fn only_digits_are_numbers() {
        assert_eq!(decimal(b"0"), Some(0));
        assert_eq!(decimal(b""), Some(0));
        assert_eq!(decimal(b"0012"), Some(12));
        assert_eq!(decimal(b"99999999999999999999999"), Some(u64::MAX));
        for bad in [&b"-1"[..], b"+1", b"1x", b" 1", b"1.0"] {
            assert_eq!(decimal(bad), None);
        }
    }
}

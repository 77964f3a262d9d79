//! Integers in as few bytes as they need: seven bits a byte, lowest first, the high bit says "more".

/// Maps small numbers of either sign to small unsigned ones: 0, -1, 1, -2 become 0, 1, 2, 3.
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}

/// Undoes [`zigzag`].
#[inline]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// How many bytes [`put`] writes: 1 to 10.
#[inline]
pub(crate) const fn length(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends `value`.
#[inline]
pub(crate) fn put(mut value: u64, to: &mut Vec<u8>) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

/// Takes one off the front; `None` (and an unspecified rest) where it ends early or passes 64 bits.
#[inline]
pub(crate) fn take(from: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = from.split_first()?;
    *from = rest;
    if first < 0x80 {
        return Some(u64::from(first));
    }
    take_rest(u64::from(first & 0x7f), from)
}

#[inline]
fn take_rest(mut value: u64, from: &mut &[u8]) -> Option<u64> {
    let mut shift = 7;
    for (index, &byte) in from.iter().enumerate() {
        if shift == 63 && byte > 1 {
            return None;
        }
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            *from = &from[index + 1..];
            return Some(value);
        }
        shift += 7;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_put_is_taken(value: u64, shift in 0u32..64, signed: i64) {
            let value = value >> shift;
            let mut bytes = Vec::new();
            put(value, &mut bytes);
            prop_assert_eq!(bytes.len(), length(value));
            let mut rest = bytes.as_slice();
            prop_assert_eq!(take(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
            prop_assert_eq!(take(&mut &bytes[..bytes.len() - 1]), None);
            prop_assert_eq!(unzigzag(zigzag(signed)), signed);
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        assert_eq!(
            take(&mut [0xff; 9].iter().chain(&[1]).copied().collect::<Vec<u8>>().as_slice()),
            Some(u64::MAX)
        );
        assert_eq!(take(&mut [0xff; 9].iter().chain(&[2]).copied().collect::<Vec<u8>>().as_slice()), None);
        assert_eq!(take(&mut [0x80; 30].as_slice()), None);
    }
}

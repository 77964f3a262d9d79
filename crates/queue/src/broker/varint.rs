//! Small numbers in few bytes: seven bits a byte, low ones first, the top bit set while more follow.
//! What the journal, the snapshot and the records' headers are made of.

/// Most bytes of one number.
pub(crate) const VARINT_BYTES_MAX: usize = 10;

/// Appends a number.
pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a number from the front; none if the bytes end early or are no number of 64 bits.
pub(crate) fn take(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for (at, byte) in from.iter().take(VARINT_BYTES_MAX).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * at as u32;
        if bits.leading_zeros() < shift {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            *from = &from[at + 1..];
            return Some(number);
        }
    }
    None
}

/// Appends a length and as many bytes.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Takes what [`put_bytes`] appended; none if the bytes end early.
pub(crate) fn take_bytes<'a>(from: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *from;
    let length = usize::try_from(take(&mut rest)?).ok()?;
    let (bytes, rest) = rest.split_at_checked(length)?;
    *from = rest;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ends_of_each_length_come_back() {
        let mut numbers = vec![0, u64::MAX];
        for bits in 1..64 {
            numbers.extend([(1u64 << bits) - 1, 1 << bits]);
        }
        for number in numbers {
            let mut out = Vec::new();
            put(&mut out, number);
            assert_eq!(out.len(), (64 - number.leading_zeros()).div_ceil(7).max(1) as usize, "{number}");
            for cut in 0..out.len() {
                assert_eq!(take(&mut &out[..cut]), None, "{number} cut to {cut} bytes");
            }
            out.push(7);
            let mut rest = &out[..];
            assert_eq!((take(&mut rest), rest), (Some(number), &[7u8][..]));
        }
    }

    #[test]
    fn more_than_64_bits_are_refused() {
        for bytes in [[0xff; 11].to_vec(), [vec![0xff; 9], vec![0x02]].concat()] {
            let mut rest = &bytes[..];
            assert_eq!(take(&mut rest), None);
            assert_eq!(rest.len(), bytes.len(), "what cannot be read is not consumed");
        }
        let longer = [200, 1, 9];
        let mut rest = &longer[..];
        assert_eq!(take_bytes(&mut rest), None);
        assert_eq!(rest.len(), 3);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..24)) {
            let mut rest = &bytes[..];
            while take(&mut rest).is_some() {}
            let mut rest = &bytes[..];
            while take_bytes(&mut rest).is_some() {}
        }
    }
}

//! A column of integers, packed in whichever of five ways is shortest.
//!
//! A tag byte says how: 0..=64 differences from the smallest, in so many bits each; 65..=129 the same of the
//! differences between neighbours, the width being tag − 65; 130 one zigzag varint each; 131 `pco`.
//! Everything wraps, so every `i64` is welcome.

use crate::varint::{length, put, take, unzigzag, zigzag};

const DELTA: u8 = 65;
const VARINT: u8 = 130;
const PCO: u8 = 131;

/// How much time to spend on size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Effort {
    Quick,
    Pco,
}

/// `pco`'s compression level: 8 is no smaller on our columns and takes twice the time.
const PCO_LEVEL: usize = 4;

/// Appends the packed column.
pub(crate) fn encode(column: &[i64], effort: Effort, to: &mut Vec<u8>) {
    let Some(&first) = column.first() else { return };
    let (mut min, mut max) = (first, first);
    let (mut delta_min, mut delta_max) = (i64::MAX, i64::MIN);
    let mut previous = first;
    for &value in column {
        min = min.min(value);
        max = max.max(value);
    }
    for &value in &column[1..] {
        let delta = value.wrapping_sub(previous);
        delta_min = delta_min.min(delta);
        delta_max = delta_max.max(delta);
        previous = value;
    }
    let width = width(min, max);
    let packed_bytes = length(zigzag(min)) + bytes(column.len(), width);
    // A varint has at least one byte.
    let varint_bytes = match packed_bytes > column.len() {
        true => column.iter().map(|value| length(zigzag(*value))).sum(),
        false => usize::MAX,
    };
    let mut best = packed_bytes.min(varint_bytes);
    let mut delta_width = None;
    if column.len() > 2 {
        let width = self::width(delta_min, delta_max);
        let size = length(zigzag(first)) + length(zigzag(delta_min)) + bytes(column.len() - 1, width);
        if size < best {
            (best, delta_width) = (size, Some(width));
        }
    }
    if effort == Effort::Pco && best > PCO_OVERHEAD && encode_pco(column, best, to) {
        return;
    }
    if let Some(width) = delta_width {
        to.push(DELTA + width as u8);
        put(zigzag(first), to);
        put(zigzag(delta_min), to);
        let deltas =
            column.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]).wrapping_sub(delta_min) as u64);
        pack(deltas, width, to);
    } else if packed_bytes <= varint_bytes {
        to.push(width as u8);
        put(zigzag(min), to);
        pack(column.iter().map(|value| value.wrapping_sub(min) as u64), width, to);
    } else {
        to.push(VARINT);
        column.iter().for_each(|value| put(zigzag(*value), to));
    }
}

/// Columns that pack into less are not tried with `pco`, whose headers alone are about as long.
const PCO_OVERHEAD: usize = 24;

/// Appends the column in `pco`'s format if that is shorter than `best` bytes.
fn encode_pco(column: &[i64], best: usize, to: &mut Vec<u8>) -> bool {
    let config = pco::ChunkConfig::default().with_compression_level(PCO_LEVEL);
    let Ok(packed) = pco::standalone::simple_compress(column, &config) else { return false };
    if packed.len() + length(packed.len() as u64) >= best {
        return false;
    }
    to.push(PCO);
    put(packed.len() as u64, to);
    to.extend_from_slice(&packed);
    true
}

/// Takes a column of `into.len()` integers off the front; `None` where it makes no sense.
pub(crate) fn decode(from: &mut &[u8], into: &mut [i64]) -> Option<()> {
    if into.is_empty() {
        return Some(());
    }
    let (&tag, rest) = from.split_first()?;
    *from = rest;
    match tag {
        0..DELTA => {
            let min = unzigzag(take(from)?);
            unpack(from, u32::from(tag), into)?;
            into.iter_mut().for_each(|value| *value = value.wrapping_add(min));
        }
        DELTA..VARINT => {
            let mut value = unzigzag(take(from)?);
            let min = unzigzag(take(from)?);
            into[0] = value;
            let deltas = &mut into[1..];
            unpack(from, u32::from(tag - DELTA), deltas)?;
            for delta in deltas {
                value = value.wrapping_add(*delta).wrapping_add(min);
                *delta = value;
            }
        }
        VARINT => {
            for value in into {
                *value = unzigzag(take(from)?);
            }
        }
        PCO => {
            let size = usize::try_from(take(from)?).ok()?;
            let (packed, rest) = from.split_at_checked(size)?;
            *from = rest;
            let progress = pco::standalone::simple_decompress_into(packed, into).ok()?;
            (progress.finished && progress.n_processed == into.len()).then_some(())?;
        }
        _ => return None,
    }
    Some(())
}

/// Bits that hold every difference between two numbers of `min..=max`.
fn width(min: i64, max: i64) -> u32 {
    64 - (max.wrapping_sub(min) as u64).leading_zeros()
}

/// Length of `n` integers of `width` bits.
fn bytes(n: usize, width: u32) -> usize {
    (n * width as usize).div_ceil(8)
}

/// Appends integers of `width` bits, lowest bit first.
fn pack(values: impl Iterator<Item = u64>, width: u32, to: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    let (mut word, mut filled) = (0u64, 0);
    for value in values {
        word |= value << filled;
        filled += width;
        if filled >= 64 {
            to.extend_from_slice(&word.to_le_bytes());
            filled -= 64;
            word = if filled == 0 { 0 } else { value >> (width - filled) };
        }
    }
    to.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

/// Takes what [`pack`] appended.
fn unpack(from: &mut &[u8], width: u32, into: &mut [i64]) -> Option<()> {
    let (packed, rest) = from.split_at_checked(bytes(into.len(), width))?;
    *from = rest;
    if width == 0 {
        into.fill(0);
        return Some(());
    }
    let mask = u64::MAX >> (64 - width);
    let mut bit = 0usize;
    for value in into {
        let word = window(packed, bit / 8) >> (bit % 8);
        *value = (word as u64 & mask) as i64;
        bit += width as usize;
    }
    Some(())
}

/// The 16 bytes from `at`, those beyond the end being zero.
#[inline]
fn window(packed: &[u8], at: usize) -> u128 {
    if let Some(bytes) = packed.get(at..).and_then(<[u8]>::first_chunk::<16>) {
        return u128::from_le_bytes(*bytes);
    }
    let mut bytes = [0; 16];
    let rest = packed.get(at..).unwrap_or_default();
    bytes[..rest.len()].copy_from_slice(rest);
    u128::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packed(column: &[i64], effort: Effort) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(column, effort, &mut bytes);
        let mut back = vec![-7; column.len()];
        let mut rest = bytes.as_slice();
        assert_eq!(decode(&mut rest, &mut back), Some(()));
        assert!(rest.is_empty());
        assert_eq!(back, column);
        bytes
    }

    proptest! {
        #[test]
        fn columns_come_back(column in prop::collection::vec(any::<i64>(), 0..300), shift in 0u32..64, sums: bool) {
            let mut column: Vec<i64> = column.into_iter().map(|value| value >> shift).collect();
            if sums {
                column.iter_mut().fold(0, |sum: i64, value| {
                    *value = value.wrapping_add(sum);
                    *value
                });
            }
            let quick = packed(&column, Effort::Quick);
            prop_assert!(packed(&column, Effort::Pco).len() <= quick.len());
        }
    }

    /// Spreads small numbers over all 64 bits.
    const MIX: i64 = 0x1e37_79b9_7f4a_7c15;

    #[test]
    fn the_shortest_way_is_taken() {
        let tag = |column: &[i64], effort| packed(column, effort)[0];
        assert_eq!(packed(&[7; 1_000], Effort::Pco), [0, 14]);
        assert_eq!(tag(&[1, 9, 3, 8, 2, 9, 4, 1], Effort::Quick), 4);
        assert_eq!(tag(&(0..100).map(|i| i * 1_000).collect::<Vec<_>>(), Effort::Quick), DELTA);
        let mut outlier = [1; 100];
        outlier[50] = i64::MAX;
        assert_eq!(tag(&outlier, Effort::Quick), VARINT);
        let skewed: Vec<i64> =
            (0..2_000).map(|i| if i % 50 == 0 { i * 1_000_003 % 99_991 } else { i * 7 % 5 }).collect();
        assert_eq!(tag(&skewed, Effort::Pco), PCO);
        assert_eq!(
            tag(&(7..47).map(|i: i64| (i * i).wrapping_mul(MIX)).collect::<Vec<_>>(), Effort::Quick),
            64
        );
    }

    #[test]
    fn a_torn_column_is_refused() {
        let bytes = packed(&[1, 9, 3, 8, 2, 9, 4, 1], Effort::Quick);
        for length in 0..bytes.len() {
            assert_eq!(decode(&mut &bytes[..length], &mut [0; 8]), None);
        }
        assert_eq!(decode(&mut [200u8, 1, 1].as_slice(), &mut [0; 2]), None);
    }
}

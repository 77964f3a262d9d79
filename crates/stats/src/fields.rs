//! The five fields of many buckets as columns of small integers, and back, bit for bit.
//!
//! Numbers that are decimals become integers by a power of ten, all others the integer of their bits (in
//! the order of the numbers). Then most of a bucket follows from the rest of it: the columns are count,
//! minimum, maximum less minimum, last less minimum, and the sum less count times the middle. A counter of
//! ones is left with its counts.

use crate::Bucket;
use crate::column::{self, Effort};
use crate::number::{EXACT_MAX, POWERS};

/// The largest power of ten tried.
const SCALE_MAX: u8 = 12;
/// In place of a power of ten: the integers are the bits of the floats.
const BITS: u8 = 15;
/// In place of the one scale of all buckets: a column of scales follows.
const MIXED: u8 = 16;

/// Whether buckets are of one stat or of many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Scaling {
    /// One power of ten for all.
    Common,
    /// Each bucket has its own.
    Each,
}

/// Appends the columns of `buckets`.
pub(crate) fn encode<'a>(
    buckets: impl ExactSizeIterator<Item = &'a Bucket> + Clone,
    scaling: Scaling,
    effort: Effort,
    to: &mut Vec<u8>,
) {
    let n = buckets.len();
    if n == 0 {
        return;
    }
    let mut columns = vec![0i64; n * 5];
    match scaling {
        Scaling::Common => {
            let mut scale = 0;
            while let Err(bucket) = split(buckets.clone(), n, |_| scale, &mut columns) {
                scale = scale_of(bucket, scale + 1);
            }
            to.push(scale);
        }
        Scaling::Each => {
            let scales: Vec<i64> = buckets.clone().map(|bucket| i64::from(scale_of(bucket, 0))).collect();
            to.push(MIXED);
            column::encode(&scales, effort, to);
            split(buckets, n, |row| scales[row] as u8, &mut columns)
                .expect("every bucket has a scale that fits");
        }
    }
    columns.chunks_exact(n).for_each(|column| column::encode(column, effort, to));
}

/// Takes the columns of `n` buckets off the front and calls `each` with the number and the bucket.
pub(crate) fn decode(from: &mut &[u8], n: usize, mut each: impl FnMut(usize, Bucket)) -> Option<()> {
    if n == 0 {
        return Some(());
    }
    let (&common, rest) = from.split_first()?;
    *from = rest;
    let mut scales = Vec::new();
    match common {
        0..=SCALE_MAX | BITS => {}
        MIXED => {
            scales.resize(n, 0);
            column::decode(from, &mut scales)?;
            let known = |scale: &i64| (0..=i64::from(SCALE_MAX)).contains(scale) || *scale == i64::from(BITS);
            scales.iter().all(known).then_some(())?;
        }
        _ => return None,
    }
    let mut columns = vec![0i64; n * 5];
    for column in columns.chunks_exact_mut(n) {
        column::decode(from, column)?;
    }
    let (count, rest) = columns.split_at(n);
    let (min, rest) = rest.split_at(n);
    let (max, rest) = rest.split_at(n);
    let (last, sum) = rest.split_at(n);
    for row in 0..n {
        let scale = if common == MIXED { scales[row] as u8 } else { common };
        let (count, min) = (count[row] as u64, min[row]);
        let max = max[row].wrapping_add(min);
        let last = last[row].wrapping_add(min);
        let sum = sum[row].wrapping_add(expected_sum(count, min, max, scale));
        let number = |integer| number(integer, scale);
        each(row, Bucket { count, sum: number(sum), min: number(min), max: number(max), last: number(last) });
    }
    Some(())
}

/// Fills the five columns; the bucket where it stopped if one of its numbers is no integer at its scale.
fn split<'a>(
    buckets: impl Iterator<Item = &'a Bucket>,
    n: usize,
    scale: impl Fn(usize) -> u8,
    columns: &mut [i64],
) -> Result<(), &'a Bucket> {
    let (counts, rest) = columns.split_at_mut(n);
    let (mins, rest) = rest.split_at_mut(n);
    let (maxes, rest) = rest.split_at_mut(n);
    let (lasts, sums) = rest.split_at_mut(n);
    for (row, bucket) in buckets.enumerate() {
        let scale = scale(row);
        let integer = |number| integer(number, scale);
        let (Some(sum), Some(min), Some(max), Some(last)) =
            (integer(bucket.sum), integer(bucket.min), integer(bucket.max), integer(bucket.last))
        else {
            return Err(bucket);
        };
        counts[row] = bucket.count as i64;
        mins[row] = min;
        maxes[row] = max.wrapping_sub(min);
        lasts[row] = last.wrapping_sub(min);
        sums[row] = sum.wrapping_sub(expected_sum(bucket.count, min, max, scale));
    }
    Ok(())
}

/// What the sum is near to: as many times the middle of minimum and maximum as there are numbers.
#[inline]
fn expected_sum(count: u64, min: i64, max: i64, scale: u8) -> i64 {
    if scale != BITS {
        let middle = min.wrapping_add(max.wrapping_sub(min) >> 1);
        return (count as i64).wrapping_mul(middle);
    }
    let middle = number(min, BITS) * 0.5 + number(max, BITS) * 0.5;
    let sum = count as f64 * middle;
    if sum.is_nan() { 0 } else { ordered(sum) }
}

/// The least power of ten, not below `scale`, at which the numbers of one bucket are integers;
/// [`BITS`] if there is none.
fn scale_of(bucket: &Bucket, mut scale: u8) -> u8 {
    let Bucket { sum, min, max, last, .. } = *bucket;
    for number in [sum, min, max, last] {
        while scale > SCALE_MAX || integer(number, scale).is_none() {
            if scale >= SCALE_MAX {
                return BITS;
            }
            scale += 1;
        }
    }
    // A sum that was an integer may have grown past 2^53 for the sake of a digit of the last.
    let fits = [sum, min, max, last].iter().all(|number| integer(*number, scale).is_some());
    if fits { scale } else { BITS }
}

/// The integer of a number, if it can be turned back into the very same number.
#[inline]
fn integer(number: f64, scale: u8) -> Option<i64> {
    if scale == BITS {
        return Some(ordered(number));
    }
    let power = POWERS[usize::from(scale)];
    let scaled = number * power;
    let integer = (scaled + 0.5f64.copysign(scaled)) as i64;
    let exact = scaled.abs() < EXACT_MAX && (integer as f64 / power).to_bits() == number.to_bits();
    exact.then_some(integer)
}

/// Undoes [`integer`].
#[inline]
fn number(integer: i64, scale: u8) -> f64 {
    match scale {
        BITS => f64::from_bits(flip(integer) as u64),
        0 => integer as f64,
        _ => integer as f64 / POWERS[usize::from(scale)],
    }
}

/// The bits of a number as an integer that rises with the number.
#[inline]
fn ordered(number: f64) -> i64 {
    flip(number.to_bits() as i64)
}

/// Turns the order of negative numbers round; its own inverse.
#[inline]
fn flip(bits: i64) -> i64 {
    bits ^ ((bits >> 63) as u64 >> 1) as i64
}

//! Buckets at rest: a sparse run of buckets of one stat, packed, with a format byte and a checksum.
//!
//! Format byte, number of buckets (varint), slots, fields (see `fields.rs`, `column.rs`), crc32c of all that
//! (little endian). `docs/internals/blocks.md` has the figures.

use crate::Bucket;
use crate::column::Effort;
use crate::fields::{self, Scaling};
use crate::varint::{put, take};

/// Which codec packs a block; the reader tells by the format byte.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Codec {
    /// Decimal bit-packing: quick, for hour blocks that are rewritten within a day.
    Decimal,
    /// `pco`: small, for day, month and year blocks that stay.
    Pco,
}

/// Why bytes are not a block.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BlockError {
    /// The checksum does not match.
    #[error("the checksum does not match")]
    Checksum,
    /// A format byte of a later version.
    #[error("unknown block format {0}")]
    Format(u8),
    /// It passes its checksum and yet makes no sense.
    #[error("the block is damaged: {0}")]
    Damaged(&'static str),
}

const DECIMAL: u8 = 1;
const PCO: u8 = 2;

/// Slots in one piece: the first one follows.
const CONTIGUOUS: u8 = 0;
/// First slot, length of the bitmap in bytes, and a bit for each slot.
const BITMAP: u8 = 1;
/// Every slot as its difference from the one before.
const SPARSE: u8 = 2;

/// The most buckets in a block: one for each `u16`.
const BUCKETS_MAX: usize = 1 << 16;

/// Packs buckets, `(slot, bucket)` in rising order of slot.
///
/// # Panics
/// If the slots do not rise.
pub fn encode(codec: Codec, buckets: &[(u16, Bucket)]) -> Vec<u8> {
    assert!(buckets.is_sorted_by(|(a, _), (b, _)| a < b), "slots rise");
    let (format, effort) = match codec {
        Codec::Decimal => (DECIMAL, Effort::Quick),
        Codec::Pco => (PCO, Effort::Pco),
    };
    let mut block = Vec::with_capacity(32 + buckets.len() * 8);
    block.push(format);
    put(buckets.len() as u64, &mut block);
    put_slots(buckets, &mut block);
    fields::encode(buckets.iter().map(|(_, bucket)| bucket), Scaling::Common, effort, &mut block);
    seal(&mut block);
    block
}

/// Unpacks what [`encode`] packed, bit for bit.
pub fn decode(block: &[u8]) -> Result<Vec<(u16, Bucket)>, BlockError> {
    let (format, mut rest) = unseal(block)?;
    if format != DECIMAL && format != PCO {
        return Err(BlockError::Format(format));
    }
    let n = take(&mut rest).and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= BUCKETS_MAX);
    let n = n.ok_or(BlockError::Damaged("number of buckets"))?;
    let slots = take_slots(&mut rest, n).ok_or(BlockError::Damaged("slots"))?;
    let mut buckets = Vec::with_capacity(n);
    fields::decode(&mut rest, n, |row, bucket| buckets.push((slots[row], bucket)))
        .ok_or(BlockError::Damaged("columns"))?;
    if rest.is_empty() { Ok(buckets) } else { Err(BlockError::Damaged("bytes behind its end")) }
}

/// Appends the checksum.
pub(crate) fn seal(block: &mut Vec<u8>) {
    let crc = crc32c::crc32c(block);
    block.extend_from_slice(&crc.to_le_bytes());
}

/// Checks and takes away the checksum; the format byte and what follows it.
pub(crate) fn unseal(block: &[u8]) -> Result<(u8, &[u8]), BlockError> {
    let (body, crc) = block.split_last_chunk().ok_or(BlockError::Checksum)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*crc) {
        return Err(BlockError::Checksum);
    }
    let (&format, rest) = body.split_first().ok_or(BlockError::Damaged("empty"))?;
    Ok((format, rest))
}

fn put_slots(buckets: &[(u16, Bucket)], to: &mut Vec<u8>) {
    let (Some((first, _)), Some((last, _))) = (buckets.first(), buckets.last()) else { return };
    let span = usize::from(last - first) + 1;
    let bitmap = span.div_ceil(8);
    if span == buckets.len() {
        to.push(CONTIGUOUS);
        put(u64::from(*first), to);
    } else if bitmap < buckets.len() {
        to.push(BITMAP);
        put(u64::from(*first), to);
        put(bitmap as u64, to);
        let start = to.len();
        to.resize(start + bitmap, 0);
        for (slot, _) in buckets {
            let bit = usize::from(slot - first);
            to[start + bit / 8] |= 1 << (bit % 8);
        }
    } else {
        to.push(SPARSE);
        let mut next = 0;
        for (slot, _) in buckets {
            put(u64::from(slot - next), to);
            next = slot.saturating_add(1);
        }
    }
}

fn take_slots(from: &mut &[u8], n: usize) -> Option<Vec<u16>> {
    if n == 0 {
        return Some(Vec::new());
    }
    let (&tag, rest) = from.split_first()?;
    *from = rest;
    match tag {
        CONTIGUOUS => {
            let first = u16::try_from(take(from)?).ok()?;
            let last = u16::try_from(usize::from(first) + n - 1).ok()?;
            Some((first..=last).collect())
        }
        BITMAP => {
            let first = usize::from(u16::try_from(take(from)?).ok()?);
            let size = usize::try_from(take(from)?).ok()?;
            let (bitmap, rest) = from.split_at_checked(size)?;
            *from = rest;
            let bits = bitmap.iter().enumerate().flat_map(|(index, byte)| {
                (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| index * 8 + bit)
            });
            let slots: Option<Vec<u16>> = bits.map(|bit| u16::try_from(first + bit).ok()).collect();
            slots.filter(|slots| slots.len() == n)
        }
        SPARSE => {
            let mut next = 0u64;
            (0..n)
                .map(|_| {
                    let slot = take(from)?.checked_add(next)?;
                    next = slot + 1;
                    u16::try_from(slot).ok()
                })
                .collect()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{bits, buckets};

    fn run() -> impl Strategy<Value = Vec<(u16, Bucket)>> {
        let gap = prop_oneof![Just(1u16), Just(1), 1u16..4, 1u16..300];
        (buckets(0..150), 0u16..20_000, prop_oneof![Just(false), Just(true)], prop::collection::vec(gap, 150))
            .prop_map(|(buckets, first, dense, gaps)| {
                let mut slot = first;
                let slots = gaps.iter().map(|gap| {
                    let at = slot;
                    slot += if dense { 1 } else { *gap };
                    at
                });
                slots.zip(buckets).collect()
            })
    }

    fn check(codec: Codec, run: &[(u16, Bucket)]) {
        let back = decode(&encode(codec, run)).expect("its own block");
        let bits = |run: &[(u16, Bucket)]| run.iter().map(|(slot, b)| (*slot, bits(b))).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(run), "{codec:?}");
    }

    proptest! {
        #[test]
        fn blocks_come_back_bit_for_bit(run in run()) {
            check(Codec::Decimal, &run);
            check(Codec::Pco, &run);
        }

        #[test]
        fn any_bytes_are_an_error_or_a_block(bytes in prop::collection::vec(any::<u8>(), 0..200), format in 0u8..4) {
            prop_assert!(decode(&bytes).is_err());
            let mut bytes = [&[format], bytes.as_slice()].concat();
            seal(&mut bytes);
            let _ = decode(&bytes);
        }

        #[test]
        fn a_flipped_bit_is_noticed(run in run(), pco: bool, at: prop::sample::Index, bit in 0u8..8) {
            let mut block = encode(if pco { Codec::Pco } else { Codec::Decimal }, &run);
            let at = at.index(block.len());
            block[at] ^= 1 << bit;
            prop_assert_eq!(decode(&block), Err(BlockError::Checksum));
        }

        /// Blocks whose checksum is right and whose bytes are not: damage by a bug, not by a disk.
        #[test]
        fn a_changed_byte_with_a_right_checksum_does_no_harm(run in run(), pco: bool, at: prop::sample::Index, byte: u8) {
            let mut block = encode(if pco { Codec::Pco } else { Codec::Decimal }, &run);
            block.truncate(block.len() - 4);
            let at = at.index(block.len());
            block[at] = byte;
            seal(&mut block);
            let _ = decode(&block);
        }
    }

    #[test]
    fn the_edges_are_kept() {
        for codec in [Codec::Decimal, Codec::Pco] {
            check(codec, &[]);
            check(codec, &[(0, Bucket::of(-0.0))]);
            check(codec, &[(u16::MAX, Bucket::of(1.0))]);
            let all: Vec<_> = (0..=u16::MAX).map(|slot| (slot, Bucket::of(f64::from(slot) / 8.0))).collect();
            check(codec, &all);
            let odd: Vec<_> = all.iter().copied().filter(|(slot, _)| slot % 2 == 1).collect();
            check(codec, &odd);
        }
    }

    #[test]
    fn later_formats_are_named() {
        let mut block = vec![7, 1, 2];
        seal(&mut block);
        assert_eq!(decode(&block), Err(BlockError::Format(7)));
        assert_eq!(decode(&[]), Err(BlockError::Checksum));
    }

    /// Data at rest: this build reads what the first one wrote.
    #[test]
    fn the_format_is_stable() {
        let run = [(3, Bucket::of(0.5)), (4, Bucket { count: 3, sum: 3.0, min: 0.25, max: 1.5, last: 0.25 })];
        let hex: String = encode(Codec::Decimal, &run).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "01020003020202088264320700803e000082004ed362267b");
        check(Codec::Decimal, &run);
    }

    /// The same of `pco`, whose writer may change with its version: what was written must stay readable.
    #[test]
    fn a_pco_block_of_the_first_build_is_read() {
        let readings = [0.0, 12_345.25, 999_999.75, 3.5];
        let number = |i: u64| readings[(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62) as usize];
        let run: Vec<_> = (0..200).map(|i| (i as u16, Bucket::of(number(i)))).collect();
        let hex = concat!(
            "02c8010000020002836a70636f2103000732040104c7000000420000000000000000001080570000000000002080",
            "2e6b09000000004000e7e0f5050000008000c492c792471e4b1e4b2c792c79ecb1e4b1e492c792c7124b1e4b1e79",
            "2c792cb9e4b1e4b1c792c792471e4b1e4b2c792c79ec000000000000000025e21b4e",
        );
        let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        let block: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        let now: String = encode(Codec::Pco, &run).iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(block.windows(4).any(|bytes| bytes == b"pco!"), "this build writes {now}");
        assert_eq!(decode(&block), Ok(run));
    }
}

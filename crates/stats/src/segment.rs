//! A checkpoint of one shard: the buckets that changed since the last one, many stats in columns.
//!
//! Format byte, then chunks of up to 4,096 partials (number, stat column, minute column, fields), a zero, and
//! the crc32c of all that.

use crate::block::{BlockError, seal, unseal};
use crate::column::{self, Effort};
use crate::fields::{self, Scaling};
use crate::varint::{put, take};
use crate::{Bucket, StatId};

/// One partial bucket: what was added to a stat's minute since the last checkpoint.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Partial {
    /// Whose.
    pub stat: StatId,
    /// Minute within the segment's hour: 0 to 59.
    pub minute: u8,
    /// What was added.
    pub bucket: Bucket,
}

const FORMAT: u8 = 1;

/// Partials in a chunk: enough for the headers not to count, few enough to stay in the cache.
const CHUNK: usize = 4_096;

/// Packs partials, sorted by stat and minute.
pub fn encode(partials: &[Partial]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(16 + partials.len() * 12);
    segment.push(FORMAT);
    let mut column = Vec::with_capacity(partials.len().min(CHUNK));
    for chunk in partials.chunks(CHUNK) {
        put(chunk.len() as u64, &mut segment);
        column.clear();
        column.extend(chunk.iter().map(|partial| i64::from(partial.stat.0)));
        column::encode(&column, Effort::Quick, &mut segment);
        column.clear();
        column.extend(chunk.iter().map(|partial| i64::from(partial.minute)));
        column::encode(&column, Effort::Quick, &mut segment);
        let buckets = chunk.iter().map(|partial| &partial.bucket);
        fields::encode(buckets, Scaling::Each, Effort::Quick, &mut segment);
    }
    put(0, &mut segment);
    seal(&mut segment);
    segment
}

/// Unpacks what [`encode`] packed.
pub fn decode(segment: &[u8]) -> Result<Vec<Partial>, BlockError> {
    let (format, mut rest) = unseal(segment)?;
    if format != FORMAT {
        return Err(BlockError::Format(format));
    }
    let mut partials = Vec::new();
    while take_chunk(&mut rest, &mut partials).ok_or(BlockError::Damaged("a chunk of partials"))? {}
    if rest.is_empty() { Ok(partials) } else { Err(BlockError::Damaged("bytes behind its end")) }
}

/// Takes one chunk off the front; false at the zero behind the last.
fn take_chunk(from: &mut &[u8], partials: &mut Vec<Partial>) -> Option<bool> {
    let n = usize::try_from(take(from)?).ok().filter(|n| *n <= CHUNK)?;
    if n == 0 {
        return Some(false);
    }
    let mut keys = vec![0i64; n * 2];
    let (stats, minutes) = keys.split_at_mut(n);
    column::decode(from, stats)?;
    column::decode(from, minutes)?;
    (stats.iter().all(|stat| u32::try_from(*stat).is_ok())).then_some(())?;
    (minutes.iter().all(|minute| (0..60).contains(minute))).then_some(())?;
    partials.reserve(n);
    fields::decode(from, n, |row, bucket| {
        partials.push(Partial { stat: StatId(stats[row] as u32), minute: minutes[row] as u8, bucket });
    })?;
    Some(true)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sample::{bits, buckets};

    fn partials() -> impl Strategy<Value = Vec<Partial>> {
        (buckets(0..200), prop::collection::vec((any::<u32>(), 0u8..60), 200)).prop_map(
            |(buckets, mut keys)| {
                keys.sort_unstable();
                let partial = |((stat, minute), bucket)| Partial { stat: StatId(stat), minute, bucket };
                keys.into_iter().zip(buckets).map(partial).collect()
            },
        )
    }

    fn check(partials: &[Partial]) {
        let back = decode(&encode(partials)).expect("its own segment");
        let bits = |partials: &[Partial]| {
            partials.iter().map(|p| (p.stat, p.minute, bits(&p.bucket))).collect::<Vec<_>>()
        };
        assert_eq!(bits(&back), bits(partials));
    }

    proptest! {
        #[test]
        fn segments_come_back_bit_for_bit(partials in partials()) {
            check(&partials);
        }

        #[test]
        fn any_bytes_are_an_error_or_a_segment(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes).is_err());
            let mut bytes = [&[FORMAT], bytes.as_slice()].concat();
            seal(&mut bytes);
            let _ = decode(&bytes);
        }
    }

    /// Data at rest: this build reads what the first one wrote.
    #[test]
    fn the_format_is_stable() {
        let third = Bucket { count: 3, sum: 3.0, min: 0.25, max: 1.5, last: 0.25 };
        let partials = [
            Partial { stat: StatId(0x203), minute: 58, bucket: Bucket::of(1.0) },
            Partial { stat: StatId(0x203), minute: 59, bucket: third },
            Partial { stat: StatId(0x1_0003), minute: 0, bucket: Bucket::of(1.0 / 3.0) },
        ];
        let hex: String = encode(&partials).iter().map(|byte| format!("{byte:02x}")).collect();
        let expect = "0103828608860886800882747600100400200f020208820232aad5aad5aad5aad57f0700803e00000082004e00007b24d264";
        assert_eq!(hex, expect);
        check(&partials);
    }

    #[test]
    fn segments_of_several_chunks_and_of_none_are_kept() {
        check(&[]);
        let number = |i: u32| f64::from(i % 1_000) / 8.0;
        let partial =
            |i| Partial { stat: StatId(i / 2), minute: (i % 2) as u8, bucket: Bucket::of(number(i)) };
        check(&(0..10_000).map(partial).collect::<Vec<_>>());
    }
}

//! `cargo bench -p eyrie-stats`: time and size of points, buckets, blocks and segments.
//!
//! Prints the bytes a bucket of every codec first, then the times; `ns/bucket` is the median divided by the
//! number of items, which divan shows as items a second.

use base::Timestamp;
use divan::Bencher;
use divan::counter::ItemsCount;
use eyrie_stats::block::{self, Codec};
use eyrie_stats::segment::{self, Partial};
use eyrie_stats::{AccountId, Accumulator, Bucket, Kind, Point, StatId, point, rollup};

fn main() {
    println!("bytes per bucket");
    println!("{:16}{:>10}{:>10}{:>10}{:>10}", "", "dec 60", "dec 1440", "pco 60", "pco 1440");
    let mut sums = [0.0; 4];
    for sort in SORTS {
        print!("{sort:16?}");
        let sizes = [(Codec::Decimal, 60), (Codec::Decimal, 1_440), (Codec::Pco, 60), (Codec::Pco, 1_440)];
        for (sum, (codec, n)) in sums.iter_mut().zip(sizes) {
            let blocks = (0..BLOCKS).map(|seed| block::encode(codec, &sort.run(n, seed)).len());
            let size = blocks.sum::<usize>() as f64 / (BLOCKS * u64::from(n)) as f64;
            if !matches!(sort, Sort::Float) {
                *sum += size / MIXED as f64;
            }
            print!("{size:10.2}");
        }
        println!();
    }
    println!("{:16}{:10.2}{:10.2}{:10.2}{:10.2}", "mixed", sums[0], sums[1], sums[2], sums[3]);
    let partials = partials();
    let size = segment::encode(&partials).len() as f64 / partials.len() as f64;
    println!("segment of 20,000 partials: {size:.2} bytes a partial");
    let payload = payload();
    println!("point: {:.1} bytes\n", payload.len() as f64 / POINTS as f64);
    divan::main();
}

/// Blocks over which sizes are averaged.
const BLOCKS: u64 = 50;
/// Points in the payload.
const POINTS: usize = 10_000;

/// The stats of the storage measurements.
#[derive(Clone, Copy, Debug)]
enum Sort {
    SmallCounter,
    LargeCounter,
    Gauge,
    Latency,
    /// Full-precision floats: no decimals to pack. Not part of the mix.
    Float,
}

const SORTS: [Sort; 5] = [Sort::SmallCounter, Sort::LargeCounter, Sort::Gauge, Sort::Latency, Sort::Float];
/// The first so many are mixed.
const MIXED: usize = 4;

impl Sort {
    /// `n` minutes without a gap.
    fn run(self, n: u16, seed: u64) -> Vec<(u16, Bucket)> {
        let mut random = Random(seed * 4 + self as u64 + 1);
        let mut level = 5_000.0;
        let mut bucket = |slot| {
            let count = match self {
                Self::SmallCounter => random.below(12) + 1,
                Self::LargeCounter => random.below(100) + 50,
                Self::Gauge => 2,
                Self::Latency | Self::Float => random.below(6) + 1,
            };
            let mut number = || match self {
                Self::SmallCounter => 1.0,
                Self::LargeCounter => (random.below(4_900) + 100) as f64,
                Self::Gauge => {
                    level = f64::clamp(level + random.below(41) as f64 - 20.0, 0.0, 10_000.0);
                    level / 100.0
                }
                Self::Float => 30.0 * (1.0 + random.exponential()),
                Self::Latency => (30_000.0 * (1.0 + random.exponential())).round() / 1_000.0,
            };
            let mut sum = Accumulator::of(number());
            (1..count).for_each(|_| sum.add(number()));
            (slot, sum.bucket())
        };
        (0..n).map(&mut bucket).collect()
    }
}

/// SplitMix64: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn exponential(&mut self) -> f64 {
        -(1.0 - (self.next() >> 11) as f64 / (1u64 << 53) as f64).ln()
    }
}

fn payload() -> Vec<u8> {
    let names: Vec<String> = (0..100).map(|i| format!("page views of section {i}")).collect();
    let mut payload = Vec::new();
    for i in 0..POINTS {
        let point = Point {
            account: AccountId(2),
            name: &names[i % names.len()],
            kind: if i % 2 == 0 { Kind::Counter } else { Kind::Value },
            number: if i % 2 == 0 { 1.0 } else { i as f64 / 100.0 },
            time: Timestamp::from_millis(1_795_213_427_000 + i as i64),
        };
        point::encode(&point, &mut payload);
    }
    payload
}

/// 10,000 stats of every sort, two minutes each.
fn partials() -> Vec<Partial> {
    let stats = (0..10_000u32).flat_map(|stat| {
        let run = SORTS[stat as usize % MIXED].run(2, u64::from(stat));
        run.into_iter().map(move |(minute, bucket)| Partial {
            stat: StatId(stat << 8 | 3),
            minute: minute as u8 + 17,
            bucket,
        })
    });
    stats.collect()
}

#[divan::bench]
fn decode_points(bencher: Bencher<'_, '_>) {
    let payload = payload();
    bencher.counter(ItemsCount::new(POINTS)).bench(|| {
        point::decode(divan::black_box(&payload))
            .map(|point| point.map_or(0.0, |point| point.number + point.name.len() as f64))
            .sum::<f64>()
    });
}

#[divan::bench]
fn encode_points(bencher: Bencher<'_, '_>) {
    let payload = payload();
    let points: Vec<_> = point::decode(&payload).flatten().collect();
    bencher.counter(ItemsCount::new(POINTS)).bench(|| {
        let mut to = Vec::with_capacity(payload.len());
        points.iter().for_each(|point| point::encode(point, &mut to));
        to
    });
}

#[divan::bench]
fn accumulate(bencher: Bencher<'_, '_>) {
    let numbers: Vec<f64> = (0..POINTS).map(|i| i as f64 / 100.0).collect();
    bencher.counter(ItemsCount::new(POINTS)).bench(|| {
        let mut sum = Accumulator::of(0.0);
        divan::black_box(&numbers).iter().for_each(|number| sum.add(*number));
        sum.bucket()
    });
}

#[divan::bench]
fn add_to_bucket(bencher: Bencher<'_, '_>) {
    let numbers: Vec<f64> = (0..POINTS).map(|i| i as f64 / 100.0).collect();
    bencher.counter(ItemsCount::new(POINTS)).bench(|| {
        let mut sum = Bucket::of(0.0);
        divan::black_box(&numbers).iter().for_each(|number| sum.add(*number));
        sum
    });
}

#[divan::bench(args = SORTS)]
fn roll_up_a_day(bencher: Bencher<'_, '_>, sort: Sort) {
    let run = sort.run(1_440, 1);
    bencher.counter(ItemsCount::new(run.len())).bench(|| rollup::fold(divan::black_box(&run), 60));
}

#[divan::bench(args = SORTS, consts = [60, 1_440])]
fn encode_decimal<const N: u16>(bencher: Bencher<'_, '_>, sort: Sort) {
    encode(bencher, Codec::Decimal, sort, N);
}

#[divan::bench(args = SORTS, consts = [60, 1_440])]
fn encode_pco<const N: u16>(bencher: Bencher<'_, '_>, sort: Sort) {
    encode(bencher, Codec::Pco, sort, N);
}

fn encode(bencher: Bencher<'_, '_>, codec: Codec, sort: Sort, n: u16) {
    let run = sort.run(n, 1);
    bencher.counter(ItemsCount::new(n)).bench(|| block::encode(codec, divan::black_box(&run)));
}

#[divan::bench(args = SORTS, consts = [60, 1_440])]
fn decode_decimal<const N: u16>(bencher: Bencher<'_, '_>, sort: Sort) {
    decode(bencher, Codec::Decimal, sort, N);
}

#[divan::bench(args = SORTS, consts = [60, 1_440])]
fn decode_pco<const N: u16>(bencher: Bencher<'_, '_>, sort: Sort) {
    decode(bencher, Codec::Pco, sort, N);
}

fn decode(bencher: Bencher<'_, '_>, codec: Codec, sort: Sort, n: u16) {
    let block = block::encode(codec, &sort.run(n, 1));
    bencher.counter(ItemsCount::new(n)).bench(|| block::decode(divan::black_box(&block)));
}

#[divan::bench]
fn encode_segment(bencher: Bencher<'_, '_>) {
    let partials = partials();
    bencher.counter(ItemsCount::new(partials.len())).bench(|| segment::encode(divan::black_box(&partials)));
}

#[divan::bench]
fn decode_segment(bencher: Bencher<'_, '_>) {
    let segment = segment::encode(&partials());
    bencher.counter(ItemsCount::new(20_000usize)).bench(|| segment::decode(divan::black_box(&segment)));
}

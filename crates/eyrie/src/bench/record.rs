//! Points through log, recorder and store in bulk; bytes a bucket at rest.

use std::time::{Duration, Instant};

use anyhow::Context;
use base::{Clock, Timestamp};
use clap::Args;
use stats::Kind;

use crate::config::Config;

use super::engine::{Engine, disk_bytes, names};
use super::grouped;
use super::process::own_cpu;

/// What to put through.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Points for the throughput part.
    #[arg(long, default_value_t = 10_000_000)]
    points: u64,
    /// Stats they are spread over.
    #[arg(long, default_value_t = 10_000)]
    stats: usize,
    /// Stats of each kind for the size part; each gets a number in every minute of a day.
    #[arg(long, default_value_t = 250)]
    size_stats: usize,
    /// What an answer promises: memory, os or disk.
    #[arg(long, default_value = "disk")]
    durability: String,
}

/// A moment at the start of a UTC day, so that hours and days close in order.
const DAY_START: Timestamp = Timestamp::from_seconds(1_790_000_000 / 86_400 * 86_400);

/// Runs both parts and prints their figures.
pub(super) async fn run(options: &Options) -> anyhow::Result<()> {
    throughput(options).await?;
    size(options, Kind::Counter).await?;
    size(options, Kind::Value).await
}

fn config(options: &Options) -> anyhow::Result<app::Config> {
    let durability = match options.durability.as_str() {
        "memory" => queue::Durability::Memory,
        "os" => queue::Durability::Os,
        "disk" => queue::Durability::Disk,
        other => anyhow::bail!("`{other}` is not a durability: memory, os or disk"),
    };
    // The benchmark moves its clock by hand, and means it.
    Ok(app::Config { durability, clock_doubt: Duration::ZERO, ..Config::default().app })
}

async fn throughput(options: &Options) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let clock = Clock::manual(DAY_START + Duration::from_secs(1_800));
    let engine = Engine::open(folder.path(), clock.clone(), config(options)?).await?;
    let names = names("record", options.stats);
    let now = clock.now();
    let numbers = (0..options.points).map(|i| {
        let minute = Duration::from_secs(60 * (i % 30));
        engine.sent(&names[i as usize % names.len()], Kind::Counter, (i % 7) as f64, now - minute)
    });
    let (started, cpu) = (Instant::now(), own_cpu());
    engine.submit(numbers).await?;
    let acknowledged = started.elapsed();
    engine.app.settled().await;
    engine.app.finish().await?;
    let (elapsed, cpu) = (started.elapsed(), own_cpu() - cpu);
    println!(
        "record: {} points of {} stats in {elapsed:.2?} ({acknowledged:.2?} until all were acknowledged, durability {}): {} points a minute, {:.2} µs of CPU each",
        grouped(options.points),
        grouped(options.stats as u64),
        options.durability,
        grouped((options.points as f64 / elapsed.as_secs_f64() * 60.0) as u64),
        cpu.as_secs_f64() * 1e6 / options.points as f64,
    );
    engine.close().await
}

/// A day of minutes, closed, and what it takes on disk.
async fn size(options: &Options, kind: Kind) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("making a temporary folder")?;
    let clock = Clock::manual(DAY_START);
    let engine = Engine::open(folder.path(), clock.clone(), config(options)?).await?;
    let empty = disk_bytes(folder.path()) - disk_bytes(&folder.path().join("log"));
    let names = names("size", options.size_stats);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for hour in 0..24u64 {
        let hour_start = DAY_START + Duration::from_secs(hour * 3_600);
        clock.set(hour_start + Duration::from_secs(3_599));
        let mut numbers = Vec::new();
        for (number, name) in names.iter().enumerate() {
            for second in (0..3_600).step_by(30) {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let noise = (random >> 33) as f64 / (1u64 << 31) as f64;
                let time = hour_start + Duration::from_secs(second);
                numbers.push(engine.sent(name, kind, figure(kind, number, hour, noise), time));
            }
        }
        engine.submit(numbers.into_iter()).await?;
        engine.app.settled().await;
    }
    clock.set(DAY_START + Duration::from_secs(86_400 + 7_200));
    engine.close().await?;
    let engine = Engine::open(folder.path(), clock.clone(), config(options)?).await?;
    engine.app.settled().await;
    engine.close().await?;
    let bytes = disk_bytes(folder.path()) - disk_bytes(&folder.path().join("log")) - empty;
    let buckets = options.size_stats as u64 * 1_440;
    println!(
        "size: {} minute buckets of {} {}s at rest in {} KiB: {:.2} bytes each (two numbers a minute, hour and day roll-ups and the stats themselves included)",
        grouped(buckets),
        options.size_stats,
        kind_word(kind),
        bytes >> 10,
        bytes as f64 / buckets as f64,
    );
    Ok(())
}

/// Numbers as they come in practice: small counts; readings with two or three decimals that wander over the day.
fn figure(kind: Kind, stat: usize, hour: u64, noise: f64) -> f64 {
    match kind {
        Kind::Counter => (noise * noise * 6.0).floor() + 1.0,
        Kind::Value => {
            let base = 20.0 + stat as f64 % 50.0 + (hour as f64 / 24.0 * std::f64::consts::TAU).sin() * 8.0;
            let scale = if stat.is_multiple_of(2) { 100.0 } else { 1_000.0 };
            ((base + noise * 5.0) * scale).round() / scale
        }
    }
}

fn kind_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Counter => "counter",
        Kind::Value => "value stat",
    }
}

//! Blocks and segments that cannot be read.

use stats::timeframe::Window;
use stats::{Kind, StatId};
use store::{BlockKey, BlockKind, Checkpoint, SegmentKey, Store};

use super::house::{DAY, HOUR, House, ME, MINUTE, NOON, config};
use crate::calendar;

fn id(house: &House) -> StatId {
    house.app.catalog.by_name(ME, "a").expect("there").id
}

fn key(house: &House, kind: BlockKind, number: u32) -> BlockKey {
    BlockKey { kind, stat: id(house).0, number }
}

async fn bytes(house: &House, key: BlockKey) -> Vec<u8> {
    let found = house.store.blocks_of(&[key]).await.expect("it reads");
    found.into_iter().next().expect("there is such a block").1
}

/// Flips a bit of a block and answers what it is then.
async fn damage(house: &House, key: BlockKey) -> Vec<u8> {
    let mut bytes = bytes(house, key).await;
    bytes[3] ^= 0x40;
    write(house, Checkpoint { blocks: vec![(key, bytes.clone())], ..Checkpoint::default() }).await;
    bytes
}

async fn write(house: &House, checkpoint: Checkpoint) {
    let shard = house.app.state.shard(id(house).shard());
    let mut writer = shard.writer.lock().await;
    let mut part = crate::writer::Part::new(shard, &mut writer);
    part.checkpoint.blocks = checkpoint.blocks;
    part.checkpoint.segments = checkpoint.segments;
    crate::writer::commit(&house.app.state, &mut [part]).await.expect("it is written");
}

/// Numbers at noon and an hour later, both closed.
async fn closed() -> House {
    let house = House::new().await;
    house.count("a", 1.0).await;
    house.clock.advance(HOUR);
    house.count("a", 2.0).await;
    house.clock.advance(HOUR + 10 * MINUTE);
    house.checkpoint().await;
    house.close().await;
    house
}

async fn late(house: &House, number: f64) {
    house.send(&[("a", Kind::Counter, number, NOON + MINUTE)]).await;
    house.checkpoint().await;
    house.close().await;
}

#[tokio::test]
async fn a_damaged_hour_is_left_as_it_is_and_late_numbers_go_into_the_day() {
    let mut house = closed().await;
    let hour = key(&house, BlockKind::MinutesOfHour, calendar::hour(NOON));
    let damaged = damage(&house, hour).await;
    assert_eq!(house.total("a", "1d1h").await, 2.0);
    assert_eq!(house.app.state.meters.damaged_blocks.get(), 1);
    late(&house, 10.0).await;
    assert_eq!(house.total("a", "1d1m").await, 12.0);
    assert_eq!(bytes(&house, hour).await, damaged);
    house.clock.advance(DAY);
    house.close().await;
    house = house.restart().await;
    for timeframe in ["1w1m", "1w1h", "1w1d"] {
        assert_eq!(house.total("a", timeframe).await, 12.0, "{timeframe}");
    }
    assert_eq!(bytes(&house, hour).await, damaged, "the day was closed without it");
    house.kill().await;
}

#[tokio::test]
async fn a_damaged_day_keeps_its_hours_and_late_numbers_are_added_to_them() {
    let house = closed().await;
    house.clock.advance(DAY);
    house.close().await;
    let day = key(&house, BlockKind::MinutesOfDay, calendar::day(NOON));
    let damaged = damage(&house, day).await;
    late(&house, 10.0).await;
    let total = async |step_seconds, count| {
        let window = Window { start: calendar::day_start(calendar::day(NOON)), step_seconds, count };
        house.series("a", window).await.total().map(|bucket| bucket.sum)
    };
    assert_eq!(total(3_600, 24).await, Some(13.0));
    assert_eq!(total(86_400, 1).await, Some(13.0));
    assert_eq!(total(60, 1_440).await, Some(13.0), "its minutes are gone, its hours are not");
    assert_eq!(bytes(&house, day).await, damaged);
    // One rung up again.
    let month = key(&house, BlockKind::HoursOfMonth, calendar::month(calendar::day(NOON)).0);
    let damaged_month = damage(&house, month).await;
    late(&house, 100.0).await;
    for (step_seconds, count) in [(86_400, 1), (3_600, 24), (60, 1_440)] {
        assert_eq!(
            total(step_seconds, count).await,
            Some(113.0),
            "every {step_seconds} s: the day's total is left"
        );
    }
    assert_eq!(bytes(&house, month).await, damaged_month);
    house.kill().await;
}

#[tokio::test]
async fn what_cannot_be_read_of_a_closed_day_is_read_where_else_it_stands() {
    let house = closed().await;
    house.clock.advance(DAY);
    house.close().await;
    let start = calendar::day_start(calendar::day(NOON));
    let figures = async |step_seconds, count| -> Vec<f64> {
        let series = house.series("a", Window { start, step_seconds, count }).await;
        series.figures().flatten().collect()
    };
    let year = key(&house, BlockKind::DaysOfYear, calendar::year(calendar::day(NOON)).0);
    damage(&house, year).await;
    assert_eq!(figures(86_400, 1).await, [3.0], "a day of its hours");
    let month = key(&house, BlockKind::HoursOfMonth, calendar::month(calendar::day(NOON)).0);
    damage(&house, month).await;
    assert_eq!(figures(3_600, 24).await, [1.0, 2.0], "hours of their minutes");
    assert_eq!(figures(86_400, 1).await, [3.0], "a day of its minutes");
    let day = key(&house, BlockKind::MinutesOfDay, calendar::day(NOON));
    damage(&house, day).await;
    for (step_seconds, count) in [(86_400, 1), (3_600, 24), (60, 1_440)] {
        assert_eq!(figures(step_seconds, count).await, [0.0; 0], "it stands nowhere else");
    }
    house.kill().await;
}

#[tokio::test]
async fn a_block_with_slots_that_its_time_does_not_have_is_damaged() {
    let house = closed().await;
    let hour = key(&house, BlockKind::MinutesOfHour, calendar::hour(NOON));
    let run = [(0, stats::Bucket::of(5.0)), (60, stats::Bucket::of(7.0))];
    let absurd = stats::block::encode(stats::block::Codec::Decimal, &run);
    write(&house, Checkpoint { blocks: vec![(hour, absurd.clone())], ..Checkpoint::default() }).await;
    assert_eq!(house.total("a", "1d1h").await, 2.0, "left out, not guessed at");
    house.clock.advance(DAY);
    house.close().await;
    assert_eq!(house.app.readiness(), Ok(()), "the day is closed without it");
    assert_eq!(bytes(&house, hour).await, absurd);
    house.kill().await;
}

#[tokio::test]
async fn a_damaged_segment_stays_when_its_hour_is_closed() {
    let mut house = House::with(crate::Config { shards: 1, ..config() }, NOON).await;
    house.count("a", 1.0).await;
    house.checkpoint().await;
    let damaged: Vec<(SegmentKey, Vec<u8>)> = {
        let mut segments = house.store.segments(0).await.expect("they read");
        segments.iter_mut().for_each(|(_, bytes)| bytes[2] ^= 0x40);
        segments
    };
    assert_eq!(damaged.len(), 1);
    write(&house, Checkpoint { segments: damaged.clone(), ..Checkpoint::default() }).await;
    house = house.restart().await;
    house.app.settled().await;
    house.count("a", 2.0).await;
    house.checkpoint().await;
    house.clock.advance(2 * HOUR);
    house.close().await;
    assert_eq!(house.store.segments(0).await.expect("they read"), damaged);
    assert_eq!(house.total("a", "1d1m").await, 2.0);
    house.kill().await;
}

//! The life of a point, step by step.

use stats::Kind;
use stats::Timeframe;

use super::house::{DAY, HOUR, House, ME, NOON};

#[tokio::test]
async fn a_number_is_on_the_graph_once_it_is_settled() {
    let house = House::new().await;
    house.count("signups", 2.0).await;
    house.count("signups", 3.0).await;
    house.send(&[("load", Kind::Value, 0.5, NOON), ("load", Kind::Value, 1.5, NOON)]).await;
    house.app.settled().await;
    let window = house.app.charts.window(Timeframe::parse("1h1m").expect("a timeframe"), None);
    let signups = house.series("signups", window).await;
    assert_eq!(signups.kind, Kind::Counter);
    assert_eq!(signups.figures().flatten().collect::<Vec<_>>(), [5.0]);
    assert_eq!(signups.latest(), Some(5.0));
    assert_eq!(house.series("load", window).await.figure(), Some(1.0));
    let stat = house.app.catalog.by_name(ME, "signups").expect("it was made");
    assert_eq!(house.app.catalog.by_public_id(&stat.public_id).map(|found| found.id), Some(stat.id));
    assert_eq!(house.app.charts.version(stat.id), 2);
    assert_eq!(house.app.readiness(), Ok(()));
    house.kill().await;
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_at_every_step() {
    let mut house = House::new().await;
    house.count("a", 1.0).await;
    house = house.restart().await;
    house.count("a", 10.0).await;
    house.checkpoint().await;
    house.count("a", 100.0).await;
    house = house.restart().await;
    house.app.settled().await;
    house.clock.advance(2 * HOUR);
    house.checkpoint().await;
    house.close().await;
    house.count("a", 1_000.0).await;
    house = house.restart().await;
    house.clock.advance(2 * DAY);
    house.checkpoint().await;
    house.close().await;
    house = house.restart().await;
    house.app.settled().await;
    assert_eq!(house.total("a", "1w1d").await, 1_111.0);
    assert_eq!(house.total("a", "1w1m").await, 1_111.0);
    house.app.finish().await.expect("it finishes");
    house = house.restart().await;
    assert_eq!(house.total("a", "1w1h").await, 1_111.0);
    house.kill().await;
}

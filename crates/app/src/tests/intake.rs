//! What is answered to numbers, and that the answers stay true.

use std::sync::Arc;
use std::time::Duration;

use stats::{Kind, StatName};

use super::house::{House, ME, NOON, config};
use crate::Config;
use crate::intake::Sent;

fn sent(name: &str, kind: Kind, number: f64) -> Sent {
    Sent { account: ME, name: StatName::new(name).expect("a good name"), kind, number, time: NOON }
}

#[tokio::test]
async fn what_the_log_gave_up_is_not_waited_for() {
    let disk = log::files::Faulty::new();
    let disk_config = Config { durability: queue::Durability::Disk, ..config() };
    let house = House::on(Arc::new(disk.clone()), disk_config, NOON).await;
    house.count("before", 1.0).await;
    house.app.settled().await;
    disk.space_left(Some(1 << 20));
    // Far more at once than there is room for: taken in, then refused.
    let many: Vec<Sent> = (0..1_500).map(|_| sent(&"a".repeat(200), Kind::Counter, 1.0)).collect();
    let waiting: Vec<_> = (0..40).filter_map(|_| house.app.intake.submit(&many).ok()).collect();
    let (mut taken, mut refused) = (0.0, 0);
    for accepted in waiting {
        match accepted.settle().await {
            Ok(()) => taken += 1_500.0,
            Err(error) => {
                assert_eq!(error.kind(), base::ErrorKind::Busy, "{error}");
                refused += 1;
            }
        }
    }
    assert!(taken > 0.0 && refused > 0, "{taken} taken, {refused} refused");
    tokio::time::timeout(Duration::from_secs(10), house.app.settled()).await.expect("nothing more comes");
    assert_eq!(house.total(&"a".repeat(200), "1h1m").await, taken);
    disk.space_left(None);
    house.kill().await;
}

use std::time::Instant;

use super::*;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3_600);

/// Waits until lookupd hangs up.
async fn hung_up(nsqd: &mut Nsqd) {
    let heard = tokio::time::timeout(SOON, nsqd.hear()).await.expect("it hangs up");
    assert_eq!(heard, None);
}

#[tokio::test]
async fn who_never_says_who_it_is_is_not_kept() {
    let house = House::with(Silence { unknown: SHORT, known: LONG }).await;
    let started = Instant::now();
    let mut silent = house.nsqd().await;
    let mut halfway = house.nsqd().await;
    halfway.stream.write_all(b"IDENT").await.expect("sent");
    let mut bodiless = house.nsqd().await;
    bodiless.stream.write_all(b"IDENTIFY\n\0\0\0\x10{").await.expect("sent");
    for nsqd in [&mut silent, &mut halfway, &mut bodiless] {
        hung_up(nsqd).await;
    }
    assert!(started.elapsed() >= SHORT);
    // Who has said it is waited for.
    let mut known = house.identified().await;
    tokio::time::sleep(2 * SHORT).await;
    known.do_it("PING").await;
    house.close().await;
}

#[tokio::test]
async fn an_nsqd_that_falls_silent_for_long_is_let_go_with_all_it_had() {
    let house = House::with(Silence { unknown: LONG, known: SHORT }).await;
    let mut nsqd = house.identified().await;
    nsqd.do_it("REGISTER t c").await;
    hung_up(&mut nsqd).await;
    eventually(SOON, "it is not shown any more", || async {
        (house.get("/lookup?topic=t").await.1 == r#"{"channels":["c"],"producers":[]}"#).then_some(())
    })
    .await;
    house.close().await;
}

//! A disk that is full is told, to publishers and to whoever asks.

use base::size::Bytes;

use super::house::House;

#[tokio::test]
async fn a_full_log_refuses_messages_and_says_so() {
    let house = House::with(|options| options.log_quota = Bytes::mib(8)).await;
    assert_eq!(house.get("/ping").await.body, "OK");
    let mut taken = 0;
    let refused = loop {
        let answer = house.post("/pub?topic=t", vec![b'x'; 1 << 20]).await;
        if answer.status != 200 {
            break answer;
        }
        taken += 1;
        assert!(taken < 16, "eight mebibytes hold no sixteen");
    };
    assert_eq!((refused.status, refused.body.as_str()), (503, r#"{"message":"BUSY"}"#));
    assert!(taken > 0);
    let ping = house.get("/ping").await;
    assert!(ping.status == 500 && ping.body.starts_with("NOK - "), "{ping:?}");
    assert_eq!(house.stats("").await["health"], ping.body.as_str());
    assert!(house.get("/metrics").await.body.contains("\neyrie_nsqd_healthy 0\n"));
    house.running.close().await.expect("closed");
}

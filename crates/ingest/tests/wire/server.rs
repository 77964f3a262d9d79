//! The server around the ingest paths: fallback, drain.

use std::time::Duration;

use super::house::{House, OK, SOON};

#[tokio::test]
async fn what_is_not_ingest_goes_to_the_fallback() {
    let mut house = House::new();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(house.send(get("/")).await.ends_with("fallback: GET /"));
    assert!(house.send(get("/c.svg?x=1")).await.ends_with("fallback: GET /c.svg"));
    assert!(house.send(get("/big")).await.ends_with(&"x".repeat(3 << 20)));
    let panicked = house.send(get("/panic")).await;
    assert!(panicked.starts_with("HTTP/1.1 500 "), "{panicked}");
    house.tasks.request_stop();
    assert_eq!(house.running.take().expect("running").ended().await, 0);
}

#[tokio::test]
async fn a_stop_finishes_what_runs_and_closes_what_idles() {
    let mut house = House::new();
    let mut idle = house.connect().await;
    idle.write("GET /ez?ezkey=key&stat=a&count=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    idle.answer().await;
    house.stop_log();
    let mut busy = house.connect().await;
    busy.write("GET /ez?ezkey=key&stat=b&count=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(house.eventually_taken(2).await, ["a c 1.0", "b c 1.0"]);
    house.tasks.request_stop();
    assert_eq!(idle.rest().await, "");
    let refused = base::testkit::eventually(SOON, "the listeners close", || async {
        tokio::net::TcpStream::connect(house.address).await.err()
    });
    assert_eq!(refused.await.kind(), std::io::ErrorKind::ConnectionRefused);
    house.start_log();
    assert!(busy.answer().await.ends_with(OK));
    assert_eq!(busy.rest().await, "");
    assert_eq!(house.running.take().expect("running").ended().await, 0);
    assert_eq!(house.metric("http_connections"), 0.0);
}

#[tokio::test]
async fn a_stop_cuts_what_does_not_finish() {
    let mut house = House::with(|config| config.limits.drain_time = Duration::from_millis(100));
    let mut client = house.connect().await;
    client.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    base::testkit::eventually(SOON, "the connection is open", || async {
        (house.metric("http_connections") == 1.0).then_some(())
    })
    .await;
    house.tasks.request_stop();
    assert_eq!(house.running.take().expect("running").ended().await, 1);
}

#[tokio::test]
async fn what_arrived_before_the_stop_is_counted() {
    let mut house = House::new();
    let mut clients = Vec::new();
    for _ in 0..50 {
        clients.push(house.connect().await);
    }
    for client in &mut clients {
        client.write("GET /ez?ezkey=key&stat=a&count=1 HTTP/1.1\r\nHost: x\r\n\r\n").await;
    }
    drop(clients);
    house.tasks.request_stop();
    assert_eq!(house.running.take().expect("running").ended().await, 0);
    assert_eq!(house.taken().len(), 50);
}

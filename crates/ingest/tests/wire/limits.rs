//! Every limit has an answer.

use std::io::Write;
use std::time::Duration;

use base::size::Bytes;

use super::house::{House, OK, SOON, post};

const SHORT: Duration = Duration::from_millis(150);

fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

#[tokio::test]
async fn large_bodies_are_413_whole_in_chunks_or_compressed() {
    let house = House::new();
    let body = vec![b'x'; 10 << 20];
    let answer = house.send(post("/ez", &body)).await;
    insta::assert_snapshot!("too_large", answer.replace('\r', ""));
    let mut chunked = b"POST /ez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(1 << 16) {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(chunk);
        chunked.extend_from_slice(b"\r\n");
    }
    assert_eq!(status(&house.send(&chunked).await), "413");
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    bomb.write_all(&[b'x'; 64 << 20]).expect("to memory");
    let bomb = bomb.finish().expect("to memory");
    let started = std::time::Instant::now();
    assert_eq!(status(&house.send(post("/ez\r\nContent-Encoding: gzip", bomb)).await), "413");
    assert!(started.elapsed() < SOON);
    // The greatest that is allowed.
    let padding = "x".repeat((1 << 20) - 33);
    let greatest = format!("ezkey=key&stat=a&count=1&padding={padding}");
    assert!(house.post("/ez", &greatest[..1 << 20]).await.ends_with(OK));
    assert_eq!(house.taken(), ["a c 1.0"]);
}

#[tokio::test]
async fn compressed_bodies_count() {
    let house = House::new();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(b"ezkey=key&stat=a&count=1").expect("to memory");
    let gzip = gzip.finish().expect("to memory");
    assert_eq!(house.post("/ez\r\nContent-Encoding: gzip", &gzip).await, OK);
    assert_eq!(status(&house.send(post("/ez\r\nContent-Encoding: gzip", "plain")).await), "400");
    assert_eq!(status(&house.send(post("/ez\r\nContent-Encoding: br", "plain")).await), "415");
    assert_eq!(house.taken(), ["a c 1.0"]);
}

#[tokio::test]
async fn bulks_names_and_points_are_limited() {
    let house = House::new();
    let bulk = |items: usize| {
        let items = vec![r#"{"stat":"a","count":1}"#; items].join(",");
        format!(r#"{{"ezkey":"key","data":[{items}]}}"#)
    };
    let answer = house.post("/ez", bulk(1_001)).await;
    assert_eq!(answer, r#"{"status":500,"msg":"too many items: the limit is 1000 a request"}"#);
    assert!(house.taken().is_empty());
    assert_eq!(house.post("/ez", bulk(1_000)).await.matches(OK).count(), 1_000);
    assert_eq!(house.taken().len(), 1_000);
    let answer = house.post("/ez", format!("ezkey=key&stat={}&count=1", "é".repeat(256))).await;
    assert!(answer.contains("256 characters, the limit is 255"), "{answer}");
    let many = format!("ezkey=key&stat=~{}&count=1", "a,".repeat(5_001));
    let answer = house.post("/ez", many).await;
    assert!(answer.contains("too many points: the limit is 5000 a request"), "{answer}");
    assert!(house.taken().is_empty());
}

#[tokio::test]
async fn large_heads_are_431() {
    let house = House::new();
    let large = format!("GET /ez HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    assert_eq!(status(&house.send(large).await), "431");
    let many = format!("GET /ez HTTP/1.1\r\nHost: x\r\n{}\r\n", "X: y\r\n".repeat(200));
    assert_eq!(status(&house.send(many).await), "431");
}

#[tokio::test]
async fn slow_heads_and_bodies_are_408_and_count_nothing() {
    let house = House::with(|config| {
        config.limits.header_time = SHORT;
        config.limits.body_time = SHORT;
    });
    let mut client = house.connect().await;
    client.write("POST /ez HTT").await;
    let answer = client.rest().await;
    assert_eq!(status(&answer), "408", "{answer}");
    // A Content-Length that is too long.
    let mut client = house.connect().await;
    client.write("POST /ez HTTP/1.1\r\nContent-Length: 30\r\n\r\nezkey=key&stat=a&count=1").await;
    insta::assert_snapshot!("too_slow", client.rest().await.replace('\r', ""));
    // One byte at a time does not help.
    let mut client = house.connect().await;
    let (mut reader, mut writer) = client.stream.split();
    let drip = async {
        loop {
            if tokio::io::AsyncWriteExt::write_all(&mut writer, b"X").await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let read = async {
        let mut answer = String::new();
        tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut answer).await.map(|_| answer)
    };
    let answer = tokio::select! { answer = read => answer.expect("an answer"), () = drip => String::new() };
    assert_eq!(status(&answer), "408", "{answer}");
    // Silence from the start is met with silence.
    assert_eq!(house.connect().await.rest().await, "");
    assert!(house.taken().is_empty());
    assert_eq!(house.metric("http_timeouts_total"), 4.0);
}

#[tokio::test]
async fn bodies_of_other_paths_may_not_be_slow_either() {
    let house = House::with(|config| config.limits.body_time = SHORT);
    for path in ["/length", "/never"] {
        let mut client = house.connect().await;
        client.write(format!("POST {path} HTTP/1.1\r\nContent-Length: 1000000\r\n\r\nsome")).await;
        assert_eq!(status(&client.rest().await), "408", "{path}");
    }
    assert_eq!(house.metric("http_timeouts_total"), 2.0);
    // Whole ones are read, whoever answers without reading keeps its time, and so does a slow answer.
    assert!(house.post("/length", "x".repeat(300_000)).await.ends_with("Some(300000)"));
    assert!(house.post("/length", "").await.ends_with("Some(0)"));
    assert!(house.post("/unread", "xyz").await.ends_with("fallback: POST /unread"));
    let mut slow = house.connect().await;
    slow.write("GET /never HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let answer = tokio::time::timeout(SHORT * 4, slow.rest()).await;
    assert!(answer.is_err(), "only the body is timed: {answer:?}");
}

#[tokio::test]
async fn silent_connections_are_closed_between_requests() {
    let house = House::with(|config| config.limits.idle_time = SHORT);
    let mut client = house.connect().await;
    for _ in 0..2 {
        client.write(post("/ez", "ezkey=key&stat=a&count=1")).await;
        assert!(client.answer().await.ends_with(OK));
    }
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn connections_beyond_the_limit_are_503() {
    let house = House::with(|config| config.limits.connections = 20);
    let mut inside = Vec::new();
    for _ in 0..20 {
        let mut client = house.connect().await;
        client.write(post("/ez", "ezkey=key&stat=a&count=1")).await;
        client.answer().await;
        inside.push(client);
    }
    let mut outside = house.connect().await;
    outside.write(post("/ez", "ezkey=key&stat=b&count=1")).await;
    insta::assert_snapshot!("too_many_connections", outside.rest().await.replace('\r', ""));
    // Two thousand more at once: the ones inside do not notice.
    let mut crowd = Vec::new();
    for _ in 0..2_000 {
        crowd.push(house.connect().await);
    }
    for client in &mut inside {
        client.write(post("/ez", "ezkey=key&stat=a&count=1")).await;
        assert!(client.answer().await.ends_with(OK));
    }
    drop((inside, crowd));
    assert_eq!(house.taken().len(), 40);
    let mut again = base::testkit::eventually(SOON, "there is room again", || async {
        (house.metric("http_connections") == 0.0).then_some(house.connect().await)
    })
    .await;
    again.write(post("/ez", "ezkey=key&stat=c&count=1")).await;
    assert!(again.answer().await.ends_with(OK));
    assert!(house.metric("http_refused_total") >= 2_001.0);
}

#[tokio::test]
async fn overload_is_503_in_both_modes() {
    for strict in [false, true] {
        let house = House::with(|config| config.strict_status = strict);
        house.set_busy(true);
        let answer = house.send(post("/ez", "ezkey=key&stat=a&count=1")).await;
        insta::assert_snapshot!("overload", answer.replace('\r', ""));
        house.set_busy(false);
        assert!(house.post("/ez", "ezkey=key&stat=a&count=1").await.ends_with(OK));
    }
}

#[tokio::test]
async fn requests_in_flight_are_limited_and_a_log_that_stands_is_503() {
    let house = House::with(|config| {
        config.limits.requests = 1;
        config.limits.settle_time = Duration::from_millis(500);
    });
    house.stop_log();
    let mut first = house.connect().await;
    first.write(post("/ez", "ezkey=key&stat=a&count=1")).await;
    house.eventually_taken(1).await;
    let second = house.send(post("/ez", "ezkey=key&stat=b&count=1")).await;
    assert!(second.contains("too many requests at once"), "{second}");
    assert!(second.contains("retry-after: 1\r\n"), "{second}");
    let answer = first.rest().await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("the log is too slow"), "{answer}");
    house.start_log();
    base::testkit::eventually(SOON, "requests are taken again", || async {
        house.post("/ez", "ezkey=key&stat=a&count=1").await.ends_with(OK).then_some(())
    })
    .await;
}

#[tokio::test]
async fn bodies_in_flight_are_limited() {
    let house = House::with(|config| config.limits.bodies = Bytes::kib(64));
    let answer = house.send(post("/ez", "x".repeat(200_000))).await;
    assert!(answer.contains("too many bodies are being received"), "{answer}");
    assert_eq!(status(&answer), "503");
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_let_go() {
    let house = House::with(|config| config.limits.write_time = SHORT);
    let mut client = house.connect().await;
    client.write("GET /big HTTP/1.1\r\nHost: x\r\n\r\n".repeat(8)).await;
    base::testkit::eventually(SOON, "the connection is closed", || async {
        (house.metric("http_timeouts_total") == 1.0 && house.metric("http_connections") == 0.0).then_some(())
    })
    .await;
}

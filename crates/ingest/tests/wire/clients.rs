//! Golden requests: the bytes of StatHat's clients, and the ways they leave.

use std::net::Shutdown;

use super::house::{Client, House, OK, post};

async fn check(house: &House, request: &str, expect: &str) {
    let answer = house.send(request).await;
    assert!(answer[8..].starts_with(" 200 OK\r\n") && answer.ends_with(OK), "{request}\n{answer}");
    assert_eq!(house.taken(), [expect], "{request}");
}

#[tokio::test]
async fn the_clients_of_fifteen_languages_count() {
    let house = House::new();
    // npm stathat: lower-case names, raw text.
    check(
        &house,
        "POST /ez HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: 52\r\n\
         host: api.stathat.com\r\nconnection: close\r\n\r\nezkey=k@example.com&stat=signups total&count=3&t=1.3",
        "signups total c 3.0",
    )
    .await;
    // Go through a proxy: an absolute-form request line.
    check(
        &house,
        "POST http://api.stathat.com/ez HTTP/1.1\r\nHost: api.stathat.com\r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: 54\r\nContent-Type: application/x-www-form-urlencoded\r\nAccept-Encoding: gzip\r\n\r\n\
         count=1.23456785e%2B07&ezkey=key&stat=bytes+sent&vb=1&",
        "bytes sent c 12345678.5",
    )
    .await;
    // C#: ends with an ampersand, parameters in both places.
    check(
        &house,
        "POST /ez?vb=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 38\r\nExpect:\r\n\r\n\
         ezkey=key&stat=a%20b%26c&value=0.25&t&",
        "a b&c v 0.25",
    )
    .await;
    // Erlang, HTTP/1.0 scripts, a Host that is not ours, an empty Content-Type.
    check(&house, "GET /ez?ezkey=key&stat=a&value=12.000000 HTTP/1.0\r\nContent-Type:\r\n\r\n", "a v 12.0")
        .await;
    // The image beacon of a page.
    check(
        &house,
        "GET /c?ukey=user~&key=stat~&count=1 HTTP/1.1\r\nHost: x\r\nAccept: image/avif,image/*\r\n\
         Sec-Fetch-Dest: image\r\nReferer: http://x/\r\n\r\n",
        "stat c 1.0",
    )
    .await;
    // ColdFusion: everything in the query of a POST.
    check(
        &house,
        "POST /v?ukey=user~&key=gauge~&value=5.0 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "gauge v 5.0",
    )
    .await;
    // Perl: the old name of the key; chunks.
    check(
        &house,
        "POST /ez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n\
         12\r\nemail=k@example.co\r\n11\r\nm&stat=a&count=-1\r\n0\r\n\r\n",
        "a c -1.0",
    )
    .await;
}

#[tokio::test]
async fn a_body_counted_too_short_neither_stalls_nor_spoils_the_next_request() {
    let house = House::new();
    let mut client = house.connect().await;
    // npm stathat with an `é`: one byte fewer than it sends, and the connection is kept.
    let body = "ezkey=key&stat=café&count=1&t=1362772441";
    let request = |method: &str| {
        let length = body.chars().count();
        format!("{method} /ez HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    for _ in 0..2 {
        client.write(request("POST")).await;
        assert!(client.answer().await.ends_with(OK));
    }
    assert_eq!(house.taken(), ["café c 1.0", "café c 1.0"]);
    assert_eq!(house.metric("ingest_odd_timestamps_total"), 2.0);
    // A sloppy line end behind the body.
    let mut client = house.connect().await;
    for _ in 0..2 {
        client.write("POST /ez HTTP/1.1\r\nContent-Length: 24\r\n\r\nezkey=key&stat=a&count=1\r\n").await;
        assert!(client.answer().await.ends_with(OK));
    }
}

#[tokio::test]
async fn expect_continue_is_answered() {
    let house = House::new();
    let mut client = house.connect().await;
    client.write("POST /ez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 24\r\n\r\n").await;
    assert_eq!(client.answer().await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("ezkey=key&stat=a&count=1").await;
    assert!(client.answer().await.ends_with(OK));
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let house = House::new();
    let mut client = house.connect().await;
    let mut all = Vec::new();
    for number in 0..16 {
        let stat = if number == 7 { "" } else { "a" };
        all.extend(post("/ez", format!("ezkey=key&stat={stat}&count={number}")));
    }
    client.write(&all).await;
    for number in 0..16 {
        let expect = if number == 7 { r#"{"status":500,"msg":"no stat specified"}"# } else { OK };
        assert!(client.answer().await.ends_with(expect), "{number}");
    }
    assert_eq!(house.taken().len(), 15);
}

/// However a client leaves after its last byte, it has been counted; also where the log makes it
/// wait, and where it sent several requests at once.
#[tokio::test]
async fn clients_that_write_and_leave_are_counted() {
    async fn leave(client: Client, how: usize) {
        match how {
            // Both ways at once, as PHP's fclose.
            0 => drop(client.stream),
            // No more from us, as `nc -N`: the socket stays until the end of the test.
            1 => {
                let stream = client.stream.into_std().expect("a socket");
                stream.shutdown(Shutdown::Write).expect("an open socket");
                std::mem::forget(stream);
            }
            _ => drop(client.stream.into_std().map(|stream| stream.shutdown(Shutdown::Both))),
        }
    }
    for log_stands in [false, true] {
        let house = House::new();
        if log_stands {
            house.stop_log();
        }
        for how in 0..3 {
            for requests in [1, 3] {
                let mut client = house.connect().await;
                let body = format!("ezkey=key&stat=a&count=1&padding={}", "x".repeat(20_000));
                client.write(post("/ez", body).repeat(requests)).await;
                leave(client, how).await;
                let taken = if log_stands { 1 } else { requests };
                assert_eq!(house.eventually_taken(taken).await.len(), taken, "{how} {log_stands}");
            }
        }
        house.start_log();
        if log_stands {
            // The two behind the first of three come once it has settled.
            assert_eq!(house.eventually_taken(6).await.len(), 6);
        }
    }
}

#[tokio::test]
async fn a_client_that_half_closes_still_gets_its_answer() {
    let house = House::new();
    house.stop_log();
    let mut client = house.connect().await;
    client.write(post("/ez", "ezkey=key&stat=a&count=1")).await;
    let std = client.stream.into_std().expect("a socket");
    std.shutdown(Shutdown::Write).expect("an open socket");
    client.stream = tokio::net::TcpStream::from_std(std).expect("a socket");
    house.eventually_taken(1).await;
    house.start_log();
    assert!(client.answer().await.ends_with(OK));
    assert_eq!(client.rest().await, "");
}

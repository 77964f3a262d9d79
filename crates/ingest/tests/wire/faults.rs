//! Bytes that no client should send.

use super::house::{House, OK};

#[tokio::test]
async fn names_survive_what_is_done_to_them() {
    let house = House::new();
    let check = async |body: &[u8], expect: &str| {
        assert_eq!(house.post("/ez", body).await, OK, "{body:?}");
        assert_eq!(house.taken(), [expect], "{body:?}");
    };
    check(b"ezkey=key&stat=100%&count=1", "100% c 1.0").await;
    check(b"ezkey=key&stat=%zz%4&count=1", "%zz%4 c 1.0").await;
    check(b"ezkey=key&stat=a b\xff\xfe&count=1", "a b\u{fffd}\u{fffd} c 1.0").await;
    check(b"ezkey=key&stat=%00%01x&count=1", "x c 1.0").await;
    check("ezkey=key&stat=naïve 😀&count=1".as_bytes(), "naïve 😀 c 1.0").await;
    check(b"&&ezkey=key&&stat=a=b&count= 3 \r\n", "a=b c 3.0").await;
    check(b"\xef\xbb\xbf{\"ezkey\":\"key\",\"stat\":\"a\xff\",\"count\":1}", "a\u{fffd} c 1.0").await;
    check(b"ezkey=key&stat=a&value=1e308", "a v 1e308").await;
    check(b"ezkey=key&stat=a&count=-4", "a c -4.0").await;
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_one_served() {
    let house = House::new();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"GET /ez?stat=a b HTTP/1.1\r\n\r\n",
        b"POST /ez HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /ez HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        b"POST /ez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
    ] {
        let mut client = house.connect().await;
        client.write(garbage).await;
        let answer = client.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{garbage:?}: {answer}");
    }
    assert!(house.taken().is_empty());
    assert_eq!(house.post("/ez", "ezkey=key&stat=a&count=1").await, OK);
}

#[tokio::test]
async fn a_body_that_ends_early_counts_nothing() {
    let house = House::new();
    let mut client = house.connect().await;
    client.write("POST /ez HTTP/1.1\r\nContent-Length: 30\r\n\r\nezkey=key&stat=a&count=1").await;
    tokio::io::AsyncWriteExt::shutdown(&mut client.stream).await.expect("an open socket");
    let answer = client.rest().await;
    assert!(answer.contains("it ends before the length it declared"), "{answer}");
    let mut client = house.connect().await;
    client.write("POST /ez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n").await;
    let answer = client.rest().await;
    assert!(answer.contains("or its chunks are broken"), "{answer}");
    assert!(house.taken().is_empty());
}

#[tokio::test]
async fn strange_documents_are_told_what_is_wrong() {
    let house = House::new();
    let mut table = String::new();
    for body in [
        "[",
        "{",
        "[1]",
        "{}",
        "[[]]",
        "{\"data\":1}",
        "{\"ezkey\":\"key\",\"data\":[null,[],\"x\",{}]}",
        "{\"ezkey\":\"key\",\"stat\":{\"a\":1},\"count\":1}",
        "{\"ezkey\":\"key\",\"stat\":\"a\",\"count\":true}",
        "{\"ezkey\":\"key\",\"stat\":\"a\",\"count\":1} trailing",
    ] {
        table += &format!("{body}\n  {}\n", house.post("/ez", body).await);
    }
    let deep = house.post("/ez", "[".repeat(100_000)).await;
    table += &format!("[[[[...\n  {deep}\n");
    insta::assert_snapshot!("strange_documents", table);
    assert!(house.taken().is_empty());
    // A form that only says that it is JSON.
    assert_eq!(house.post("/ez\r\nContent-Type: application/json", "ezkey=key&stat=a&count=1").await, OK);
    let answer = house.post("/ez\r\nContent-Type: text/json", "\"text\"").await;
    assert!(answer.contains("the JSON is broken at byte"), "{answer}");
}

//! Every shape of a post, and what it counts.

use super::house::{House, OK, post};

/// Each request is answered with 200 and 25 bytes, and counts what is expected.
async fn check(house: &House, request: impl AsRef<[u8]>, expect: &[&str]) {
    let request = request.as_ref();
    let answer = house.send(request).await;
    let shown = String::from_utf8_lossy(request);
    assert_eq!(
        answer,
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 25\r\n\r\n{OK}"),
        "{shown}"
    );
    assert_eq!(house.taken(), expect, "{shown}");
}

#[tokio::test]
async fn get_and_post_in_every_encoding() {
    let house = House::new();
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: x\r\n\r\n");
    check(&house, get("/ez?ezkey=key&stat=a%20b&count=2"), &["a b c 2.0"]).await;
    check(
        &house,
        get("/ez/?email=k@example.com&stat=a+b&value=9.5&t=1363118126"),
        &["a b v 9.5 @1363118126"],
    )
    .await;
    check(&house, post("/ez?ezkey=key&stat=a&count=1", ""), &["a c 1.0"]).await;
    check(&house, post("/ez", "ezkey=key&stat=a&count=1"), &["a c 1.0"]).await;
    check(&house, post("/ez\r\nContent-Type:", "ezkey=key&stat=a&count=1"), &["a c 1.0"]).await;
    check(&house, post("/ez\r\nContent-Type: text/plain", "ezkey=key&stat=a&count=1&"), &["a c 1.0"]).await;
    check(&house, post("/ez?ezkey=key&vb=1", "stat=a&value=1e-07"), &["a v 1e-7"]).await;
    check(
        &house,
        post("/ez\r\nContent-Type: application/json", r#"{"ezkey":"key","stat":"a","count":"3"}"#),
        &["a c 3.0"],
    )
    .await;
    check(
        &house,
        post("/ez?ezkey=key", r#" {"stat":"a","value":-1,"t":1363118126000}"#),
        &["a v -1.0 @1363118126"],
    )
    .await;
    let part = |name: &str, value: &str| {
        format!("--B\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts = part("ezkey", "key") + &part("stat", "a b") + &part("count", "4") + "--B--\r\n";
    check(&house, post("/ez\r\nContent-Type: multipart/form-data; boundary=B", parts), &["a b c 4.0"]).await;
    check(&house, get("/c?key=stat~&ukey=user~&count=1"), &["stat c 1.0"]).await;
    check(&house, post("/v", "key=gauge~&ukey=user~&value=5.0&t=1363118126"), &["gauge v 5.0 @1363118126"])
        .await;
}

#[tokio::test]
async fn multi_posts_stand_for_several_stats() {
    let house = House::new();
    check(
        &house,
        post("/ez", "ezkey=key&stat=load~one,five&value=0.5"),
        &["load one v 0.5", "load five v 0.5"],
    )
    .await;
    check(&house, post("/ez", "ezkey=key&stat=~A,B&count=1"), &["A c 1.0", "B c 1.0"]).await;
    let answer = house.post("/ez", "ezkey=key&stat=~gauge,other&count=1").await;
    insta::assert_snapshot!(answer, @r#"{"status":200,"msg":"1 of 2 stats were taken, the first other: the stat `gauge` is a value: post a value"}"#);
    assert_eq!(house.taken(), ["other c 1.0"]);
    assert_eq!(house.metric("ingest_mismatches_total"), 1.0);
}

#[tokio::test]
async fn a_stat_too_many_is_refused_by_name_and_the_others_are_taken() {
    let (house, strict) = (House::new(), House::with(|config| config.strict_status = true));
    let form = "ezkey=key&stat=beyond&count=1";
    let (old, new) = (house.send(post("/ez", form)).await, strict.send(post("/ez", form)).await);
    assert!(
        old.starts_with("HTTP/1.1 200 OK\r\n") && new.starts_with("HTTP/1.1 403 Forbidden\r\n"),
        "{old}{new}"
    );
    insta::assert_snapshot!(house.post("/ez", form).await, @r#"{"status":500,"msg":"there is no stat `beyond`, and no room for more stats: delete some first"}"#);
    insta::assert_snapshot!(house.post("/ez", "ezkey=key&stat=~beyond,other&count=1").await, @r#"{"status":200,"msg":"1 of 2 stats were taken, the first other: there is no stat `beyond`, and no room for more stats: delete some first"}"#);
    let bulk = r#"{"ezkey":"key","data":[{"stat":"beyond","value":1},{"stat":"b","count":2}]}"#;
    insta::assert_snapshot!(house.post("/ez", bulk).await, @r#"{"status":200,"msg":"1 of 2 items were taken, the first other: there is no stat `beyond`, and no room for more stats: delete some first","multiple":[{"status":500,"msg":"there is no stat `beyond`, and no room for more stats: delete some first"},{"status":200,"msg":"ok"}]}"#);
    assert_eq!(house.taken(), ["other c 1.0", "b c 2.0"]);
    assert!(strict.taken().is_empty());
    assert_eq!(house.metric("ingest_mismatches_total"), 0.0, "it is of no other kind");
}

#[tokio::test]
async fn bulks_are_answered_item_by_item() {
    let house = House::new();
    // StatHat's own example, with its comma.
    let example = r#"{"ezkey":"key","data":[{"stat":"page view","count":2},{"stat":"a~b,c","value":0.7,"t":1363118126},]}"#;
    let answer = house.send(post("/ez\r\nContent-Type: application/json", example)).await;
    insta::assert_snapshot!(answer.replace('\r', ""), @r#"
    HTTP/1.1 200 OK
    content-type: application/json
    content-length: 90

    {"status":200,"msg":"ok","multiple":[{"status":200,"msg":"ok"},{"status":200,"msg":"ok"}]}
    "#);
    assert_eq!(house.taken(), ["page view c 2.0", "a b v 0.7 @1363118126", "a c v 0.7 @1363118126"]);

    let mixed = r#"{"ezkey":"key","data":[{"stat":"a","count":1},{"stat":"b"},{"count":1},7,{"stat":"gauge","count":1},{"stat":"n","value":1e999},{"stat":"~gauge,x","count":1}]}"#;
    insta::assert_snapshot!("bulk_partly_bad", house.post("/ez", mixed).await.replace("},", "},\n"));
    assert_eq!(house.taken(), ["a c 1.0", "x c 1.0"]);

    let bad = r#"{"ezkey":"key","data":[{"stat":"gauge","count":1},{"count":1}]}"#;
    insta::assert_snapshot!("bulk_all_bad", house.post("/ez", bad).await.replace("},", "},\n"));
    insta::assert_snapshot!(house.post("/ez", r#"{"ezkey":"key","data":[]}"#).await, @r#"{"status":200,"msg":"ok","multiple":[]}"#);
    insta::assert_snapshot!(house.post("/ez", r#"[{"stat":"a","count":1}]"#).await, @r#"{"status":500,"msg":"no ezkey specified"}"#);
    insta::assert_snapshot!(house.post("/c", r#"{"ukey":"user~","data":[]}"#).await, @r#"{"status":500,"msg":"a bulk goes to /ez"}"#);
    insta::assert_snapshot!(
        "half_a_bulk",
        house.post("/ez", r#"{"ezkey":"key","data":[{"stat":"a","cou"#).await
    );
    assert!(house.taken().is_empty());
}

#[tokio::test]
async fn a_number_beside_a_bulk_is_never_lost_unnoticed() {
    let house = House::new();
    // Nothing is in the bulk, so it is what it says besides.
    let empty = r#"{"ezkey":"key","data":[],"stat":"single","count":1}"#;
    assert_eq!(house.post("/ez", empty).await, OK);
    assert_eq!(house.taken(), ["single c 1.0"]);
    let told =
        r#"{"status":500,"msg":"a number stands beside `data`: make it an item, or send it by itself"}"#;
    let items = r#""data":[{"stat":"a","count":1}]"#;
    for beside in [r#""stat":"b","count":1"#, r#""stat":"b""#, r#""value":1"#] {
        assert_eq!(
            house.post("/ez", format!(r#"{{"ezkey":"key",{items},{beside}}}"#)).await,
            told,
            "{beside}"
        );
    }
    assert_eq!(house.post("/ez?stat=b&count=1", format!(r#"{{"ezkey":"key",{items}}}"#)).await, told);
    assert!(house.taken().is_empty(), "all or nothing");
}

#[tokio::test]
async fn misuse_is_told_within_200_and_strictly_on_request() {
    let cases = [
        ("/ez", ""),
        ("/ez", "stat=a&count=1"),
        ("/ez", "ezkey=&stat=a&count=1"),
        ("/ez", "ezkey=key&count=1"),
        ("/ez", "ezkey=key&stat=~,&count=1"),
        ("/ez", "ezkey=key&stat=a"),
        ("/ez", "ezkey=key&stat=a&count=many"),
        ("/ez", "ezkey=key&stat=a&value=NaN"),
        ("/ez", "ezkey=key&stat=a&value=-Infinity"),
        ("/ez", "ezkey=key&stat=a&value=1e999"),
        ("/ez", "ezkey=off&stat=a&count=1"),
        ("/ez", "ezkey=nobody&stat=a&count=1"),
        ("/ez", "ezkey=key&stat=gauge&count=1"),
        ("/ez", "{\"ezkey\""),
        ("/c", "ukey=user~&count=1"),
        ("/c", "key=stat~&count=1"),
        ("/c", "key=stat~&ukey=user~"),
        ("/c", "key=nothing~&ukey=user~&count=1"),
        ("/v", "key=stat~&ukey=user~&value=1"),
    ];
    let mut table = String::new();
    let (house, strict) = (House::new(), House::with(|config| config.strict_status = true));
    for (path, body) in cases {
        let (old, new) = (house.send(post(path, body)).await, strict.send(post(path, body)).await);
        let show = |answer: &str| {
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
            format!("{} {body}", &head[9..12])
        };
        table += &format!("{path} {body}\n  {}\n  {}\n", show(&old), show(&new));
    }
    insta::assert_snapshot!("misuse", table);
    assert!(house.taken().is_empty() && strict.taken().is_empty());
    assert_eq!(house.unknown_keys(), ["nobody", "nothing~"]);
    assert_eq!(house.metric("ingest_unknown_keys_total"), 2.0);
}

#[tokio::test]
async fn quiet_answers_have_no_body() {
    let (house, quiet) = (House::new(), House::with(|config| config.quiet = true));
    let body = "ezkey=key&stat=a&count=1";
    let silence = "HTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(quiet.send(post("/ez", body)).await, silence);
    assert_eq!(house.send(post("/ez?vb=0", body)).await, silence);
    assert!(quiet.send(post("/ez?vb=1", body)).await.ends_with(OK));
    assert!(quiet.send(post("/ez", "stat=a")).await.contains("no ezkey specified"));
}

#[tokio::test]
async fn the_body_comes_before_the_query_and_the_first_before_the_second() {
    let house = House::new();
    check(&house, post("/ez?stat=query&ezkey=key", "stat=body&stat=second&count=1"), &["body c 1.0"]).await;
    check(&house, post("/ez?count=7", "stat=body&value=2&ezkey=key"), &["body c 7.0"]).await;
}

#[tokio::test]
async fn odd_times_become_now_and_are_counted() {
    let house = House::new();
    for t in ["136277244", "0", "-5", "yesterday", "1900000000", "13631181267891", "1e300", "NaN"] {
        check(&house, post("/ez", format!("ezkey=key&stat=a&count=1&t={t}")), &["a c 1.0"]).await;
    }
    assert_eq!(house.metric("ingest_odd_timestamps_total"), 8.0);
    for (t, time) in
        [("1363118126.5", "1363118126.5"), ("1363118126789", "1363118126.789"), ("1800086400", "1800086400")]
    {
        let expect = format!("a c 1.0 @{time}");
        check(&house, post("/ez", format!("ezkey=key&stat=a&count=1&t={t}")), &[expect.as_str()]).await;
    }
    assert_eq!(house.metric("ingest_odd_timestamps_total"), 8.0);
}

#[tokio::test]
async fn browsers_of_other_origins_may_post() {
    let house = House::new();
    let preflight = "OPTIONS /ez HTTP/1.1\r\nHost: x\r\nOrigin: https://shop.example\r\n\
        Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n";
    insta::assert_snapshot!("preflight", house.send(preflight).await.replace('\r', ""));
    let answer = house.send(post("/ez\r\nOrigin: null", "ezkey=key&stat=a&count=1")).await;
    assert!(answer.contains("access-control-allow-origin: *\r\n"), "{answer}");
    let wrong = house.send("DELETE /ez HTTP/1.1\r\nHost: x\r\n\r\n").await;
    insta::assert_snapshot!("wrong_method", wrong.replace('\r', ""));
}

//! The export API, as clients see it.

use std::time::Duration;

use app::intake::Sent;
use axum::body::Body;
use base::Timestamp;
use http::{Method, Request, StatusCode};
use stats::{Kind, StatName};

use crate::house::{House, NOW};

/// The end of the open minute: where windows end.
const END: i64 = NOW + 30;

#[tokio::test]
async fn stats_are_listed_found_and_deleted() {
    let house = House::new().await;
    house.check("/x/TOKEN/statlist", 200, "[]").await;
    let load = house.send("server load+average", Kind::Value, &[(0, 1.5)]).await;
    let clicks = house.send("clicks", Kind::Counter, &[(0, 1.0)]).await;
    let key = |name: &str| house.app.catalog.by_name(house.me.id, name).expect("it is there").classic_key;
    let json = |id: &str, name: &str, counter: bool| {
        format!(
            r#"{{"id":"{id}","name":"{name}","public":false,"counter":{counter},"classic_key":"{}","data_received_at":{NOW},"created_at":{NOW}}}"#,
            key(name)
        )
    };
    let (first, second) = (json(&clicks, "clicks", true), json(&load, "server load+average", false));
    house.check("/x/TOKEN/statlist", 200, &format!("[{first},{second}]")).await;
    house.check("/x/TOKEN/statlist?offset=1", 200, &format!("[{second}]")).await;
    house.check("/x/TOKEN/statlist?offset=2", 200, "[]").await;
    house.check("/x/TOKEN/stat?name=server+load%2Baverage", 200, &second).await;
    house.check("/x/TOKEN/stat?name=server%20load%2Baverage", 200, &second).await;
    house.check(&format!("/x/TOKEN/stats/{clicks}"), 200, &first).await;
    house.check("/x/TOKEN/stat?name=nothing", 404, r#"{"msg":"stat not found"}"#).await;
    house.check("/x/TOKEN/stat", 400, r#"{"msg":"say which stat: ?name=NAME"}"#).await;

    let path = format!("/x/TOKEN/stats/{clicks}");
    let deleted = house.call(Method::DELETE, &path).await;
    assert_eq!((deleted.status, deleted.text()), (StatusCode::OK, r#"{"msg":"stat deleted."}"#));
    assert_eq!(deleted.header("x-content-type-options"), "nosniff");
    assert_eq!(deleted.header("access-control-allow-origin"), "", "only reads are open");
    for gone in [path.clone(), "/x/TOKEN/stat?name=clicks".to_owned(), format!("/x/TOKEN/data/{clicks}")] {
        house.check(&gone, 404, r#"{"msg":"stat not found"}"#).await;
    }
    assert_eq!(house.call(Method::DELETE, &path).await.status, StatusCode::NOT_FOUND);
    house.check("/x/TOKEN/statlist", 200, &format!("[{second}]")).await;
    assert_eq!(house.app.catalog.trash(house.me.id).len(), 1, "it can be taken back");
    house.end().await;
}

#[tokio::test]
async fn a_page_holds_ten_thousand_stats() {
    let house = House::new().await;
    for thousand in 0..10 {
        let sent: Vec<_> = (0..1_001)
            .map(|n| Sent {
                account: house.me.id,
                name: StatName::new(&format!("stat {thousand} {n:04}")).expect("a good name"),
                kind: Kind::Counter,
                number: 1.0,
                time: Timestamp::from_seconds(NOW),
            })
            .collect();
        house.submit(&sent).await;
    }
    for (offset, expect) in [(0, 10_000), (10_000, 10), (10_010, 0)] {
        let answer = house.get_signed_out(&format!("/x/TOKEN/statlist?offset={offset}")).await;
        let page: Vec<serde_json::Value> = serde_json::from_slice(&answer.body).expect("an array");
        assert_eq!(page.len(), expect, "{offset}");
    }
    house.end().await;
}

#[tokio::test]
async fn points_are_what_was_sent() {
    let house = House::new().await;
    let id = house.send("sales", Kind::Counter, &[(0, 0.1), (1, 0.2), (90, 3.0), (7_300, 40.0)]).await;
    let expect = format!(
        r#"[{{"name":"sales","timeframe":"3 hours @ 1 hour","points":[{{"time":{},"value":40}},{{"time":{},"value":0}},{{"time":{},"value":3.3}}]}}]"#,
        END - 10_800,
        END - 7_200,
        END - 3_600
    );
    for path in ["", "/"] {
        house.check(&format!("/x/TOKEN/data/{id}{path}?t=3h1h"), 200, &expect).await;
    }
    let start = END - 10_800;
    house.check(&format!("/x/TOKEN/data/{id}?t=3h1h&start={start}"), 200, &expect).await;
    let week = house.get_signed_out(&format!("/x/TOKEN/data/{id}")).await;
    assert!(week.text().contains(r#""timeframe":"1 week @ 3 hours""#), "{}", week.text());
    assert_eq!(house.values(&id, "t=3m1m").await, [0.0, 3.0, 0.3]);
    house.end().await;
}

#[tokio::test]
async fn values_are_exact_over_minutes_hours_and_days() {
    let house = House::new().await;
    const DAY: i64 = 86_400;
    // A tenth every seven hours over forty days, in the order in which they happened.
    let sent: Vec<(i64, f64)> = (0..137).rev().map(|n| (n * 25_200, 0.1)).collect();
    let counter = house.send("tenths", Kind::Counter, &sent).await;
    let value = house.send("readings", Kind::Value, &sent).await;
    for (t, points) in [("60d1d", 60), ("60d1h", 1_440), ("50d10m", 7_200), ("1y1y", 1)] {
        let points_seen = house.values(&counter, &format!("t={t}")).await;
        assert_eq!(points_seen.len(), points, "{t}");
        let tenths: f64 = points_seen.iter().map(|value| (value * 10.0).round()).sum();
        assert_eq!(tenths, 137.0, "{t}");
        for seen in &points_seen {
            assert_eq!(*seen, (seen * 10.0).round() / 10.0, "a whole number of tenths in {t}");
        }
        let means = house.values(&value, &format!("t={t}")).await;
        assert!(means.iter().all(|mean| *mean == 0.1 || *mean == 0.0), "{t}: {means:?}");
    }
    assert_eq!(house.values(&counter, "t=1y1y").await, [13.7]);
    let answer = house.get_signed_out(&format!("/x/TOKEN/data/{counter}?summary=7d")).await;
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let points = json[0]["points"].as_array().expect("points");
    assert_eq!(points.len(), 7);
    assert!(points.iter().all(|point| point["time"].as_i64().expect("seconds") % DAY == 0), "UTC midnights");
    assert_eq!(json[0]["timeframe"], "7 days @ 1 day");
    let today = points[6]["value"].as_f64().expect("a number");
    assert_eq!(today, 0.2, "two since midnight: at 05:00:30 and 12:00:30");
    house.end().await;
}

#[tokio::test]
async fn five_stats_at_most_and_all_of_them_known() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(house.send(&format!("stat {n}"), Kind::Counter, &[(0, f64::from(n))]).await);
    }
    let answer = house.get_signed_out(&format!("/x/TOKEN/data/{}/?t=1m1m", ids.join("/"))).await;
    let json: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
    let names: Vec<_> = json.as_array().expect("an array").iter().map(|stat| stat["name"].clone()).collect();
    assert_eq!(names, ["stat 0", "stat 1", "stat 2", "stat 3", "stat 4"]);
    house.check(&format!("/x/TOKEN/data/{}/nope?t=1m1m", ids[0]), 404, r#"{"msg":"stat not found"}"#).await;
    let invalid = house.get_signed_out(&format!("/x/TOKEN/data/{}?t=1w", ids[0])).await;
    assert_eq!(invalid.status, StatusCode::BAD_REQUEST);
    assert!(invalid.text().starts_with(r#"{"msg":"`1w` is not a timeframe"#), "{}", invalid.text());
    house.end().await;
}

#[tokio::test]
async fn a_token_sees_its_own_account_only() {
    let house = House::new().await;
    let id = house.send("mine", Kind::Counter, &[(0, 1.0)]).await;
    let other = house.other().await.access_token.clone();
    house.check(&format!("/x/{other}/statlist"), 200, "[]").await;
    house.check(&format!("/x/{other}/stats/{id}"), 404, r#"{"msg":"stat not found"}"#).await;
    house.check(&format!("/x/{other}/data/{id}"), 404, r#"{"msg":"stat not found"}"#).await;
    let deleted = house.call(Method::DELETE, &format!("/x/{other}/stats/{id}")).await;
    assert_eq!(deleted.status, StatusCode::NOT_FOUND);
    house.check("/x/guess/statlist", 401, r#"{"msg":"unknown access token: see Settings"}"#).await;
    house.end().await;
}

#[tokio::test]
async fn pages_of_other_sites_may_read() {
    let house = House::new().await;
    let preflight = house.call(Method::OPTIONS, "/x/TOKEN/statlist").await;
    assert_eq!(preflight.status, StatusCode::NO_CONTENT);
    assert_eq!(preflight.header("access-control-allow-origin"), "*");
    assert_eq!(preflight.header("access-control-allow-methods"), "GET, HEAD");
    let read = house.get_signed_out("/x/TOKEN/statlist").await;
    assert_eq!(read.header("access-control-allow-origin"), "*");
    assert_eq!((read.header("content-type"), read.header("cache-control")), ("application/json", "no-store"));
    assert_eq!(house.call(Method::HEAD, "/x/TOKEN/statlist").await.status, StatusCode::OK);
    let refused = house.get_signed_out("/x/guess/statlist").await;
    assert_eq!(refused.header("access-control-allow-origin"), "*", "a page can read why");
    house.end().await;
}

#[tokio::test]
async fn too_many_calls_are_told_in_stathats_words() {
    let house = House::new().await;
    for _ in 0..eyrie_web::export::caller::CALLS_PER_MINUTE {
        assert_eq!(house.get_signed_out("/x/TOKEN/statlist").await.text(), "[]");
    }
    house.check("/x/TOKEN/statlist", 200, r#"{"Error":"Rate limit exceeded."}"#).await;
    house.check(&format!("/x/{}/statlist", house.other().await.access_token), 200, "[]").await;
    house.clock.advance(Duration::from_secs(1));
    house.check("/x/TOKEN/statlist", 200, "[]").await;
    house.end().await;
}

#[tokio::test]
async fn the_command_line_is_answered_as_it_expects() {
    let house = House::new().await;
    let id = house.send("load", Kind::Value, &[(0, 1.0), (1, 2.0), (70, 7.0)]).await;
    let unknown = house.get_signed_out("/a1/stats").await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
    assert!(unknown.header("www-authenticate").starts_with("Basic "));
    let ask = async |path: String| {
        use base64::Engine as _;
        let user = base64::engine::general_purpose::STANDARD.encode(format!("{}:", house.me.access_token));
        let request = Request::builder().uri(path).header("authorization", format!("Basic {user}"));
        let answer = house.ask(request.body(Body::empty()).expect("a request")).await;
        (answer.status.as_u16(), answer.text().to_owned())
    };
    let stat = format!(
        r#"[{{"id":"{id}","name":"load","public":false,"counter":false,"data_received_at":{NOW},"created_at":{NOW}}}]"#
    );
    assert_eq!(ask("/a1/stats".to_owned()).await, (200, stat));
    let (first, second, third) = (END - 180, END - 120, END - 60);
    let dataset = format!(
        r#"{{"name":"load","timeframe":"3 minutes @ 1 minute","kind":"value","points":[{{"time":{first},"value":0,"rcount":0}},{{"time":{second},"value":7,"rcount":1}},{{"time":{third},"value":1.5,"rcount":2}}]}}"#
    );
    assert_eq!(ask(format!("/a1/stats/{id}/dataset?t=3m1m")).await, (200, dataset));
    let (status, full) = ask(format!("/a1/stats/{id}/dataset_full?t=1m1m")).await;
    let whole = format!(r#"{{"time":{third},"value":1.5,"rcount":2,"sum":3,"min":1,"max":2,"last":2}}"#);
    assert!(status == 200 && full.contains(&whole), "{full}");
    let missing = ask("/a1/stats/nope/dataset".to_owned()).await;
    assert_eq!(missing, (404, r#"{"msg":"stat not found"}"#.to_owned()));
    house.end().await;
}

//! The pages over a real application: what people and scripts get, who may see what, what is refused.

use std::time::Duration;

use app::accounts::FREE_TRIES;
use base::testkit::eventually;
use http::{Method, header};
use stats::{AccountId, Kind};

use crate::house::House;

/// Two days of a counter: 6, then 4 more than that.
const HELLO: [(i64, f64); 3] = [(90_000, 6.0), (3_600, 7.0), (60, 3.0)];

#[tokio::test]
async fn the_home_page_is_always_there() {
    let house = House::new().await;
    let stranger = house.get_signed_out("/").await;
    assert_eq!(stranger.status, 200);
    assert!(stranger.text().contains("<h1 class=\"big\">Sign in</h1>"), "{}", stranger.text());
    for command in ["eyrie account reset", "eyrie account list"] {
        assert!(stranger.text().contains(command), "a way in for who has forgotten: {}", stranger.text());
    }
    let owner = house.get("/").await;
    assert_eq!(owner.status, 200);
    assert!(owner.text().contains("Send your first number"), "{}", owner.text());
    house.end().await;
}

#[tokio::test]
async fn an_empty_account_is_taught_with_its_own_key_and_address() {
    let house = House::new().await;
    let page = house.get("/stats").await;
    let key = house.me.ez_key.as_str();
    assert!(page.text().contains(&format!("ezkey={key}")), "{}", page.text());
    assert!(page.text().contains("http:&#x2f;&#x2f;stats.example.com&#x2f;ez"), "{}", page.text());
    for language in ["curl", "JavaScript", "Python", "Go", "PHP"] {
        assert!(page.text().contains(&format!("<summary>{language}</summary>")), "{language}");
    }
    house.end().await;
}

#[tokio::test]
async fn a_stat_has_its_number_its_chart_and_its_summary_in_the_first_answer() {
    let house = House::new().await;
    let id = house.send("hello <b>", Kind::Counter, &HELLO).await;
    let page = house.get(&format!("/stats/{id}?t=1d1h")).await;
    assert_eq!(page.status, 200, "{}", page.text());
    for part in [
        "hello &lt;b&gt;",
        "<data value=\"10\" title=\"10\">10</data>",
        "+67 %",
        "<svg xmlns=",
        "1 day @ 1 hour",
    ] {
        assert!(page.text().contains(part), "{part} is missing in {}", page.text());
    }
    assert!(!page.text().contains(" style=\""), "the policy forbids inline styles");
    house.end().await;
}

#[tokio::test]
async fn every_page_is_json_too() {
    let house = House::new().await;
    let id = house.send("hello", Kind::Counter, &HELLO).await;
    let list = house.get("/stats.json").await.json();
    assert_eq!(list["rows"][0]["stat"]["name"], "hello");
    assert_eq!(list["rows"][0]["figure"]["value"], 10.0);
    let stat = house.get(&format!("/stats/{id}.json?t=1d1h")).await.json();
    assert_eq!(stat["figure"]["previous"], 6.0);
    assert_eq!(stat["columns"]["values"].as_array().map(Vec::len), Some(24));
    assert_eq!(stat["timeframe"]["words"], "1 day @ 1 hour");
    assert_eq!(house.get("/settings.json").await.json()["ez_key"], house.me.ez_key.as_str());
    let denied = house.get_signed_out("/stats.json").await;
    assert_eq!((denied.status.as_u16(), denied.json()["error"].as_str()), (401, Some("Sign in first.")));
    house.end().await;
}

#[tokio::test]
async fn nobody_sees_what_is_not_theirs() {
    let house = House::new().await;
    let mine = house.send("mine", Kind::Value, &[(60, 1.0)]).await;
    let other = house.app.accounts.create("other@example.com", None).await.expect("made").account;
    let theirs = house.send_as(other.id, "theirs", Kind::Value, &[(60, 1.0)]).await;
    let builtin = house.send_as(AccountId::EYRIE, "own", Kind::Value, &[(60, 1.0)]).await;
    let status = async |path: String| house.get(&path).await.status.as_u16();
    assert_eq!(status(format!("/stats/{mine}")).await, 200);
    assert_eq!(status(format!("/stats/{theirs}")).await, 404);
    assert_eq!(status(format!("/stats/{builtin}")).await, 200, "the owner sees Eyrie's own");
    assert_eq!(status(format!("/s/{mine}")).await, 404, "not public yet");
    assert_eq!(status(format!("/live?stats={theirs}")).await, 404);
    assert_eq!(house.post(&format!("/stats/{theirs}/delete"), "").await.status, 404);
    assert_eq!(house.post(&format!("/stats/{builtin}/delete"), "").await.status, 404);
    let away = house.get_signed_out(&format!("/stats/{mine}?t=1d1h")).await;
    let next = format!("/signin?next=%2Fstats%2F{mine}%3Ft%3D1d1h");
    assert_eq!((away.status.as_u16(), away.header("location")), (303, next.as_str()));
    house.end().await;
}

#[tokio::test]
async fn a_public_stat_has_a_page_for_everybody_until_it_is_taken_back() {
    let house = House::new().await;
    let id = house.send("open", Kind::Counter, &HELLO).await;
    house.post(&format!("/stats/{id}/public"), "public=on").await;
    let page = house.get_signed_out(&format!("/s/{id}")).await;
    assert_eq!((page.status.as_u16(), page.header("cache-control")), (200, "public, max-age=60"));
    assert_eq!(page.headers.get_all("vary").iter().filter(|vary| *vary == "Accept").count(), 1);
    assert!(!page.text().contains("/delete") && !page.text().contains(&house.me.email), "{}", page.text());
    house.post(&format!("/stats/{id}/public"), "public=").await;
    assert_eq!(house.get_signed_out(&format!("/s/{id}")).await.status, 404);
    house.end().await;
}

#[tokio::test]
async fn a_deleted_stat_can_be_taken_back() {
    let house = House::new().await;
    let id = house.send("oops", Kind::Counter, &HELLO).await;
    let deleted = house.post(&format!("/stats/{id}/delete"), "").await;
    assert_eq!(deleted.header("location"), format!("/stats?deleted={id}"));
    let list = house.get(deleted.header("location")).await;
    assert!(list.text().contains(&format!("action=\"/stats/{id}/restore\"")), "{}", list.text());
    assert!(house.get("/stats/trash").await.text().contains("Restore oops"));
    assert_eq!(house.get(&format!("/stats/{id}")).await.header("location"), "/stats/trash");
    let restored = house.post(&format!("/stats/{id}/restore"), "").await;
    assert_eq!(restored.header("location"), format!("/stats/{id}"));
    assert_eq!(house.get(&format!("/stats/{id}")).await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn what_is_in_the_trash_can_be_deleted_for_good() {
    let house = House::new().await;
    let id = house.send("oops", Kind::Counter, &HELLO).await;
    assert_eq!(house.post(&format!("/stats/{id}/purge"), "").await.status, 409, "not from the list");
    house.post(&format!("/stats/{id}/delete"), "").await;
    assert!(house.get("/stats/trash").await.text().contains("Delete for good: oops"));
    let purged = house.post(&format!("/stats/{id}/purge"), "").await;
    assert_eq!(purged.header("location"), "/stats/trash");
    eventually(Duration::from_secs(10), "the stat is gone", async || {
        (!house.get("/stats/trash").await.text().contains("oops")).then_some(())
    })
    .await;
    house.end().await;
}

#[tokio::test]
async fn forms_of_other_sites_change_nothing() {
    let house = House::new().await;
    let id = house.send("safe", Kind::Counter, &HELLO).await;
    let forged = house.post_from("https://evil.example", &format!("/stats/{id}/delete"), "").await;
    assert_eq!(forged.status, 403);
    assert!(forged.text().contains("another site"), "{}", forged.text());
    assert!(forged.text().starts_with("<!doctype html>"), "a friendly page: {}", forged.text());
    assert_eq!(house.get(&format!("/stats/{id}")).await.status, 200);
    house.end().await;
}

#[tokio::test]
async fn what_goes_wrong_is_a_friendly_page() {
    let house = House::new().await;
    let id = house.send("hello", Kind::Counter, &HELLO).await;
    for (path, status, words) in [
        ("/nowhere".to_owned(), 404, "There is no page here"),
        ("/stats/nope".to_owned(), 404, "There is no stat here"),
        (format!("/stats/{id}?t=fortnight"), 400, "such as 1w3h"),
        (format!("/stats/{id}?t=10y1m"), 400, "intervals, the limit is"),
    ] {
        let page = house.get(&path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        assert!(
            page.text().contains(words) && page.text().starts_with("<!doctype html>"),
            "{path}: {}",
            page.text()
        );
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8", "{path}");
    }
    house.end().await;
}

#[tokio::test]
async fn pages_keep_to_themselves() {
    let house = House::new().await;
    let page = house.get("/settings").await;
    for (name, value) in [
        ("cache-control", "private, no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
    ] {
        assert_eq!(page.header(name), value, "{name}");
    }
    assert!(page.header("content-security-policy").starts_with("default-src 'self'"));
    assert!(!page.header("content-security-policy").contains("unsafe"));
    house.end().await;
}

#[tokio::test]
async fn names_that_deceive_are_seen_through() {
    let house = House::new().await;
    let id = house.send("abc\u{202e}txt.exe", Kind::Counter, &[(5, 1.0)]).await;
    let share = format!("/stats/{id}/public");
    house.post(&share, "public=on").await;
    for path in ["/stats".to_owned(), format!("/stats/{id}"), format!("/s/{id}"), format!("/c.svg?s={id}")] {
        let text = house.get(&path).await.text().to_owned();
        assert!(text.contains("abc[U+202E]txt.exe") && !text.contains('\u{202e}'), "{path}: {text}");
    }
    let stats = house.get("/stats.json").await.json();
    assert_eq!(stats["rows"][0]["stat"]["name"], "abc\u{202e}txt.exe", "programs get it as it is");
    house.end().await;
}

#[tokio::test]
async fn settings_change_keys_and_passwords() {
    let house = House::new().await;
    assert_eq!(
        house.post("/settings/ez", "ez_key=new-key&enabled=on").await.header("location"),
        "/settings?done=ez"
    );
    let settings = house.get("/settings.json").await.json();
    assert_eq!(
        (settings["ez_key"].as_str(), settings["ez_enabled"].as_bool()),
        (Some("new-key"), Some(true))
    );
    house.post("/settings/token", "").await;
    let renewed = house.get("/settings.json").await.json();
    assert_ne!(renewed["access_token"], settings["access_token"]);
    let differ = house.post("/settings/password", "password=correct+horse&again=wrong+horse").await;
    assert_eq!(differ.status, 400);
    assert!(
        differ.text().contains(r#"id="again-problem" role="alert">The two passwords differ"#),
        "{}",
        differ.text()
    );
    assert!(!differ.text().contains("correct horse"), "no page holds a password");
    let short = house.post("/settings/password", "password=short&again=short").await;
    assert_eq!(short.status, 400);
    assert!(
        short.text().contains(r#"id="password-problem" role="alert">A password has at least 8"#),
        "{}",
        short.text()
    );
    let odd = house.post("/settings/ez", "ez_key=with~wave").await;
    assert_eq!(odd.status, 400);
    assert!(odd.text().contains(r#"value="with~wave""#), "what was typed stays: {}", odd.text());
    assert!(odd.text().contains(r#"id="ez-problem" role="alert">An EZ key cannot have"#), "{}", odd.text());
    let settings = house.get("/settings.json").await.json();
    assert_eq!(
        (settings["ez_key"].as_str(), settings["ez_enabled"].as_bool()),
        (Some("new-key"), Some(true))
    );
    assert_eq!(house.get("/settings/ez").await.header("location"), "/settings", "a reload of such a page");
    let set =
        house.post("/settings/password", "password=correct+horse+battery&again=correct+horse+battery").await;
    assert_eq!(set.header("location"), "/settings?done=password", "{}", set.text());
    let stranger = house
        .post("/settings/password", "current=wrong+horse&password=another+horse&again=another+horse")
        .await;
    assert_eq!(stranger.status, 403);
    assert!(stranger.text().contains(r#"id="current-problem" role="alert">The current password is wrong"#));
    let wrong = house.post("/signin", "email=me%40example.com&password=nope").await;
    assert_eq!(wrong.status, 401);
    let right =
        house.post("/signin", "email=me%40example.com&password=correct+horse+battery&next=%2Fsettings").await;
    assert_eq!((right.status.as_u16(), right.header("location")), (303, "/settings"), "{}", right.text());
    house.end().await;
}

#[tokio::test]
async fn wrong_passwords_are_waited_for_where_they_come_from() {
    let house = House::new().await;
    house.post("/settings/password", "password=correct+horse+battery&again=correct+horse+battery").await;
    let sign_in = async |password: &str, from: [u8; 4]| {
        let request = House::request("/signin")
            .method(Method::POST)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(base::Peer((from, 40_000).into()));
        let body = format!("email=me%40example.com&password={password}&next=%2Fsettings");
        house.ask(request.body(body.into()).expect("a request")).await
    };
    let (stranger, owner) = ([192, 0, 2, 1], [192, 0, 2, 2]);
    for _ in 0..FREE_TRIES {
        let wrong = sign_in("nope", stranger).await;
        assert_eq!(wrong.status, 401);
        assert!(wrong.text().contains("Email or password is wrong."), "{}", wrong.text());
    }
    let waits = sign_in("correct+horse+battery", stranger).await;
    assert_eq!((waits.status.as_u16(), waits.header("retry-after")), (429, "1"));
    assert!(waits.text().contains("Too many wrong passwords: try again in 1 s."), "{}", waits.text());
    assert!(waits.text().contains(r#"value="me@example.com""#), "what was typed stays: {}", waits.text());
    assert!(waits.text().contains(r#"name="next" value="&#x2f;settings""#), "{}", waits.text());
    assert_eq!(waits.header("set-cookie"), "");
    assert_eq!(
        sign_in("correct+horse+battery", owner).await.status,
        303,
        "nobody is locked out from elsewhere"
    );
    house.clock.advance(Duration::from_secs(1));
    assert_eq!(sign_in("correct+horse+battery", stranger).await.status, 303);
    house.end().await;
}

#[tokio::test]
async fn a_link_works_once_and_signing_out_ends_the_session() {
    let house = House::new().await;
    let link = house.app.accounts.reset("me@example.com", None).await.expect("a new link").signin_secret;
    assert_eq!(house.get("/stats").await.status, 303, "a reset ends all sessions");
    let link = format!("/signin/{link}");
    for _ in 0..2 {
        let looked = house.get_signed_out(&link).await;
        assert_eq!(
            (looked.status.as_u16(), looked.header("set-cookie")),
            (200, ""),
            "looking uses nothing up"
        );
        assert!(looked.text().contains("Sign in as me@example.com"), "{}", looked.text());
    }
    let first = house.post(&link, "").await;
    assert!(first.header("set-cookie").contains("HttpOnly; SameSite=Lax"), "{}", first.header("set-cookie"));
    for again in [house.get_signed_out(&link).await, house.post(&link, "").await] {
        assert_eq!(again.status, 403);
        assert!(again.text().contains("used before"), "{}", again.text());
    }
    let out = house.post("/signout", "").await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    house.end().await;
}

#[tokio::test]
async fn thousands_of_stats_are_paged_and_found() {
    let house = House::new().await;
    for n in 0..120 {
        house.send(&format!("stat {n:03}"), Kind::Counter, &[(60, f64::from(n) + 1.0)]).await;
    }
    let page = house.get("/stats.json?sort=figure&page=3").await.json();
    assert_eq!((page["pages"].as_u64(), page["rows"].as_array().map(Vec::len)), (Some(3), Some(20)));
    assert_eq!(page["rows"][19]["stat"]["name"], "stat 000");
    let found = house.get("/stats.json?q=STAT+07").await.json();
    assert_eq!((found["matches"].as_u64(), found["total"].as_u64()), (Some(12), Some(120)));
    let none = house.get("/stats?q=%3Cscript%3E").await;
    assert!(none.text().contains("&lt;script&gt;") && !none.text().contains("<script>"), "{}", none.text());
    house.end().await;
}

#[tokio::test]
async fn old_addresses_lead_to_the_pages_of_today() {
    let house = House::new().await;
    for (old, new) in [
        ("/v/stats", "/stats"),
        ("/v/stats/trash", "/stats/trash"),
        ("/v/stats/lxoC", "/stats/lxoC"),
        ("/v/stats/lxoC/tf/week_compare", "/stats/lxoC?t=1w3h"),
        ("/v/stats/lxoC/tf/2M1d", "/stats/lxoC?t=2M1d"),
        ("/access", "/settings#token"),
    ] {
        let answer = house.get(old).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (308, new), "{old}");
    }
    house.end().await;
}

#[tokio::test]
async fn forms_that_cannot_be_read_are_friendly_pages_too() {
    let house = House::new().await;
    let large = format!("email=a&password={}", "x".repeat(17 * 1_024));
    let cases = [
        (house.post("/signin", &large).await, 413, "at most 16384 bytes"),
        (house.post("/signin", "email=a").await, 422, "cannot be read"),
        (house.post("/stats", "").await, 405, "does not take"),
        (house.get("/stats?q=a&q=b").await, 400, "cannot be read"),
    ];
    for (answer, status, words) in cases {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text());
        assert!(
            answer.text().starts_with("<!doctype html>") && answer.text().contains(words),
            "{}",
            answer.text()
        );
    }
    assert_eq!(house.post("/stats", "").await.header("allow"), "GET,HEAD");
    house.end().await;
}

#[tokio::test]
async fn after_signing_in_again_comes_the_page_with_the_form() {
    let house = House::new().await;
    let check = async |referer: &str, next: &str| {
        let request = House::request("/settings/token").method("POST").header("referer", referer);
        let answer = house.ask(request.body(axum::body::Body::empty()).expect("a request")).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, next), "{referer}");
    };
    check("http://stats.example.com/settings?a=b", "/signin?next=%2Fsettings%3Fa%3Db").await;
    check("https://evil.example/settings", "/signin?next=%2Fstats").await;
    check("", "/signin?next=%2Fstats").await;
    house.end().await;
}

#[tokio::test]
async fn the_keys_of_a_stat_are_on_its_owners_page_only() {
    let house = House::new().await;
    let id = house.send("reading", Kind::Value, &[(60, 1.0)]).await;
    let key = house.app.catalog.by_public_id(&id).expect("there").classic_key;
    let keys = &house.get(&format!("/stats/{id}.json")).await.json()["keys"];
    assert_eq!((keys["stat"].as_str(), keys["user"].as_str()), (Some(&*key), Some(&*house.me.user_key)));
    let beacon = format!(
        "<img src=\"//stats.example.com/v?key={key}&ukey={}&value=1\" width=\"1\" height=\"1\" \
         style=\"display:none\">",
        house.me.user_key
    );
    assert_eq!(keys["beacon"], beacon);
    let page = house.get(&format!("/stats/{id}")).await.text().to_owned();
    assert!(page.contains(&format!("data-copy=\"{key}\"")), "{page}");
    house.post(&format!("/stats/{id}/public"), "public=on").await;
    for path in [format!("/s/{id}"), format!("/s/{id}.json")] {
        let shared = house.get(&path).await;
        assert_eq!(shared.status, 200);
        assert!(
            !shared.text().contains(&*key) && !shared.text().contains(&house.me.user_key),
            "{}",
            shared.text()
        );
    }
    house.end().await;
}

#[tokio::test]
async fn the_palette_gets_a_few_names() {
    let house = House::new().await;
    for n in 0..10 {
        house.send(&format!("stat {n}"), Kind::Counter, &[(60 - n, 1.0)]).await;
    }
    let names = house.get("/stats/names.json?q=STAT").await.json();
    assert_eq!(names["stats"].as_array().map(Vec::len), Some(8));
    assert_eq!(house.get("/stats/names.json?q=stat+3").await.json()["stats"][0]["name"], "stat 3");
    assert_eq!(house.get_signed_out("/stats/names.json").await.status, 401);
    house.end().await;
}

#[tokio::test]
async fn a_table_that_is_cut_says_so() {
    let house = House::new().await;
    let numbers: Vec<(i64, f64)> = (1..=600).map(|n| (n * 60, 1.0)).collect();
    let id = house.send("busy", Kind::Value, &numbers).await;
    let page = house.get(&format!("/stats/{id}?t=12h1m")).await.text().to_owned();
    assert!(page.contains("The newest 500 of 600 intervals."), "{page}");
    assert!(page.contains(&format!("href=\"&#x2f;stats&#x2f;{id}.json?t=12h1m\"")), "{page}");
    assert!(!house.get(&format!("/stats/{id}")).await.text().contains("The newest"));
    house.end().await;
}

#[tokio::test]
async fn a_picture_says_the_number_that_the_page_prints() {
    let house = House::new().await;
    let mut numbers = vec![(3_700, 10.0)];
    numbers.extend([(60, 1.0); 3]);
    let id = house.send("uneven", Kind::Value, &numbers).await;
    let page = house.get(&format!("/stats/{id}?t=1d1h")).await.text().to_owned();
    assert!(page.contains("<data value=\"3.25\"") && page.contains("mean 3.25, between 1 and 10"), "{page}");
    house.end().await;
}

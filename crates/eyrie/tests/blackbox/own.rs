//! What Eyrie counts of itself, and who may see it.

use crate::house::{EZ_KEY, Home, Server, eventually, hours_ago};
use crate::wire;

/// Makes an account; the cookie of its session.
fn signed_in(home: &Home, server: &Server, email: &str, key: &str) -> String {
    let reset = home.succeed(&["account", "reset", "--email", email, "--ezkey", key, "--json"]);
    let reset: serde_json::Value = serde_json::from_str(&reset).expect("JSON");
    let secret = reset["signin_secret"].as_str().expect("a secret");
    let answer = wire::post(server.address, &format!("/signin/{secret}"), "");
    let cookie = answer.header("set-cookie").unwrap_or_else(|| panic!("no cookie: {answer:?}"));
    cookie.split(';').next().expect("a pair").to_owned()
}

#[test]
fn its_own_numbers_grow_and_are_the_owners() {
    let home = Home::new();
    let first = home.succeed(&["account", "create", "--email", "ann@example.com"]);
    assert!(first.contains("it is the owner's"), "{first}");
    let second = home.succeed(&["account", "create", "--email", "bob@example.com"]);
    assert!(!second.contains("owner"), "{second}");
    let server = home.serve();
    let ann = signed_in(&home, &server, "ann@example.com", EZ_KEY);
    let bob = signed_in(&home, &server, "bob@example.com", "bob-key");

    let recorded = |at_least: f64| {
        eventually("Eyrie has counted what it recorded", || {
            let list = wire::get_as(server.address, &ann, "/eyrie.json").json();
            let rows = list["rows"].as_array().expect("rows").clone();
            let row = rows.iter().find(|row| row["stat"]["name"] == "eyrie points recorded")?.clone();
            (row["figure"]["value"].as_f64()? >= at_least).then_some(row)
        })
    };
    // The key is known within two seconds of its reset.
    let time = hours_ago(1);
    eventually("the key is known", || {
        server.count("a", 1.0, time);
        let list = wire::get_as(server.address, &ann, "/stats.json").json();
        (list["total"] == 1).then_some(())
    });
    let before = recorded(1.0)["figure"]["value"].as_f64().expect("a number");
    for _ in 0..500 {
        server.count("a", 1.0, time);
    }
    let row = recorded(before + 500.0);

    let id = row["stat"]["id"].as_str().expect("an id").to_owned();
    let page = wire::get_as(server.address, &ann, "/eyrie");
    assert!(page.status == 200 && page.body.contains("eyrie points recorded"), "{page:?}");
    let page = wire::get_as(server.address, &ann, &format!("/stats/{id}?t=1h1m"));
    assert!(page.status == 200 && page.body.contains("eyrie points recorded"), "{page:?}");
    let mine = wire::get_as(server.address, &ann, "/stats.json").json();
    assert_eq!(mine["total"], 1, "its own numbers are not among the owner's: {mine}");
    for path in ["/eyrie", "/eyrie.json", &format!("/stats/{id}"), &format!("/live?stats={id}")] {
        assert_eq!(wire::get_as(server.address, &bob, path).status, 404, "{path}");
    }
    server.stop();
}

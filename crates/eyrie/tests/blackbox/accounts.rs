//! `eyrie account`, beside a running server and without one.

use serde_json::Value;

use crate::house::{EZ_KEY, Home, eventually, hours_ago};
use crate::wire;

#[test]
fn accounts_are_made_listed_and_reset() {
    let home = Home::new();
    home.account();
    let listed: Value = serde_json::from_str(&home.succeed(&["account", "list", "--json"])).expect("JSON");
    assert_eq!(listed[0]["email"], "test@example.com");
    assert_eq!(listed[0]["ez_key"], EZ_KEY);
    let reset =
        home.succeed(&["account", "reset", "--email", "test@example.com", "--ezkey", "other", "--json"]);
    let reset: Value = serde_json::from_str(&reset).expect("JSON");
    assert_eq!(reset["ez_key"], "other");
    assert!(reset["signin_link"].as_str().is_some_and(|link| link.contains("/signin/")), "{reset}");
    assert!(home.succeed(&["account", "list"]).contains("other"));
}

#[test]
fn what_is_wrong_is_said() {
    let home = Home::new();
    for command in [&["account", "list"][..], &["account", "reset", "--email", "owner@localhost"]] {
        let error = home.fail(command);
        assert!(error.contains("is no data folder of Eyrie"), "{error}");
        assert!(!home.data().exists(), "only `create` makes a folder");
    }
    home.account();
    let error = home.fail(&["account", "create", "--email", "test@example.com"]);
    assert!(error.contains("taken") || error.contains("exists"), "{error}");
    let error = home.fail(&["account", "reset", "--email", "nobody@example.com"]);
    assert!(error.contains("not found"), "{error}");
    let error = home.fail(&["account", "create"]);
    assert!(error.contains("--email"), "{error}");
}

#[test]
fn an_account_made_while_serving_is_served_within_seconds() {
    let home = Home::new();
    let server = home.serve();
    let token = home.account();
    let time = hours_ago(1);
    let form = format!("ezkey={EZ_KEY}&stat=late+comer&count=2&t={time}");
    // StatHat answered unknown keys with ok, so only the export tells when the key is known.
    let total = eventually("the key is known", || {
        wire::post(server.address, "/ez", &form);
        let known = wire::get(server.address, &format!("/x/{token}/statlist"));
        let total = if known.status == 200 { server.total(&token, "late comer", time) } else { 0.0 };
        (total > 0.0).then_some(total)
    });
    assert_eq!(total % 2.0, 0.0);
    let made = home.succeed(&["account", "create", "--email", "x@example.com"]);
    let base = format!("http://{}", server.address);
    assert!(made.contains(&format!("{base}/signin/")), "the link is whole: {made}");
    assert!(!made.contains("No server runs"), "{made}");
    server.stop();
    let reset = home.succeed(&["account", "reset", "--email", "x@example.com"]);
    assert!(
        reset.contains(&format!(
            "No server runs on this folder now. Start one with `eyrie serve`; if its address is not\n{base},"
        )),
        "{reset}"
    );
}

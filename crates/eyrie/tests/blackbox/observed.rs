//! Health, metrics, logs.

use base::testkit::promtool_accepts;

use crate::house::{Home, eventually, hours_ago};
use crate::wire;

#[test]
fn it_says_that_it_lives_and_is_ready() {
    let server = Home::new().serve();
    assert_eq!(wire::get(server.address, "/healthz").body, "alive\n");
    let ready = eventually("it is ready", || {
        let answer = wire::get(server.address, "/readyz");
        (answer.status == 200).then_some(answer)
    });
    assert_eq!(ready.body, "ready\n");
}

#[test]
fn the_figures_can_be_kept_to_oneself() {
    let home = Home::new();
    let server = home.serve_with(&[("EYRIE_SERVER_METRICS", "false")]);
    let asked = ["/metrics", "/healthz", "/readyz"].map(|path| wire::get(server.address, path).status);
    assert_eq!(asked, [404, 200, 200]);
    server.stop();
}

#[test]
fn promtool_accepts_the_metrics() {
    let home = Home::new();
    home.account();
    let server = home.serve();
    server.count("x", 1.0, hours_ago(1));
    wire::get(server.address, "/x/nonsense/statlist");
    let answer = wire::get(server.address, "/metrics");
    assert!(answer.body.contains("eyrie_"), "{answer:?}");
    promtool_accepts(&answer.body);
}

#[test]
fn logs_are_one_json_object_a_line_when_nobody_watches() {
    let home = Home::new();
    let server = home.serve();
    wire::get(server.address, "/healthz");
    let logged = server.logged();
    assert!(!logged.is_empty());
    for line in logged.lines() {
        let line: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    server.stop();
}

//! StatHat's own clients: only their host changes.

use std::path::Path;
use std::process::Command;

use crate::house::{EZ_KEY, Home, hours_ago, skipped, text};

#[test]
fn the_npm_package_stathat_gets_all_its_callbacks() {
    let clients = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/clients");
    if !clients.join("node_modules/stathat/main.js").is_file() {
        return skipped("the npm package `stathat` is not installed (`cargo xtask test` does it)");
    }
    let home = Home::new();
    let token = home.account();
    let server = home.serve();
    let time = hours_ago(2);
    let output = Command::new("node")
        .args(["-r", "./redirect.js", "stathat.js", EZ_KEY, &time.to_string()])
        .env("STATHAT_ADDRESS", server.address.to_string())
        .current_dir(clients)
        .output()
        .expect("node runs");
    let printed = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(printed.lines().count(), 7, "every callback fires: {printed}");
    for line in printed.lines() {
        assert!(line.ends_with(r#" 200 {"status":200,"msg":"ok"}"#), "{line}");
    }
    server.reaches(&token, "npm count", time, 7.5);
    let means = server.values(&token, "npm value", "1d1h", time).expect("it exists");
    assert_eq!(means[0], 3.0);
}

//! The first start, and the second.

use std::net::{SocketAddr, TcpListener};

use crate::house::{Home, PATIENCE, Server, eventually, hours_ago};
use crate::wire;

#[test]
fn the_first_start_prints_all_that_is_needed_to_send_a_number_and_sign_in() {
    let home = Home::new();
    let server = home.serve();
    let address = format!("http://{}", server.address);
    assert_eq!(server.says("address  "), address);
    let key = server.says("EZ key");
    let token = server.says("access token");
    let link = server.says("sign in  ");
    let curl = server.says("curl ");
    assert_eq!(curl, format!("-d \"stat=hello&count=1&ezkey={key}\" {address}/ez"));

    assert!(!server.logged().contains("WARN"), "nothing is odd about a first start: {}", server.logged());

    let time = hours_ago(2);
    let answer = wire::post(server.address, "/ez", &format!("stat=hello&count=1&ezkey={key}&t={time}"));
    assert_eq!(answer.body, r#"{"status":200,"msg":"ok"}"#);
    server.reaches(&token, "hello", time, 1.0);

    let target = link.strip_prefix(&address).expect("a link to this server");
    let first = wire::get(server.address, target);
    assert!((200..400).contains(&first.status), "{first:?}");
    server.stop();

    let again = home.serve();
    let printed = again.printed();
    assert!(printed.contains("eyrie account reset --email owner@localhost"), "{printed}");
    assert!(!printed.contains(&key) && !printed.contains("/signin/"), "secrets are printed once: {printed}");
    again.reaches(&token, "hello", time, 1.0);
    again.stop();
}

#[test]
fn a_sign_in_link_works_once() {
    let home = Home::new();
    let server = home.serve();
    let link = server.says("sign in  ");
    let target = link.split_once("/signin/").map(|(_, secret)| format!("/signin/{secret}")).expect("a link");
    let looked = wire::get(server.address, &target);
    assert!(looked.status == 200 && looked.body.contains("Sign in as owner@localhost"), "{looked:?}");
    let first = wire::post(server.address, &target, "");
    assert!((300..400).contains(&first.status) && first.header("set-cookie").is_some(), "{first:?}");
    let second = wire::post(server.address, &target, "");
    assert!(second.status == 403 && second.header("set-cookie").is_none(), "{second:?}");
    assert!(second.body.contains("eyrie account reset"), "it says what to do: {second:?}");
}

#[test]
fn printed_links_lead_to_where_people_reach_it() {
    let home = Home::new();
    let public = [("EYRIE_WEB_PUBLIC_URL", "https://stats.example.com/")];
    let server = home.serve_with(&public);
    assert!(server.says("sign in  ").starts_with("https://stats.example.com/signin/"));
    assert!(server.says("curl ").ends_with(" https://stats.example.com/ez"));
    let made = home.succeed(&["account", "create", "--email", "x@example.com"]);
    assert!(made.contains(" https://stats.example.com/signin/"), "{made}");
    server.stop();

    let home = Home::new();
    let server = Server::start(home.command(["serve", "--listen", "0.0.0.0:0"]));
    let base = format!("http://127.0.0.1:{}/", server.address.port());
    assert!(server.says("sign in  ").starts_with(&format!("{base}signin/")));
    server.stop();
}

#[test]
fn several_addresses_serve_the_same() {
    let home = Home::new();
    let mut command = home.command(["serve", "--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    command.env("EYRIE_STATS_SHARDS", "2");
    let server = Server::start(command);
    let addresses: Vec<SocketAddr> = eventually("both are printed", || {
        let printed = server.printed();
        let found: Vec<_> =
            printed.lines().filter_map(|line| line.strip_prefix("listening on http://")).collect();
        (found.len() == 2).then(|| found.iter().map(|a| a.parse().expect("an address")).collect())
    });
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert_eq!(wire::get(address, "/healthz").status, 200);
        assert_eq!(wire::get(address, "/ez").status, 200, "misuse is a 200 with a status inside");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let error = home.fail(&["serve", "--listen", &address]);
    assert!(error.contains(&address), "{error}");
}

#[test]
fn a_role_that_does_not_exist_yet_is_refused_by_name() {
    let error = Home::new().fail(&["serve", "--role", "gateway"]);
    assert!(error.contains("gateway") && error.contains("all"), "{error}");
}

#[test]
fn it_starts_and_takes_a_number_quickly() {
    let home = Home::new();
    home.account();
    let started = std::time::Instant::now();
    let server = home.serve();
    server.count("first", 1.0, hours_ago(1));
    let took = started.elapsed();
    eprintln!("start to first accepted number: {took:?} (a development build)");
    assert!(took < PATIENCE);
}

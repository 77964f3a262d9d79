//! Being told to stop.

use std::thread;
use std::time::{Duration, Instant};

use crate::house::{Home, PATIENCE, eventually, hours_ago};
use crate::load::{Load, verify};
use crate::wire::Connection;

#[test]
fn sigterm_under_load_loses_nothing() {
    drain("TERM");
}

#[test]
fn sigint_under_load_loses_nothing() {
    drain("INT");
}

fn drain(signal: &str) {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(3);
    let mut server = home.serve();
    let load = Load::start(server.address, 6, time);
    eventually("numbers arrive", || (server.total(&token, "load 0", time) >= 20.0).then_some(()));
    let asked = Instant::now();
    server.signal(signal);
    let status = server.ended();
    let mut tallies = load.end();
    assert!(status.success(), "{status}: {}", server.logged());
    assert!(asked.elapsed() < PATIENCE);
    assert!(tallies.iter().all(|tally| tally.acknowledged > 0), "{tallies:?}");

    let again = home.serve();
    verify(&again, &token, time, &mut tallies);
    again.stop();
}

#[test]
fn a_second_signal_ends_it_at_once_and_still_loses_nothing() {
    let home = Home::new();
    let token = home.account();
    let time = hours_ago(3);
    let mut server = home.serve();
    let load = Load::start(server.address, 4, time);
    eventually("numbers arrive", || (server.total(&token, "load 0", time) >= 20.0).then_some(()));
    // A request that never ends keeps the drain waiting.
    let mut endless = Connection::open(server.address).expect("connects");
    endless.send(b"POST /ez HTTP/1.1\r\nHost: e\r\nContent-Length: 100\r\n\r\nezkey=").expect("sent");
    thread::sleep(Duration::from_millis(100));
    server.signal("TERM");
    thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    server.signal("TERM");
    let status = server.ended();
    assert_eq!(status.code(), Some(1), "{}", server.logged());
    assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    let mut tallies = load.end();
    let again = home.serve();
    verify(&again, &token, time, &mut tallies);
}

#[test]
fn peers_that_never_finish_are_cut_and_it_ends_well() {
    let home = Home::new();
    let mut server = home.serve_with(&[("EYRIE_SERVER_DRAIN_TIME", "500ms")]);
    let mut stuck: Vec<Connection> = Vec::new();
    for request in [
        "POST /ez HTTP/1.1\r\nHost: e\r\nContent-Length: 100\r\n\r\nezkey=".to_owned(),
        "POST /signin HTTP/1.1\r\nHost: e\r\nContent-Length: 100\r\n\r\nemail=".to_owned(),
        // Answers that nobody reads, more than the system keeps.
        "GET /metrics HTTP/1.1\r\nHost: e\r\n\r\n".repeat(3_000),
    ] {
        let mut connection = Connection::open(server.address).expect("connects");
        connection.send(request.as_bytes()).expect("sent");
        stuck.push(connection);
    }
    thread::sleep(Duration::from_millis(300));
    let asked = Instant::now();
    server.signal("TERM");
    let status = server.ended();
    assert!(status.success(), "{status}: {}", server.logged());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
    assert!(server.logged().contains("cut connections that did not end in time"), "{}", server.logged());
}

#[test]
fn two_signals_at_once_are_one() {
    let home = Home::new();
    let token = home.account();
    let mut server = home.serve();
    server.count("x", 1.0, hours_ago(1));
    server.signal("TERM");
    server.signal("TERM");
    let status = server.ended();
    assert!(status.success(), "{status}: {}", server.logged());
    home.serve().reaches(&token, "x", hours_ago(1), 1.0);
}

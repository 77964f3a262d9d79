//! Peers that are slow, rude or wrong.

use std::time::{Duration, Instant};

use crate::house::{EZ_KEY, Home, Server, hours_ago};
use crate::wire::{self, Connection};

#[test]
fn slow_loris_connections_are_closed_and_disturb_nobody() {
    let home = Home::new();
    let token = home.account();
    let server = home.serve_with(&[("EYRIE_SERVER_HEADER_TIME", "500ms")]);
    let mut slow: Vec<Connection> = (0..50)
        .map(|_| {
            let mut connection = Connection::open(server.address).expect("connects");
            connection.send(b"POST /ez HTTP/1.1\r\nHost: e").expect("sent");
            connection
        })
        .collect();
    let time = hours_ago(1);
    server.count("polite", 1.0, time);
    server.reaches(&token, "polite", time, 1.0);
    for connection in &mut slow {
        // A byte now and then does not buy more time.
        let _ = connection.send(b"y");
        let answer = connection.answer();
        assert!(answer.is_err() || answer.is_ok_and(|a| a.status == 408), "it was served");
    }
    server.stop();
}

#[test]
fn bodies_that_never_come_are_408_on_every_path() {
    let home = Home::new();
    let server = home.serve_with(&[("EYRIE_SERVER_BODY_TIME", "500ms")]);
    for path in ["/signin", "/ez", "/nowhere", "/x/token/stats/id"] {
        let mut connection = Connection::open(server.address).expect("connects");
        let head = format!("POST {path} HTTP/1.1\r\nHost: e\r\nContent-Length: 1000000\r\n\r\n");
        connection.send(head.as_bytes()).expect("sent");
        let status = connection.answer().expect("an answer").status;
        assert!((400..500).contains(&status), "{path}: {status}");
        assert!(connection.answer().is_err(), "{path}: it is closed");
    }
    server.stop();
}

#[test]
fn without_descriptors_there_are_fewer_connections_and_the_rest_is_told() {
    let home = Home::new();
    let mut command = std::process::Command::new("sh");
    let serve = home.command(["serve", "--listen", "127.0.0.1:0"]);
    command.args(["-c", "ulimit -n 600; exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    command.env("EYRIE_DATA", home.data());
    let server = Server::start(command);
    assert!(server.logged().contains("raise the limit of open files"), "{}", server.logged());
    let mut inside = Vec::new();
    let refused = (0..400).find_map(|_| {
        let mut connection = Connection::open(server.address).expect("connects");
        let answer = connection.get("/healthz").expect("an answer");
        inside.push(connection);
        (answer.status != 200).then_some(answer)
    });
    let refused = refused.expect("there is an end");
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    let answer = inside[0].get("/readyz").expect("whoever is inside stays");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_client_that_closes_right_after_writing_is_counted() {
    let home = Home::new();
    let token = home.account();
    let server = home.serve();
    let time = hours_ago(1);
    for _ in 0..20 {
        let body = format!("ezkey={EZ_KEY}&stat=gone&count=1&t={time}");
        let request = format!("POST /ez HTTP/1.1\r\nHost: e\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut connection = Connection::open(server.address).expect("connects");
        connection.send(request.as_bytes()).expect("sent");
    }
    server.reaches(&token, "gone", time, 20.0);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let home = Home::new();
    home.account();
    let server = home.serve();
    let mut connection = Connection::open(server.address).expect("connects");
    let mut requests = String::new();
    for number in 0..100 {
        let (path, body) = if number % 10 == 9 {
            ("/ez", "count=1".to_owned())
        } else {
            ("/ez", format!("ezkey={EZ_KEY}&stat=p&count=1"))
        };
        requests.push_str(&format!(
            "POST {path} HTTP/1.1\r\nHost: e\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
    }
    connection.send(requests.as_bytes()).expect("sent");
    for number in 0..100 {
        let answer = connection.answer().expect("an answer");
        let expected = if number % 10 == 9 { r#""status":500"# } else { r#""status":200"# };
        assert!(answer.status == 200 && answer.body.contains(expected), "{number}: {answer:?}");
    }
}

#[test]
fn nonsense_is_answered_and_the_next_one_is_served() {
    let home = Home::new();
    let token = home.account();
    let server = home.serve();
    let huge = "x".repeat(2 << 20);
    let long_head = format!("GET /ez?{} HTTP/1.1\r\nHost: e\r\n\r\n", "y".repeat(1 << 20));
    for nonsense in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "POST /ez HTTP/1.1\r\nHost: e\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST /ez HTTP/1.1\r\nHost: e\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        long_head.as_str(),
    ] {
        let mut connection = Connection::open(server.address).expect("connects");
        // The peer may close while we still write: that is an answer too.
        let _ = connection.send(nonsense.as_bytes());
        if let Ok(answer) = connection.answer() {
            assert!((400..600).contains(&answer.status), "{answer:?}");
        }
    }
    let mut connection = Connection::open(server.address).expect("connects");
    if let Ok(answer) = connection.post("/ez", &huge) {
        assert_eq!(answer.status, 413, "{answer:?}");
    }
    server.count("after", 1.0, hours_ago(1));
    server.reaches(&token, "after", hours_ago(1), 1.0);
    assert_eq!(wire::get(server.address, "/healthz").status, 200);
    server.stop();
}

#[test]
fn idle_connections_and_live_pages_do_not_hold_up_a_drain() {
    let home = Home::new();
    let mut server = home.serve();
    let held: Vec<Connection> = (0..5).map(|_| Connection::open(server.address).expect("connects")).collect();
    let link = server.says("sign in  ");
    let target = link.strip_prefix(&format!("http://{}", server.address)).expect("a link to this server");
    let signed_in = wire::post(server.address, target, "");
    let cookie = signed_in.header("set-cookie").and_then(|all| all.split(';').next()).expect("a session");
    let mut live = Connection::open(server.address).expect("connects");
    live.send(format!("GET /live HTTP/1.1\r\nHost: e\r\nCookie: {cookie}\r\n\r\n").as_bytes()).expect("sent");
    assert_eq!(live.head().expect("a stream").status, 200);

    let asked = Instant::now();
    server.signal("TERM");
    let status = server.ended();
    assert!(status.success(), "{}", server.logged());
    assert!(asked.elapsed() < Duration::from_secs(8), "they were waited for: {:?}", asked.elapsed());
    drop((held, live));
}

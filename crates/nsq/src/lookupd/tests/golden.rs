use super::*;

#[tokio::test]
async fn tcp_answers_are_nsqs() {
    let house = House::open().await;
    let port = |address: &str| address.rsplit_once(':').expect("a port").1.to_owned();

    let mut stream = TcpStream::connect(&house.tcp).await.expect("it listens");
    stream.write_all(b"  V2").await.expect("sent");
    let mut nsqd = Nsqd { stream };
    assert_eq!(nsqd.hear().await.as_deref(), Some("E_BAD_PROTOCOL"));
    assert_eq!(nsqd.hear().await, None);

    let fatal = async |command: &[u8], expected: &str| {
        let mut nsqd = house.nsqd().await;
        assert_eq!(nsqd.say(command).await.as_deref(), Some(expected));
        assert_eq!(nsqd.hear().await, None, "it hangs up after {expected}");
    };
    fatal(b"REGISTER t c\n", "E_INVALID client must IDENTIFY").await;
    fatal(b"UNREGISTER t c\n", "E_INVALID client must IDENTIFY").await;
    fatal(b"FOO\n", "E_INVALID invalid command FOO").await;
    fatal(b"\n", "E_INVALID invalid command ").await;
    fatal(b"IDENTIFY\n\0\0\0\x02{}", "E_BAD_BODY IDENTIFY missing fields").await;
    fatal(b"IDENTIFY\n\0\0\0\x02{x", "E_BAD_BODY IDENTIFY failed to decode JSON body").await;
    fatal(b"IDENTIFY\n\xff\xff\xff\xff", "E_BAD_BODY IDENTIFY failed to read body").await;
    fatal(b"IDENTIFY\n\x7f\xff\xff\xff", "E_BAD_BODY IDENTIFY failed to read body").await;
    fatal(&[b'x'; 5000], "E_INVALID a line is too long").await;

    let mut nsqd = house.nsqd().await;
    nsqd.do_it("PING").await;
    let expected = format!(
        r#"{{"broadcast_address":"127.0.0.1","hostname":"{}","http_port":{},"tcp_port":{},"version":"1.3.0"}}"#,
        crate::host::name(),
        port(&house.http),
        port(&house.tcp)
    );
    assert_eq!(nsqd.identify(HELLO).await, Some(expected));
    for command in
        ["REGISTER t ch", "REGISTER t2", "REGISTER t2 e#ephemeral", "UNREGISTER t2 e#ephemeral", "PING\r"]
    {
        nsqd.do_it(command).await;
    }
    assert_eq!(nsqd.identify(HELLO).await.as_deref(), Some("E_INVALID cannot IDENTIFY again"));
    assert_eq!(nsqd.hear().await, None);

    let fatal = async |command: &[u8], expected: &str| {
        let mut nsqd = house.identified().await;
        assert_eq!(nsqd.say(command).await.as_deref(), Some(expected));
        assert_eq!(nsqd.hear().await, None, "it hangs up after {expected}");
    };
    fatal(b"REGISTER\n", "E_INVALID REGISTER insufficient number of params").await;
    fatal(b"UNREGISTER\n", "E_INVALID UNREGISTER insufficient number of params").await;
    fatal(b"REGISTER t!\n", "E_BAD_TOPIC REGISTER topic name 't!' is not valid").await;
    fatal(b"UNREGISTER t c!\n", "E_BAD_CHANNEL UNREGISTER channel name 'c!' is not valid").await;
    house.close().await;
}

/// The golden file's requests in its order.
#[tokio::test]
async fn http_answers_are_nsqs() {
    let house = House::open().await;
    let mut nsqd = house.identified().await;
    for command in
        ["REGISTER t ch", "REGISTER t2", "REGISTER t2 e#ephemeral", "UNREGISTER t2 e#ephemeral", "PING"]
    {
        nsqd.do_it(command).await;
    }
    let check = async |request: &str, status: u16, body: &str| {
        let (method, path) = request.split_once(' ').expect("a method");
        let (got, head, text) = house.ask(method, path).await;
        assert_eq!((got, text.as_str()), (status, body), "{request}");
        assert_eq!(
            head.contains("x-nsq-content-type: nsq; version=1.0"),
            path != "/ping",
            "{request}: {head}"
        );
    };
    let peer = nsqd.address();
    let said = format!(
        r#""remote_address":"{peer}","hostname":"h","broadcast_address":"b.example","tcp_port":4150,"http_port":4151,"version":"1.3.0","topology_zone":"","topology_region":"""#
    );
    let missing = |what: &str| format!(r#"{{"message":"MISSING_ARG_{what}"}}"#);
    check("GET /ping", 200, "OK").await;
    check("GET /info", 200, r#"{"version":"1.3.0"}"#).await;
    check("GET /topics", 200, r#"{"topics":["t","t2"]}"#).await;
    check("GET /channels?topic=t", 200, r#"{"channels":["ch"]}"#).await;
    check("GET /channels?topic=t2", 200, r#"{"channels":[]}"#).await;
    check("GET /channels", 400, &missing("TOPIC")).await;
    check("GET /lookup?topic=t", 200, &format!(r#"{{"channels":["ch"],"producers":[{{{said}}}]}}"#)).await;
    check("GET /lookup?topic=nope", 404, r#"{"message":"TOPIC_NOT_FOUND"}"#).await;
    check("GET /lookup", 400, &missing("TOPIC")).await;
    let nodes = |tombstones: &str| {
        format!(r#"{{"producers":[{{{said},"tombstones":{tombstones},"topics":["t","t2"]}}]}}"#)
    };
    check("GET /nodes", 200, &nodes("[false,false]")).await;
    let row = |tombstoned: &str| {
        format!(
            r#"[{{"broadcast_address":"b.example","hostname":"h","http_port":4151,"id":"{peer}","last_update":1795215600000000000,"tcp_port":4150,{tombstoned},"topology_region":"","topology_zone":"","version":"1.3.0"}}]"#
        )
    };
    let never = row(r#""tombstoned":false,"tombstoned_at":-6795364578871345152"#);
    let debug = |t: &str| {
        format!(r#"{{"channel:t:ch":{never},"client::":{never},"topic:t2:":{never},"topic:t:":{t}}}"#)
    };
    check("GET /debug", 200, &debug(&never)).await;
    check("POST /topic/create?topic=n1", 200, "").await;
    check("POST /topic/create?topic=n!", 400, r#"{"message":"INVALID_ARG_TOPIC"}"#).await;
    check("POST /topic/create", 400, &missing("TOPIC")).await;
    check("POST /channel/create?topic=n1&channel=c1", 200, "").await;
    check("POST /channel/create?topic=n1", 400, &missing("CHANNEL")).await;
    check("POST /channel/create?topic=n1&channel=c!", 400, r#"{"message":"INVALID_ARG_CHANNEL"}"#).await;
    check("POST /channel/create?topic=n!&channel=c", 400, r#"{"message":"INVALID_ARG_TOPIC"}"#).await;
    check("GET /lookup?topic=n1", 200, r#"{"channels":["c1"],"producers":[]}"#).await;
    check("POST /channel/delete?topic=n1&channel=nope", 404, r#"{"message":"CHANNEL_NOT_FOUND"}"#).await;
    check("POST /channel/delete?topic=n1&channel=c1", 200, "").await;
    check("POST /topic/delete?topic=n1", 200, "").await;
    check("POST /topic/delete?topic=nope", 200, "").await;
    check("GET /lookup?topic=n1", 404, r#"{"message":"TOPIC_NOT_FOUND"}"#).await;
    check("POST /topic/tombstone?topic=t&node=b.example:4151", 200, "").await;
    check("GET /lookup?topic=t", 200, r#"{"channels":["ch"],"producers":[]}"#).await;
    check("GET /nodes", 200, &nodes("[true,false]")).await;
    let now = row(r#""tombstoned":true,"tombstoned_at":1795215600000000000"#);
    check("GET /debug", 200, &debug(&now)).await;
    check("POST /topic/tombstone?topic=t", 400, &missing("NODE")).await;
    check("POST /topic/tombstone", 400, &missing("TOPIC")).await;
    check("GET /nope", 404, r#"{"message":"NOT_FOUND"}"#).await;
    check("GET /topic/create", 405, r#"{"message":"METHOD_NOT_ALLOWED"}"#).await;

    drop(nsqd);
    eventually(SOON, "the nsqd is gone", || async {
        (house.get("/nodes").await.1 == r#"{"producers":[]}"#).then_some(())
    })
    .await;
    check("GET /topics", 200, r#"{"topics":["t","t2"]}"#).await;
    check("GET /lookup?topic=t", 200, r#"{"channels":["ch"],"producers":[]}"#).await;
    check("GET /debug", 200, "{}").await;
    house.close().await;
}

#[tokio::test]
async fn silence_and_tombstones_end_by_the_clock() {
    let house = House::open().await;
    let mut nsqd = house.identified().await;
    nsqd.do_it("REGISTER t").await;
    let producers = async || house.get("/lookup?topic=t").await.1.matches("remote_address").count();
    let nodes = async || house.get("/nodes").await.1.matches("remote_address").count();
    assert_eq!((producers().await, nodes().await), (1, 1));

    house.ask("POST", "/topic/tombstone?topic=t&node=b.example:4151").await;
    assert_eq!((producers().await, nodes().await), (0, 1));
    house.clock.advance(Duration::from_millis(44_999));
    assert_eq!(producers().await, 0);
    house.clock.advance(Duration::from_millis(1));
    assert_eq!(producers().await, 1);

    house.clock.set(Timestamp::from_seconds(1_795_215_600 + 300));
    assert_eq!((producers().await, nodes().await), (1, 1));
    house.clock.advance(Duration::from_millis(1));
    assert_eq!((producers().await, nodes().await), (0, 0));
    nsqd.do_it("PING").await;
    assert_eq!((producers().await, nodes().await), (1, 1));
    house.close().await;
}

#[tokio::test]
async fn ephemeral_names_go_with_the_last_who_has_them() {
    let house = House::open().await;
    let (mut a, mut b) = (house.identified().await, house.identified().await);
    for nsqd in [&mut a, &mut b] {
        nsqd.do_it("REGISTER t#ephemeral c#ephemeral").await;
    }
    a.do_it("UNREGISTER t#ephemeral c#ephemeral").await;
    assert_eq!(house.get("/channels?topic=t%23ephemeral").await.1, r#"{"channels":["c#ephemeral"]}"#);
    b.do_it("UNREGISTER t#ephemeral c#ephemeral").await;
    assert_eq!(house.get("/channels?topic=t%23ephemeral").await.1, r#"{"channels":[]}"#);
    a.do_it("UNREGISTER t#ephemeral").await;
    assert_eq!(house.get("/topics").await.1, r#"{"topics":["t#ephemeral"]}"#);
    b.do_it("UNREGISTER t#ephemeral").await;
    assert_eq!(house.get("/topics").await.1, r#"{"topics":[]}"#);
    // A second time changes nothing.
    b.do_it("UNREGISTER t#ephemeral").await;
    house.close().await;
}

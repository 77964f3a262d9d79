//! Each command alone on its connection, as recorded from the real nsqd.

use super::house::{Heard, House};

/// What a line of the recording says: the frame, and whether the connection goes on.
enum Says {
    /// An error, then the end.
    Fatal(&'static str),
    /// An error, and it goes on.
    Mild(&'static str),
    /// A response, and it goes on.
    Done(&'static str),
    /// Nothing, and it goes on.
    Nothing,
}
use Says::{Done, Fatal, Mild, Nothing};

async fn check(house: &House, before: &str, table: &[(&[u8], Says)]) {
    for (bytes, says) in table {
        let mut client = house.client().await;
        for line in before.lines() {
            client.send(format!("{line}\n")).await;
            client.expect("OK").await;
        }
        client.send(bytes).await;
        let shown = bytes.escape_ascii();
        match says {
            Fatal(text) => {
                assert_eq!(client.hear().await, Heard::Error((*text).to_owned()), "{shown}");
                assert_eq!(client.hear().await, Heard::End, "{shown}");
                continue;
            }
            Mild(text) => assert_eq!(client.hear().await, Heard::Error((*text).to_owned()), "{shown}"),
            Done(text) => assert_eq!(client.hear().await, Heard::Response((*text).to_owned()), "{shown}"),
            Nothing => {}
        }
        // It goes on, and nothing else was said: the next answer is that of the next command.
        client.send("PUB probe\n\0\0\0\x01x").await;
        assert_eq!(client.hear().await, Heard::Response("OK".to_owned()), "after {shown}");
    }
}

#[tokio::test]
async fn before_a_subscription() {
    let house = House::open().await;
    let long = [&b"SUB "[..], &[b'a'; 65], b" c\n"].concat();
    let table: &[(&[u8], Says)] = &[
        (b"FOO\n", Fatal("E_INVALID invalid command FOO")),
        (b"\n", Fatal("E_INVALID invalid command ")),
        (b"  \n", Fatal("E_INVALID invalid command ")),
        (b"pub t\n", Fatal("E_INVALID invalid command pub")),
        (b"SUB\n", Fatal("E_INVALID SUB insufficient number of parameters")),
        (b"SUB t\n", Fatal("E_INVALID SUB insufficient number of parameters")),
        (b"SUB t! c\n", Fatal("E_BAD_TOPIC SUB topic name \"t!\" is not valid")),
        (b"SUB t c!\n", Fatal("E_BAD_CHANNEL SUB channel name \"c!\" is not valid")),
        (
            &long,
            Fatal(
                "E_BAD_TOPIC SUB topic name \
                 \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\" is not valid",
            ),
        ),
        (b"SUB t#ephemeral c#ephemeral\n", Done("OK")),
        (b"SUB t#eph c\n", Fatal("E_BAD_TOPIC SUB topic name \"t#eph\" is not valid")),
        (b"RDY 1\n", Fatal("E_INVALID cannot RDY in current state")),
        (b"FIN 0123456789abcdef\n", Fatal("E_INVALID cannot FIN in current state")),
        (b"REQ 0123456789abcdef 0\n", Fatal("E_INVALID cannot REQ in current state")),
        (b"TOUCH 0123456789abcdef\n", Fatal("E_INVALID cannot TOUCH in current state")),
        (b"CLS\n", Fatal("E_INVALID cannot CLS in current state")),
        (b"NOP\n", Nothing),
        (b"PUB\n", Fatal("E_INVALID PUB insufficient number of parameters")),
        (b"PUB t!\n\0\0\0\x01x", Fatal("E_BAD_TOPIC PUB topic name \"t!\" is not valid")),
        (b"PUB t\n\0\0\0\0", Fatal("E_BAD_MESSAGE PUB invalid message body size 0")),
        (b"PUB t\n\xff\xff\xff\xff", Fatal("E_BAD_MESSAGE PUB invalid message body size -1")),
        (b"PUB t\n\0\x10\0\x01", Fatal("E_BAD_MESSAGE PUB message too big 1048577 > 1048576")),
        (b"MPUB\n", Fatal("E_INVALID MPUB insufficient number of parameters")),
        (b"MPUB t!\n", Fatal("E_BAD_TOPIC E_BAD_TOPIC MPUB topic name \"t!\" is not valid")),
        (b"MPUB t\n\0\0\0\0", Fatal("E_BAD_BODY MPUB invalid body size 0")),
        (b"MPUB t\n\0P\0\x01", Fatal("E_BAD_BODY MPUB body too big 5242881 > 5242880")),
        (b"MPUB t\n\0\0\0\x04\0\0\0\0", Fatal("E_BAD_BODY MPUB invalid message count 0")),
        (b"MPUB t\n\0\0\0\x08\0\0\0\x01\0\0\0\0", Fatal("E_BAD_MESSAGE MPUB invalid message(0) body size 0")),
        (
            b"MPUB t\n\0\0\0\x08\0\0\0\x01\0\x10\0\x01",
            Fatal("E_BAD_MESSAGE MPUB message too big 1048577 > 1048576"),
        ),
        (b"MPUB t\n\0\0\0\x04\x7f\xff\xff\xff", Fatal("E_BAD_BODY MPUB invalid message count 2147483647")),
        (b"MPUB t\n\0\0\0\t\0\0\0\x01\0\0\0\x01x", Done("OK")),
        (b"DPUB t\n", Fatal("E_INVALID DPUB insufficient number of parameters")),
        (b"DPUB t x\n", Fatal("E_INVALID DPUB could not parse timeout x")),
        (b"DPUB t 3600001\n\0\0\0\x01x", Fatal("E_INVALID DPUB timeout 3600001 out of range 0-3600000")),
        (b"DPUB t -1\n\0\0\0\x01x", Fatal("E_INVALID DPUB could not parse timeout -1")),
        (b"DPUB t 100\n\0\0\0\x01x", Done("OK")),
        (b"DPUB t! 1\n", Fatal("E_BAD_TOPIC DPUB topic name \"t!\" is not valid")),
        (b"AUTH\n\0\0\0\x01s", Fatal("E_AUTH_DISABLED AUTH disabled")),
        (b"AUTH x\n\0\0\0\x01s", Fatal("E_INVALID AUTH invalid number of parameters")),
        (b"PUB t extra\n\0\0\0\x01x", Done("OK")),
        (b"PUB t\r\n\0\0\0\x01x", Done("OK")),
    ];
    check(&house, "", table).await;
    house.close().await;
}

#[tokio::test]
async fn after_a_subscription() {
    let house = House::open().await;
    let table: &[(&[u8], Says)] = &[
        (b"SUB s c\n", Fatal("E_INVALID cannot SUB in current state")),
        (b"RDY 2500\n", Nothing),
        (b"RDY 2501\n", Fatal("E_INVALID RDY count 2501 out of range 0-2500")),
        (b"RDY -1\n", Fatal("E_INVALID RDY could not parse count -1")),
        (b"RDY x\n", Fatal("E_INVALID RDY could not parse count x")),
        (b"RDY\n", Nothing),
        (b"FIN\n", Fatal("E_INVALID FIN insufficient number of params")),
        (b"FIN short\n", Fatal("E_INVALID invalid message ID")),
        (b"FIN 0123456789abcdef\n", Mild("E_FIN_FAILED FIN 0123456789abcdef failed ID not in flight")),
        (b"FIN not hex at all!\n", Fatal("E_INVALID invalid message ID")),
        (b"REQ 0123456789abcdef\n", Fatal("E_INVALID REQ insufficient number of params")),
        (b"REQ 0123456789abcdef x\n", Fatal("E_INVALID REQ could not parse timeout x")),
        (b"REQ 0123456789abcdef 0\n", Mild("E_REQ_FAILED REQ 0123456789abcdef failed ID not in flight")),
        (b"TOUCH 0123456789abcdeg\n", Mild("E_TOUCH_FAILED TOUCH 0123456789abcdeg failed ID not in flight")),
        (b"TOUCH\n", Fatal("E_INVALID TOUCH insufficient number of params")),
        (b"AUTH\n\0\0\0\x01s", Fatal("E_INVALID cannot AUTH in current state")),
        (b"IDENTIFY\n", Fatal("E_INVALID cannot IDENTIFY in current state")),
        (b"CLS\n", Done("CLOSE_WAIT")),
    ];
    check(&house, "SUB s c", table).await;
    let mut client = house.consumer("s", "c", 1).await;
    client.send("CLS\nRDY 1\nRDY x\nNOP\nCLS\n").await;
    client.expect("CLOSE_WAIT").await;
    client.refused("E_INVALID cannot CLS in current state").await;
    house.close().await;
}

#[tokio::test]
async fn identify_and_what_it_allows() {
    let house = House::open().await;
    let identify = |json: &str| {
        let mut bytes = b"IDENTIFY\n".to_vec();
        bytes.extend_from_slice(&(json.len() as u32).to_be_bytes());
        bytes.extend_from_slice(json.as_bytes());
        bytes
    };
    let mut client = house.client().await;
    for json in ["{}", r#"{"heartbeat_interval":-1}"#] {
        client.send(identify(json)).await;
        client.expect("OK").await;
    }
    client.send("SUB t c\n").await;
    client.refused("E_INVALID cannot SUB with heartbeats disabled").await;

    let mut client = house.client().await;
    client.send(identify(r#"{"feature_negotiation":true}"#)).await;
    client
        .expect(
            "{\"max_rdy_count\":2500,\"version\":\"1.3.0\",\"max_msg_timeout\":900000,\"msg_timeout\":60000,\
             \"tls_v1\":false,\"deflate\":false,\"deflate_level\":6,\"max_deflate_level\":6,\"snappy\":false,\
             \"sample_rate\":0,\"auth_required\":false,\"output_buffer_size\":16384,\
             \"output_buffer_timeout\":250,\"topology_region\":\"\",\"topology_zone\":\"\"}",
        )
        .await;
    client.send(identify("[]")).await;
    client.refused("E_BAD_BODY IDENTIFY failed to decode JSON body").await;

    for (body, text) in [
        (&b"\0\0\0\0"[..], "E_BAD_BODY IDENTIFY invalid body size 0"),
        (b"\0\x60\0\0", "E_BAD_BODY IDENTIFY body too big 6291456 > 5242880"),
    ] {
        let mut client = house.client().await;
        client.send([b"IDENTIFY\n", body].concat()).await;
        client.refused(text).await;
    }
    house.close().await;
}

#[tokio::test]
async fn another_protocol_is_refused() {
    let house = House::open().await;
    let mut stream = tokio::net::TcpStream::connect(&house.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"  V9").await.unwrap();
    super::house::Wire::over(stream).refused("E_BAD_PROTOCOL").await;
    house.close().await;
}

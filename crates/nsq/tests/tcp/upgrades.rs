//! TLS, snappy and deflate, alone and one over the other.

use std::sync::Arc;

use bytes::BytesMut;
use eyrie_nsq::nsqd::Options;
use eyrie_nsq::nsqd::options::TlsRequired;
use eyrie_nsq::wire::compression::{self, Decoder, Encoder};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::house::{Heard, House, Wire, certificate};

#[path = "../certificates/blind.rs"]
mod blind;

pub(crate) fn secured() -> Options {
    Options {
        tls_cert: certificate("old-server.pem"),
        tls_key: certificate("old-server.key"),
        ..Options::default()
    }
}

async fn encrypted(client: Wire<TcpStream>, shows: Option<&str>) -> Wire<TlsStream<TcpStream>> {
    let config = blind::client(rustls::DEFAULT_VERSIONS, shows.map(|name| (name, name)));
    let name = ServerName::try_from("nsqd").unwrap();
    Wire::over(TlsConnector::from(Arc::new(config)).connect(name, client.stream).await.unwrap())
}

/// A connection whose other side compresses, as a plain one: a task stands between.
fn compressed<S>(client: Wire<S>, codec: (Encoder, Decoder)) -> Wire<DuplexStream>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (near, far) = tokio::io::duplex(1 << 20);
    let (mut encoder, mut decoder) = codec;
    let (mut from_client, mut to_client) = tokio::io::split(far);
    let (mut from_server, mut to_server) = tokio::io::split(client.stream);
    tokio::spawn(async move {
        let mut plain = BytesMut::new();
        while from_client.read_buf(&mut plain).await.is_ok_and(|bytes| bytes > 0) {
            let mut out = BytesMut::new();
            encoder.encode(&plain.split(), &mut out);
            if to_server.write_all(&out).await.is_err() || to_server.flush().await.is_err() {
                return;
            }
        }
    });
    tokio::spawn(async move {
        let mut raw = client.input;
        loop {
            let mut plain = BytesMut::new();
            decoder.decode(&mut raw, &mut plain, 1 << 16).expect("what the server sends is whole");
            if !plain.is_empty() {
                if to_client.write_all(&plain).await.is_err() {
                    return;
                }
                continue;
            }
            if !from_server.read_buf(&mut raw).await.is_ok_and(|bytes| bytes > 0) {
                let _ = to_client.shutdown().await;
                return;
            }
        }
    });
    Wire::over(near)
}

/// Small and large messages there and back.
async fn round_trip<S: AsyncRead + AsyncWrite + Unpin>(mut client: Wire<S>, topic: &str) {
    let large: Vec<u8> = (0..200_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    client.send(format!("SUB {topic} c\nRDY 5\n")).await;
    client.expect("OK").await;
    for body in [&b"small"[..], &large, &[b'x'; 600_000], b"y"] {
        let mut bytes = BytesMut::new();
        eyrie_nsq::wire::encode::pub_(&mut bytes, topic, body);
        client.send(bytes).await;
        let mut missing = vec!["answer", "message"];
        while !missing.is_empty() {
            match client.hear().await {
                Heard::Response(text) if text == "OK" => missing.retain(|what| *what != "answer"),
                Heard::Message(message) => {
                    assert!(message.body == body);
                    client.fin(&message.id).await;
                    missing.retain(|what| *what != "message");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    client.send("FOO\n").await;
    client.refused("E_INVALID invalid command FOO").await;
}

fn wishes(more: &str) -> String {
    format!(r#"{{"feature_negotiation":true,{more}}}"#)
}

#[tokio::test]
async fn every_combination_carries_messages() {
    let house = House::with(secured()).await;
    let codec = |name: &str| if name == "snappy" { compression::snappy() } else { compression::deflate(3) };

    let mut client = house.client().await;
    assert!(client.identify(&wishes(r#""tls_v1":true"#)).await.contains(r#""tls_v1":true"#));
    let mut client = encrypted(client, None).await;
    client.expect("OK").await;
    let stats = |topic: &str| house.stats(topic).topics.unwrap()[0].channels[0].clients.clone().unwrap();
    round_trip(client, "tls").await;

    for name in ["snappy", "deflate"] {
        let mut client = house.client().await;
        let answer = client.identify(&wishes(&format!(r#""{name}":true"#))).await;
        assert!(answer.contains(&format!(r#""{name}":true"#)), "{answer}");
        let mut client = compressed(client, codec(name));
        client.expect("OK").await;
        round_trip(client, name).await;

        let mut client = house.client().await;
        client.identify(&wishes(&format!(r#""tls_v1":true,"{name}":true,"user_agent":"suite/1""#))).await;
        let mut client = encrypted(client, None).await;
        client.expect("OK").await;
        let mut client = compressed(client, codec(name));
        client.expect("OK").await;
        client.send("SUB shown c\n").await;
        client.expect("OK").await;
        let shown = stats("shown").remove(0);
        assert!(shown.tls && shown.snappy == (name == "snappy") && shown.deflate == (name == "deflate"));
        assert_eq!((shown.user_agent.as_str(), shown.tls_version.as_str()), ("suite/1", "TLS1.3"));
        drop(client);
        house.nsqd.broker.delete_topic("shown").await.unwrap();

        let mut client = house.client().await;
        client.identify(&wishes(&format!(r#""tls_v1":true,"{name}":true"#))).await;
        let mut client = encrypted(client, None).await;
        client.expect("OK").await;
        let mut client = compressed(client, codec(name));
        client.expect("OK").await;
        round_trip(client, &format!("tls-{name}")).await;
    }
    house.close().await;
}

#[tokio::test]
async fn where_tls_is_required_nothing_is_done_without() {
    let house = House::with(Options { tls_required: TlsRequired::ExceptHttp, ..secured() }).await;
    for command in ["PUB", "NOP", "FOO"] {
        let mut client = house.client().await;
        client.send(format!("{command} t\n")).await;
        client.refused(&format!("E_INVALID cannot {command} in current state (TLS required)")).await;
    }
    let mut client = house.client().await;
    client.identify(&wishes(r#""tls_v1":true"#)).await;
    let mut client = encrypted(client, None).await;
    client.expect("OK").await;
    client.publish("t", b"x").await;
    house.close().await;
}

#[tokio::test]
async fn a_policy_about_certificates_holds_for_tcp() {
    let house = House::with(Options { tls_client_auth_policy: "require".to_owned(), ..secured() }).await;
    let mut client = house.client().await;
    client.identify(&wishes(r#""tls_v1":true"#)).await;
    let mut client = encrypted(client, Some("client")).await;
    client.expect("OK").await;
    client.publish("t", b"x").await;
    let mut client = house.client().await;
    client.identify(&wishes(r#""tls_v1":true"#)).await;
    assert_eq!(encrypted(client, None).await.hear().await, Heard::End);
    house.close().await;
}

#[tokio::test]
async fn both_compressions_at_once_are_refused() {
    let house = House::open().await;
    let mut client = house.client().await;
    let answer = client.identify(&wishes(r#""deflate":true,"snappy":true"#)).await;
    assert_eq!(answer, "E_IDENTIFY_FAILED cannot enable both deflate and snappy compression");
    let mut client = house.client().await;
    let answer = client.identify(&wishes(r#""deflate":true,"deflate_level":9,"tls_v1":true"#)).await;
    assert!(answer.contains(r#""tls_v1":false,"deflate":true,"deflate_level":6,"max_deflate_level":6"#));
    house.close().await;
}

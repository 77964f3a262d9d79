use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::nsqd::blind;

fn server() -> Arc<ServerConfig> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
    let options = crate::nsqd::Options {
        tls_cert: folder.join("old-server.pem").display().to_string(),
        tls_key: folder.join("old-server.key").display().to_string(),
        ..Default::default()
    };
    crate::nsqd::tls::server_config(&options).expect("usable").expect("there is one")
}

/// Both ends of an encrypted connection.
async fn encrypted() -> (Transport, TlsStream<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connected");
    let mut transport = Transport::new(listener.accept().await.expect("accepted").0.into());
    let connector = TlsConnector::from(Arc::new(blind::client(rustls::DEFAULT_VERSIONS, None)));
    let name = ServerName::try_from("nsqd").expect("a name");
    let (secured, client) = tokio::join!(transport.encrypt(server()), connector.connect(name, client));
    secured.expect("encrypted");
    (transport, client.expect("encrypted"))
}

async fn read(transport: &mut Transport) -> bool {
    poll_fn(|cx| transport.poll_read(cx, 0)).await.expect("read")
}

#[tokio::test]
async fn an_encrypted_connection_holds_no_memory_while_nothing_comes() {
    let (mut transport, mut client) = encrypted().await;
    for round in 0..3_u8 {
        client.write_all(&[round; 1_000]).await.expect("sent");
        client.flush().await.expect("sent");
        while transport.input.len() < 1_000 {
            assert!(read(&mut transport).await);
        }
        assert_eq!(transport.input[..], [round; 1_000]);
        transport.input.clear();
        // It looks whether more has come, rests, and looks again, as a connection does at each heartbeat.
        for _ in 0..3 {
            transport.rest();
            let more = poll_fn(|cx| Poll::Ready(transport.poll_read(cx, 0).is_ready())).await;
            assert!(!more, "nothing came");
        }
        assert_eq!(transport.held(), 0);
    }
}

#[tokio::test]
async fn all_that_was_sent_over_tls_is_read_and_then_the_end() {
    let (mut transport, mut client) = encrypted().await;
    let sent: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let copy = sent.clone();
    let client = tokio::spawn(async move {
        client.write_all(&copy).await.expect("sent");
        client.shutdown().await.expect("ended");
        client
    });
    while read(&mut transport).await {}
    assert!(transport.input == sent);
    drop(client.await.expect("no panic"));
}

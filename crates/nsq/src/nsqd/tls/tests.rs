use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;
use crate::nsqd::Options;
use crate::nsqd::blind::client;
use crate::nsqd::options::TlsRequired;
use crate::wire::TlsVersion;

fn file(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name).display().to_string()
}

pub(super) fn options() -> Options {
    Options { tls_cert: file("old-server.pem"), tls_key: file("old-server.key"), ..Options::default() }
}

/// A client that shows a certificate that is not its own.
fn borrowed(
    version: &'static rustls::SupportedProtocolVersion,
    cert: &str,
    key: &str,
) -> rustls::ClientConfig {
    client(&[version], Some((cert, key)))
}

fn shown(name: &str) -> rustls::ClientConfig {
    client(rustls::DEFAULT_VERSIONS, Some((name, name)))
}

fn unshown() -> rustls::ClientConfig {
    client(rustls::DEFAULT_VERSIONS, None)
}

/// What the server knows of a client after a handshake and a byte each way.
pub(super) async fn met(server: &Arc<ServerConfig>, client: rustls::ClientConfig) -> Result<Secured, String> {
    let (ours, theirs) = tokio::io::duplex(64 << 10);
    let connector = TlsConnector::from(Arc::new(client));
    let client = tokio::spawn(async move {
        let name = ServerName::try_from("nsqd").unwrap();
        let mut stream = connector.connect(name, theirs).await?;
        stream.write_all(b"x").await?;
        stream.read_u8().await
    });
    let accept = async {
        let mut stream = TlsAcceptor::from(Arc::clone(server)).accept(ours).await?;
        stream.read_u8().await?;
        stream.write_all(b"y").await?;
        stream.flush().await?;
        std::io::Result::Ok((Secured::of(&stream), stream))
    };
    let (secured, stream) = accept.await.map_err(|error| error.to_string())?;
    assert_eq!(client.await.unwrap().map_err(|error| error.to_string())?, b'y');
    drop(stream);
    Ok(secured)
}

#[tokio::test]
async fn an_expired_certificate_of_version_1_with_sha1_is_served() {
    let config = server_config(&options()).unwrap().unwrap();
    let secured = met(&config, unshown()).await.unwrap();
    assert_eq!(secured.version, "TLS1.3");
    assert!(secured.cipher_suite.starts_with("TLS_AES_") || secured.cipher_suite.starts_with("TLS_CHACHA20"));
    assert_eq!((secured.common_name.as_str(), secured.protocol.as_str()), ("", ""));
}

#[tokio::test]
async fn a_policy_of_require_wants_any_certificate_and_reads_its_name() {
    let options = Options { tls_client_auth_policy: "require".to_owned(), ..options() };
    assert_eq!(required(&options), TlsRequired::Yes);
    let config = server_config(&options).unwrap().unwrap();
    assert_eq!(met(&config, shown("client")).await.unwrap().common_name, "gauge-7");
    assert_eq!(met(&config, shown("stranger")).await.unwrap().common_name, "stranger");
    // Of version 1, as `openssl x509 -req` makes them.
    for version in [&TLS12, &TLS13] {
        let plain = client(&[version], Some(("plain", "plain")));
        assert_eq!(met(&config, plain).await.unwrap().common_name, "gauge-8");
        met(&config, borrowed(version, "plain", "self-signed")).await.unwrap_err();
    }
    met(&config, unshown()).await.unwrap_err();
}

#[tokio::test]
async fn a_policy_of_require_verify_wants_one_of_our_authority() {
    let policy = Options { tls_client_auth_policy: "require-verify".to_owned(), ..options() };
    let without = server_config(&policy).unwrap_err().to_string();
    assert_eq!(without, "failed to build TLS config - require-verify needs --tls-root-ca-file");
    let config = server_config(&Options { tls_root_ca_file: file("ca.pem"), ..policy }).unwrap().unwrap();
    assert_eq!(met(&config, shown("client")).await.unwrap().common_name, "gauge-7");
    met(&config, shown("stranger")).await.unwrap_err();
    met(&config, unshown()).await.unwrap_err();
}

#[tokio::test]
async fn certificates_as_openssl_makes_them_are_verified_too() {
    let policy = Options { tls_client_auth_policy: "require-verify".to_owned(), ..options() };
    let rooted = |name: &str| {
        server_config(&Options { tls_root_ca_file: file(name), ..policy.clone() }).unwrap().unwrap()
    };
    // The authority, and beside it a certificate that is its own authority.
    let config = rooted("plain-roots.pem");
    for version in [&TLS12, &TLS13] {
        assert_eq!(
            met(&config, client(&[version], Some(("plain", "plain")))).await.unwrap().common_name,
            "gauge-8"
        );
        let own = client(&[version], Some(("self-signed", "self-signed")));
        assert_eq!(met(&config, own).await.unwrap().common_name, "gauge-9");
        // Another's certificate is of no use without its key.
        met(&config, borrowed(version, "plain", "self-signed")).await.unwrap_err();
        met(&config, borrowed(version, "self-signed", "stranger")).await.unwrap_err();
    }
    met(&config, shown("stranger")).await.unwrap_err();
    met(&config, shown("client")).await.unwrap_err();
    // Long expired, and nobody in the file signed it.
    met(&config, shown("old-server")).await.unwrap_err();
    // Another authority vouches for neither.
    let other = rooted("ca.pem");
    for name in ["plain", "self-signed"] {
        met(&other, shown(name)).await.unwrap_err();
    }
}

#[test]
fn what_cannot_work_is_said_at_the_start() {
    assert!(server_config(&Options::default()).unwrap().is_none());
    let told = |options: Options| server_config(&options).unwrap_err().to_string();
    let required = Options { tls_required: TlsRequired::ExceptHttp, ..Options::default() };
    assert!(told(required).ends_with("cannot require TLS client connections without TLS key and cert"));
    assert!(told(Options { tls_key: String::new(), ..options() }).contains("cannot use "));
    assert!(told(Options { tls_cert: file("old-server.key"), ..options() }).contains("no certificate"));
    let foreign = Options { tls_cert: file("client.pem"), tls_key: file("stranger.key"), ..options() };
    assert!(told(foreign).contains("stranger.key"));
}

#[tokio::test]
async fn tls_1_2_is_the_least_that_is_spoken() {
    let config =
        |version| server_config(&Options { tls_min_version: version, ..options() }).unwrap().unwrap();
    let lenient = config(TlsVersion::Tls10);
    let old = met(&lenient, client(&[&TLS12], None)).await.unwrap();
    assert_eq!((old.version.as_str(), &old.cipher_suite[..14]), ("TLS1.2", "TLS_ECDHE_RSA_"));
    let strict = config(TlsVersion::Tls13);
    assert_eq!(met(&strict, client(&[&TLS13], None)).await.unwrap().version, "TLS1.3");
    met(&strict, client(&[&TLS12], None)).await.unwrap_err();
}

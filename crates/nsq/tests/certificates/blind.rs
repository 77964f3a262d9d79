//! The TLS client of the tests: it believes anything, even certificates too old for rustls to read, as the
//! suites of NSQ's clients do.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};

/// Speaks these versions and shows the certificate and has the key of these names beside this file, if any are
/// named.
pub(crate) fn client(
    versions: &[&'static SupportedProtocolVersion],
    shows: Option<(&str, &str)>,
) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)
        .expect("versions of the provider")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Blind));
    let Some((cert, key)) = shows else { return builder.with_no_client_auth() };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates");
    let cert = CertificateDer::from_pem_file(folder.join(format!("{cert}.pem"))).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{key}.key"))).expect("a key");
    // Unlike `with_client_auth_cert` this reads no certificate.
    let key = ring::default_provider().key_provider.load_private_key(key).expect("a key of the provider");
    let certified = Arc::new(CertifiedKey::new(vec![cert], key));
    builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)))
}

#[derive(Debug)]
struct Blind;

impl ServerCertVerifier for Blind {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

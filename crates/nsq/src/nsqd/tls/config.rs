//! From flags and files to what rustls wants.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{DistinguishedName, InconsistentKeys, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::verifier::{Clients, Verifier, may_vouch};
use crate::nsqd::Options;
use crate::nsqd::options::TlsRequired;
use crate::wire::TlsVersion;

/// Why there can be no TLS; in words for whoever started nsqd.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("failed to build TLS config - {0}")]
pub struct Error(String);

/// Who must use TLS: a policy about client certificates makes it everybody.
pub fn required(options: &Options) -> TlsRequired {
    match options.tls_required {
        TlsRequired::No if !options.tls_client_auth_policy.is_empty() => TlsRequired::Yes,
        required => required,
    }
}

/// The configuration the options ask for; none without a certificate. Blocking: reads the files.
///
/// # Errors
/// [`Error`]: files that cannot be read or do not belong together, or TLS is required and cannot be had.
pub fn server_config(options: &Options) -> Result<Option<Arc<ServerConfig>>, Error> {
    if options.tls_cert.is_empty() && options.tls_key.is_empty() {
        return match required(options) {
            TlsRequired::No => Ok(None),
            _ => Err(Error("cannot require TLS client connections without TLS key and cert".to_owned())),
        };
    }
    let provider = Arc::new(ring::default_provider());
    let versions: &[_] = match options.tls_min_version {
        TlsVersion::Tls13 => &[&TLS13],
        _ => &[&TLS13, &TLS12],
    };
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(versions)
        .map_err(|error| Error(error.to_string()))?;
    let verifier: Arc<dyn ClientCertVerifier> = match options.tls_client_auth_policy.as_str() {
        "require" => Arc::new(Verifier::new(&provider, Clients::Anybody)),
        "require-verify" => {
            let known = root_certificates(&options.tls_root_ca_file)?;
            Arc::new(Verifier::new(&provider, known_clients(&options.tls_root_ca_file, known, &provider)?))
        }
        _ => WebPkiClientVerifier::no_client_auth(),
    };
    let certificate = certified(&options.tls_cert, &options.tls_key, &provider)?;
    let resolver = Arc::new(Always(Arc::new(certificate)));
    Ok(Some(Arc::new(builder.with_client_cert_verifier(verifier).with_cert_resolver(resolver))))
}

/// The certificate with its key. rustls would refuse certificates of version 1, so that only a key
/// that is known to belong to another certificate is refused here.
fn certified(cert: &str, key: &str, provider: &CryptoProvider) -> Result<CertifiedKey, Error> {
    let chain = certificates(cert)?;
    let key_der = PrivateKeyDer::from_pem_file(Path::new(key)).map_err(|error| unusable(key, &error))?;
    let signing = provider.key_provider.load_private_key(key_der).map_err(|error| unusable(key, &error))?;
    let certified = CertifiedKey::new(chain, signing);
    match certified.keys_match() {
        Err(error @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(unusable(key, &error))
        }
        _ => Ok(certified),
    }
}

fn root_certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    if path.is_empty() {
        return Err(Error("require-verify needs --tls-root-ca-file".to_owned()));
    }
    certificates(path)
}

/// Those whom the certificates of a file vouch for. Webpki takes each that it is given as an authority: it is
/// given those only that may be one.
fn known_clients(
    path: &str,
    known: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Clients, Error> {
    let mut authorities = RootCertStore::empty();
    let mut subjects = Vec::new();
    for certificate in &known {
        let (_, read) = X509Certificate::from_der(certificate).map_err(|error| unusable(path, &error))?;
        if may_vouch(&read) {
            authorities.add(certificate.clone()).map_err(|error| unusable(path, &error))?;
        }
        subjects.push(DistinguishedName::from(read.subject().as_raw().to_vec()));
    }
    let usual = match authorities.is_empty() {
        true => None,
        false => Some(
            WebPkiClientVerifier::builder_with_provider(Arc::new(authorities), Arc::clone(provider))
                .build()
                .map_err(|error| Error(error.to_string()))?,
        ),
    };
    Ok(Clients::Known { usual, known, subjects })
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(Path::new(path))
        .and_then(Iterator::collect)
        .map_err(|error| unusable(path, &error))?;
    if found.is_empty() {
        return Err(Error(format!("{path} holds no certificate")));
    }
    Ok(found)
}

fn unusable(path: &str, error: &dyn std::fmt::Display) -> Error {
    Error(format!("cannot use {path}: {error}"))
}

/// Shows the one certificate there is to whoever asks for whatever name.
#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

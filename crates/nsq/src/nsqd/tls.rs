//! TLS of nsqd, for TCP and HTTPS alike: certificates, who must show one, and what a client sees of it
//! in the statistics.
//!
//! Old certificates are served as they are, whatever their signature, age and version: whether to
//! believe one is the client's decision. TLS below 1.2 is not spoken, whatever the flag says.

mod config;
mod verifier;

use rustls::ProtocolVersion;
use tokio_rustls::server::TlsStream;
use x509_parser::prelude::{FromDer, X509Certificate};

pub use config::{Error, required, server_config};

/// What is known of a connection once it is encrypted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Secured {
    /// The cipher suite by the name Go gives it.
    pub cipher_suite: String,
    /// `TLS1.2` or `TLS1.3`.
    pub version: String,
    /// The protocol chosen by ALPN; nsqd offers none.
    pub protocol: String,
    /// Who the client's certificate says it is; empty without one.
    pub common_name: String,
}

impl Secured {
    /// What this stream agreed on.
    pub fn of<S>(stream: &TlsStream<S>) -> Self {
        let (_, connection) = stream.get_ref();
        let suite = connection.negotiated_cipher_suite().map(|suite| suite.suite());
        let suite = suite.and_then(|suite| suite.as_str()).unwrap_or_default();
        let version = match connection.protocol_version() {
            Some(ProtocolVersion::TLSv1_2) => "TLS1.2",
            Some(ProtocolVersion::TLSv1_3) => "TLS1.3",
            _ => "",
        };
        let certificate = connection.peer_certificates().and_then(<[_]>::first);
        Self {
            cipher_suite: suite.replacen("TLS13_", "TLS_", 1),
            version: version.to_owned(),
            protocol: connection
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .unwrap_or_default(),
            common_name: certificate.map(|der| common_name(der)).unwrap_or_default(),
        }
    }
}

/// The common name of a certificate's subject, the last one if it has several; empty if none.
pub(crate) fn common_name(der: &[u8]) -> String {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return String::new() };
    certificate
        .subject()
        .iter_common_name()
        .last()
        .and_then(|name| name.as_str().ok())
        .unwrap_or_default()
        .to_owned()
}

#[cfg(test)]
#[path = "tls/tests.rs"]
mod tests;

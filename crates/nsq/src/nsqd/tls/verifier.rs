//! Certificates of clients, for both words of `--tls-client-auth-policy`.
//!
//! What `openssl` makes unless told otherwise must do, as it does for nsqd: `openssl x509 -req` makes
//! certificates of version 1, which webpki does not read, and `openssl req -x509` such as may sign others,
//! which webpki takes for nobody's own. Webpki is asked first; what it says no to because of its form is then
//! looked at here. It is asked about the authorities only: it would let any certificate that it is told of
//! vouch for others, also one that is listed to let its own holder in.

use std::sync::Arc;

use rustls::CertificateError::{BadSignature, UnknownIssuer};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
    verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::asn1_rs::{Any, FromDer as _};
use x509_parser::prelude::{ASN1Time, X509Certificate, X509Version};

/// Who may come.
#[derive(Debug)]
pub(super) enum Clients {
    /// `require`: whoever shows a certificate and holds its key; whose it is does not matter.
    Anybody,
    /// `require-verify`: who is vouched for.
    Known {
        /// What webpki judges by the authorities, if there is one.
        usual: Option<Arc<dyn ClientCertVerifier>>,
        /// All that the file holds: for the forms that webpki does not take, and for their own holders.
        known: Vec<CertificateDer<'static>>,
        /// Their names, by which clients choose what to show.
        subjects: Vec<DistinguishedName>,
    },
}

/// Looks at the certificates of clients.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    clients: Clients,
}

impl Verifier {
    pub(super) fn new(provider: &CryptoProvider, clients: Clients) -> Self {
        Self { algorithms: provider.signature_verification_algorithms, clients }
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.clients {
            Clients::Anybody => &[],
            Clients::Known { subjects, .. } => subjects,
        }
    }

    fn verify_client_cert(
        &self,
        shown: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let Clients::Known { usual, known, .. } = &self.clients else {
            return Ok(ClientCertVerified::assertion());
        };
        let judged = match usual {
            Some(usual) => usual.verify_client_cert(shown, between, now),
            None => Err(Error::InvalidCertificate(UnknownIssuer)),
        };
        judged.or_else(|error| {
            let vouched = known.iter().any(|root| is_vouched_for(shown, root, now, &self.algorithms));
            vouched.then(ClientCertVerified::assertion).ok_or(error)
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms).or_else(|error| {
            let Some(spki) = key_of_version_1(cert, &error) else { return Err(error) };
            let offered = self.algorithms.mapping.iter().filter(|(scheme, _)| *scheme == dss.scheme);
            let valid = offered.flat_map(|(_, algorithms)| *algorithms).any(|algorithm| {
                Key::of(spki).is_some_and(|key| {
                    key.algorithm == &*algorithm.public_key_alg_id()
                        && algorithm.verify_signature(key.bits, message, dss.signature()).is_ok()
                })
            });
            valid.then(HandshakeSignatureValid::assertion).ok_or(Error::InvalidCertificate(BadSignature))
        })
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms).or_else(|error| {
            let Some(spki) = key_of_version_1(cert, &error) else { return Err(error) };
            let spki = SubjectPublicKeyInfoDer::from(spki);
            verify_tls13_signature_with_raw_key(message, &spki, dss, &self.algorithms)
        })
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The key of a certificate of version 1, where webpki found something else wrong than the signature.
fn key_of_version_1<'a>(cert: &'a CertificateDer<'_>, error: &Error) -> Option<&'a [u8]> {
    if *error == Error::InvalidCertificate(BadSignature) {
        return None;
    }
    let (_, cert) = X509Certificate::from_der(cert).ok()?;
    (cert.version() == X509Version::V1).then_some(cert.tbs_certificate.subject_pki.raw)
}

/// Whether a certificate is `root` itself, or one that `root` signed for a client, and is in its time.
fn is_vouched_for(
    shown: &CertificateDer<'_>,
    root: &CertificateDer<'_>,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let (Ok((_, cert)), Ok((_, of_root))) =
        (X509Certificate::from_der(shown), X509Certificate::from_der(root))
    else {
        return false;
    };
    let Some(now) = i64::try_from(now.as_secs()).ok().and_then(|secs| ASN1Time::from_timestamp(secs).ok())
    else {
        return false;
    };
    let is_itself = shown == root;
    // One that webpki can read and refused for another reason stays refused.
    let is_of_odd_form = cert.version() == X509Version::V1 || cert.is_ca() || is_itself;
    is_of_odd_form
        && is_for_clients(&cert)
        && demands_nothing_else(&cert)
        && demands_nothing_else(&of_root)
        && cert.validity().is_valid_at(now)
        && of_root.validity().is_valid_at(now)
        && (is_itself
            || may_vouch(&of_root)
                && cert.issuer().as_raw() == of_root.subject().as_raw()
                && is_signed_by(shown, of_root.public_key().raw, algorithms))
}

/// Whether a certificate may sign those of clients: an authority's, or one of version 1, which does not say.
pub(super) fn may_vouch(cert: &X509Certificate<'_>) -> bool {
    let is_authority = cert.is_ca() || cert.version() == X509Version::V1;
    let may_sign = match cert.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    is_authority && may_sign && is_for_clients(cert)
}

fn is_for_clients(cert: &X509Certificate<'_>) -> bool {
    match cert.extended_key_usage() {
        Ok(None) => true,
        Ok(Some(usage)) => usage.value.any || usage.value.client_auth,
        Err(_) => false,
    }
}

/// Whether a certificate says nothing that must be understood and is not looked at here. Subject names matter
/// to nobody, and names that an authority is confined to are not compared: whoever names some is asked for
/// nothing here.
fn demands_nothing_else(cert: &X509Certificate<'_>) -> bool {
    use x509_parser::extensions::ParsedExtension::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints, SubjectAlternativeName,
    };
    cert.extensions().iter().all(|extension| match extension.parsed_extension() {
        BasicConstraints(_) | ExtendedKeyUsage(_) | KeyUsage(_) | SubjectAlternativeName(_) => true,
        NameConstraints(_) => false,
        _ => !extension.critical,
    })
}

/// Whether the holder of a key signed a certificate.
fn is_signed_by(cert: &[u8], spki: &[u8], algorithms: &WebPkiSupportedAlgorithms) -> bool {
    let (Some(signed), Some(key)) = (Signed::of(cert), Key::of(spki)) else { return false };
    algorithms.all.iter().any(|algorithm| {
        &*algorithm.signature_alg_id() == signed.algorithm
            && &*algorithm.public_key_alg_id() == key.algorithm
            && algorithm.verify_signature(key.bits, signed.what, signed.signature).is_ok()
    })
}

/// A public key taken apart, as pki-types has its parts.
struct Key<'a> {
    algorithm: &'a [u8],
    bits: &'a [u8],
}

impl<'a> Key<'a> {
    fn of(spki: &'a [u8]) -> Option<Self> {
        let (_, whole) = Any::from_der(spki).ok()?;
        let (rest, algorithm) = Any::from_der(whole.data).ok()?;
        Some(Self { algorithm: algorithm.data, bits: bits(rest)? })
    }
}

/// A certificate taken apart.
struct Signed<'a> {
    what: &'a [u8],
    algorithm: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Signed<'a> {
    fn of(cert: &'a [u8]) -> Option<Self> {
        let (_, whole) = Any::from_der(cert).ok()?;
        let (rest, _) = Any::from_der(whole.data).ok()?;
        let what = whole.data.get(..whole.data.len() - rest.len())?;
        let (rest, algorithm) = Any::from_der(rest).ok()?;
        Some(Self { what, algorithm: algorithm.data, signature: bits(rest)? })
    }
}

/// The bytes of a bit string without unused bits.
fn bits(der: &[u8]) -> Option<&[u8]> {
    let (_, string) = Any::from_der(der).ok()?;
    string.data.strip_prefix(&[0])
}

#[cfg(test)]
mod tests;

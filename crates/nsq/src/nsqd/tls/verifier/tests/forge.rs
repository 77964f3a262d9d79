//! Certificates to order: right ones, and such as no tool would make.

use std::path::Path;

use rustls::SignatureScheme::ECDSA_NISTP256_SHA256;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;

/// `ecdsa-with-SHA256`.
const ALGORITHM: &[u8] = &[0x30, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];

const VERSION_3: &[u8] = &[0xa0, 3, 2, 1, 2];

/// What a certificate says, apart from its key.
#[derive(Clone)]
pub(super) struct Says {
    pub(super) issuer: &'static str,
    pub(super) subject: &'static str,
    /// First and last moment, as `YYMMDDhhmmssZ`.
    pub(super) time: [&'static str; 2],
    /// Of a certificate of version 3; none is of version 1.
    pub(super) extensions: Option<Vec<Vec<u8>>>,
}

impl Says {
    /// The certificate for a key, signed with another one.
    pub(super) fn of(&self, key: &dyn SigningKey, signer: &dyn SigningKey) -> CertificateDer<'static> {
        let spki = key.public_key().expect("a key that can be shown");
        let [from, until] = self.time.map(|time| tlv(0x17, &[time.as_bytes()]));
        let extensions = self.extensions.as_ref().map(|extensions| {
            let extensions: Vec<&[u8]> = extensions.iter().map(Vec::as_slice).collect();
            tlv(0xa3, &[&tlv(0x30, &extensions)])
        });
        let what = tlv(
            0x30,
            &[
                extensions.as_ref().map_or(&[], |_| VERSION_3),
                &[2, 1, 7],
                ALGORITHM,
                &name(self.issuer),
                &tlv(0x30, &[&from, &until]),
                &name(self.subject),
                &spki,
                extensions.as_deref().unwrap_or_default(),
            ],
        );
        let signer = signer.choose_scheme(&[ECDSA_NISTP256_SHA256]).expect("a key of P-256");
        let signature = tlv(3, &[&[0], &signer.sign(&what).expect("a signature")]);
        tlv(0x30, &[&what, ALGORITHM, &signature]).into()
    }
}

/// A key of P-256 beside the other certificates.
pub(super) fn key(name: &str) -> std::sync::Arc<dyn SigningKey> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificates").join(name);
    let der = PrivateKeyDer::from_pem_file(path).expect("a key");
    ring::default_provider().key_provider.load_private_key(der).expect("a key of the provider")
}

/// Whether it is an authority.
pub(super) fn authority(is: bool) -> Vec<u8> {
    let says: &[u8] = if is { &[1, 1, 0xff] } else { &[] };
    extension(&[0x55, 0x1d, 19], true, &tlv(0x30, &[says]))
}

/// `keyCertSign`.
pub(super) fn signs_certificates() -> Vec<u8> {
    extension(&[0x55, 0x1d, 15], true, &[3, 2, 2, 4])
}

/// `digitalSignature`.
pub(super) fn signs_handshakes() -> Vec<u8> {
    extension(&[0x55, 0x1d, 15], true, &[3, 2, 7, 0x80])
}

/// `serverAuth`, of the extended usages.
pub(super) fn for_servers() -> Vec<u8> {
    extension(&[0x55, 0x1d, 37], false, &tlv(0x30, &[&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1]]))
}

/// `clientAuth`, of the extended usages.
pub(super) fn for_clients() -> Vec<u8> {
    extension(&[0x55, 0x1d, 37], false, &tlv(0x30, &[&[6, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2]]))
}

/// The name of a host.
pub(super) fn host(name: &str) -> Vec<u8> {
    extension(&[0x55, 0x1d, 17], false, &tlv(0x30, &[&tlv(0x82, &[name.as_bytes()])]))
}

/// An authority for all hosts but those of a domain.
pub(super) fn never_for(domain: &str) -> Vec<u8> {
    let excluded = tlv(0xa1, &[&tlv(0x30, &[&tlv(0x82, &[domain.as_bytes()])])]);
    extension(&[0x55, 0x1d, 30], false, &tlv(0x30, &[&excluded]))
}

/// Something nobody knows that must be understood.
pub(super) fn riddle() -> Vec<u8> {
    extension(&[0x2a, 3, 4], true, &[5, 0])
}

fn extension(id: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    tlv(0x30, &[&tlv(6, &[id]), critical, &tlv(4, &[value])])
}

fn name(common: &str) -> Vec<u8> {
    let part = tlv(0x30, &[&[6, 3, 0x55, 4, 3], &tlv(12, &[common.as_bytes()])]);
    tlv(0x30, &[&tlv(0x31, &[&part])])
}

/// A value of DER made of these parts.
fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let value = parts.concat();
    let length = u16::try_from(value.len()).expect("a short value").to_be_bytes();
    let mut whole = match length {
        [0, short @ ..0x80] => vec![tag, short],
        [0, low] => vec![tag, 0x81, low],
        [high, low] => vec![tag, 0x82, high, low],
    };
    whole.extend(value);
    whole
}

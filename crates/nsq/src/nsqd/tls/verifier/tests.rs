mod forge;

use std::io::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::ServerConfig;
use rustls::client::ResolvesClientCert;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use self::forge::*;
use super::*;
use crate::nsqd::Options;
use crate::nsqd::blind::client;
use crate::nsqd::tls::server_config;
use crate::nsqd::tls::tests::{met, options};

/// The key of the authority, and that of a client.
const AUTHORITY: &str = "self-signed.key";
const CLIENT: &str = "stranger.key";

const ALWAYS: [&str; 2] = ["000101000000Z", "490101000000Z"];
const PAST: [&str; 2] = ["000101000000Z", "200101000000Z"];
const FUTURE: [&str; 2] = ["480101000000Z", "490101000000Z"];

fn root(extensions: Option<Vec<Vec<u8>>>) -> Says {
    Says { issuer: "Root", subject: "Root", time: ALWAYS, extensions }
}

fn leaf(extensions: Option<Vec<Vec<u8>>>) -> Says {
    Says { subject: "gauge-10", ..root(extensions) }
}

/// nsqd that lets in whom this certificate vouches for.
fn rooted(root: &CertificateDer<'_>) -> Arc<ServerConfig> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let text = BASE64_STANDARD.encode(root);
    write!(file, "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n").unwrap();
    let tls_root_ca_file = file.path().display().to_string();
    let policy = "require-verify".to_owned();
    let options = Options { tls_client_auth_policy: policy, tls_root_ca_file, ..options() };
    server_config(&options).unwrap().unwrap()
}

/// Whether a client that shows a certificate of the client's key is let in, by both versions.
async fn is_let_in(config: &Arc<ServerConfig>, shown: &CertificateDer<'static>) -> bool {
    let mut answers = Vec::new();
    for version in [&TLS12, &TLS13] {
        let mut client = client(&[version], None);
        let certified = CertifiedKey::new(vec![shown.clone()], key(CLIENT));
        client.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(certified));
        answers.push(met(config, client).await.is_ok());
    }
    assert_eq!(answers[0], answers[1]);
    answers[0]
}

/// Whether `shown` is let in, signed by the authority where `root` is the one that is listed.
async fn vouches(root: &Says, shown: &Says) -> bool {
    let config = rooted(&root.of(&*key(AUTHORITY), &*key(AUTHORITY)));
    is_let_in(&config, &shown.of(&*key(CLIENT), &*key(AUTHORITY))).await
}

/// What openssl makes: of version 1, of somebody who may sign others, and what all the world makes.
fn forms() -> [Says; 3] {
    [leaf(None), leaf(Some(vec![authority(true)])), leaf(Some(vec![authority(false)]))]
}

fn usual_root() -> Says {
    root(Some(vec![authority(true), signs_certificates()]))
}

#[tokio::test]
async fn an_authority_vouches_for_certificates_of_all_forms() {
    for form in forms() {
        assert!(vouches(&usual_root(), &form).await);
        assert!(vouches(&root(None), &form).await, "an authority of version 1");
        assert!(vouches(&root(Some(vec![authority(true), for_clients()])), &form).await);
    }
    assert!(vouches(&usual_root(), &leaf(Some(vec![authority(true), for_clients()]))).await);
}

#[tokio::test]
async fn a_name_without_the_authoritys_signature_is_worth_nothing() {
    let config = rooted(&usual_root().of(&*key(AUTHORITY), &*key(AUTHORITY)));
    for form in forms() {
        assert!(!is_let_in(&config, &form.of(&*key(CLIENT), &*key(CLIENT))).await);
        let other = Says { issuer: "Another Root", ..form };
        assert!(!vouches(&usual_root(), &other).await, "nor is the signature under another name");
    }
}

#[tokio::test]
async fn what_is_not_in_its_time_is_refused() {
    for form in forms() {
        for time in [PAST, FUTURE] {
            assert!(!vouches(&usual_root(), &Says { time, ..form.clone() }).await);
        }
    }
    // Webpki does not ask how old an authority is.
    for form in &forms()[..2] {
        for time in [PAST, FUTURE] {
            assert!(!vouches(&Says { time, ..usual_root() }, form).await);
        }
    }
}

#[tokio::test]
async fn what_is_for_servers_only_is_refused() {
    for is_authority in [true, false] {
        let shown = leaf(Some(vec![authority(is_authority), for_servers()]));
        assert!(!vouches(&usual_root(), &shown).await);
    }
    for form in forms() {
        assert!(!vouches(&root(Some(vec![authority(true), for_servers()])), &form).await);
    }
}

#[tokio::test]
async fn who_may_not_sign_certificates_vouches_for_nobody() {
    for form in forms() {
        assert!(!vouches(&root(Some(vec![authority(true), signs_handshakes()])), &form).await);
        assert!(!vouches(&root(Some(vec![authority(false)])), &form).await);
        assert!(!vouches(&root(Some(vec![signs_certificates()])), &form).await);
    }
}

#[tokio::test]
async fn who_is_listed_is_let_in_and_vouches_for_nobody_else() {
    for extensions in [None, Some(vec![authority(false)]), Some(vec![authority(true), signs_handshakes()])] {
        let listed = Says { issuer: "gauge-10", ..leaf(extensions) };
        let cert = listed.of(&*key(CLIENT), &*key(CLIENT));
        let config = rooted(&cert);
        assert!(is_let_in(&config, &cert).await);
    }
    let old = Says { time: PAST, issuer: "gauge-10", ..leaf(Some(vec![authority(false)])) };
    let old = old.of(&*key(CLIENT), &*key(CLIENT));
    assert!(!is_let_in(&rooted(&old), &old).await, "it is not in its time");

    // `gauge-10` signs for an `admin`.
    let listed = leaf(Some(vec![authority(false)])).of(&*key(AUTHORITY), &*key(AUTHORITY));
    let config = rooted(&listed);
    for form in forms() {
        let admin = Says { issuer: "gauge-10", subject: "admin", ..form };
        assert!(!is_let_in(&config, &admin.of(&*key(CLIENT), &*key(AUTHORITY))).await);
    }
}

/// Shows nothing, and keeps which names it was told to choose by.
#[derive(Default, Debug)]
struct Told(parking_lot::Mutex<Vec<Vec<u8>>>);

impl ResolvesClientCert for Told {
    fn resolve(&self, hints: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        *self.0.lock() = hints.iter().map(|hint| hint.to_vec()).collect();
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn clients_are_told_the_names_of_all_that_is_listed() {
    for form in forms() {
        let listed = form.of(&*key(CLIENT), &*key(CLIENT));
        let (_, read) = X509Certificate::from_der(&listed).unwrap();
        let told = Arc::new(Told::default());
        let mut client = client(&[&TLS13], None);
        client.client_auth_cert_resolver = Arc::<Told>::clone(&told);
        met(&rooted(&listed), client).await.unwrap_err();
        assert_eq!(*told.0.lock(), [read.subject().as_raw()]);
    }
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    for is_authority in [true, false] {
        let shown = leaf(Some(vec![authority(is_authority), riddle()]));
        assert!(!vouches(&usual_root(), &shown).await);
    }
    // Webpki heeds the names an authority may not vouch for; what it refuses is not let in here.
    let confined = root(Some(vec![authority(true), never_for("example")]));
    for is_authority in [true, false] {
        assert!(!vouches(&confined, &leaf(Some(vec![authority(is_authority), host("x.example")]))).await);
    }
    assert!(vouches(&confined, &leaf(Some(vec![authority(false), host("x.test")]))).await);
}

/// The handshake does not get so far with most of these.
#[test]
fn only_what_webpki_cannot_read_is_judged_here() {
    let root = usual_root().of(&*key(AUTHORITY), &*key(AUTHORITY));
    let judged = |extensions| {
        let shown = leaf(extensions).of(&*key(CLIENT), &*key(AUTHORITY));
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        is_vouched_for(&shown, &root, UnixTime::now(), &algorithms)
    };
    assert!(judged(None) && judged(Some(vec![authority(true)])));
    assert!(!judged(Some(vec![authority(false)])), "webpki's word counts for this form");
    assert!(!judged(Some(vec![authority(true), riddle()])));
}

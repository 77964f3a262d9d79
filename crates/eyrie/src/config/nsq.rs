//! `[nsq]`: nsqd's listeners on Eyrie's own queue, and what that nsqd is told.

use nsq::nsqd::Options;
use nsq::nsqd::options::TlsRequired;
use queue::Durability;

/// See the table of settings.
#[derive(Clone, Debug)]
pub(crate) struct Nsq {
    /// Where NSQ's clients are served; none: nowhere.
    pub(crate) tcp: Option<String>,
    /// Where nsqd's HTTP API is served.
    pub(crate) http: Option<String>,
    /// Where it is served encrypted.
    pub(crate) https: Option<String>,
    /// How sure a message is before it is answered.
    pub(crate) durability: Durability,
    /// The nsqlookupds to register with.
    pub(crate) lookupd: Vec<String>,
    /// Under which name they tell others of this node; none: the machine's.
    pub(crate) broadcast_address: Option<String>,
    /// Files of the certificate and its key.
    pub(crate) tls_cert: Option<String>,
    pub(crate) tls_key: Option<String>,
    /// One of [`TLS_REQUIRED`].
    pub(crate) tls_required: String,
    /// One of [`CLIENT_CERTS`].
    pub(crate) tls_client_certs: String,
    /// File of the authorities that sign clients' certificates.
    pub(crate) tls_root_ca: Option<String>,
    /// The auth servers.
    pub(crate) auth: Vec<String>,
    /// Whether they are asked about HTTP too.
    pub(crate) http_auth: bool,
}

/// Who must use TLS, in our words.
const TLS_REQUIRED: [(&str, TlsRequired); 3] =
    [("none", TlsRequired::No), ("tcp", TlsRequired::ExceptHttp), ("all", TlsRequired::Yes)];
/// What clients' certificates must be, and NSQ's word for it.
const CLIENT_CERTS: [(&str, &str); 3] = [("none", ""), ("any", "require"), ("signed", "require-verify")];

impl Default for Nsq {
    fn default() -> Self {
        Self {
            tcp: None,
            http: None,
            https: None,
            durability: Durability::Os,
            lookupd: Vec::new(),
            broadcast_address: None,
            tls_cert: None,
            tls_key: None,
            tls_required: "none".to_owned(),
            tls_client_certs: "none".to_owned(),
            tls_root_ca: None,
            auth: Vec::new(),
            http_auth: false,
        }
    }
}

/// What a word of a list stands for.
fn meant<T: Copy>(words: &[(&str, T)], word: &str) -> Option<T> {
    words.iter().find(|(name, _)| *name == word).map(|(_, meaning)| *meaning)
}

impl Nsq {
    /// What does not hold between or within its settings: whether each holds, its name, what to do.
    pub(super) fn requirements(&self) -> Vec<(bool, &'static str, &'static str)> {
        let is_on = self.tcp.is_some();
        let needs_tcp = "set nsq.tcp too: without it there is no nsqd";
        let has_cert = self.tls_cert.is_some() && self.tls_key.is_some();
        let needs_cert = "set nsq.tls_cert and nsq.tls_key too";
        let (required, certs) =
            (meant(&TLS_REQUIRED, &self.tls_required), meant(&CLIENT_CERTS, &self.tls_client_certs));
        let addresses = |list: &[String]| list.iter().all(|address| is_address(address));
        vec![
            (is_on || self.http.is_none(), "nsq.http", needs_tcp),
            (is_on || self.https.is_none(), "nsq.https", needs_tcp),
            (is_on || self.lookupd.is_empty(), "nsq.lookupd", needs_tcp),
            (
                addresses(&self.lookupd),
                "nsq.lookupd",
                "write addresses with the TCP port of each nsqlookupd, such as 127.0.0.1:4160",
            ),
            (has_cert || self.tls_cert.is_none(), "nsq.tls_cert", "set nsq.tls_key too"),
            (has_cert || self.tls_key.is_none(), "nsq.tls_key", "set nsq.tls_cert too"),
            (has_cert || self.https.is_none(), "nsq.https", needs_cert),
            (required.is_some(), "nsq.tls_required", "make it none, tcp or all"),
            (has_cert || matches!(required, None | Some(TlsRequired::No)), "nsq.tls_required", needs_cert),
            (certs.is_some(), "nsq.tls_client_certs", "make it none, any or signed"),
            (has_cert || matches!(certs, None | Some("")), "nsq.tls_client_certs", needs_cert),
            (
                certs != Some("require-verify") || self.tls_root_ca.is_some(),
                "nsq.tls_client_certs",
                "set nsq.tls_root_ca too: signed by whom?",
            ),
            (is_on || self.auth.is_empty(), "nsq.auth", needs_tcp),
            (
                self.auth.iter().all(|address| address.contains("://") || is_address(address)),
                "nsq.auth",
                "write addresses with ports, such as 127.0.0.1:4181, or whole URLs",
            ),
            (
                !self.http_auth || !self.auth.is_empty(),
                "nsq.http_auth",
                "set nsq.auth too: whom is it to ask?",
            ),
        ]
    }

    /// What the nsqd within is told; `None` where nobody wants one. Messages have at most `message_bytes_max`.
    pub(crate) fn options(&self, message_bytes_max: usize) -> Option<Options> {
        let usual = Options::default();
        let text = |option: &Option<String>| option.clone().unwrap_or_default();
        Some(Options {
            tcp_address: self.tcp.clone()?,
            http_address: text(&self.http),
            https_address: text(&self.https),
            broadcast_address: self.broadcast_address.clone().unwrap_or(usual.broadcast_address),
            lookupd_tcp_addresses: self.lookupd.clone(),
            auth_http_addresses: self.auth.clone(),
            http_auth: self.http_auth,
            durability: self.durability,
            max_msg_size: usual.max_msg_size.min(message_bytes_max),
            tls_cert: text(&self.tls_cert),
            tls_key: text(&self.tls_key),
            tls_root_ca_file: text(&self.tls_root_ca),
            tls_client_auth_policy: meant(&CLIENT_CERTS, &self.tls_client_certs)?.to_owned(),
            tls_required: meant(&TLS_REQUIRED, &self.tls_required)?,
            ..usual
        })
    }
}

/// Whether it has the form `<host>:<port>`.
fn is_address(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings that are complained of.
    fn wrong(change: impl FnOnce(&mut Nsq)) -> Vec<&'static str> {
        let mut nsq = Nsq { tcp: Some("127.0.0.1:0".to_owned()), ..Nsq::default() };
        change(&mut nsq);
        nsq.requirements().iter().filter(|(holds, ..)| !holds).map(|(_, name, _)| *name).collect()
    }

    #[test]
    fn what_needs_something_else_says_so() {
        let some = |text: &str| Some(text.to_owned());
        assert!(wrong(|_| ()).is_empty());
        assert_eq!(wrong(|nsq| (nsq.tcp, nsq.http) = (None, some("127.0.0.1:0"))), ["nsq.http"]);
        assert_eq!(wrong(|nsq| (nsq.tcp, nsq.lookupd) = (None, vec!["a:1".to_owned()])), ["nsq.lookupd"]);
        assert_eq!(wrong(|nsq| nsq.lookupd = vec!["a:1".to_owned(), "b".to_owned()]), ["nsq.lookupd"]);
        assert_eq!(wrong(|nsq| nsq.https = some("127.0.0.1:0")), ["nsq.https"]);
        assert_eq!(wrong(|nsq| nsq.tls_cert = some("c.pem")), ["nsq.tls_cert"]);
        assert_eq!(wrong(|nsq| nsq.tls_key = some("k.pem")), ["nsq.tls_key"]);
        assert_eq!(wrong(|nsq| nsq.tls_required = "all".to_owned()), ["nsq.tls_required"]);
        assert_eq!(wrong(|nsq| nsq.tls_required = "yes".to_owned()), ["nsq.tls_required"]);
        assert_eq!(wrong(|nsq| nsq.tls_client_certs = "any".to_owned()), ["nsq.tls_client_certs"]);
        assert_eq!(wrong(|nsq| nsq.http_auth = true), ["nsq.http_auth"]);
        assert_eq!(wrong(|nsq| nsq.auth = vec!["nowhere".to_owned()]), ["nsq.auth"]);
        assert!(wrong(|nsq| nsq.auth = vec!["https://auth/v1".to_owned()]).is_empty());
        let signed = |nsq: &mut Nsq| {
            (nsq.tls_cert, nsq.tls_key) = (some("c.pem"), some("k.pem"));
            nsq.tls_client_certs = "signed".to_owned();
        };
        assert_eq!(wrong(signed), ["nsq.tls_client_certs"]);
        assert!(
            wrong(|nsq| {
                signed(nsq);
                nsq.tls_root_ca = some("ca.pem");
            })
            .is_empty()
        );
    }

    #[test]
    fn nsqd_is_told_in_its_own_words() {
        assert_eq!(Nsq::default().options(1 << 20), None);
        let nsq = Nsq {
            tcp: Some("127.0.0.1:0".to_owned()),
            tls_required: "tcp".to_owned(),
            tls_client_certs: "signed".to_owned(),
            ..Nsq::default()
        };
        let options = nsq.options(4_096).expect("it is wanted");
        assert_eq!((options.max_msg_size, options.http_address.as_str()), (4_096, ""));
        assert_eq!(options.broadcast_address, Options::default().broadcast_address);
        assert_eq!(options.tls_client_auth_policy, "require-verify");
        assert_eq!(options.tls_required, TlsRequired::ExceptHttp);
    }
}

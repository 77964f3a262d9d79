//! One connection as `/stats` shows it.

use serde::Serialize;

/// A consumer or a producer. Fields stand in the order of the answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ClientStats {
    /// As it named itself; the host part of its address if it did not.
    pub client_id: String,
    /// As it named its machine; the host part of its address if it did not.
    pub hostname: String,
    /// Of the protocol: `V2`.
    pub version: &'static str,
    /// Address and port, or `@` over a unix socket.
    pub remote_address: String,
    /// 0 new, 3 subscribed, 4 closing.
    pub state: i32,
    /// Most messages it wants at once.
    pub ready_count: u64,
    /// Messages it has.
    pub in_flight_count: u64,
    /// Messages it was given.
    pub message_count: u64,
    /// Messages it finished.
    pub finish_count: u64,
    /// Messages it gave back.
    pub requeue_count: u64,
    /// When it came, seconds since the epoch.
    pub connect_ts: i64,
    /// Percentage of messages it wants; 0 for all.
    pub sample_rate: u8,
    /// Whether it speaks deflate.
    pub deflate: bool,
    /// Whether it speaks snappy.
    pub snappy: bool,
    /// Its library.
    pub user_agent: String,
    /// Whether it showed who it is; the three are absent where nobody asked.
    #[serde(skip_serializing_if = "is_false")]
    pub authed: bool,
    /// Who it is.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_identity: String,
    /// Where one reads of it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub auth_identity_url: String,
    /// Its zone.
    pub topology_zone: String,
    /// Its region.
    pub topology_region: String,
    /// What it published, by topic.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pub_counts: Vec<PubCount>,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// As Go names it: `TLS_AES_128_GCM_SHA256`.
    pub tls_cipher_suite: String,
    /// As Go names it: `TLS1.3`.
    pub tls_version: String,
    /// By ALPN.
    pub tls_negotiated_protocol: String,
    /// Whether ALPN was used.
    pub tls_negotiated_protocol_is_mutual: bool,
}

/// How much a client published to a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PubCount {
    /// The topic.
    pub topic: String,
    /// Messages.
    pub count: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

//! Asking the authorities.

use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::grants::{Grants, Unfit};
use crate::flags::without_user;
use crate::http::{Client, client};

/// What Go's url.QueryEscape leaves alone.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The authorities of a server.
#[derive(Clone, Debug)]
pub struct Authority {
    /// `host:port`, or a whole URL.
    pub addresses: Vec<String>,
    /// Whether to POST a form instead of a GET.
    pub post: bool,
    /// What asks.
    pub client: Client,
}

/// Whom it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query<'a> {
    /// The client's address, without the port.
    pub remote_ip: &'a str,
    /// Whether it uses TLS.
    pub tls: bool,
    /// The name of its certificate.
    pub common_name: &'a str,
    /// What it said.
    pub secret: &'a [u8],
}

/// Why nobody granted anything: what went wrong with each authority, joined by `; `.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Denied {
    /// An authority answered, with a status that says no.
    #[error("{0}")]
    Refused(String),
    /// None gave an answer that can be used.
    #[error("{0}")]
    NoAnswer(String),
}

/// Why one authority granted nothing.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Asking(#[from] client::Error),
    #[error(transparent)]
    Answer(#[from] Unfit),
}

impl Failure {
    /// Whether the authority is well and says no. A server that is in trouble (5xx), or too busy to say,
    /// has said nothing about the client.
    fn is_refusal(&self) -> bool {
        let Self::Asking(error) = self else { return false };
        let busy = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
        error.status().is_some_and(|status| status.is_client_error() && !busy.contains(&status))
    }
}

impl Authority {
    /// Asks one after the other, starting anywhere, until one answers with grants.
    ///
    /// # Errors
    /// [`Denied::Refused`] if any of them refused, whatever became of the others.
    pub async fn ask(&self, query: Query<'_>) -> Result<Grants, Denied> {
        let mut random = [0; 8];
        // Without randomness the first is as good as any.
        let _ = getrandom::fill(&mut random);
        let count = self.addresses.len().max(1);
        let start = usize::try_from(u64::from_le_bytes(random) % count as u64).unwrap_or(0);
        let (mut failures, mut is_refused) = (Vec::new(), false);
        for address in self.addresses.iter().cycle().skip(start).take(self.addresses.len()) {
            match self.ask_one(address, query).await {
                Ok(grants) => return Ok(grants),
                Err(failure) => {
                    is_refused |= failure.is_refusal();
                    // The address that was asked has the secret in it.
                    let shown = without_user(address);
                    let reason = failure.to_string().replace(&query.form(), "...").replace(address, &shown);
                    failures.push(format!("failed to query {shown} - {reason}"));
                }
            }
        }
        let reasons = failures.join("; ");
        Err(if is_refused { Denied::Refused(reasons) } else { Denied::NoAnswer(reasons) })
    }

    async fn ask_one(&self, address: &str, query: Query<'_>) -> Result<Grants, Failure> {
        let url = url(address);
        let form = query.form();
        let answer = if self.post {
            let kind = Some("application/x-www-form-urlencoded");
            self.client.post(&url, kind, Bytes::from(form)).await?
        } else {
            self.client.get(&format!("{url}?{form}")).await?
        };
        Ok(Grants::read(&answer, Instant::now())?)
    }
}

/// Where the authority at an address is asked: an address may be a URL already.
pub fn url(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("http://{address}/auth") }
}

impl Query<'_> {
    /// The parameters, in the order of their names as Go writes them.
    fn form(&self) -> String {
        let escape =
            |text: &[u8]| percent_encoding::percent_encode(text, ESCAPED).to_string().replace("%20", "+");
        let name = utf8_percent_encode(self.common_name, ESCAPED).to_string().replace("%20", "+");
        let (ip, secret, tls) = (escape(self.remote_ip.as_bytes()), escape(self.secret), self.tls);
        format!("common_name={name}&remote_ip={ip}&secret={secret}&tls={tls}")
    }
}

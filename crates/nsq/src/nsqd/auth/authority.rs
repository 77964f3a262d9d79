//! Asking the authorities.

use std::time::Instant;

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::grants::Grants;
use crate::http::Client;

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

impl Authority {
    /// Asks one after the other, starting anywhere, until one answers.
    ///
    /// # Errors
    /// Why each of them did not, joined by `; `.
    pub async fn ask(&self, query: Query<'_>) -> Result<Grants, String> {
        let mut random = [0; 8];
        // Without randomness the first is as good as any.
        let _ = getrandom::fill(&mut random);
        let count = self.addresses.len().max(1);
        let start = usize::try_from(u64::from_le_bytes(random) % count as u64).unwrap_or(0);
        let mut failures = Vec::new();
        for address in self.addresses.iter().cycle().skip(start).take(self.addresses.len()) {
            match self.ask_one(address, query).await {
                Ok(grants) => return Ok(grants),
                Err(reason) => failures.push(format!("failed to query {address} - {reason}")),
            }
        }
        Err(failures.join("; "))
    }

    async fn ask_one(&self, address: &str, query: Query<'_>) -> Result<Grants, String> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}/auth") };
        let form = query.form();
        let answer = if self.post {
            let kind = Some("application/x-www-form-urlencoded");
            self.client.post(&url, kind, Bytes::from(form.clone())).await
        } else {
            self.client.get(&format!("{url}?{form}")).await
        };
        let answer = answer.map_err(|error| error.to_string().replace(&form, "..."))?;
        Grants::read(&answer, Instant::now()).map_err(|error| error.to_string())
    }
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

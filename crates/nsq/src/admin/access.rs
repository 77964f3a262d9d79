//! Who may change something, and from where `/config` may be asked.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode};

use super::Options;
use crate::http::{Failure, Peer};

/// A range of addresses: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    address: IpAddr,
    bits: u32,
}

impl Cidr {
    /// Reads `127.0.0.1/8` or `::1/128`.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let bits: u32 = bits.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        (bits <= width).then_some(Self { address, bits })
    }

    /// Whether an address lies in it. IPv4 in IPv6 clothes is IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32_u32.saturating_sub(self.bits);
                let differ = u64::from(own.to_bits() ^ other.to_bits());
                differ >> shift == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differ = own.to_bits() ^ other.to_bits();
                differ.checked_shr(128_u32.saturating_sub(self.bits)).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// Who the proxy in front says is asking, or nobody.
pub fn user<'a>(options: &Options, headers: &'a HeaderMap) -> Option<&'a str> {
    headers.get(options.acl_http_header.as_str())?.to_str().ok()
}

/// Whether a request may change something: everybody may while no `--admin-user` is named.
pub fn is_admin(options: &Options, headers: &HeaderMap) -> bool {
    let users = &options.admin_users;
    users.is_empty() || user(options, headers).is_some_and(|user| users.iter().any(|admin| admin == user))
}

/// `403 FORBIDDEN` for those who may not.
///
/// # Errors
/// That.
pub fn need_admin(options: &Options, headers: &HeaderMap) -> Result<(), Failure> {
    if is_admin(options, headers) { Ok(()) } else { Err(forbidden()) }
}

/// Whether `/config` may be asked from there. No range set: from everywhere.
///
/// # Errors
/// `403 FORBIDDEN`; `400 INVALID_REMOTE_ADDR` where the address is not known, as over a unix socket.
pub fn need_near(options: &Options, peer: &Peer) -> Result<(), Failure> {
    if options.allow_config_from_cidr.is_empty() {
        return Ok(());
    }
    let address = peer.address.ok_or_else(|| Failure::bad_request("INVALID_REMOTE_ADDR"))?;
    let near = Cidr::parse(&options.allow_config_from_cidr).is_some_and(|cidr| cidr.contains(address.ip()));
    if near { Ok(()) } else { Err(forbidden()) }
}

fn forbidden() -> Failure {
    Failure::new(StatusCode::FORBIDDEN, "FORBIDDEN")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses_and_no_others() {
        let check = |range: &str, address: &str, inside: bool| {
            let cidr = Cidr::parse(range).expect(range);
            assert_eq!(cidr.contains(address.parse().expect(address)), inside, "{address} in {range}");
        };
        check("127.0.0.1/8", "127.255.0.9", true);
        check("127.0.0.1/8", "128.0.0.1", false);
        check("127.0.0.1/8", "::ffff:127.0.0.1", true);
        check("127.0.0.1/8", "::1", false);
        check("10.1.2.3/32", "10.1.2.3", true);
        check("10.1.2.3/32", "10.1.2.2", false);
        check("0.0.0.0/0", "8.8.8.8", true);
        check("fe80::/10", "fe80::1", true);
        check("fe80::/10", "2001:db8::1", false);
        check("::/0", "2001:db8::1", true);
        check("::1/128", "::2", false);
        for bad in ["127.0.0.1", "127.0.0.1/33", "::1/129", "here/8", ""] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
    }
}

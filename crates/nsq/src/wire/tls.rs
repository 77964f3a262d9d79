//! Which TLS a side insists on, by the names that flags have for it.

use serde_json::json;

use crate::flags::Value;

/// A version of TLS. Those below 1.2 can be asked for and are not spoken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum TlsVersion {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

const VERSIONS: [(&str, TlsVersion, u16); 4] = [
    ("tls1.0", TlsVersion::Tls10, 0x0301),
    ("tls1.1", TlsVersion::Tls11, 0x0302),
    ("tls1.2", TlsVersion::Tls12, 0x0303),
    ("tls1.3", TlsVersion::Tls13, 0x0304),
];

impl Value for TlsVersion {
    fn kind(&self) -> &'static str {
        "value"
    }

    /// Nothing said means the default, as in NSQ's sample file.
    fn set(&mut self, text: &str) -> Result<(), String> {
        let lower = text.to_ascii_lowercase();
        match VERSIONS.iter().find(|(name, ..)| *name == lower) {
            Some((_, version, _)) => *self = *version,
            None if text.is_empty() => {}
            None => return Err(format!("`{text}` is none of tls1.0, tls1.1, tls1.2 and tls1.3")),
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(VERSIONS.iter().find(|(_, version, _)| version == self).map(|(_, _, number)| number))
    }

    fn shown(&self) -> Option<String> {
        VERSIONS.iter().find(|(_, version, _)| version == self).map(|(name, ..)| (*name).to_owned())
    }
}

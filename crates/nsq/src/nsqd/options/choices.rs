//! Options that are one of a few words.

use queue::Durability;
use serde_json::json;

use crate::flags::Value;
use crate::flags::value::switch;

/// Who must use TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsRequired {
    /// Nobody.
    No,
    /// TCP clients; plain HTTP is served.
    ExceptHttp,
    /// Everybody.
    Yes,
}

impl Value for TlsRequired {
    fn kind(&self) -> &'static str {
        ""
    }

    fn is_switch(&self) -> bool {
        true
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        let lower = text.to_ascii_lowercase();
        *self = match (lower.as_str(), switch(&lower)) {
            ("tcp-https", _) => Self::ExceptHttp,
            (_, Some(true)) => Self::Yes,
            (_, Some(false)) => Self::No,
            (_, None) => return Err(format!("`{text}` is none of true, false and tcp-https")),
        };
        Ok(())
    }

    fn set_toml(&mut self, value: &toml::Value) -> Result<(), String> {
        match value {
            toml::Value::String(text) => self.set(text),
            toml::Value::Boolean(required) => self.set(&required.to_string()),
            other => Err(format!("expected true, false or \"tcp-https\", found {other}")),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!(match self {
            Self::No => 0,
            Self::ExceptHttp => 1,
            Self::Yes => 2,
        })
    }

    fn shown(&self) -> Option<String> {
        None
    }
}

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

impl Value for Durability {
    fn kind(&self) -> &'static str {
        "value"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = match text {
            "memory" => Self::Memory,
            "os" => Self::Os,
            "disk" => Self::Disk,
            _ => return Err(format!("`{text}` is none of memory, os and disk")),
        };
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(self.shown())
    }

    fn shown(&self) -> Option<String> {
        let name = match self {
            Self::Memory => "memory",
            Self::Os => "os",
            Self::Disk => "disk",
        };
        Some(name.to_owned())
    }
}

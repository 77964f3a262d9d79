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

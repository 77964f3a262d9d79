//! What a flag can hold.

use std::time::Duration;

use base::size::Bytes;
use serde_json::json;
use toml::Value as Toml;

use super::duration;

/// A value that a flag, a line of a file and `GET /config/NAME` agree about.
pub trait Value {
    /// The word that usage shows behind the flag: Go's `string`, `int`, `duration`, `value`; nothing for a switch.
    fn kind(&self) -> &'static str;

    /// Whether the flag may stand alone.
    fn is_switch(&self) -> bool {
        false
    }

    /// Takes what the command line says. One that repeats adds to what is there.
    fn set(&mut self, text: &str) -> Result<(), String>;

    /// Takes what the file says, in place of what was there.
    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        match value {
            Toml::String(text) => self.set(text),
            other => Err(format!("expected a {}, found {other}", self.kind())),
        }
    }

    /// Forgets what is there, before the first of flags that repeat.
    fn clear(&mut self) {}

    /// Forgets entries of a list that say nothing; the last of them is kept if there are no others and the list
    /// `guards` something.
    fn drop_empty(&mut self, _guards: bool) {}

    /// As `/config/NAME` answers it.
    fn json(&self) -> serde_json::Value;

    /// As usage shows a default; `None` where Go shows none.
    fn shown(&self) -> Option<String>;
}

impl Value for String {
    fn kind(&self) -> &'static str {
        "string"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        text.clone_into(self);
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(self)
    }

    fn shown(&self) -> Option<String> {
        (!self.is_empty()).then(|| format!("{self:?}"))
    }
}

impl Value for bool {
    fn kind(&self) -> &'static str {
        ""
    }

    fn is_switch(&self) -> bool {
        true
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = switch(text).ok_or("parse error")?;
        Ok(())
    }

    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        match value {
            Toml::Boolean(on) => *self = *on,
            Toml::String(text) => {
                *self = switch(text).ok_or_else(|| format!("expected true or false, found {value}"))?;
            }
            other => return Err(format!("expected true or false, found {other}")),
        }
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(self)
    }

    fn shown(&self) -> Option<String> {
        self.then(|| "true".to_owned())
    }
}

/// The words that Go takes for a switch.
pub fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// An integer as Go reads one: decimal, `0x..`, `0o..`, `0b..`, a leading `0` for octal, `_` between digits.
fn integer(text: &str) -> Result<i128, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.get(..2) {
        Some("0x") => (16, &lower[2..]),
        Some("0o") => (8, &lower[2..]),
        Some("0b") => (2, &lower[2..]),
        Some(two) if two.starts_with('0') => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.starts_with(['+', '-']) || (radix == 10 && digits.contains('_')) {
        return Err("parse error".to_owned());
    }
    let number = i128::from_str_radix(&digits.replace('_', ""), radix).map_err(|_| "parse error")?;
    Ok(if negative { -number } else { number })
}

macro_rules! integers {
    ($($type:ty: $kind:literal,)*) => {$(
        impl Value for $type {
            fn kind(&self) -> &'static str {
                $kind
            }

            fn set(&mut self, text: &str) -> Result<(), String> {
                *self = Self::try_from(integer(text)?).map_err(|_| "value out of range")?;
                Ok(())
            }

            fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
                match value {
                    Toml::Integer(number) => {
                        *self = Self::try_from(*number).map_err(|_| format!("{number} is out of range"))?;
                        Ok(())
                    }
                    Toml::String(text) => self.set(text).map_err(|_| format!("expected a number, found {value}")),
                    other => Err(format!("expected a number, found {other}")),
                }
            }

            fn json(&self) -> serde_json::Value {
                json!(self)
            }

            fn shown(&self) -> Option<String> {
                (*self != 0).then(|| self.to_string())
            }
        }
    )*};
}

integers! {
    i64: "int",
    u16: "int",
    u32: "int",
    u64: "int",
    usize: "int",
}

impl Value for f64 {
    fn kind(&self) -> &'static str {
        "float"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|_| "parse error")?;
        Ok(())
    }

    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        *self = float(value)?;
        Ok(())
    }

    fn json(&self) -> serde_json::Value {
        json!(self)
    }

    fn shown(&self) -> Option<String> {
        (*self != 0.0).then(|| self.to_string())
    }
}

fn float(value: &Toml) -> Result<f64, String> {
    match value {
        Toml::Float(number) => Ok(*number),
        Toml::Integer(number) => Ok(*number as f64),
        Toml::String(text) => text.trim().parse().map_err(|_| format!("expected a number, found {value}")),
        other => Err(format!("expected a number, found {other}")),
    }
}

impl Value for Duration {
    fn kind(&self) -> &'static str {
        "duration"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = duration::parse(text)?;
        Ok(())
    }

    /// A bare number is milliseconds, as NSQ's files have always had it.
    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        match value {
            Toml::String(text) => self.set(text),
            Toml::Integer(ms) => {
                *self = Self::from_millis(u64::try_from(*ms).map_err(|_| format!("{ms} is negative"))?);
                Ok(())
            }
            other => Err(format!("expected a duration such as \"60s\", found {other}")),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!(u64::try_from(self.as_nanos()).unwrap_or(u64::MAX))
    }

    fn shown(&self) -> Option<String> {
        (!self.is_zero()).then(|| duration::format(*self))
    }
}

impl Value for Vec<String> {
    fn kind(&self) -> &'static str {
        "value"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        self.push(text.trim().to_owned());
        Ok(())
    }

    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        let text = |value: &Toml| value.as_str().map(|text| text.trim().to_owned());
        *self = match value {
            Toml::String(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Toml::Array(values) => values
                .iter()
                .map(|value| text(value).ok_or_else(|| format!("expected strings, found {value}")))
                .collect::<Result<_, _>>()?,
            other => return Err(format!("expected a list of strings, found {other}")),
        };
        Ok(())
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    fn drop_empty(&mut self, guards: bool) {
        if !guards || self.iter().any(|entry| !entry.is_empty()) {
            self.retain(|entry| !entry.is_empty());
        } else {
            self.truncate(1);
        }
    }

    fn json(&self) -> serde_json::Value {
        json!(self)
    }

    fn shown(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.join(","))
    }
}

/// Largest first, as NSQ keeps percentiles.
impl Value for Vec<f64> {
    fn kind(&self) -> &'static str {
        "value"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        for part in text.split(',') {
            self.push(part.trim().parse().map_err(|_| format!("`{part}` is no number"))?);
        }
        self.sort_by(|a, b| b.total_cmp(a));
        Ok(())
    }

    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        self.clear();
        match value {
            Toml::String(text) => return self.set(text),
            Toml::Array(values) => {
                for value in values {
                    self.push(float(value)?);
                }
            }
            other => self.push(float(other)?),
        }
        self.sort_by(|a, b| b.total_cmp(a));
        Ok(())
    }

    fn clear(&mut self) {
        Self::clear(self);
    }

    /// `1`, not `1.0`, as Go writes numbers.
    fn json(&self) -> serde_json::Value {
        let number = |n: &f64| if n.fract() == 0.0 { json!(*n as i64) } else { json!(n) };
        self.iter().map(number).collect()
    }

    fn shown(&self) -> Option<String> {
        (!self.is_empty()).then(|| self.iter().map(f64::to_string).collect::<Vec<_>>().join(","))
    }
}

impl Value for Bytes {
    fn kind(&self) -> &'static str {
        "value"
    }

    fn set(&mut self, text: &str) -> Result<(), String> {
        *self = text.parse().map_err(|error: base::size::SizeError| error.to_string())?;
        Ok(())
    }

    fn set_toml(&mut self, value: &Toml) -> Result<(), String> {
        match value {
            Toml::String(text) => self.set(text),
            Toml::Integer(bytes) => {
                *self = Self(u64::try_from(*bytes).map_err(|_| format!("{bytes} is negative"))?);
                Ok(())
            }
            other => Err(format!("expected a size such as \"8 GiB\", found {other}")),
        }
    }

    fn json(&self) -> serde_json::Value {
        json!(self.0)
    }

    fn shown(&self) -> Option<String> {
        Some(self.to_string())
    }
}

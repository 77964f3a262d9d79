//! Bytes and durations as people write them: `64 MiB`, `1.5 GB`, `10s`, `32d`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes. Written `512`, `64 KiB`, `10MB`, `1.5 GiB`; read back the same way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Bytes(pub u64);

impl Bytes {
    /// `n` × 1,024 bytes.
    pub const fn kib(n: u64) -> Self {
        Self(n << 10)
    }

    /// `n` × 1,024² bytes.
    pub const fn mib(n: u64) -> Self {
        Self(n << 20)
    }

    /// `n` × 1,024³ bytes.
    pub const fn gib(n: u64) -> Self {
        Self(n << 30)
    }
}

const BYTE_UNITS: [(&str, u64); 13] = [
    ("", 1),
    ("b", 1),
    ("kb", 1_000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("k", 1 << 10),
    ("m", 1 << 20),
    ("g", 1 << 30),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

/// Why a size or a duration could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// Not a size.
    #[error("`{0}` is not a size: write a number and a unit, such as 64 MiB or 1.5 GB")]
    Bytes(String),
    /// Not a duration.
    #[error("`{0}` is not a duration: write numbers with units ms, s, m, h or d, such as 10s, 1h30m or 32d")]
    Duration(String),
}

fn split_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

impl FromStr for Bytes {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Self, SizeError> {
        let error = || SizeError::Bytes(text.to_owned());
        let (digits, unit) = split_unit(text.trim());
        let number: f64 = digits.parse().map_err(|_| error())?;
        let unit = unit.to_ascii_lowercase();
        let (_, scale) = BYTE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(error)?;
        let bytes = number * *scale as f64;
        if bytes > 2f64.powi(62) { Err(error()) } else { Ok(Self(bytes as u64)) }
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)] {
            if self.0 >= 1 << shift {
                let whole = self.0 as f64 / (1u64 << shift) as f64;
                return if whole.fract() == 0.0 {
                    write!(f, "{whole} {unit}")
                } else {
                    write!(f, "{whole:.1} {unit}")
                };
            }
        }
        write!(f, "{} B", self.0)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(u64),
            Text(String),
        }
        match Written::deserialize(from)? {
            Written::Number(n) => Ok(Self(n)),
            Written::Text(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

const DURATION_UNITS: [(&str, f64); 5] =
    [("d", 86_400.0), ("h", 3_600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)];

/// Reads `10s`, `1h30m`, `250ms`, `32d`.
pub fn parse_duration(text: &str) -> Result<Duration, SizeError> {
    let error = || SizeError::Duration(text.to_owned());
    let mut rest = text.trim();
    let mut seconds = 0.0;
    if rest.is_empty() {
        return Err(error());
    }
    while !rest.is_empty() {
        let (digits, after) = split_unit(rest);
        let end = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let number: f64 = digits.parse().map_err(|_| error())?;
        let (_, scale) = DURATION_UNITS.iter().find(|(name, _)| *name == &after[..end]).ok_or_else(error)?;
        seconds += number * scale;
        rest = after[end..].trim_start();
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| error())
}

/// Writes a duration so that [`parse_duration`] reads it back: `1h30m`, `250ms`.
pub fn format_duration(duration: Duration) -> String {
    let mut left = duration.as_millis();
    let mut out = String::new();
    for (unit, ms) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if left >= ms {
            out.push_str(&format!("{}{unit}", left / ms));
            left %= ms;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// For `#[serde(with = "base::size::duration")]`.
pub mod duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, format_duration, parse_duration};

    /// Writes `1h30m`.
    pub fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&format_duration(*duration))
    }

    /// Reads `1h30m`.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        parse_duration(&String::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_people_write_them() {
        let check = |text: &str, bytes: u64| assert_eq!(text.parse::<Bytes>(), Ok(Bytes(bytes)), "{text}");
        check("512", 512);
        check("64 MiB", 64 << 20);
        check("1.5GB", 1_500_000_000);
        check("2g", 2 << 30);
        for bad in ["", "MiB", "12 parsecs", "-1", "1e99 GB"] {
            assert!(bad.parse::<Bytes>().is_err(), "{bad}");
        }
        assert_eq!(Bytes::mib(64).to_string(), "64 MiB");
        assert_eq!(Bytes(1_536).to_string(), "1.5 KiB");
    }

    #[test]
    fn durations_go_there_and_back() {
        for (text, ms) in [("10s", 10_000), ("1h30m", 5_400_000), ("250ms", 250), ("32d", 2_764_800_000)] {
            let duration = parse_duration(text).expect(text);
            assert_eq!(duration.as_millis(), ms);
            assert_eq!(format_duration(duration), text);
        }
        for bad in ["", "10", "s", "10 years", "-5s"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }
}

//! The words after the question mark, read as Go's `url.ParseQuery` reads them.

use axum::extract::FromRequestParts;
use http::request::Parts;
use percent_encoding::percent_decode_str;

use super::answer::Failure;

/// Most parameters that are read.
const PARAMETERS_MAX: usize = 256;

/// The parameters of a request, in order. As an extractor it refuses what cannot be decoded with
/// `INVALID_REQUEST`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `topic=a&channel=b%20c`; a `+` is a space.
    ///
    /// # Errors
    /// `400 INVALID_REQUEST`: a broken percent sign, a semicolon, or more parameters than anybody sends.
    /// Bytes that are not UTF-8 are not an error, as in Go: they become U+FFFD, which no name has.
    pub fn parse(raw: &str) -> Result<Self, Failure> {
        let mut pairs = Vec::new();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            if piece.contains(';') || pairs.len() == PARAMETERS_MAX {
                return Err(invalid());
            }
            let (name, value) = piece.split_once('=').unwrap_or((piece, ""));
            pairs.push((decode(name)?, decode(value)?));
        }
        Ok(Self(pairs))
    }

    /// The first value given for `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first value given for `name`.
    ///
    /// # Errors
    /// `400 MISSING_ARG_NAME`, the name in capitals.
    pub fn need(&self, name: &str) -> Result<&str, Failure> {
        self.get(name)
            .ok_or_else(|| Failure::bad_request(format!("MISSING_ARG_{}", name.to_ascii_uppercase())))
    }

    /// Whether `name` is given and means yes; what is neither yes nor no is `None`.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
            _ => None,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        Self::parse(parts.uri.query().unwrap_or_default())
    }
}

fn invalid() -> Failure {
    Failure::bad_request("INVALID_REQUEST")
}

fn decode(raw: &str) -> Result<String, Failure> {
    let mut rest = raw.as_bytes();
    while let Some(at) = memchr::memchr(b'%', rest) {
        match rest.get(at + 1..at + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => rest = &rest[at + 3..],
            _ => return Err(invalid()),
        }
    }
    let spaced = raw.replace('+', " ");
    Ok(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_go_reads_them() {
        let check = |raw: &str, name: &str, expected: Option<&str>| {
            let query = Query::parse(raw).expect(raw);
            assert_eq!(query.get(name), expected, "{raw}");
        };
        check("topic=a&channel=b", "channel", Some("b"));
        check("topic=a&topic=b", "topic", Some("a"));
        check("topic=a%23ephemeral", "topic", Some("a#ephemeral"));
        check("message=a+b%2Bc", "message", Some("a b+c"));
        check("topic", "topic", Some(""));
        check("&&topic=a=b&", "topic", Some("a=b"));
        check("topic=a%ff", "topic", Some("a\u{FFFD}"));
        check("", "topic", None);
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for raw in ["topic=%", "topic=%4", "topic=%zz", "a=1;b=2", &"a&".repeat(257)] {
            assert_eq!(Query::parse(raw).expect_err(raw).code, "INVALID_REQUEST");
        }
    }

    #[test]
    fn a_missing_parameter_is_named() {
        let query = Query::parse("topic=t&binary=1&text=maybe").expect("fine");
        assert_eq!(query.need("channel").expect_err("absent").code, "MISSING_ARG_CHANNEL");
        assert_eq!(query.need("topic").expect("there"), "t");
        assert_eq!([query.flag("binary"), query.flag("text"), query.flag("none")], [Some(true), None, None]);
    }
}

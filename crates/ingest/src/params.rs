//! The parameters of one post, wherever they stand and however they are written.

use std::borrow::Cow;

/// What a post says. Body before query string, and the first of several with one name, as in Go,
/// in which StatHat was written.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Params<'a> {
    /// EZ key; `email` is the old name.
    pub(crate) ezkey: Option<Cow<'a, str>>,
    /// Stat name of the EZ API.
    pub(crate) stat: Option<Cow<'a, str>>,
    pub(crate) count: Option<Cow<'a, str>>,
    pub(crate) value: Option<Cow<'a, str>>,
    /// Unix seconds.
    pub(crate) t: Option<Cow<'a, str>>,
    /// Verbose: `1` or `0`.
    pub(crate) vb: Option<Cow<'a, str>>,
    /// Stat key of the classic API.
    pub(crate) key: Option<Cow<'a, str>>,
    /// User key of the classic API.
    pub(crate) ukey: Option<Cow<'a, str>>,
}

impl<'a> Params<'a> {
    /// The field that a parameter's name stands for.
    pub(crate) fn field(&mut self, name: &[u8]) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            b"ezkey" | b"email" => &mut self.ezkey,
            b"stat" => &mut self.stat,
            b"count" => &mut self.count,
            b"value" => &mut self.value,
            b"t" => &mut self.t,
            b"vb" => &mut self.vb,
            b"key" => &mut self.key,
            b"ukey" => &mut self.ukey,
            _ => return None,
        })
    }

    /// Sets a field unless it was there already or the new one is empty.
    pub(crate) fn set(&mut self, name: &[u8], value: impl FnOnce() -> Cow<'a, str>) {
        if let Some(field) = self.field(name)
            && field.is_none()
        {
            let value = value();
            if !value.is_empty() {
                *field = Some(value);
            }
        }
    }

    /// Adds what an urlencoded text says to what is missing. Never fails: a bad escape stays as it
    /// is, `+` is a space, bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn read_form(&mut self, text: &'a [u8]) {
        for pair in text.split(|byte| *byte == b'&') {
            let pair = pair.trim_ascii_start();
            let Some(equals) = pair.iter().position(|byte| *byte == b'=') else { continue };
            let (name, value) = (&pair[..equals], &pair[equals + 1..]);
            if name.contains(&b'%') {
                self.set(decode(name).as_bytes(), || decode(value));
            } else {
                self.set(name, || decode(value));
            }
        }
    }
}

fn hex(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Undoes percent-encoding as far as it is one.
pub(crate) fn decode(text: &[u8]) -> Cow<'_, str> {
    if !text.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return String::from_utf8_lossy(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        out.push(match first {
            b'+' => b' ',
            b'%' => match tail {
                [high, low, after @ ..] => match (hex(*high), hex(*low)) {
                    (Some(high), Some(low)) => {
                        rest = after;
                        high << 4 | low
                    }
                    _ => b'%',
                },
                _ => b'%',
            },
            other => *other,
        });
    }
    Cow::Owned(match String::from_utf8(out) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escapes_are_undone_as_far_as_they_are_escapes() {
        let check = |text: &[u8], expect: &str| assert_eq!(decode(text), expect, "{text:?}");
        check(b"signups", "signups");
        check(b"a+b%20c", "a b c");
        check(b"%41%e9", "A\u{fffd}");
        check("caf%C3%A9 é".as_bytes(), "café é");
        check(b"100%", "100%");
        check(b"%zz%4", "%zz%4");
        check(b"%%41", "%A");
        check(b"\xff\xfe", "\u{fffd}\u{fffd}");
    }

    fn read(parts: &[&'static [u8]]) -> Params<'static> {
        let mut params = Params::default();
        for part in parts {
            params.read_form(part);
        }
        params
    }

    #[test]
    fn forms_are_read_leniently() {
        let params = read(&[b"ezkey=k@example.com&stat=signups total&count=3&"]);
        assert_eq!(params.ezkey.as_deref(), Some("k@example.com"));
        assert_eq!(params.stat.as_deref(), Some("signups total"));
        assert_eq!(params.count.as_deref(), Some("3"));
        assert_eq!(read(&[b"&&=x&stat&=&unknown=1"]), Params::default());
        assert_eq!(read(&[b"%73tat=x"]).stat.as_deref(), Some("x"));
        assert_eq!(read(&[b"stat=a=b"]).stat.as_deref(), Some("a=b"));
        assert_eq!(read(&[b"stat=a\r\n&\r\ncount=1"]).count.as_deref(), Some("1"));
    }

    #[test]
    fn the_first_one_that_says_something_wins() {
        let params = read(&[b"stat=&stat=one&stat=two", b"stat=three&vb=1"]);
        assert_eq!(params.stat.as_deref(), Some("one"));
        assert_eq!(params.vb.as_deref(), Some("1"));
        assert_eq!(read(&[b"email=old&ezkey=new"]).ezkey.as_deref(), Some("old"));
    }

    fn encode(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(stat in ".+", count in any::<f64>()) {
            let form = format!("count={count}&stat={}", encode(&stat));
            let mut params = Params::default();
            params.read_form(form.as_bytes());
            prop_assert_eq!(params.stat.as_deref(), Some(stat.as_str()));
            prop_assert_eq!(params.count, Some(Cow::Owned(count.to_string())));
        }

        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Params::default().read_form(&bytes);
        }
    }
}

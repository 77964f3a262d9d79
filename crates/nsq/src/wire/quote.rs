//! A string between quotes as Go's `%q` writes it, which is how nsqd shows a bad name.

use std::fmt::Write;

/// `bytes` in quotes; what is not UTF-8 or cannot be seen is escaped.
pub(super) fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| push_char(&mut text, c));
        for byte in chunk.invalid() {
            push_hex(&mut text, *byte);
        }
    }
    text.push('"');
    text
}

fn push_char(text: &mut String, c: char) {
    match c {
        '"' => text.push_str("\\\""),
        '\\' => text.push_str("\\\\"),
        '\u{07}' => text.push_str("\\a"),
        '\u{08}' => text.push_str("\\b"),
        '\u{0c}' => text.push_str("\\f"),
        '\n' => text.push_str("\\n"),
        '\r' => text.push_str("\\r"),
        '\t' => text.push_str("\\t"),
        '\u{0b}' => text.push_str("\\v"),
        ' ' => text.push(' '),
        c if c.is_ascii_control() => push_hex(text, c as u8),
        c if c.is_control() || c.is_whitespace() => {
            let number = u32::from(c);
            let _ = write!(text, "\\u{number:04x}");
        }
        c => text.push(c),
    }
}

fn push_hex(text: &mut String, byte: u8) {
    let _ = write!(text, "\\x{byte:02x}");
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn quotes_like_go() {
        for (bytes, expected) in [
            (&b"t!"[..], r#""t!""#),
            (b"", r#""""#),
            (b"a\"b\\", r#""a\"b\\""#),
            (b"\t\r\x00\x7f", r#""\t\r\x00\x7f""#),
            (b"\xff\xc3", r#""\xff\xc3""#),
            ("ä\u{a0}".as_bytes(), r#""ä\u00a0""#),
        ] {
            assert_eq!(quoted(bytes), expected);
        }
    }
}

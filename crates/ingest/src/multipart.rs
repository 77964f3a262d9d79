//! `multipart/form-data`, which PHP's curl sends where it is given an array.

use crate::params::Params;

/// The boundary in a `Content-Type`, if it is multipart.
pub(crate) fn boundary(content_type: &[u8]) -> Option<&[u8]> {
    const MULTIPART: &[u8] = b"multipart/form-data";
    const BOUNDARY: &[u8] = b"boundary=";
    if !content_type.get(..MULTIPART.len())?.eq_ignore_ascii_case(MULTIPART) {
        return None;
    }
    let rest = &content_type[MULTIPART.len()..];
    let at = rest.windows(BOUNDARY.len()).position(|word| word.eq_ignore_ascii_case(BOUNDARY))?;
    let value = &rest[at + BOUNDARY.len()..];
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.split(|byte| *byte == b'"').next()?,
        None => value.split(|byte| *byte == b';').next()?.trim_ascii(),
    };
    (!value.is_empty()).then_some(value)
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|part| part == word)
}

/// The name of a part: what stands in quotes behind `name=` in its head.
fn name(head: &[u8]) -> Option<&[u8]> {
    let at = head.windows(6).position(|word| word.eq_ignore_ascii_case(b"name=\""))?;
    head[at + 6..].split(|byte| *byte == b'"').next()
}

/// Adds what the parts say to what is missing. Never fails: what is no part is passed over.
pub(crate) fn read<'a>(body: &'a [u8], boundary: &[u8], params: &mut Params<'a>) {
    let delimiter = [b"--", boundary].concat();
    let mut rest = body;
    while let Some(at) = find(rest, &delimiter) {
        rest = &rest[at + delimiter.len()..];
        let Some(split) = find(rest, b"\r\n\r\n") else { return };
        let (head, content) = (&rest[..split], &rest[split + 4..]);
        let end = find(content, &delimiter).unwrap_or(content.len());
        let value = content[..end].strip_suffix(b"\r\n").unwrap_or(&content[..end]);
        if let Some(name) = name(head) {
            params.set(name, || String::from_utf8_lossy(value));
        }
        rest = &content[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn parts_become_parameters() {
        let kind = b"Multipart/Form-Data; boundary=----php";
        let body = b"------php\r\nContent-Disposition: form-data; name=\"stat\"\r\n\r\na b\r\n\
            ------php\r\nContent-Disposition: form-data; name=\"count\"\r\nContent-Type: text/plain\r\n\r\n3\r\n\
            ------php--\r\n";
        let mut params = Params::default();
        read(body, boundary(kind).expect("a boundary"), &mut params);
        assert_eq!(params.stat.as_deref(), Some("a b"));
        assert_eq!(params.count.as_deref(), Some("3"));
        assert_eq!(boundary(b"multipart/form-data; boundary=\"a;b\"; x=y"), Some(&b"a;b"[..]));
        assert_eq!(boundary(b"multipart/form-data"), None);
        assert_eq!(boundary(b"text/plain; boundary=x"), None);
    }

    proptest! {
        #[test]
        fn nothing_panics(body in "[-x\\r\\n=\"name]{0,80}") {
            read(body.as_bytes(), b"x", &mut Params::default());
            let _ = boundary(body.as_bytes());
        }
    }
}

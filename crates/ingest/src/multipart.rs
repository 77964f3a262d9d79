//! `multipart/form-data`, which PHP's curl sends where it is given an array.

use memchr::memmem;

use crate::params::Params;

/// The longest boundary that RFC 2046 allows.
const BOUNDARY_BYTES_MAX: usize = 70;

/// The boundary in a `Content-Type`, if it is multipart; one that is too long is none.
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
    (1..=BOUNDARY_BYTES_MAX).contains(&value.len()).then_some(value)
}

/// The name of a part: what stands in quotes behind `name=` in its head.
fn name(head: &[u8]) -> Option<&[u8]> {
    let at = head.windows(6).position(|word| word.eq_ignore_ascii_case(b"name=\""))?;
    head[at + 6..].split(|byte| *byte == b'"').next()
}

/// Adds what the parts say to what is missing. Never fails: what is no part is passed over. Every byte is
/// looked at a fixed number of times, whatever the boundary is.
pub(crate) fn read<'a>(body: &'a [u8], boundary: &[u8], params: &mut Params<'a>) {
    let delimiter = [b"--", boundary].concat();
    let (delimiter, blank_line) = (memmem::Finder::new(&delimiter), memmem::Finder::new(b"\r\n\r\n"));
    let mut rest = body;
    while let Some(at) = delimiter.find(rest) {
        rest = &rest[at + delimiter.needle().len()..];
        let Some(split) = blank_line.find(rest) else { return };
        let (head, content) = (&rest[..split], &rest[split + 4..]);
        let end = delimiter.find(content).unwrap_or(content.len());
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

    #[test]
    fn boundaries_that_are_too_long_are_none() {
        let kind =
            |length: usize| [b"multipart/form-data; boundary=", vec![b'-'; length].as_slice()].concat();
        assert_eq!(boundary(&kind(70)).map(<[u8]>::len), Some(70));
        assert_eq!(boundary(&kind(71)), None);
    }

    #[test]
    fn near_boundaries_are_content() {
        let (boundary, mut body) = ([[b'-'; 69].as_slice(), b"x"].concat(), vec![b'-'; 1 << 20]);
        body.extend_from_slice(b"x\r\nname=\"stat\"\r\n\r\na--");
        let mut params = Params::default();
        read(&body, &boundary, &mut params);
        assert_eq!(params.stat.as_deref(), Some("a--"));
    }

    proptest! {
        #[test]
        fn nothing_panics(body in "[-x\\r\\n=\"name]{0,80}") {
            read(body.as_bytes(), b"x", &mut Params::default());
            let _ = boundary(body.as_bytes());
        }
    }
}
